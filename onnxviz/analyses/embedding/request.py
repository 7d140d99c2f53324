"""What a person asks of `embed`."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnxviz.analyses.inputs.request import DataRequest


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest:
    """Which codes are laid out, and how.

    Attributes
    ----------
    reading : DataRequest
        What is said of the data and of the model's inputs.
    targets : tuple of str
        The tensor whose codes are shown, or a part of it: one.
    method : {"pca", "tsne", "umap"}, optional
        How the codes are laid out; by default t-SNE where scikit-learn is installed, else principal components.
    flat : bool
        Whether every position of a spatial tensor is kept, instead of its channels' means.
    most : int
        Of a larger data set, so many samples, drawn by the seed.
    no_thumbnails : bool
        Whether pictures are shown as points.
    seed : int
        Same seed, same result.
    """

    reading: DataRequest = field(default_factory=DataRequest)
    targets: tuple[str, ...] = ()
    method: str | None = None
    flat: bool = False
    most: int = 2000
    no_thumbnails: bool = False
    seed: int = 0

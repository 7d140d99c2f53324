"""The request of `embed`."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnxviz.analyses.inputs.request import DataRequest


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest:
    """The tensor whose codes are shown on a map, and the method.

    Attributes
    ----------
    reading : DataRequest
        Settings of the data and of the model's inputs.
    targets : tuple of str
        The target whose codes are shown: exactly one tensor, or a part of it.
    method : {"pca", "tsne", "umap"}, optional
        The method that places the codes on the map. Default: t-SNE if scikit-learn is installed, else PCA.
    flat : bool
        Whether the codes keep every position of a spatial tensor, instead of the means of its channels.
    most : int
        The largest number of samples. Of a larger data set, so many are drawn by the seed.
    no_thumbnails : bool
        Whether samples are shown as points even if they are pictures.
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

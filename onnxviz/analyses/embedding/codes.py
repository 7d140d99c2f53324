"""The codes of samples: a tensor's value for each sample, as a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.errors import DataError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.feed import Batch, Feed
    from onnxviz.analyses.listener import Listener
    from onnxviz.drawing.pictures import Picture
    from onnxviz.model.model import Model
    from onnxviz.target import Target

_THUMBNAIL = 150
_LARGEST_CODE = 1 << 20


class Codes:
    """The codes of samples, collected batch by batch, with small pictures of the samples."""

    def __init__(self, model: Model, feed: Feed, target: Target, flat: bool, pictures: bool) -> None:

        self.model, self.feed, self.target, self.flat = model, feed, target, flat
        self.identities: list[str] = []
        self.labels: list[str] = []
        self.texts: list[str] = []
        self.thumbnails: list[Picture] = []
        self._codes: list[np.ndarray] = []
        self._drawing = feed.drawing()
        self._pictures = pictures and self._drawing.has_thumbnail

    def add(self, batch: Batch, values: np.ndarray) -> None:
        """Add the codes of a batch."""
        codes = self._code(values)
        if self._codes and codes.shape[1] != self._codes[0].shape[1]:
            raise DataError(
                f"{self.target}: samples have codes of {self._codes[0].shape[1]} and {codes.shape[1]} numbers; "
                + ("leave out `flat`" if self.flat else "aim at a tensor of one length")
                + ", or settle the input's size with `shapes`"
            )
        self._codes.append(codes)
        self.identities += batch.identities
        self.labels += batch.labels
        self.texts += batch.texts
        if self._pictures:
            self.thumbnails += [_small(self._drawing.thumbnail(sample)) for sample in self.feed.drawn(batch.arrays)]

    def _code(self, values: np.ndarray) -> np.ndarray:
        from onnxviz.model.tensors.tensor_axes import tensor_axes

        if self.target.index:
            self.target.check(values.shape[1:])
            # An index becomes a slice of one element, so that the axes keep their meanings.
            index: list[Any] = [slice(None)]
            index += [slice(one, one + 1 or None) if isinstance(one, int) else one for one in self.target.index]
            values = values[tuple(index)]
        values = np.asarray(values, np.float32)
        axes = tensor_axes(self.model, self.target.tensor, values.ndim - 1)
        counted = [1 + place for place, axis in enumerate(axes) if axis in ("channel", "feature")]
        if values.ndim > 2 and not self.flat and counted:
            moved = np.moveaxis(values, counted, range(1, 1 + len(counted)))
            values = np.asarray(self.target.question(moved, 1 + len(counted)))
        codes: np.ndarray = values.reshape(len(values), -1)
        if codes.shape[1] > _LARGEST_CODE:
            raise DataError(
                f"{self.target}: a code has {codes.shape[1]:,} numbers, which is too many; leave out `flat`"
            )
        return codes

    def matrix(self, listener: Listener) -> np.ndarray:
        """Return all codes, (sample, feature). Samples with codes that are not finite are left out."""
        codes = np.concatenate(self._codes)
        finite = np.isfinite(codes).all(axis=1)
        if not finite.all():
            listener.note(f"{int((~finite).sum())} samples have codes that are not finite and are left out")
            kept = np.flatnonzero(finite)
            self.identities = [self.identities[place] for place in kept]
            self.labels = [self.labels[place] for place in kept]
            self.texts = [self.texts[place] for place in kept] if self.texts else []
            self.thumbnails = [self.thumbnails[place] for place in kept] if self.thumbnails else []
        found: np.ndarray = codes[finite]
        return found


def _small(picture: Picture) -> Picture:
    from PIL import Image

    if max(picture.shape[:2]) <= _THUMBNAIL:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(image)

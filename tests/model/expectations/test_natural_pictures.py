"""Pictures whose amplitudes fall as 1/f, and the part of them that all channels share."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.model.expectations.natural_pictures import natural_pictures


def test_pictures_that_share_nothing_are_the_limit_of_those_that_share_little() -> None:
    np.testing.assert_allclose(natural_pictures(2, 3, 24, 31), natural_pictures(2, 3, 24, 31, 1e-30), atol=1e-12)


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_channels_correlate_by_the_part_that_they_share(shared: float) -> None:
    pictures = natural_pictures(40, 2, 64, 64, shared)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    found = np.mean([np.corrcoef(picture.reshape(2, -1))[0, 1] for picture in pictures])
    assert found == pytest.approx(shared, abs=0.15)

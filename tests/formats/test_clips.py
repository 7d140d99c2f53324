"""Clips: the frames of animated pictures and of folders, and the choice of as many as an input takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxviz.errors import DataError
from onnxviz.formats.clips import chosen_frames, clip_places, read_clip
from onnxviz.formats.samples import read_sample


def frames(count: int, side: int = 6) -> list[np.ndarray]:
    """Return frames of a few flat colors, which every format keeps."""
    colors = np.random.default_rng(0).integers(0, 4, (count, 3)) * 85
    return [np.broadcast_to(color, (side, side, 3)).astype(np.uint8) for color in colors]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_an_animated_picture_has_all_of_its_frames(tmp_path: Path, suffix: str) -> None:
    made = frames(5)
    first, *rest = (Image.fromarray(frame) for frame in made)
    options = {"lossless": True} if suffix == ".webp" else {}
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=rest, duration=50, loop=0, **options)
    found, _ = read_clip(tmp_path / f"a{suffix}")
    assert np.array_equal(found, made)


def test_a_folder_is_a_clip_in_natural_order(tmp_path: Path) -> None:
    made = frames(12)
    for number, frame in enumerate(made):
        Image.fromarray(frame).save(tmp_path / f"f{number}.png")
    sample = read_sample(tmp_path, frames=True)
    assert sample.kind == "clip"
    assert np.array_equal(sample.array, made)


def test_frames_of_different_sizes_are_refused(tmp_path: Path) -> None:
    for number in (4, 5):
        Image.fromarray(frames(1, number)[0]).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError, match="its frames have different sizes, 4x4x3 and 5x5x3"):
        read_clip(tmp_path)


def test_folders_of_frames_and_animations_are_clips(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        Image.fromarray(frames(1)[0]).save(tmp_path / name / "0.png")
    images = [Image.fromarray(frame) for frame in frames(2)]
    images[0].save(tmp_path / "c.gif", save_all=True, append_images=images[1:])
    found = [place.relative_to(tmp_path).as_posix() for place in clip_places(tmp_path)]
    assert found == ["a", "b", "c.gif"]


@pytest.mark.parametrize(("count", "wanted"), [(1, 4), (7, 7), (30, 8), (3, 16)])
def test_chosen_frames_are_in_order_and_reach_both_ends(count: int, wanted: int) -> None:
    chosen = chosen_frames(count, wanted)
    assert len(chosen) == wanted
    assert chosen[0] == 0
    assert chosen[-1] == count - 1
    assert (np.diff(chosen) >= 0).all()


def test_a_video_is_refused_with_the_way_to_its_frames(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"0000")
    with pytest.raises(DataError, match="ffmpeg -i VIDEO frames"):
        read_sample(tmp_path / "a.mp4", frames=True)

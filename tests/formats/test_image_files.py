"""Pictures in files: every mode, full depth, the orientation of the metadata, errors for damaged files."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from onnxviz.errors import DataError
from onnxviz.formats.image_files import read_image

RANDOM = np.random.default_rng(0)


def values(channels, dtype=np.uint8, height=5, width=7):
    return RANDOM.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype, endpoint=True)


def write_deep_png(path, image):
    """Write a PNG of 16 bits, which Pillow cannot for colors (PNG specification, 11.2.2: color types)."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def write_deep_tiff(path, image, order="<", compressed=False, planes=1):
    """Write a TIFF of 16 bits, which Pillow cannot for colors (TIFF 6.0, section 6 and Adobe's deflate, compression 8)."""
    height, width, channels = image.shape
    data = image.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if compressed else data
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, channels, None),
        (259, 3, 1, 8 if compressed else 1),
        (262, 3, 1, 2),
        (273, 4, 1, None),
        (277, 3, 1, channels),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
        (284, 3, 1, planes),
    ] + ([(338, 3, 1, 2)] if channels == 4 else [])
    place = 8 + 2 + 12 * len(tags) + 4
    content = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    for tag, kind, count, value in tags:
        number = {258: place, 273: place + len(bits)}.get(tag, value)
        packed = struct.pack(f"{order}H2x" if kind == 3 and count == 1 else f"{order}I", number)
        content += struct.pack(f"{order}HHI", tag, kind, count) + packed
    path.write_bytes(content + b"\0" * 4 + bits + data)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_color_is_read_as_it_was_written(tmp_path, suffix):
    image = values(3)
    Image.fromarray(image).save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    array, names, note = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(array, image)
    assert (names, note) == (("red", "green", "blue"), "")


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    Image.fromarray(values(3)).save(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg")[0], np.asarray(Image.open(tmp_path / "a.jpg")))


@pytest.mark.parametrize(
    ("channels", "names"), [(1, ("gray",)), (2, ("gray", "alpha")), (4, ("red", "green", "blue", "alpha"))]
)
def test_gray_and_alpha_are_kept(tmp_path, channels, names):
    image = values(channels)
    Image.fromarray(image[:, :, 0] if channels == 1 else image).save(tmp_path / "a.png")
    array, found, _ = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(array, image)
    assert found == names


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_of_a_png_stay_sixteen(tmp_path, channels):
    image = values(channels, np.uint16)
    write_deep_png(tmp_path / "a.png", image)
    array, names, _ = read_image(tmp_path / "a.png")
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, image)
    assert len(names) == channels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_of_a_tiff_stay_sixteen(tmp_path, order, compressed, channels):
    image = values(channels, np.uint16)
    write_deep_tiff(tmp_path / "a.tif", image, order, compressed)
    array, _, _ = read_image(tmp_path / "a.tif")
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, image)


def test_sixteen_bits_that_cannot_all_be_read_are_told(tmp_path):
    write_deep_tiff(tmp_path / "a.tif", values(3, np.uint16), planes=2)
    with pytest.raises(
        DataError, match=r"has 16 bits a value, and only 8 of them can be read in this layout; save it as PNG or \.npy"
    ):
        read_image(tmp_path / "a.tif")


def test_gray_of_sixteen_bits_in_a_tiff(tmp_path):
    image = values(1, np.uint16)
    Image.fromarray(image[:, :, 0]).save(tmp_path / "a.tif")
    array, _, _ = read_image(tmp_path / "a.tif")
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, image)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_in_a_tiff_stay_numbers(tmp_path, kind):
    image = (RANDOM.normal(size=(5, 7)) * 1e5).astype(kind)
    Image.fromarray(image).save(tmp_path / "a.tif")
    array, names, _ = read_image(tmp_path / "a.tif")
    assert array.dtype == (np.float32 if kind is np.float32 else np.float64)
    np.testing.assert_array_equal(array[:, :, 0], image)
    assert names == ("gray",)


def test_black_and_white_is_gray(tmp_path):
    image = RANDOM.integers(0, 2, (5, 7)).astype(bool)
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0][:, :, 0], image * 255)


def test_a_palette_becomes_colors_and_its_transparency_alpha(tmp_path):
    image = Image.fromarray(RANDOM.integers(0, 4, (5, 7), dtype=np.uint8)).convert("P")
    colors = RANDOM.integers(0, 256, (4, 3), dtype=np.uint8)
    image.putpalette(colors.tobytes())
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", transparency=2)
    index = np.asarray(image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0], colors[index])
    seen_through = read_image(tmp_path / "b.png")[0]
    np.testing.assert_array_equal(seen_through[:, :, :3], colors[index])
    np.testing.assert_array_equal(seen_through[:, :, 3], np.where(index == 2, 0, 255))


def test_four_colors_for_print_become_three(tmp_path):
    Image.fromarray(values(3)).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    array, names, _ = read_image(tmp_path / "a.jpg")
    np.testing.assert_array_equal(array, np.asarray(Image.open(tmp_path / "a.jpg").convert("RGB")))
    assert names == ("red", "green", "blue")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_it_is_meant(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    picture = Image.fromarray(values(3))
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    with Image.open(path) as file:
        expected = np.asarray(ImageOps.exif_transpose(file))
    np.testing.assert_array_equal(read_image(path)[0], expected)


def test_of_several_pictures_the_first_is_read_and_told(tmp_path):
    frames = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (0, 128, 255)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    array, _, note = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(array, 0)
    assert note == "the first of 3 pictures in the file"


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp", "gif"])
def test_a_truncated_picture_is_told(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values(3, height=64, width=64)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"a\.{suffix}: is (a damaged or truncated picture|no picture of a kind)"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_told_and_postscript_never_run(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png: is no picture of a kind that is read here: PNG, JPEG"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("allowed", [10, 20])  # a few pixels too many make Pillow warn, twice as many refuse
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, allowed):
    Image.fromarray(values(3)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", allowed)
    with pytest.raises(DataError, match=rf"has more than {allowed} pixels, .*shrink the picture first"):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_image(tmp_path / "a.png")

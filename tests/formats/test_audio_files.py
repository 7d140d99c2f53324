"""Sound in .wav files; the standard library's writer is the oracle where it can be."""

from __future__ import annotations

import struct
import wave

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnxviz.errors import DataError
from onnxviz.formats.audio_files import read_wav, write_wav, writes_sound


def riff(encoding, channels, rate, bits, data, extra=b"", before=b"", size=None):
    """Write a .wav file by hand."""
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", encoding, channels, rate, rate * frame, frame, bits) + extra
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(header)) + header
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([1, 2, 3, 4]), st.integers(1, 5), st.integers(1, 192000), st.data())
def test_integers_are_fractions_of_the_largest_magnitude(tmp_path, width, channels, rate, data):
    least, most = (0, 255) if width == 1 else (-(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1)
    shape = hnp.array_shapes(min_dims=1, max_dims=1, max_side=20).map(lambda length: (*length, channels))
    values = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(least, most)))
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in values.ravel()))
    sound, back_rate = read_wav(tmp_path / "a.wav")
    expected = (values - 128) / 128 if width == 1 else values / 2 ** (8 * width - 1)
    assert back_rate == rate
    assert sound.dtype == np.float32
    np.testing.assert_array_equal(sound, expected.T.astype(np.float32))
    assert np.abs(sound).max() <= 1


@pytest.mark.parametrize("bits", [32, 64])
def test_floating_point_is_as_it_is(tmp_path, bits):
    values = np.array([[0.5, -1.5], [0.25, 1e-3]], dtype=f"<f{bits // 8}")
    (tmp_path / "a.wav").write_bytes(riff(3, 2, 16000, bits, values.tobytes(), extra=b"\0\0"))
    sound, rate = read_wav(tmp_path / "a.wav")
    assert rate == 16000
    np.testing.assert_array_equal(sound, values.T.astype(np.float32))


@pytest.mark.parametrize(("encoding", "kind"), [(1, "<i2"), (3, "<f4")])
def test_the_extensible_header_is_read(tmp_path, encoding, kind):
    values = np.array([1, -1, 0], dtype=kind)
    bits = values.itemsize * 8
    extra = struct.pack("<HHIH", 22, bits, 0, encoding) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    (tmp_path / "a.wav").write_bytes(riff(0xFFFE, 1, 8000, bits, values.tobytes(), extra=extra))
    sound, _ = read_wav(tmp_path / "a.wav")
    scale = 2**15 if encoding == 1 else 1
    np.testing.assert_array_equal(sound, values[None].astype(np.float32) / scale)


def test_other_chunks_are_skipped_with_their_padding(tmp_path):
    before = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    (tmp_path / "a.wav").write_bytes(riff(1, 1, 8000, 16, struct.pack("<h", 2**14), before=before) + b"LIST\xff\xff")
    np.testing.assert_array_equal(read_wav(tmp_path / "a.wav")[0], [[0.5]])


def test_a_sound_written_to_a_pipe_reaches_to_the_end(tmp_path):
    (tmp_path / "a.wav").write_bytes(riff(1, 1, 8000, 16, struct.pack("<2h", 2**14, 0) + b"\0", size=0xFFFFFFFF))
    np.testing.assert_array_equal(read_wav(tmp_path / "a.wav")[0], [[0.5, 0]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"junk", r"is no RIFF WAVE file; convert the sound to \.wav"),
        (b"RIFF\0\0\0\0AVI LIST", "is no RIFF WAVE file"),
        (b"RIFF\x04\0\0\0WAVE", "has no 'fmt ' or no 'data' chunk"),
        (riff(1, 1, 8000, 16, b"\0\0" * 5)[:-4], "is cut off: its 'data' chunk has 6 of 10 bytes"),
        (riff(1, 1, 8000, 16, b""), "holds no sound: its 'data' chunk has 0 bytes"),
        (riff(1, 0, 8000, 16, b"\0\0"), "0 channels of 16 bits at 8000 Hz do not make frames of 0 bytes"),
        (riff(1, 1, 0, 16, b"\0\0"), "1 channels of 16 bits at 0 Hz"),
        (riff(1, 1, 8000, 12, b"\0\0"), "do not make frames of 1 bytes"),
        (riff(0x55, 1, 8000, 16, b"\0\0"), "has encoding 0x0055 with 16 bits; convert the sound to 16-bit PCM"),
        (riff(3, 1, 8000, 16, b"\0\0"), "has encoding 0x0003 with 16 bits"),
    ],
)
def test_a_message_tells_what_is_wrong(tmp_path, content, message):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_wav(tmp_path / "a.wav")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_wav(tmp_path / "a.wav")


@pytest.mark.parametrize("shape", [(7,), (1, 7), (2, 5), (8, 1)])
def test_what_is_written_is_read_back_exactly_also_beyond_full_scale(tmp_path, shape):
    sound = np.random.default_rng(0).normal(scale=3, size=shape).astype(np.float32)
    write_wav(tmp_path / "a.wav", sound, 22050)
    back, rate = read_wav(tmp_path / "a.wav")
    np.testing.assert_array_equal(back, np.atleast_2d(sound))
    assert rate == 22050
    assert len((tmp_path / "a.wav").read_bytes()) == 58 + 4 * sound.size


def test_what_is_no_sound_is_not_written(tmp_path):
    for array in (np.zeros((9, 4)), np.zeros((2, 2, 2)), np.array([np.nan]), np.zeros(0)):
        assert not writes_sound(array)
        with pytest.raises(DataError, match="is no sound"):
            write_wav(tmp_path / "a.wav", array, 8000)
    with pytest.raises(DataError, match="rate"):
        write_wav(tmp_path / "a.wav", np.zeros(4), 0.2)
    assert not list(tmp_path.iterdir())

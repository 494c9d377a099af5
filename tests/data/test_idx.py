import gzip
import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regard.data import read_idx
from regard.errors import RegardError

quick = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
shapes = st.one_of(
    st.tuples(st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
)


def image_file(count=2, height=3, width=4):
    return struct.pack(">IIII", 0x803, count, height, width) + bytes(range(count * height * width))


@quick
@given(shape=shapes, seed=st.integers(0, 99), zipped=st.booleans())
def test_what_is_written_is_read(tmp_path, idx_bytes, shape, seed, zipped):
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    content = idx_bytes(array)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    found = read_idx(path)
    assert found.dtype == np.uint8
    assert found.flags.writeable
    assert np.array_equal(found, array)


def test_the_content_tells_gzip_not_the_name(tmp_path):
    (tmp_path / "plain.gz").write_bytes(image_file())
    (tmp_path / "zipped").write_bytes(gzip.compress(image_file()))
    plain, zipped = read_idx(tmp_path / "plain.gz"), read_idx(str(tmp_path / "zipped"), dims=3)
    assert np.array_equal(plain, zipped)
    assert plain.shape == (2, 3, 4)
    assert plain[1, 2, 3] == 23


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with 0x.*empty"),
        (b"\x00\x00", "begins with 0x0000"),
        (b"PK\x03\x04 and more", "0x00000803 .images. or 0x00000801 .labels.; .*0x504b0304"),
        (struct.pack(">IIII", 0xD03, 1, 1, 1) + b"1234", "begins with 0x00000d03"),
        (image_file()[:9], "ends within its header"),
        (image_file()[:-1], "declares 2 × 3 × 4 = 24 bytes; the file holds fewer"),
        (image_file() + b"x", "declares 2 × 3 × 4 = 24 bytes; the file holds more"),
        (struct.pack(">IIII", 0x803, 0, 28, 28), "is empty: .*0 × 28 × 28"),
        (struct.pack(">IIII", 0x803, *[2**32 - 1] * 3) + b"x", "the file holds fewer"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(tmp_path, pack, content, message):
    path = tmp_path / "some-file"
    path.write_bytes(pack(content))
    with pytest.raises(RegardError, match=rf"(?s)some-file.*{message}"):
        read_idx(path)


def test_labels_in_place_of_images_are_refused(tmp_path, idx_bytes):
    (tmp_path / "labels").write_bytes(idx_bytes(np.arange(3, dtype=np.uint8)))
    with pytest.raises(RegardError, match=r"labels: expected .* 0x00000803 .images.; it begins"):
        read_idx(tmp_path / "labels", dims=3)
    (tmp_path / "images").write_bytes(image_file())
    with pytest.raises(RegardError, match=r"images: expected .* 0x00000801 .labels.; it begins"):
        read_idx(tmp_path / "images", dims=1)


def test_a_file_cut_short_while_zipped_is_named(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(image_file())[:-9])
    with pytest.raises(RegardError, match=r"cut.gz"):
        read_idx(tmp_path / "cut.gz")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(RegardError, match="nowhere cannot be read"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(RegardError, match=tmp_path.name):
        read_idx(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_permission_is_named(tmp_path):
    (tmp_path / "closed").write_bytes(image_file())
    (tmp_path / "closed").chmod(0)
    with pytest.raises(RegardError, match=r"closed cannot be read as IDX: .*Permission"):
        read_idx(tmp_path / "closed")


@quick
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_gzip_file_is_an_error_or_harmless(tmp_path, place, bit, cut):
    content = bytearray(gzip.compress(image_file(4, 5, 6), mtime=0))
    at = int(place * len(content))
    content[at] ^= 1 << bit
    (tmp_path / "damaged").write_bytes(content[:at] if cut else content)
    try:
        found = read_idx(tmp_path / "damaged").tobytes()
        told = ""
    except RegardError as error:
        found, told = b"", str(error)
    assert found == image_file(4, 5, 6)[16:] or "damaged" in told

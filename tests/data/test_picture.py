import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from regard.data.picture import BadImage, Picture, decode, read_picture
from regard.errors import RegardError

COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [200, 100, 50]]], np.uint8)
GREYS = np.array([[0, 255], [100, 200]], np.uint8)
LOSSLESS = {"lossless": True}


def saved(tmp_path, image, name="image.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def pixels(path, channels=3):
    picture = read_picture(path)
    return decode(path, channels=channels, width=picture.width, height=picture.height)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.webp", "猫 <script>.png"])
def test_colours_are_read_as_they_are(tmp_path, name):
    options = LOSSLESS if name.endswith("webp") else {}
    path = saved(tmp_path, Image.fromarray(COLOURS), name, **options)
    assert read_picture(path) == Picture(path, 2, 2, grey=False)
    assert np.array_equal(pixels(path), COLOURS.transpose(2, 0, 1))


def test_greys_are_read_as_one_channel_or_three_equal_ones(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREYS))
    assert read_picture(path).grey
    assert np.array_equal(pixels(path, channels=1), GREYS[None])
    assert np.array_equal(pixels(path), np.stack([GREYS] * 3))


def test_the_content_tells_the_format_not_the_name(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOURS), "image.jpg", format="PNG")
    assert np.array_equal(pixels(path), COLOURS.transpose(2, 0, 1))


def test_black_and_white_is_grey(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREYS > 150))
    assert read_picture(path).grey
    assert pixels(path, channels=1).tolist() == [[[0, 255], [0, 255]]]


def test_a_palette_is_looked_up(tmp_path):
    image = Image.fromarray(COLOURS).quantize(4)
    assert image.mode == "P"
    path = saved(tmp_path, image)
    assert not read_picture(path).grey
    assert np.array_equal(pixels(path), np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_a_palette_of_greys_is_grey(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 10, 10, 250, 250, 250])
    image.putdata([1, 0])
    path = saved(tmp_path, image)
    assert read_picture(path).grey
    assert pixels(path, channels=1).tolist() == [[[250, 10]]]


def test_transparency_lies_on_white(tmp_path):
    clear = np.dstack([COLOURS, np.array([[255, 0], [0, 255]], np.uint8)])
    found = pixels(saved(tmp_path, Image.fromarray(clear)))
    assert found[:, 0, 0].tolist() == [255, 0, 0]
    assert found[:, 0, 1].tolist() == [255, 255, 255]
    half = np.full((1, 1, 4), (0, 0, 0, 128), np.uint8)
    assert pixels(saved(tmp_path, Image.fromarray(half))).ravel().tolist() == [127] * 3


def test_grey_with_transparency_stays_grey(tmp_path):
    image = Image.fromarray(np.dstack([GREYS, np.array([[255, 0], [0, 255]], np.uint8)]), "LA")
    path = saved(tmp_path, image)
    assert read_picture(path).grey
    assert pixels(path, channels=1).tolist() == [[[0, 255], [255, 200]]]


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_transparent_colour_is_white(tmp_path, mode):
    image = Image.new(mode, (2, 1))
    if mode == "P":
        image.putpalette([0, 0, 0, 90, 90, 90])
    image.putpixel((1, 0), {"L": 90, "P": 1, "RGB": (90, 90, 90)}[mode])
    path = saved(tmp_path, image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert pixels(path).tolist() == [[[255, 90]]] * 3


def write_png16(path, levels):
    """A 16-bit grey PNG written by hand: Pillow writes none of its own everywhere."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, 0, 0, 0, 0)
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in levels)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    levels = np.array([[0, 128, 129], [257 * 77, 65534, 65535]], np.uint16)
    path = write_png16(tmp_path / "deep.png", levels)
    assert read_picture(path).grey
    assert pixels(path, channels=1).tolist() == [[[0, 0, 1], [77, 255, 255]]]


def test_sixteen_bits_of_either_byte_order_and_turned(tmp_path):
    levels = np.array([[0, 257 * 9, 65535]], np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, order in (("little.tif", "<u2"), ("big.tif", ">u2")):
        image = Image.fromarray(levels.astype(order))
        assert pixels(saved(tmp_path, image, name), channels=1).tolist() == [[[0, 9, 255]]]
        turned = saved(tmp_path, image, f"turned-{name}", exif=exif)
        assert pixels(turned, channels=1).tolist() == [[[0], [9], [255]]]


def test_pixels_without_a_known_range_are_refused_by_name(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.zeros((2, 2), np.float32)), "float.tif")
    with pytest.raises(BadImage, match=r"float.tif gives no image: floating point"):
        pixels(path, channels=1)
    path = saved(tmp_path, Image.fromarray(np.full((2, 2), 70_000, np.int32)), "int.tif")
    with pytest.raises(BadImage, match=r"int.tif gives no image: its 32-bit values"):
        pixels(path, channels=1)


def test_cmyk_becomes_red_green_blue(tmp_path):
    image = Image.new("CMYK", (8, 8), (255, 0, 255, 0))  # cyan and yellow ink: green
    red, green, blue = pixels(saved(tmp_path, image, "ink.jpg", quality=95))[:, 4, 4].tolist()
    assert red < 10
    assert green > 245
    assert blue < 10


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.tif", {}), ("a.tif", {"compression": "tiff_lzw"}), ("a.webp", LOSSLESS)],
)
def test_the_camera_s_orientation_is_undone(tmp_path, orientation, name, options):
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    # How the EXIF standard says the rows and columns are stored, from 1 to 8.
    ways = (
        *(upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1]),
        *(upright.T, upright.T[::-1], upright.T[::-1, ::-1], upright.T[:, ::-1]),
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(ways[orientation - 1]))
    path = saved(tmp_path, image, name, exif=exif, **options)
    assert read_picture(path) == Picture(path, 3, 2, grey=name != "a.webp")
    assert np.array_equal(pixels(path, channels=1)[0], upright)


def test_another_size_is_averaged_over_the_area(tmp_path):
    board = np.indices((64, 64)).sum(0) % 2 * 255
    path = saved(tmp_path, Image.fromarray(board.astype(np.uint8)))
    small = decode(path, channels=1, width=8, height=4)
    assert small.shape == (1, 4, 8)
    assert np.abs(small.astype(int) - 127).max() <= 2  # picking single pixels would give 0 or 255


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    first, second = (Image.fromarray(COLOURS[row]).resize((4, 4)) for row in ([0, 0], [1, 1]))
    path = saved(tmp_path, first, "moving.gif", save_all=True, append_images=[second])
    assert np.array_equal(pixels(path)[:, 0, 0], COLOURS[0, 0])


@pytest.mark.parametrize(
    ("name", "content"),
    [("text.png", b"I am text"), ("empty.jpg", b""), ("page.svg", b"<svg></svg>")],
)
def test_a_file_of_another_kind_is_named_with_ways_on(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadImage, match=rf'{name} gives no image: .*remove it, or .*on_bad="skip"'):
        read_picture(tmp_path / name)


def test_formats_that_run_other_programs_are_not_opened(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOURS), "figure.eps")
    with pytest.raises(BadImage, match=r"figure.eps gives no image: its content"):
        read_picture(path)


def test_a_jpeg_cut_short_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), "cut.jpg")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadImage, match=r"cut.jpg gives no image: .*truncated"):
        pixels(path)


@pytest.mark.parametrize("limit", [150, 60])  # Pillow warns above its limit and fails above twice
def test_the_guard_against_bombs_is_an_error(tmp_path, monkeypatch, limit):
    path = saved(tmp_path, Image.new("L", (16, 10)), "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(BadImage, match=r"bomb.png gives no image: more pixels than Pillow's guard"):
        read_picture(path)


def test_a_broken_link_and_a_pipe_are_named(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(BadImage, match=r"link.png gives no image: no regular file"):
        read_picture(tmp_path / "link.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match=r"pipe.png gives no image: no regular file"):
        read_picture(tmp_path / "pipe.png")


def test_a_refused_file_is_no_bad_image(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(GREYS), "closed.png")

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(RegardError, match=r"closed.png may not be read: Permission") as caught:
        read_picture(path)
    assert not isinstance(caught.value, BadImage)


def encoded(form):
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


FILES = {form: encoded(form) for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    form=st.sampled_from(sorted(FILES)),
    place=st.floats(0, 1, exclude_max=True),
    value=st.integers(0, 255),
    cut=st.booleans(),
)
def test_a_damaged_file_is_a_named_error_or_an_image(tmp_path, form, place, value, cut):
    content = bytearray(FILES[form])
    at = int(place * len(content))
    content[at] = value
    path = tmp_path / "damaged"
    path.write_bytes(content[:at] if cut else content)
    try:
        read_picture(path)
        shape, told = decode(path, channels=3, width=7, height=9).shape, ""
    except BadImage as error:
        shape, told = None, str(error)
    assert shape == (3, 9, 7) or "damaged gives no image" in told

"""Plates that are not EXR: pictures and movies, frame by frame and exactly."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio
import pytest

from rotograph import exr, media
from rotograph.attribute import Attribute
from rotograph.errors import DamagedFile, MediaError, MissingFrame
from rotograph.image import Box, Image, ImageSpec
from rotograph.movie import Movie
from rotograph.timecode import timecode

VIDEO = Path(__file__).parents[3] / "shared" / "material" / "video"
material = [
    pytest.mark.material,
    pytest.mark.skipif(not VIDEO.is_dir(), reason="no ../shared/material beside the checkout"),
]


def noise(channels: int, dtype: type, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((20, 30, channels))
    if np.issubdtype(dtype, np.integer):
        return (values * np.iinfo(dtype).max).astype(dtype)
    return ((values - 0.2) * 4).astype(dtype)


def save(path: Path, pixels: np.ndarray, kind: str, **attributes: object) -> None:
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    spec.attribute("oiio:UnassociatedAlpha", 1)
    for name, value in attributes.items():
        types = [oiio.TypeTimeCode] if name == "smpte__TimeCode" else []
        spec.attribute(name.replace("__", ":"), *types, value)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(pixels), out.geterror()
    assert out.close()


@pytest.mark.parametrize(
    ("name", "kind", "dtype", "channels"),
    [
        ("a.png", "uint8", np.uint8, 4),
        ("a.png", "uint16", np.uint16, 3),
        ("a.tif", "uint8", np.uint8, 3),
        ("a.tif", "uint16", np.uint16, 4),
        ("a.tif", "float", np.float32, 3),
        ("a.tif", "half", np.float16, 3),
        ("a.dpx", "uint16", np.uint16, 3),
    ],
)
def test_pictures_are_floats_as_they_were(tmp_path, name, kind, dtype, channels):
    pixels = noise(channels, dtype)
    save(tmp_path / name, pixels, kind)
    image = media.read_image(tmp_path / name)
    expected = pixels
    if np.issubdtype(dtype, np.integer):
        expected = pixels.astype(np.float32) / np.float32(np.iinfo(dtype).max)
    np.testing.assert_allclose(image.pixels, expected, rtol=1e-6)
    assert image.spec.channels == ("R", "G", "B", "A")[:channels]
    # straight alpha: colours under a small alpha were not multiplied away
    assert image.spec.alpha == ("straight" if channels == 4 else "none")
    assert media.read_spec(tmp_path / name) == image.spec


def test_dpx_of_ten_bits_with_its_timecode(tmp_path):
    codes = (np.arange(20 * 30 * 3).reshape(20, 30, 3) * 37 % 1024).astype(np.uint16)
    wide = (codes << 6) | (codes >> 4)
    extra = {"oiio__BitsPerSample": 10, "dpx__FrameRate": 23.976}
    save(tmp_path / "a.dpx", wide, "uint16", **extra, smpte__TimeCode=(0x01020304, 7))
    image = media.read_image(tmp_path / "a.dpx")
    np.testing.assert_allclose(image.pixels * 1023, codes, atol=0.02)
    assert image.spec.attributes["timeCode"] == Attribute.of("timecode", 0x01020304, 7)
    assert image.spec.attributes["framesPerSecond"] == Attribute.of("rational", 24000, 1001)


def test_a_tiff_may_be_premultiplied(tmp_path):
    save(tmp_path / "a.tif", noise(4, np.uint8), "uint8", oiio__UnassociatedAlpha=0)
    assert media.read_spec(tmp_path / "a.tif").alpha == "premultiplied"


def test_grey_and_jpeg(tmp_path):
    save(tmp_path / "a.png", noise(1, np.uint8), "uint8")
    assert media.read_image(tmp_path / "a.png").spec.channels == ("Y",)
    flat = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    save(tmp_path / "a.jpg", flat, "uint8")
    np.testing.assert_allclose(media.read_image(tmp_path / "a.jpg").pixels * 255, flat, atol=2)


def test_content_decides_not_the_name(tmp_path):
    save(tmp_path / "a.png", noise(3, np.uint8), "uint8")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    assert media.read_image(tmp_path / "a.tif").pixels.shape == (20, 30, 3)
    (tmp_path / "b.png").write_text("text")
    with pytest.raises(MediaError, match="not a picture or movie"):
        media.read_image(tmp_path / "b.png")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.dpx"])
def test_truncated_pictures_are_damaged(tmp_path, name):
    save(tmp_path / name, noise(3, np.uint8), "uint8")
    whole = (tmp_path / name).read_bytes()
    cut = tmp_path / ("cut" + name)
    for length in (20, len(whole) // 3, len(whole) // 2, len(whole) - 40):
        cut.write_bytes(whole[:length])
        with pytest.raises(DamagedFile, match="again"):
            media.read_image(cut)


def test_a_plate_of_mixed_sizes_and_kinds_is_asked_frame_by_frame(tmp_path):
    for frame, size in ((1001, 4), (1002, 6), (1004, 4)):
        box = Box(0, 0, size, size)
        pixels = np.full((size, size, 1), frame, np.float32)
        exr.write(tmp_path / f"p.{frame}.exr", Image(ImageSpec(box, box, ("A",)), pixels))
    plate = media.open(tmp_path / "p.####.exr")
    assert plate.frames == (1001, 1002, 1004)
    assert [plate.spec(f).data.width for f in plate.frames] == [4, 6, 4]
    assert plate.read(1004).pixels[0, 0, 0] == 1004
    with pytest.raises(MissingFrame, match="frame 1003"):
        plate.read(1003)
    (tmp_path / "p.1002.exr").write_bytes(b"")
    for ask in (plate.spec, plate.read):
        with pytest.raises(DamagedFile, match=r"frame 1002, .*p\.1002\.exr: .*empty"):
            ask(1002)
    with pytest.raises(MediaError, match="no layer"):
        media.open(tmp_path / "p.####.exr", layer="diffuse").read(1001)


# --- movies


def film(
    path: Path,
    pictures: int = 24,
    *,
    codec: str = "libx264",
    pixel: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    durations: bool = False,
    options: dict[str, str] | None = None,
    colourspace: int = 1,
    full: bool = False,
    paint=None,
) -> None:
    """A movie in which picture n is grey n * 8 (or painted), in luma codes of 8 bits."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = pixel
        stream.time_base = stream.codec_context.time_base = Fraction(1, 24000)
        stream.codec_context.colorspace = colourspace
        stream.codec_context.color_range = 2 if full else 1
        stream.options = options or {"crf": "1", "g": "8", "bf": "2"}
        at = 0
        for n in range(pictures):
            frame = av.VideoFrame(*size, pixel)
            frame.colorspace, frame.color_range = colourspace, 2 if full else 1
            bits = frame.format.components[0].bits
            values = paint(n) if paint else (16 + n * 8, 128, 128, 255)
            for plane, value in zip(frame.planes, values, strict=False):
                if bits > 8:
                    code = np.uint16(value << (bits - 8)).tobytes()
                    plane.update(code * (plane.buffer_size // 2))
                else:
                    plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = at, Fraction(1, 24000)
            at += 1000 * (1 + n % 3) if durations else 1000
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def grey_of(image: Image) -> float:
    """Which picture this is, by ``film``'s painting."""
    return float(image.pixels[24, 32, 0]) * 219 / 8


@pytest.mark.parametrize("durations", [False, True])
def test_any_frame_by_its_number(tmp_path, durations):
    film(tmp_path / "a.mp4", durations=durations)
    movie = media.open(tmp_path / "a.mp4", start=1001)
    assert movie.frames == range(1001, 1025)
    for frame in (1001, 1002, 1003, 1024, 1010, 1009, 1017, 1016, 1001, 1023, 1024):
        assert grey_of(movie.read(frame)) == pytest.approx(frame - 1001, abs=0.3), frame
    assert movie.file(1001) == tmp_path / "a.mp4"
    with pytest.raises(MissingFrame, match=r"frame 1025.*1001-1024"):
        movie.read(1025)


def test_threads_take_turns(tmp_path):
    film(tmp_path / "a.mp4")
    movie = Movie(tmp_path / "a.mp4")
    wrong = []

    def look(frames: list[int]) -> None:
        wrong.extend(f for f in frames if abs(grey_of(movie.read(f)) - (f - 1)) > 0.3)

    threads = [threading.Thread(target=look, args=([*range(1 + k, 25, 4)],)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_closing_lets_go_and_reading_opens_again(tmp_path):
    film(tmp_path / "a.mp4")
    with Movie(tmp_path / "a.mp4") as movie:
        movie.read(3)
    movie.close()
    assert grey_of(movie.read(7)) == pytest.approx(6, abs=0.3)
    movie.close()


@pytest.mark.parametrize(
    ("name", "codec", "pixel"),
    [
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.mp4", "libx264", "yuv420p10le"),
        ("a.mp4", "libx264", "yuv444p"),
        ("a.mkv", "ffv1", "yuv420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
        ("a.avi", "mpeg4", "yuv420p"),
    ],
)
def test_codecs_and_bit_depths(tmp_path, name, codec, pixel):
    options = {"qscale": "1"} if codec in ("mjpeg", "mpeg4") else {}
    full = pixel.startswith("yuvj")
    film(tmp_path / name, 6, codec=codec, pixel=pixel, options=options, full=full)
    movie = media.open(tmp_path / name)
    assert len(movie.frames) == 6
    for frame in (1, 4, 6, 2):
        image = movie.read(frame)
        assert image.spec == movie.spec(frame)
        code = 16 + 8 * (frame - 1)
        expected = code / 255 if full else (code - 16) / 219
        np.testing.assert_allclose(image.pixels[..., :3], expected, atol=0.01)
        if pixel.startswith("yuva"):
            np.testing.assert_allclose(image.pixels[..., 3], 1.0, atol=0.005)


@pytest.mark.parametrize(("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (5, 0.299, 0.114)])
@pytest.mark.parametrize("full", [False, True])
def test_matrix_and_range(tmp_path, matrix, red, blue, full):
    y, cb, cr = 120, 90, 180
    film(
        tmp_path / "a.mp4",
        2,
        pixel="yuv444p",
        options={"qp": "0"},
        colourspace=matrix,
        full=full,
        paint=lambda n: (y, cb, cr),
    )
    pixel = media.open(tmp_path / "a.mp4").read(2).pixels[20, 20]
    # ITU-R BT.601 and BT.709, section 3
    luma = y / 255 if full else (y - 16) / 219
    u, v = ((c - 128) / (255 if full else 224) for c in (cb, cr))
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    np.testing.assert_allclose(pixel, (r, g, b), atol=0.003)


def test_what_is_whiter_than_white_survives(tmp_path):
    film(tmp_path / "a.mp4", 2, options={"qp": "0"}, paint=lambda n: (250, 128, 128))
    brightest = media.open(tmp_path / "a.mp4").read(1).pixels.max()
    assert brightest == pytest.approx(234 / 219, abs=0.005)


def test_rgb_movies(tmp_path):
    film(tmp_path / "a.mov", 2, codec="png", pixel="rgb24", options={}, paint=lambda n: (77,))
    np.testing.assert_allclose(media.open(tmp_path / "a.mov").read(2).pixels, 77 / 255, atol=1e-6)


def test_a_truncated_movie_is_damaged(tmp_path):
    film(tmp_path / "a.mp4", options={"crf": "1", "movflags": "faststart"})
    whole = (tmp_path / "a.mp4").read_bytes()
    for length in (0, 30, len(whole) // 2, len(whole) - 500):
        (tmp_path / "cut.mp4").write_bytes(whole[:length])
        with pytest.raises(DamagedFile, match=r"cut\.mp4: damaged: .*again"):
            movie = media.open(tmp_path / "cut.mp4")
            for frame in range(1, 25):
                movie.read(frame)


def test_a_movie_cannot_name_other_files(tmp_path):
    film(tmp_path / "a.mp4", 2)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    (tmp_path / "list.mov").write_text("#EXTM3U\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n")
    for name in ("list.mp4", "list.mov"):
        with pytest.raises(MediaError):
            media.open(tmp_path / name)
    with pytest.raises(MediaError, match="No such file"):
        media.open(f"concat:{tmp_path}/a.mp4")
    with pytest.raises(MediaError, match="no parts"):
        media.open(tmp_path / "a.mp4", view="left")


def test_rate_and_timecode_travel_along(tmp_path):
    film(tmp_path / "a.mov", 3, codec="prores_ks", pixel="yuv422p10le", options={})
    attributes = media.open(tmp_path / "a.mov").spec(2).attributes
    assert attributes == {"framesPerSecond": Attribute.of("rational", 24, 1)}


@pytest.mark.parametrize(
    ("start", "rate", "offset", "word"),
    [
        ("01:00:00:00", Fraction(24), 25, 0x01000101),
        ("10:59:59:23", Fraction(24), 1, 0x11000000),
        ("23:59:59:24", Fraction(25), 1, 0x00000000),
        # drop frame: 00 and 01 are left out at each minute, but not at each tenth
        ("00:00:59;29", Fraction(30000, 1001), 1, 0x00010042),
        ("00:09:59;29", Fraction(30000, 1001), 1, 0x00100040),
        ("01:00:00;00", Fraction(30000, 1001), 107892, 0x02000040),
    ],
)
def test_timecode_counts_as_smpte_does(start, rate, offset, word):
    assert timecode(start, rate, offset) == Attribute.of("timecode", word, 0)
    assert timecode("soon", rate, offset) is None


class TestMaterial:
    pytestmark = material

    def test_random_access_is_sequential_access(self):
        movie = Movie(VIDEO / "bedroom.mp4")
        assert len(movie.frames) == 200
        small = [movie.read(f).pixels[::16, ::16].copy() for f in range(1, 61)]
        for frame in (59, 3, 30, 31, 20, 60):
            seen = movie.read(frame).pixels[::16, ::16]
            np.testing.assert_array_equal(seen, small[frame - 1])

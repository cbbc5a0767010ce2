"""Still images other than EXR as plates: PNG, JPEG, TIFF, DPX, Cineon, and a few more.

Read by OpenImageIO, which signals failure by return value. Which reader is used follows from the
first bytes of the file, and only from a short list: a plate folder is not the place to try rare
decoders on whatever lies there.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import OpenImageIO as oiio

from rotograph.attribute import Attribute
from rotograph.errors import DamagedFile, MediaError
from rotograph.exrheader import FREE_BYTES, MAX_EXPANSION, MAX_PIXELS
from rotograph.image import Alpha, Box, Image, ImageSpec
from rotograph.regular import open_file, reading

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"SDPX", "dpx"),
    (b"XPDS", "dpx"),
    (b"\x80\x2a\x5f\xd7", "cineon"),
    (b"\xd7\x5f\x2a\x80", "cineon"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    (b"BM", "bmp"),
)
_GEOMETRY = ("Orientation", "PixelAspectRatio", "ResolutionUnit", "XResolution", "YResolution")


def kind(path: str | Path) -> str | None:
    """OpenImageIO's name for the file's format, or None when it is none of those read here.

    Raises MediaError when the file cannot be opened.
    """
    with reading(path), open_file(path) as file:
        start = file.read(16)
    return next((name for first, name in _SIGNATURES if start.startswith(first)), None)


def header(path: str | Path) -> ImageSpec:
    """The image's spec, without decoding its pixels. Raises MediaError and DamagedFile."""
    source = _open(path)
    try:
        return _spec(source.spec(), source.format_name())
    finally:
        source.close()


def read(path: str | Path) -> Image:
    """``(H, W, C)`` float32: integers as 0 to 1, floats as they are (half stays float16).

    Colours are as encoded in the file, not linearised. Straight alpha stays straight:
    ``spec.alpha`` says which it is.

    Raises MediaError (not a picture this can read) and DamagedFile.
    """
    source = _open(path)
    try:
        given = source.spec()
        spec = _spec(given, source.format_name())
        wanted = "half" if given.format.basetype == oiio.HALF else "float"
        pixels = source.read_image(0, 0, 0, given.nchannels, wanted)
        if pixels is None or source.has_error:
            raise _damaged(path, source.geterror())
        return Image(spec, pixels.reshape(spec.shape))
    except (ValueError, MemoryError) as error:
        raise _damaged(path, "its header and its content do not agree") from error
    finally:
        source.close()


def _open(path: str | Path) -> oiio.ImageInput:
    name = kind(path)
    if name is None:
        raise MediaError(
            "is not a picture or movie in a known format",
            file=path,
            hint="convert it to EXR, PNG, JPEG, TIFF or DPX",
        )
    size = Path(path).stat().st_size
    straight = oiio.ImageSpec()
    straight.attribute("oiio:UnassociatedAlpha", 1)
    try:
        source = oiio.ImageInput.open(str(path), straight)
        if source is None:
            raise _damaged(path, oiio.geterror())
        spec = source.spec()
        if source.format_name() != name:
            raise _damaged(path, f"it begins like {name} and cannot be read as that")
    except UnicodeDecodeError as error:
        raise _damaged(path, "its header cannot be read") from error
    pixels = spec.width * spec.height
    need = pixels * spec.nchannels * max(1, spec.format.size())
    if not 0 < pixels <= MAX_PIXELS or need > max(FREE_BYTES, size * MAX_EXPANSION):
        source.close()
        raise _damaged(
            path, f"{spec.width} x {spec.height} pixels cannot be in a file of {size} bytes"
        )
    if spec.deep or spec.depth > 1:
        source.close()
        raise MediaError("is not a flat picture", file=path, hint="flatten it first")
    return source


def _damaged(path: str | Path, why: str) -> DamagedFile:
    why = " ".join(why.replace(str(path), "").split()).strip(" :;\"'") or "it cannot be decoded"
    return DamagedFile(f"damaged: {why[:200]}", file=path, hint="copy or render this frame again")


def _spec(given: oiio.ImageSpec, name: str) -> ImageSpec:
    alpha: Alpha = "none"
    if given.alpha_channel >= 0:
        # PNG has no other kind; for the rest OpenImageIO says so
        straight = name == "png" or given.get_int_attribute("oiio:UnassociatedAlpha", 0)
        alpha = "straight" if straight else "premultiplied"
    names = list(given.channelnames)
    if given.alpha_channel >= 0:
        names[given.alpha_channel] = "A"
    aspect = given.get_float_attribute("PixelAspectRatio", 1.0)
    return ImageSpec(
        display=Box(
            given.full_x,
            given.full_y,
            given.full_x + given.full_width,
            given.full_y + given.full_height,
        ),
        data=Box(given.x, given.y, given.x + given.width, given.y + given.height),
        channels=tuple(names),
        pixel_aspect=aspect if 1e-3 < aspect < 1e3 else 1.0,
        alpha=alpha,
        attributes=_attributes(given),
    )


def _attributes(given: oiio.ImageSpec) -> dict[str, object]:
    """Text and numbers, under EXR's names where it has one; colour profiles are not carried."""
    out: dict[str, object] = {}
    for item in given.extra_attribs:
        value = item.value
        match item.name:
            case "smpte:TimeCode" if isinstance(value, tuple) and len(value) == 2:
                words = (int(word) & 0xFFFFFFFF for word in value)
                out["timeCode"] = Attribute.of("timecode", *words)
            case "smpte:KeyCode" if isinstance(value, tuple) and len(value) == 7:
                out["keyCode"] = Attribute.of("keycode", *value)
            case "FramesPerSecond" | "dpx:FrameRate" | "dpx:TemporalFrameRate":
                if isinstance(value, float) and 0 < value < 1e4:
                    rate = _rate(value)
                    out["framesPerSecond"] = Attribute.of(
                        "rational", rate.numerator, rate.denominator
                    )
            case "DateTime" if isinstance(value, str):
                out["capDate"] = value
            case _ if item.name in _GEOMETRY or item.name.startswith("oiio:"):
                # said elsewhere, or the library's own guess rather than the file's word
                pass
            case _ if isinstance(value, (str, int, float)):
                out[item.name] = value
    return out


def _rate(value: float) -> Fraction:
    """A frame rate kept as a float (23.976) as the fraction that was meant (24000/1001)."""
    ntsc = Fraction(round(value) * 1000, 1001)
    return ntsc if ntsc and abs(value - ntsc) < 1e-3 else Fraction(value).limit_denominator(1001)

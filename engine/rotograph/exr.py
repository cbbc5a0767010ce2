"""EXR files in and out: pixels untouched, geometry and every attribute kept.

Pixels are decoded by OpenImageIO, which reads just the part and channels asked for and reports
damage by return value (OpenEXR's Python class decodes the whole file, and prints its complaints to
standard output); subsampled channels by the OpenEXR package, which also writes. Headers are read
by ``exrheader``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO as oiio

from rotograph import exrchoice, exrheader
from rotograph.attribute import Attribute
from rotograph.errors import DamagedFile, MediaError, WriteError, did_you_mean
from rotograph.exrchoice import DTYPES, Choice, choose
from rotograph.exrheader import COMPRESSIONS, Part
from rotograph.image import Box, Image, ImageSpec
from rotograph.luminance import REC709, luminance_weights, to_rgb
from rotograph.whole import write_whole

__all__ = ["Attribute", "header", "layers", "parts", "read", "views", "write"]


def parts(path: str | Path) -> tuple[Part, ...]:
    """The header of every part, without reading a pixel.

    Raises MediaError (no such file, not readable) and DamagedFile.
    """
    return exrheader.parse(path)


def header(
    path: str | Path,
    *,
    part: int | str | None = None,
    layer: str | None = None,
    view: str | None = None,
    channels: Sequence[str] | None = None,
) -> ImageSpec:
    """What ``read`` with the same arguments would return, without its pixels."""
    return choose(exrheader.parse(path), path, part, layer, view, channels).spec()


def views(path: str | Path) -> tuple[str, ...]:
    """The stereo views in the file, the default first; empty when it has none."""
    return exrchoice.views(exrheader.parse(path))


def layers(path: str | Path) -> tuple[str, ...]:
    """Names that ``layer`` may take, over all parts."""
    return exrchoice.layers(exrheader.parse(path))


def read(
    path: str | Path,
    *,
    part: int | str | None = None,
    layer: str | None = None,
    view: str | None = None,
    channels: Sequence[str] | None = None,
) -> Image:
    """One image of an EXR: the data window's pixels of one part, layer and view.

    part: index or name; by default the first that has the layer and the view, and without a layer
    rather one with R, G, B or Y than a depth pass.
    layer: ``diffuse`` takes ``diffuse.R``, ``diffuse.G`` … as R, G …; or a part of that name. By
    default every channel, under its full name.
    view: a name from ``views``; by default the file's first view. The view's own channels lose
    its name (``left.R`` is R), those of other views are left out, and the attribute
    ``multiView`` makes way for ``view``.
    channels: only these names, of those that would come back, in this order.

    Channels come as R, G, B, A, then the others by name. Pixels are float16 when every channel
    is half, uint32 when every channel is uint, else float32 (of a uint beside floats this keeps
    24 bits: read an id channel alone). Y, RY, BY become R, G, B through the file's chromaticities
    (Rec. 709 if it has none); other subsampled channels are repeated. Of mip and rip maps: the
    full size. ``spec.alpha`` is "premultiplied" where there is an A, as EXR has it.

    Raises MediaError (no such file, part, layer, view or channel; deep data) and DamagedFile.
    """
    found = exrheader.parse(path, complete=True)
    chosen = choose(found, path, part, layer, view, channels)
    if chosen.part.deep:
        raise MediaError("holds deep pixels", file=path, hint="flatten it to a plain image first")
    subsampled = any(c.x_sampling > 1 or c.y_sampling > 1 for c in chosen.sources())
    # OpenImageIO takes what follows a question mark in a name for options
    if subsampled or chosen.chroma is not None or "?" in str(path):
        planes = _read_planes(path, chosen)
        pixels = np.stack([planes[name] for name in chosen.names], axis=-1)
    else:
        pixels = _read_plain(path, chosen)
    return Image(chosen.spec(), pixels)


def _damaged(path: str | Path, why: str) -> DamagedFile:
    why = why.removeprefix("EXR Error ").replace(str(path), "").strip(" ():") or "cannot be decoded"
    return DamagedFile(f"damaged: {why[:200]}", file=path, hint="copy or render this frame again")


def _read_plain(path: str | Path, chosen: Choice) -> np.ndarray:
    """``(H, W, C)`` in the order of ``chosen.wanted``, one decode for each run of one type."""
    kinds = {channel.name: channel.type for channel in chosen.part.channels}
    source = None
    try:
        source = oiio.ImageInput.open(str(path))
        if source is None:
            raise _damaged(path, oiio.geterror())
        if not source.seek_subimage(chosen.part.index, 0):
            raise _damaged(path, source.geterror())
        stored = list(source.spec().channelnames)
        order = [stored.index(name) for name in chosen.wanted]
        pixels = None
        dtype = chosen.dtype()
        for first, last in _runs(order, [kinds[name] for name in chosen.wanted]):
            kind = kinds[chosen.wanted[first]]
            block = source.read_image(chosen.part.index, 0, order[first], order[last - 1] + 1, kind)
            if block is None or source.has_error:
                raise _damaged(path, source.geterror())
            block = block.reshape(*chosen.part.data.shape, last - first)
            if last - first == len(order) and block.dtype == dtype:
                return block
            if pixels is None:
                pixels = np.empty((*chosen.part.data.shape, len(order)), dtype)
            pixels[..., first:last] = block
        return pixels
    except (ValueError, MemoryError) as error:
        # a UnicodeDecodeError too: OpenImageIO's message may quote the damaged bytes
        raise _damaged(path, "its header and its content do not agree") from error
    finally:
        if source is not None:
            source.close()


def _runs(order: Sequence[int], kinds: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of ``order`` that are neighbours in the file and of one type."""
    out, first = [], 0
    for i in range(1, len(order) + 1):
        ends = i == len(order) or order[i] != order[i - 1] + 1 or kinds[i] != kinds[first]
        if ends:
            out.append((first, i))
            first = i
    return out


def _read_planes(path: str | Path, chosen: Choice) -> dict[str, np.ndarray]:
    """Every chosen channel at full size, by its new name."""
    try:
        file = OpenEXR.File(str(path), separate_channels=True)
        stored = next(p for p in file.parts if p.part_index == chosen.part.index).channels
    except (RuntimeError, ValueError, UnicodeDecodeError, StopIteration, MemoryError) as error:
        raise _damaged(path, "its pixels cannot be decoded") from error
    planes: dict[str, np.ndarray] = {}
    height, width = chosen.part.data.shape
    dtype = chosen.dtype()
    if chosen.chroma is not None:
        given = chosen.part.raw.get("chromaticities")
        try:
            weights = luminance_weights(given.value if given is not None else REC709)
        except (ValueError, TypeError) as error:
            raise _damaged(path, f"its chromaticities are unusable: {error}") from error
        chroma = (stored[chosen.chroma + name].pixels for name in ("Y", "RY", "BY"))
        rgb = to_rgb(*chroma, weights)
        with np.errstate(over="ignore"):
            planes = {name: rgb[..., i].astype(dtype) for i, name in enumerate("RGB")}
    wanted = iter(chosen.wanted)
    for name in chosen.names:
        if chosen.chroma is not None and name in ("R", "G", "B"):
            continue
        channel = stored[next(wanted)]
        full = channel.pixels.repeat(channel.ySampling, 0).repeat(channel.xSampling, 1)
        planes[name] = full[:height, :width].astype(dtype)
    return planes


def write(
    path: str | Path,
    image: Image,
    *,
    compression: str = "zip",
    pixel_type: str | Mapping[str, str] | None = None,
    seal: Callable[[memoryview], Mapping[str, object]] = lambda chunks: {},
) -> None:
    """Write an image as a scan-line EXR, whole or not at all.

    compression: one of OpenEXR's names: none, rle, zips, zip, piz, pxr24, b44, b44a, dwaa, dwab,
    htj2k256, htj2k32, lj2k, zstd (lossy: pxr24 on float, b44, b44a, dwaa, dwab, lj2k).
    pixel_type: "half", "float" or "uint" for every channel, or by channel name (channels not
    named, and None: what the pixels have). Values beyond half become infinities.
    ``spec.attributes`` are all written, of any type: str, int, float, tuple of str or of float,
    ``Attribute``. Only those that say how a file is laid out (tiles, chunkCount …) are made anew.
    ``spec.colour_space`` is not: whoever resolves colour says so in the attributes.
    seal: more attributes, made from the pixels as they are encoded: all that follows the header.

    The file is encoded in memory, then its bytes are written under a temporary name and renamed:
    so an error is the system's own, with its number, and OpenEXR leaves no broken file behind.

    Raises WriteError, naming the file and what to do.
    """
    if compression not in COMPRESSIONS:
        raise WriteError(
            f"unknown compression '{compression}'",
            file=path,
            hint=did_you_mean(compression, COMPRESSIONS),
        )
    if not image.spec.data:
        raise WriteError("an EXR cannot hold 0 pixels", file=path, hint="widen the data window")
    encoded = io.BytesIO()
    try:
        OpenEXR.File(_geometry(image.spec, compression), _channels(image, pixel_type)).write(
            encoded
        )
        bytes_made = encoded.getbuffer()
        more = seal(exrheader.encoded_chunks(bytes_made))
        pieces = exrheader.with_attributes(bytes_made, {**image.spec.attributes, **more})
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise WriteError(
            f"cannot be encoded: {error}", file=path, hint="check its attributes and channels"
        ) from error
    write_whole(path, *pieces)


def _geometry(spec: ImageSpec, compression: str) -> dict[str, object]:
    def window(box: Box) -> tuple[np.ndarray, np.ndarray]:
        return np.array([box.x0, box.y0], "i4"), np.array([box.x1 - 1, box.y1 - 1], "i4")

    name = "NO" if compression == "none" else compression.upper()
    return {
        "compression": getattr(OpenEXR, f"{name}_COMPRESSION"),
        "type": OpenEXR.scanlineimage,
        "displayWindow": window(spec.display),
        "dataWindow": window(spec.data),
        "pixelAspectRatio": float(spec.pixel_aspect),
    }


def _channels(
    image: Image, pixel_type: str | Mapping[str, str] | None
) -> dict[str, OpenEXR.Channel]:
    own = {np.dtype(v): k for k, v in DTYPES.items()}.get(image.pixels.dtype, "float")
    names = image.spec.channels
    kinds = (
        [pixel_type] * len(names)
        if isinstance(pixel_type, str)
        else [(pixel_type or {}).get(name, own) for name in names]
    )
    for name, kind in zip(names, kinds, strict=True):
        if not 0 < len(name.encode()) < 256 or "\0" in name:
            raise ValueError(f"'{name[:40]}' cannot be the name of a channel")
        if kind not in DTYPES:
            raise ValueError(f"pixel type '{kind}' is none of half, float, uint")
    with np.errstate(over="ignore", invalid="ignore"):
        if names in (("R", "G", "B"), ("R", "G", "B", "A")) and len(set(kinds)) == 1:
            # OpenEXR takes these interleaved, as they are: no copy
            whole = np.ascontiguousarray(image.pixels, dtype=DTYPES[kinds[0]])
            return {"".join(names): OpenEXR.Channel("".join(names), whole, 1, 1)}
        planes = (
            np.ascontiguousarray(image.pixels[..., i], dtype=DTYPES[kind])
            for i, kind in enumerate(kinds)
        )
        return {
            name: OpenEXR.Channel(name, plane, 1, 1)
            for name, plane in zip(names, planes, strict=True)
        }

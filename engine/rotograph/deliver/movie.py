"""Movies of a finished shot: ProRes 4444 with alpha for the edit, H.264 with overlay to look at.

Encoded by FFmpeg through PyAV. A movie holds display colours, for editors have no other: the
plate's space through the OCIO display and view, BT.709 matrix, limited range. What cannot be told
inside the movie stands in a JSON file beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from rotograph.attribute import Attribute
from rotograph.colour import harmless
from rotograph.deliver.burnin import burn_in
from rotograph.deliver.finished import Finished
from rotograph.errors import GraphError, WriteError
from rotograph.frames import format_frames
from rotograph.image import Image
from rotograph.layer import Layer
from rotograph.picture import overlay
from rotograph.whole import write_whole

Alpha = Literal["straight", "premultiplied"]
Progress = Callable[[int, int], None]
RATE = Fraction(24)
PRORES, REVIEW = "prores_ks", "libx264"
"""FFmpeg's encoders."""


def write_prores(
    path: Path,
    shot: Finished,
    frames: Sequence[int],
    *,
    alpha: Alpha = "straight",
    rate: Fraction | None = None,
    layers: Sequence[str] = (),
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Foreground and alpha as ProRes 4444 (10 bits, the matte's too), and PATH.json beside it.

    The colour is the layers' own, without the background where the graph can tell it. alpha:
    straight, or premultiplied in display values, which is how editors put such a movie together.
    rate: frames a second; by default the plate's own, else 24. layers: which, by default all.
    Returns the sidecar's path. Raises WriteError, MediaError, GraphError.
    """
    chosen = _chosen(shot, layers)
    first = shot.plate(frames[0])
    rate = rate or _rate(first)
    sidecar = path.with_suffix(path.suffix + ".json")
    options = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}
    with _movie(path, "mov", PRORES, "yuva444p10le", rate, options, overwrite) as write:
        for done, frame in enumerate(frames):
            progress(done, len(frames))
            rgb, matte = _foreground(shot, frame, chosen)
            if alpha == "premultiplied":
                rgb = rgb * matte[..., None]
            write(np.dstack([rgb, matte]), first.spec, frame)
        progress(len(frames), len(frames))
    display, view = shot.colour.viewed()
    told = {
        "rotograph": 1,
        "alpha": alpha,
        "premultiplied_in": "display values" if alpha == "premultiplied" else None,
        "codec": "ProRes 4444",
        "display": display,
        "view": view,
        "colour_config": shot.colour.source,
        "plate_space": first.spec.colour_space,
        "frames": format_frames(frames),
        "first_frame": frames[0],
        "rate": [rate.numerator, rate.denominator],
        "layers": list(chosen),
        "pixel_aspect": first.spec.pixel_aspect,
    }
    write_whole(sidecar, (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
    return sidecar


def write_review(
    path: Path,
    shot: Finished,
    frames: Sequence[int],
    name: str,
    *,
    rate: Fraction | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> None:
    """The plate with its layers drawn over it, in H.264, with square pixels; below it the shot's
    name, the frame, and each layer with its confidence.

    Raises WriteError, MediaError.
    """
    first = shot.plate(frames[0])
    options = {"crf": "18", "preset": "medium", "movflags": "+faststart"}
    with _movie(path, "mp4", REVIEW, "yuv420p", rate or _rate(first), options, overwrite) as write:
        for done, frame in enumerate(frames):
            progress(done, len(frames))
            plate = shot.plate(frame)
            write(review_picture(shot, plate, frame, name), None, frame)
        progress(len(frames), len(frames))


def review_picture(shot: Finished, plate: Image, frame: int, name: str) -> np.ndarray:
    """``(h, w, 3)`` uint8 with square pixels and even sides: plate, overlay and burn-in."""
    picture, confidence = drawn(shot, plate, frame)
    return burn_in(picture, name, frame, confidence)


def drawn(
    shot: Finished, plate: Image, frame: int, width: int | None = None
) -> tuple[np.ndarray, dict[Layer, float | None]]:
    """The plate for the display with every layer over it, in square pixels, and each layer's
    confidence (None where it is not delivered). width: scaled down to this before it is drawn on.
    """
    rgb = harmless(plate.rgb())
    seen = {layer: shot.seen(frame, layer.name, plate.spec.data) for layer in shot.layers}
    alphas = {layer: one.alpha for layer, one in seen.items() if one is not None}
    height, full = rgb.shape[:2]
    square = max(1, round(full * plate.spec.pixel_aspect))
    wide = square if width is None else min(width, square)
    size = (wide, max(1, round(height * wide / square)))
    if size != (full, height):
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        alphas = {n: cv2.resize(a, size, interpolation=cv2.INTER_AREA) for n, a in alphas.items()}
    shown = shot.colour.to_display(rgb, plate.spec.colour_space)
    told = {layer: None if one is None else one.confidence for layer, one in seen.items()}
    return overlay(shown, alphas), told


def _chosen(shot: Finished, layers: Sequence[str]) -> tuple[str, ...]:
    known = tuple(layer.name for layer in shot.layers)
    for name in layers:
        if name not in known:
            raise GraphError(f"there is no layer '{name}'", hint=f"there are {', '.join(known)}")
    return tuple(layers) or known


def _foreground(shot: Finished, frame: int, layers: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """``(H, W, 3)`` display colour, straight, 0 to 1, and ``(H, W)`` alpha of the layers together;
    where there is no matte the colour is the plate's."""
    plate = shot.plate(frame)
    linear = shot.colour.to_linear(plate.rgb(), plate.spec.colour_space)
    total = np.zeros(linear.shape[:2], np.float32)
    clear = np.ones_like(total)
    colour = np.zeros_like(linear)
    for name in layers:
        seen = shot.seen(frame, name, plate.spec.data)
        if seen is None:
            continue
        own = shot.foreground(frame, name)
        over = linear if own is None else own.over(linear)
        # not a product alone: where there is no matte, a NaN of the plate is nothing
        weight = seen.alpha[..., None]
        colour += np.multiply(over, weight, out=np.zeros_like(over), where=weight > 0)
        total += seen.alpha
        clear *= 1 - seen.alpha
    independent = shot.keys.shape(shot.source).overlap == "independent"
    union = 1 - clear if independent else np.minimum(total, 1)
    some = total[..., None]
    straight = np.where(some > 1e-4, colour / np.maximum(some, 1e-4), linear)
    shown = shot.colour.to_view(straight, shot.colour.scene_linear, *shot.colour.viewed())
    return np.clip(shown, 0, 1), union


def _rate(image: Image) -> Fraction:
    """Frames a second that the plate's own attributes tell."""
    told = image.spec.attributes.get("framesPerSecond")
    if isinstance(told, Attribute) and told.type == "rational" and all(told.value):
        found = Fraction(int(told.value[0]), int(told.value[1]))
        if 1 <= found <= 240:
            return found
    return RATE


Writer = Callable[[np.ndarray, Any, int], None]


@contextlib.contextmanager
def _movie(
    path: Path,
    container: str,
    codec: str,
    pixels: str,
    rate: Fraction,
    options: dict[str, str],
    overwrite: bool,
) -> Iterator[Writer]:
    """A function that appends a picture: ``(H, W, 3)`` uint8 or ``(H, W, 4)`` float32, 0 to 1.

    The movie has its name only once it is whole. Raises WriteError.
    """
    path = path.absolute()
    if path.exists() and not overwrite:
        raise WriteError("is there already", file=path, hint="choose another name, or --overwrite")
    if not path.parent.is_dir():
        raise WriteError("its folder is not there", file=path, hint="make the folder first")
    part = path.with_name(f".{secrets.token_hex(8)}.rotograph-part")
    try:
        with av.open(f"file:{part}", "w", format=container) as out:
            stream = out.add_stream(codec, rate=rate, options=options)
            stream.pix_fmt = pixels
            size: list[tuple[int, int]] = []

            def write(picture: np.ndarray, spec: Any, number: int) -> None:
                shape = (picture.shape[1], picture.shape[0])
                if not size:
                    size.append(shape)
                    stream.width, stream.height = shape
                    _describe(stream, spec)
                elif size[0] != shape:
                    raise WriteError(
                        f"the picture is {shape[0]}x{shape[1]}, but the movie began as "
                        f"{size[0][0]}x{size[0][1]}",
                        frame=number,
                        file=path,
                        hint="movies need plates of one size",
                    )
                for packet in stream.encode(_picture(picture, pixels)):
                    out.mux(packet)

            yield write
            for packet in stream.encode(None):
                out.mux(packet)
        os.replace(part, path)
    except av.codec.codec.UnknownCodecError:
        raise WriteError(
            f"this FFmpeg has no encoder '{codec}'", file=path, hint="install PyAV's own wheel"
        ) from None
    except (av.FFmpegError, OSError) as error:
        raise WriteError(
            f"cannot be written: {getattr(error, 'strerror', None) or error}",
            file=path,
            hint="check the disk and the folder's rights",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def _describe(stream: Any, spec: Any) -> None:
    """What the stream says of itself: BT.709, limited range, the pixels' aspect, timecode."""
    codec = stream.codec_context
    codec.color_primaries = codec.color_trc = codec.colorspace = 1
    codec.color_range = 1
    if spec is None:
        return
    codec.sample_aspect_ratio = Fraction(spec.pixel_aspect).limit_denominator(1000)
    code = spec.attributes.get("timeCode")
    if isinstance(code, Attribute) and code.type == "timecode":
        stream.metadata["timecode"] = _told(int(code.value[0]))


def _told(word: int) -> str:
    """EXR's packed timecode as text."""
    frames, seconds, minutes, hours = (
        (word >> shift & 15) + 10 * (word >> (shift + 4) & tens)
        for shift, tens in ((0, 3), (8, 7), (16, 7), (24, 3))
    )
    drop = ";" if word & 0x40 else ":"
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{drop}{frames:02d}"


def _picture(picture: np.ndarray, pixels: str) -> av.VideoFrame:
    if picture.dtype == np.uint8:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    else:
        codes = np.rint(np.clip(picture, 0, 1) * 65535).astype(np.uint16)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format="rgba64le")
    made = frame.reformat(
        format=pixels,
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    made.color_primaries = made.color_trc = 1  # ProRes takes these from the picture
    return made

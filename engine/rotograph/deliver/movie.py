"""Movies of a finished shot: ProRes 4444 with alpha for the edit, H.264 with overlay to look at.

Encoded by FFmpeg through PyAV. A movie holds display colours, for editors have no other: the
plate's space through the OCIO display and view, BT.709 matrix, limited range. What cannot be told
inside the movie stands in a JSON file beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from rotograph.attribute import Attribute
from rotograph.colour import harmless
from rotograph.deliver.burnin import burn_in
from rotograph.deliver.encode import movie, resumes
from rotograph.deliver.finished import Finished
from rotograph.errors import GraphError
from rotograph.frames import format_frames
from rotograph.image import Image
from rotograph.layer import Layer
from rotograph.picture import overlay
from rotograph.whole import write_whole

Alpha = Literal["straight", "premultiplied"]
FORMAT = 1
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
) -> bool:
    """Foreground and alpha as ProRes 4444 (10 bits, the matte's too), and PATH.json beside it.

    The colour is the layers' own, without the background where the graph can tell it. alpha:
    straight, or premultiplied in display values, which is how editors put such a movie together.
    rate: frames a second; by default the plate's own, else 24. layers: which, by default all.
    Returns whether it had to be made: one that shows just this is left alone. Raises WriteError,
    MediaError, GraphError.
    """
    chosen = _chosen(shot, layers)
    first = shot.plate(frames[0])
    rate = rate or _rate(first)
    sidecar = path.with_suffix(path.suffix + ".json")
    digest = shot.digest(frames, "mov", FORMAT, alpha, rate, *chosen)
    if resumes(path, digest, overwrite) and sidecar.exists():
        return False
    options = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}
    with movie(path, "mov", PRORES, "yuva444p10le", rate, options, digest) as write:
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
    return True


def write_review(
    path: Path,
    shot: Finished,
    frames: Sequence[int],
    name: str,
    *,
    rate: Fraction | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> bool:
    """The plate with its layers drawn over it, in H.264, with square pixels; below it the shot's
    name, the frame, and each layer with its confidence.

    Returns whether it had to be made: one that shows just this is left alone. Raises WriteError,
    MediaError.
    """
    rate = rate or _rate(shot.plate(frames[0]))
    digest = shot.digest(frames, "mp4", FORMAT, name, rate)
    if resumes(path, digest, overwrite):
        return False
    options = {"crf": "18", "preset": "medium", "movflags": "+faststart"}
    with movie(path, "mp4", REVIEW, "yuv420p", rate, options, digest) as write:
        for done, frame in enumerate(frames):
            progress(done, len(frames))
            plate = shot.plate(frame)
            write(review_picture(shot, plate, frame, name), None, frame)
        progress(len(frames), len(frames))
    return True


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

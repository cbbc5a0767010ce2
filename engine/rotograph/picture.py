"""Pictures to judge mattes by: a contact sheet of a few frames, and layers drawn over a plate.

All drawing is on display pixels, ``(H, W, 3)`` uint8 sRGB; only what is composited is composited
in linear light before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from rotograph.colour import Colour, harmless
from rotograph.layer import Layer
from rotograph.whole import write_whole

GREY = 0.18
"""The backing of composites, scene-linear."""
PAGE = 30
TEXT = 205
FAINT = 130
MARGIN = 24
GAP = 6
SIZE = 15
"""Of text, in pixels."""

# apart in hue and in lightness, for eyes that miss some hues, too; sRGB
COLOURS = (
    *((0.95, 0.35, 0.25), (0.20, 0.75, 0.95), (0.98, 0.80, 0.20), (0.35, 0.85, 0.45)),
    *((0.80, 0.45, 0.95), (0.98, 0.60, 0.75), (0.45, 0.55, 1.00), (0.75, 0.90, 0.35)),
)


@dataclass(frozen=True, eq=False)
class Cell:
    """One frame of a contact sheet, already small: three ``(h, w, 3)`` uint8 pictures."""

    label: str
    plate: np.ndarray
    matte: np.ndarray
    composite: np.ndarray


def layer_colour(index: int) -> tuple[float, float, float]:
    """The display colour of a shot's ``index``-th layer: sRGB, each 0 to 1.

    After the first eight the same ones come again, paler, and then darker.
    """
    red, green, blue = COLOURS[index % len(COLOURS)]
    shift, target = ((0.0, 0.0), (0.5, 1.0), (0.5, 0.0))[index // len(COLOURS) % 3]
    return tuple(c + (target - c) * shift for c in (red, green, blue))


def hexadecimal(colour: Sequence[float]) -> str:
    """A display colour as web pages write it, such as ``#f25940``."""
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour)


def cell(
    label: str,
    rgb: np.ndarray,
    alpha: np.ndarray,
    colour: Colour,
    space: str,
    *,
    foreground: np.ndarray | None = None,
    pixel_aspect: float = 1.0,
    width: int = 400,
) -> Cell:
    """One frame for a contact sheet.

    rgb: ``(H, W, 3)`` the plate. foreground: the same shape, straight, without background; the
    plate if there is none. alpha: ``(H, W)``, 0 to 1. rgb and foreground are scene-linear, in
    ``space``. Scaled down to ``width`` in linear light, never up. Raises ColourError.
    """
    height, full = alpha.shape
    width = min(width, round(full * pixel_aspect))
    size = (width, max(1, round(height * width / (full * pixel_aspect))))
    over = np.asarray(alpha, dtype=np.float32)[..., None]
    front = harmless(rgb if foreground is None else foreground)
    front = front * over + np.float32(GREY) * (1 - over)
    plate, composite = (
        colour.to_display(_scaled(picture, size), space) for picture in (harmless(rgb), front)
    )
    small = np.clip(_scaled(over[..., 0], size), 0, 1)
    matte = np.repeat(np.rint(small * 255).astype(np.uint8)[..., None], 3, axis=2)
    return Cell(label, plate, matte, composite)


def contact_sheet(
    path: Path | str,
    cells: Sequence[Cell],
    title: str,
    footnote: str = "",
    names: Sequence[str] = ("plate", "matte", "over grey"),
) -> None:
    """Write a PNG: the frames side by side; plate, matte and composite over grey below each other.

    names: what the three rows are called, when they show something else. Raises WriteError.
    """
    height, width = (max(c.plate.shape[i] for c in cells) for i in (0, 1))
    left, top = MARGIN + 84, MARGIN + 62
    page = np.full(
        (
            top + 3 * (height + GAP) - GAP + MARGIN + (26 if footnote else 0),
            left + len(cells) * (width + GAP) - GAP + MARGIN,
            3,
        ),
        PAGE,
        dtype=np.uint8,
    )
    _text(page, title, (MARGIN, MARGIN + 16), SIZE + 6, weight=600)
    for column, one in enumerate(cells):
        x = left + column * (width + GAP)
        _text(page, one.label, (x, top - 10), SIZE, shade=FAINT)
        for row, picture in enumerate((one.plate, one.matte, one.composite)):
            y = top + row * (height + GAP)
            page[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    for row, name in enumerate(names):
        y = top + row * (height + GAP) + height // 2 + 5
        _text(page, name, (MARGIN, y), SIZE, shade=FAINT)
    if footnote:
        _text(page, footnote, (left, page.shape[0] - MARGIN + 6), SIZE - 2, shade=FAINT)
    write_png(path, page)


def overlay(
    shown: np.ndarray, layers: Mapping[Layer, np.ndarray], tint: float = 0.35
) -> np.ndarray:
    """A copy of a plate with every layer tinted, outlined where alpha crosses a half, and named.

    shown: ``(H, W, 3)`` uint8, for the display. layers: alpha, ``(H, W)`` 0 to 1, of each.
    """
    out = shown.astype(np.float32)
    for layer, alpha in layers.items():
        paint = np.array(layer.colour, dtype=np.float32) * 255
        amount = np.clip(np.asarray(alpha, dtype=np.float32), 0, 1)[..., None] * tint
        out += (paint - out) * amount
    picture = np.rint(out).astype(np.uint8)
    thickness = max(1, round(shown.shape[0] / 540))
    for layer, alpha in layers.items():
        inside = (np.asarray(alpha) > 0.5).astype(np.uint8)
        outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        if not outlines:
            continue
        paint = [round(255 * c) for c in layer.colour]
        cv2.drawContours(picture, outlines, -1, paint, thickness, cv2.LINE_AA)
        x, y, width, _ = cv2.boundingRect(max(outlines, key=cv2.contourArea))
        size = max(SIZE, shown.shape[0] // 40)
        _tag(picture, layer.label or layer.name, (x + width // 2, y), size, paint)
    return picture


def write_png(path: Path | str, picture: np.ndarray) -> None:
    """``(H, W, 3)`` uint8 RGB as a PNG file, whole or not at all. Raises WriteError."""
    _, encoded = cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 6])
    write_whole(path, encoded.data)


def _scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _text(
    page: np.ndarray,
    text: str,
    at: tuple[int, int],
    size: int,
    *,
    shade: int = TEXT,
    weight: int = 400,
) -> None:
    """at: the left end of the baseline."""
    cv2.putText(page, text, at, (shade,) * 3, cv2.FontFace("sans"), size, weight)


def _tag(
    picture: np.ndarray, text: str, at: tuple[int, int], size: int, paint: Sequence[int]
) -> None:
    """A name on a dark ground, above ``at`` (the middle of its lower edge), inside the picture."""
    frame = (picture.shape[1], picture.shape[0])
    box = cv2.getTextSize(frame, text, (0, 0), cv2.FontFace("sans"), size, 500)
    width, height = box[2] + size, 2 * size - size // 3
    x = min(max(at[0] - width // 2, 4), max(0, picture.shape[1] - width - 4))
    y = min(max(at[1] - height - 4, 4), max(0, picture.shape[0] - height - 4))
    under = picture[y : y + height, x : x + width]
    under[...] = under // 4
    cv2.putText(
        picture,
        text,
        (x + size // 2, y + height - size // 2),
        paint,
        cv2.FontFace("sans"),
        size,
        500,
    )

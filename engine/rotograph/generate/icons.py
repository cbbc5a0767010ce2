"""The icons of the host menus, drawn here from a few shapes, so that they are this project's own.

A shape is a signed distance in a square of 24 units, y down, negative inside; distances are
combined by minimum and maximum and become coverage over one pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

UNITS = 24.0
_PALE, _WARM, _COOL = (0.82, 0.84, 0.86), (1.0, 0.62, 0.22), (0.36, 0.72, 0.98)
_LINE = 1.7

Colour = tuple[float, float, float]


@dataclass
class Canvas:
    """A picture in the making. rgba: ``(size, size, 4)`` float32, straight alpha, display values.

    x, y: ``(size, size)``, the middle of each pixel in units.
    """

    rgba: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def lay(self, distance: np.ndarray, colour: Colour, soft: float = 0.0) -> None:
        """Put a shape on top; soft: units over which its edge fades."""
        pixel = UNITS / len(self.rgba)
        cover = np.clip(0.5 - distance / max(pixel, soft), 0, 1)[..., None]
        under = self.rgba[..., 3:] * (1 - cover)
        alpha = cover + under
        mixed = np.array(colour) * cover + self.rgba[..., :3] * under
        self.rgba[..., :3] = mixed / np.maximum(alpha, 1e-6)
        self.rgba[..., 3:] = alpha

    def disc(self, cx: float, cy: float, radius: float) -> np.ndarray:
        return np.hypot(self.x - cx, self.y - cy) - radius

    def box(self, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
        return np.maximum.reduce([x0 - self.x, self.x - x1, y0 - self.y, self.y - y1])

    def line(self, *points: tuple[float, float]) -> np.ndarray:
        """A round stroke through points."""
        parts = []
        for (ax, ay), (bx, by) in pairwise(points):
            dx, dy = bx - ax, by - ay
            along = ((self.x - ax) * dx + (self.y - ay) * dy) / (dx * dx + dy * dy)
            along = np.clip(along, 0, 1)
            parts.append(np.hypot(self.x - ax - along * dx, self.y - ay - along * dy))
        return np.minimum.reduce(parts) - _LINE / 2


def _ring(distance: np.ndarray, width: float = _LINE) -> np.ndarray:
    return np.abs(distance) - width / 2


def _brackets(c: Canvas, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    corner = 4.0
    arms = []
    for x, inward in ((x0, corner), (x1, -corner)):
        for y, down in ((y0, corner), (y1, -corner)):
            arms.append(c.line((x + inward, y), (x, y), (x, y + down)))
    return np.minimum.reduce(arms)


def _figure(c: Canvas) -> np.ndarray:
    """A head and shoulders."""
    body = np.maximum(np.hypot((c.x - 12) / 1.15, c.y - 20) - 6.0, c.y - 19.0)
    return np.minimum(c.disc(12, 9, 3.6), body)


def _rotograph(c: Canvas) -> None:
    c.lay(np.maximum(c.disc(12, 12, 8.5), c.x - 12), _WARM)
    c.lay(_ring(c.disc(12, 12, 8.5)), _PALE)


def _detect(c: Canvas) -> None:
    c.lay(c.disc(12, 12, 3.6), _WARM)
    c.lay(_brackets(c, 4, 4, 20, 20), _PALE)


def _segment(c: Canvas) -> None:
    c.lay(_figure(c), _COOL)
    c.lay(_ring(_figure(c)), _PALE)
    c.lay(np.minimum(c.line((17, 5), (17, 10)), c.line((14.5, 7.5), (19.5, 7.5))), _WARM)


def _track(c: Canvas) -> None:
    path = [(5, 17), (9, 11), (14, 12), (19, 6)]
    c.lay(c.line(*path), _PALE)
    for (x, y), size in zip(path, (1.8, 1.8, 1.8, 3.2), strict=True):
        c.lay(c.disc(x, y, size), _WARM)


def _matte(c: Canvas) -> None:
    c.lay(c.box(3, 4, 21, 20), (0.08, 0.08, 0.08))
    c.lay(c.disc(12, 12, 4.6), (1.0, 1.0, 1.0), soft=4.0)
    c.lay(_ring(c.box(3, 4, 21, 20)), _PALE)


def _refine(c: Canvas) -> None:
    c.lay(np.maximum(c.disc(12, 12, 7), c.x - 12), _COOL)
    c.lay(np.maximum(c.disc(12, 12, 5.5), 12 - c.x), _COOL, soft=5.0)
    c.lay(np.maximum(_ring(c.disc(12, 12, 7)), c.x - 12), _PALE)
    c.lay(c.line((12, 3), (12, 21)), _WARM)


def _roto(c: Canvas) -> None:
    x, y = (c.x - 12) / 8.0, (c.y - 12) / 7.0
    angle = np.arctan2(y, x)
    blob = (np.hypot(x, y) - 0.85 - 0.16 * np.cos(3 * angle + 0.6)) * 7.0
    c.lay(blob, (0.25, 0.42, 0.55))
    c.lay(_ring(blob), _PALE)
    for turn in np.arange(4) * np.pi / 2 + 0.35:
        reach = 0.85 + 0.16 * np.cos(3 * turn + 0.6)
        px, py = 12 + 8 * reach * np.cos(turn), 12 + 7 * reach * np.sin(turn)
        c.lay(c.box(px - 1.8, py - 1.8, px + 1.8, py + 1.8), _WARM)


def _precomp(c: Canvas) -> None:
    for shift in (4.0, 0.0):
        frame = c.box(3.5 + shift, 8.5 - shift, 16.5 + shift, 20.5 - shift)
        c.lay(frame, (0.2, 0.22, 0.25))
        c.lay(_ring(frame, 1.0), _PALE)
    c.lay(c.disc(10, 14.5, 3.2), _WARM)


def _files(c: Canvas) -> None:
    page = np.maximum(c.box(5, 3, 19, 21), (c.x - 15) - (c.y - 3))
    c.lay(page, (0.2, 0.22, 0.25))
    c.lay(_ring(page), _PALE)
    for y in (10.0, 13.5, 17.0):
        c.lay(c.line((8.5, y), (15.5, y)), _COOL)


ICONS: dict[str, Callable[[Canvas], None]] = {
    "": _rotograph,
    "Detect": _detect,
    "Segment": _segment,
    "Track": _track,
    "Matte": _matte,
    "Refine": _refine,
    "Roto": _roto,
    "Precomp": _precomp,
    "Files": _files,
}
"""What follows ``Rotograph`` in an icon's file name, and who draws it."""


def draw(name: str, size: int) -> np.ndarray:
    """An icon, ``(size, size, 4)`` uint8, R G B A, straight alpha."""
    middle = (np.arange(size) + 0.5) * (UNITS / size)
    x, y = np.meshgrid(middle, middle)
    canvas = Canvas(np.zeros((size, size, 4)), x, y)
    ICONS[name](canvas)
    return np.round(canvas.rgba * 255).astype(np.uint8)


def icon_files(size: int) -> dict[str, bytes]:
    """``RotographDetect.png`` and the others, as PNG."""
    return {
        f"Rotograph{name}.png": cv2.imencode(".png", draw(name, size)[..., [2, 1, 0, 3]])[
            1
        ].tobytes()
        for name in ICONS
    }

"""Words on review pictures: shot, frame, and each layer in its colour with its confidence."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping

import cv2
import numpy as np

from rotograph.layer import Layer

_LIGHT, _LOW = (225, 225, 225), (255, 110, 90)
_DOUBTED = 0.5


def burn_in(
    picture: np.ndarray, shot: str, frame: int, layers: Mapping[Layer, float | None]
) -> np.ndarray:
    """The picture with a dark strip below it, so that nothing of it is hidden.

    picture: ``(H, W, 3)`` uint8, for the display. layers: confidence of each, 0 to 1, or None
    where it is not delivered. Returns ``(H + strip, W, 3)``, both even, as H.264 wants them.
    """
    height, width = picture.shape[:2]
    size = max(12, height // 36)
    strip = 2 * size
    out = np.zeros((height + strip + (height + strip) % 2, width + width % 2, 3), np.uint8)
    out[:height, :width] = picture
    baseline = height + size + size // 2 - size // 8
    x = size // 2
    number = str(frame)
    right = width - size // 2 - _length(number, size)
    _word(out, number, right, baseline, size, _LIGHT)
    # half of what is left may be the shot's name; the rest is for the layers
    room = (right - x) // 2 if layers else right - x - size
    x = _word(out, _fitted(shot, size, room), x, baseline, size, _LIGHT) + size
    for layer, confidence in layers.items():
        name = layer.label or layer.name
        told = "-" if confidence is None else f"{100 * confidence:.0f} %"
        if x + size + _length(f"{name} {told}", size) > right - size:
            _word(out, "…", x, baseline, size, _LIGHT)
            break
        paint = tuple(round(255 * c) for c in layer.colour)
        box = (x, baseline - size * 3 // 4), (x + size * 3 // 4, baseline)
        cv2.rectangle(out, *box, paint, cv2.FILLED)
        x = _word(out, name, x + size, baseline, size, _LIGHT) + size // 3
        low = confidence is not None and confidence < _DOUBTED
        x = _word(out, told, x, baseline, size, _LOW if low else _LIGHT) + size
    return out


def _font(text: str) -> cv2.FontFace:
    return cv2.FontFace("sans" if text.isascii() else "uni")


def _fitted(text: str, size: int, room: int) -> str:
    """The beginning of a text, as much as there is room for."""
    if _length(text, size) <= room:
        return text
    fits = bisect(range(len(text)), room, key=lambda n: _length(text[:n] + "…", size)) - 1
    return text[: max(0, fits)] + "…"


def _length(text: str, size: int) -> int:
    """Pixels that a text takes."""
    return cv2.getTextSize((1 << 14, 1 << 14), text, (0, 0), _font(text), size)[2]


def _word(picture: np.ndarray, text: str, x: int, y: int, size: int, paint: tuple[int, ...]) -> int:
    """Draw with the left end of the baseline at (x, y); gives back where the text ends."""
    cv2.putText(picture, text, (x, y), paint, _font(text), size, 400)
    return x + _length(text, size)

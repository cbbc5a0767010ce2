"""Prompts in the grid of a model: what every segmenter is asked with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class GridPrompts:
    """All prompts for one layer on one frame, in pixels of the working picture, y down.

    boxes: ``(x0, y0, x1, y1)`` each. inside, outside: points ``(x, y)``; the centre of the first
    pixel is (0.5, 0.5). masks: ``(h, w)`` float32 in [0, 1], over 0.5 is the layer. erasures: the
    same, over 0.5 is surely not the layer.
    """

    boxes: tuple[tuple[float, float, float, float], ...] = ()
    inside: tuple[tuple[float, float], ...] = ()
    outside: tuple[tuple[float, float], ...] = ()
    masks: tuple[np.ndarray, ...] = ()
    erasures: tuple[np.ndarray, ...] = ()

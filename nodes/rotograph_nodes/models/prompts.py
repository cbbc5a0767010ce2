"""Prompts in the grid of a model: what every segmenter is asked with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CORNER = 2
"""How a network of SAM's kind is told of a box's first corner; the other is one more."""


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


def drawn(prompts: GridPrompts, prior: np.ndarray | None) -> np.ndarray | None:
    """Logits ``(h, w)`` of what is known of a layer's shape beside boxes and points, or None."""
    if prior is not None or not prompts.masks:
        return prior
    return np.where(np.max(prompts.masks, axis=0) > 0.5, np.float32(10.0), np.float32(-10.0))


def questions(
    prompts: GridPrompts, known: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What a network of SAM's kind is asked: one for each box, or one of points alone.

    known: as from ``drawn``. Each is points ``(n, 2)`` float64 in pixels of the working picture,
    a box's two corners first, and their labels ``(n,)`` int32: 0 outside, 1 inside, 2 and 3 the
    corners. Empty when there is nothing to ask: no box, and no point that is inside or corrects
    what is known.
    """
    clicks = [(p, 1) for p in prompts.inside] + [(p, 0) for p in prompts.outside]
    if not (prompts.boxes or prompts.inside or (clicks and known is not None)):
        return []
    asked = []
    for box in prompts.boxes or (None,):
        corners = [] if box is None else [(box[:2], CORNER), (box[2:], CORNER + 1)]
        points, labels = zip(*corners, *clicks, strict=True)
        asked.append((np.array(points, np.float64), np.array(labels, np.int32)))
    return asked

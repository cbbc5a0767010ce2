"""The outline of a matte, for a viewer: where alpha passes a half, as short pieces of a line.

Marching squares (Lorensen and Cline 1987, in two dimensions) over some of the pixels, each place
where the line passes between two of them then found to the pixel, and linear within it.
"""

from __future__ import annotations

import numpy as np

from rotograph.image import Box

WIDEST = 1024
"""Samples across; of a wider matte only every second or third pixel is looked at."""
MOST = 50_000
"""Pieces; what has more is noise, and has no outline."""
_SIDES = (((0, 0), (0, 1)), ((0, 1), (1, 0)), ((1, 0), (0, 1)), ((0, 0), (1, 0)))
"""A cell's sides: where each begins and which way it goes, (down, across)."""


def outline(window: Box, alpha: np.ndarray) -> np.ndarray:
    """``(N, 2, 2)`` float32: N pieces, each from (x, y) to (x, y), in plate pixels, y down.

    alpha: ``(H, W)`` in [0, 1] or bool, of ``window``; outside there is nothing, so what touches
    the border is closed along it.
    """
    step = -(-max(*alpha.shape, 1) // WIDEST)
    inside = np.pad(alpha[::step, ::step] > 0.5, 1)
    across, down = inside[:, 1:] ^ inside[:, :-1], inside[1:] ^ inside[:-1]
    mixed = across[1:] | across[:-1] | down[:, 1:] | down[:, :-1]
    rows, columns = np.divmod(np.flatnonzero(mixed), mixed.shape[1])  # nonzero takes ten times that
    if len(rows) > MOST:
        return np.zeros((0, 2, 2), np.float32)
    points = np.empty((len(rows), 4, 2), np.float32)
    passed = np.empty((len(rows), 4), bool)
    for n, ((y, x), way) in enumerate(_SIDES):
        ends = inside[rows + y, columns + x], inside[rows + y + way[0], columns + x + way[1]]
        passed[:, n] = ends[0] != ends[1]
        begins = np.stack([rows + y - 1, columns + x - 1], 1)[passed[:, n]] * step
        part = _passing(alpha, begins, np.array(way), step)
        points[passed[:, n], n] = (begins + part[:, None] * way)[:, ::-1]
    # a cell has two or four such sides, and they follow one another
    pieces = points[passed].reshape(-1, 2, 2) + np.float32(0.5)
    size, corner = (window.width, window.height), (window.x0, window.y0)
    return np.clip(pieces, 0, np.float32(size)) + np.float32(corner)


def _passing(alpha: np.ndarray, begins: np.ndarray, way: np.ndarray, step: int) -> np.ndarray:
    """How far from ``begins`` (n, 2) alpha passes a half within ``step`` pixels, (n,) float."""

    def value(far: np.ndarray) -> np.ndarray:
        at = begins + far[:, None] * way
        there = ((at >= 0) & (at < alpha.shape)).all(1)
        y, x = np.where(there[:, None], at, 0).T
        return np.where(there, alpha[y, x], 0.0)

    low, high = np.zeros(len(begins), int), np.full(len(begins), step)
    first = value(low) > 0.5
    while len(low) and (high - low).max() > 1:
        middle = (low + high) // 2
        same = (value(middle) > 0.5) == first
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    here, there = value(low), value(high)
    return low + (0.5 - here) / (there - here)

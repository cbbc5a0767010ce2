"""What a layer looks like: the colours of its inside and outside, near a place and in the frame.

Colours are counted over a small palette in a coarse grid over the frame. A local count knows that
this blue is sky here and shirt there: the local classifiers of Video SnapCut (Bai, Wang, Simons
and Sapiro 2009), held as one dense grid (a bilateral grid, Chen, Paris and Durand 2007) instead of
windows along the contour. Where a place has seen little, the wider neighbourhood answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

CELL = 8  # pixels of a picture in one cell of the grid, each way
_SAMPLES = 6000  # pixels that a palette is made from
_TABLE = 32  # steps of the table that finds the palette colour of a pixel
_SEED = 20


def colours(picture: np.ndarray) -> np.ndarray:
    """``(h, w, 3)`` float32: lightness and two opponent chromas, chroma weighted up.

    picture: ``(h, w, 3)`` ACEScct. One scale for all, so that Euclidean distance is difference.
    """
    red, green, blue = (picture[..., c].astype(np.float32) for c in range(3))
    light = (red + green + blue) / 3.0
    return np.dstack([light, 1.6 * (red - green), 1.6 * (0.5 * (red + green) - blue)])


def palette(*fields: np.ndarray, count: int = 64) -> np.ndarray:
    """``(count, 3)`` float32 colours that stand for all others: k-means over a regular subset.

    fields: one or more ``(h, w, 3)`` or ``(n, 3)`` float32 sets of ``colours``.
    """
    taken = []
    for field in fields:
        flat = field.reshape(-1, 3)
        taken.append(flat[:: max(1, len(flat) * len(fields) // _SAMPLES)])
    samples = np.ascontiguousarray(np.concatenate(taken), dtype=np.float32)
    count = min(count, len(samples))
    cv2.setRNGSeed(_SEED)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1e-4)
    _, _, centres = cv2.kmeans(samples, count, None, criteria, 1, cv2.KMEANS_PP_CENTERS)
    return centres


def assign(field: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """``(h, w)`` int32 index of each pixel's palette colour, by a table over the colour cube.

    field: ``(h, w, 3)`` float32 ``colours``.
    """
    low = np.minimum(field.min(axis=(0, 1)), centres.min(axis=0))
    step = (np.maximum(field.max(axis=(0, 1)), centres.max(axis=0)) - low) / (_TABLE - 1) + 1e-9
    axes = [low[c] + step[c] * np.arange(_TABLE, dtype=np.float32) for c in range(3)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = (centres**2).sum(axis=1) - 2.0 * (nodes @ centres.T)
    table = distance.argmin(axis=1).astype(np.int32)
    at = np.round((field - low) / step).astype(np.int32)
    return table[(at[..., 0] * _TABLE + at[..., 1]) * _TABLE + at[..., 2]]


def kinship(centres: np.ndarray, width: float = 0.02) -> np.ndarray:
    """``(K, K)`` float32: how much a count of one palette colour speaks for another.

    width: colour distance (in ``colours``) at which it hardly does any more.
    """
    distance = ((centres[:, None] - centres[None]) ** 2).sum(axis=2)
    return np.exp(-0.5 * distance / width**2).astype(np.float32)


def tally(index: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """``(gh, gw, size)`` float32: pixels of each palette colour in each cell of the grid.

    index: ``(h, w)`` int32 of ``assign``; weight: ``(h, w)`` float32, 0 or more.
    """
    height, width = index.shape
    rows, columns = -(-height // CELL), -(-width // CELL)
    cell = (np.arange(height) // CELL)[:, None] * columns + np.arange(width) // CELL
    flat = (cell * size + index).ravel()
    total = np.bincount(flat, weights=weight.ravel(), minlength=rows * columns * size)
    return total.reshape(rows, columns, size).astype(np.float32)


def likelihood(
    grid: np.ndarray, kin: np.ndarray, reaches: Sequence[float], whole: np.ndarray | None = None
) -> np.ndarray:
    """``(gh, gw, K)`` float32: how likely each palette colour is at each place.

    grid: of ``tally``. kin: of ``kinship``. reaches: standard deviations in pixels, wide to
    narrow; the wider answers where the narrower has seen little. whole: ``(K,)`` counts from
    elsewhere (an anchor) that join those of the whole frame.
    """
    size = grid.shape[2]
    total = grid.sum(axis=(0, 1)) if whole is None else grid.sum(axis=(0, 1)) + whole
    total = total @ kin
    belief = (total / max(float(total.sum()), 1e-6) + 1e-5)[None, None]
    for reach in reaches:
        sigma = max(reach / CELL, 0.3)
        near = _blur(grid, sigma) @ kin
        seen = near.sum(axis=2, keepdims=True)
        # as many pixels as half a cell holds are worth as much as all that is known from farther
        trust = CELL * CELL * 0.5
        belief = (near + trust * belief) / (seen + trust)
    return np.broadcast_to(belief, (*grid.shape[:2], size))


def log_odds(index: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32: log of the ratio of two ``likelihood`` grids at each pixel's own colour.

    The grids are read bilinearly between their cells' centres.
    """
    ratio = np.log(inside) - np.log(outside)
    height, width = index.shape
    y0, y1, fy = _between(height, ratio.shape[0])
    x0, x1, fx = _between(width, ratio.shape[1])
    fy, fx = fy[:, None], fx[None]
    upper = (
        ratio[y0[:, None], x0[None], index] * (1 - fx) + ratio[y0[:, None], x1[None], index] * fx
    )
    lower = (
        ratio[y1[:, None], x0[None], index] * (1 - fx) + ratio[y1[:, None], x1[None], index] * fx
    )
    return (upper * (1 - fy) + lower * fy).astype(np.float32)


def _between(length: int, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two cells on both sides of each pixel, and the share of the second."""
    place = np.clip((np.arange(length) + 0.5) / CELL - 0.5, 0, cells - 1)
    first = place.astype(np.int32)
    return first, np.minimum(first + 1, cells - 1), (place - first).astype(np.float32)


def _blur(grid: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over the two axes of the frame; sums are kept, nothing comes in from outside."""
    out = grid
    for axis in (0, 1):
        length = out.shape[axis]
        place = np.arange(length, dtype=np.float32)
        kernel = np.exp(-0.5 * ((place[:, None] - place[None]) / sigma) ** 2)
        # a blurred count is the count of a patch of about one cell's worth: normalised to a peak
        # of 1 it is the number of pixels in reach
        out = np.moveaxis(np.tensordot(kernel, out, axes=(1, axis)), 0, axis)
    return out

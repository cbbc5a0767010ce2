"""The matting Laplacian of the unknown pixels: "alpha follows the colours", as a matrix.

Source: Levin, Lischinski and Weiss, "A Closed-Form Solution to Natural Image Matting", 2008.
In every 3x3 window alpha is taken to be an affine function of colour, and the quadratic form
built here is what is left over when it is not. It holds for scene-linear values only: there a
mixed pixel lies on the straight line between its two colours.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from scipy import sparse

_OFFSETS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_NOISE = 1e-6  # variance, over brightness squared, below which colour says little about alpha
_BLACK = 1e-12  # the same where there is no brightness at all
_CHUNK = 1 << 14  # windows at a time, so that their dense 9x9 blocks stay small


def equations(
    linear: np.ndarray, known: np.ndarray, unknown: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """``matrix @ alpha = right`` for the unknown pixels, in the order of ``np.nonzero``.

    linear: ``(H, W, 3)`` float32 finite scene-linear colour, any range; H, W at least 3.
    known: ``(H, W)`` float32, alpha of the pixels that are not unknown.
    unknown: ``(H, W)`` bool; a pixel on the picture's rim takes part in fewer windows.
    Returns ``(n, n)`` float64 CSR, symmetric positive semidefinite, and ``(n,)`` float64.
    """
    wanted = unknown.astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    centres = cv2.dilate(wanted, square)
    centres[[0, -1]] = 0
    centres[:, [0, -1]] = 0
    places = np.flatnonzero(cv2.dilate(centres, square))
    number = np.full(unknown.size, -1, dtype=np.int32)
    number[places] = np.arange(places.size, dtype=np.int32)
    inside = unknown.ravel()[places]
    order = np.cumsum(inside, dtype=np.int32) - 1
    alpha = known.ravel()[places].astype(np.float64)

    right = np.zeros(places.size)
    rows, columns, entries = [], [], []
    stride = unknown.shape[1]
    couplings = _couplings(linear, np.flatnonzero(centres), number, places.size)
    for (dy, dx), coupling in couplings.items():
        here = np.flatnonzero(coupling)
        there = number[places[here] + dy * stride + dx]
        value = coupling[here]
        pairs = [(here, there)] if (dy, dx) == (0, 0) else [(here, there), (there, here)]
        for a, b in pairs:
            solved = inside[a] & inside[b]
            rows.append(order[a[solved]])
            columns.append(order[b[solved]])
            entries.append(value[solved])
            given = inside[a] & ~inside[b]
            right[a[given]] -= value[given] * alpha[b[given]]
    count = int(np.count_nonzero(inside))
    matrix = sparse.csr_matrix(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count, count),
    )
    return matrix, right[inside]


def _couplings(
    linear: np.ndarray, centres: np.ndarray, number: np.ndarray, count: int
) -> dict[tuple[int, int], np.ndarray]:
    """The Laplacian's diagonals: for each forward step (dy, dx) the entry between a pixel and
    the one that step away, ``(count,)`` float64 in the order of ``number``."""
    stride = linear.shape[1]
    diagonals: dict[tuple[int, int], np.ndarray] = {}
    for lines, affinity in _windows(linear, centres):
        for a, (ay, ax) in enumerate(_OFFSETS):
            for b in range(a, len(_OFFSETS)):
                step = (_OFFSETS[b][0] - ay, _OFFSETS[b][1] - ax)
                diagonal = diagonals.setdefault(step, np.zeros(count))
                # one window per centre: no pixel occurs twice, so plain indexing adds up
                diagonal[number[lines + ay * stride + ax]] += (a == b) - affinity[:, a, b]
    return diagonals


def _windows(linear: np.ndarray, centres: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of window centres (flat) with their ``(w, 9, 9)`` affinities."""
    flat = linear.reshape(-1, 3)
    stride = linear.shape[1]
    around = np.array([dy * stride + dx for dy, dx in _OFFSETS])
    size = len(_OFFSETS)
    for start in range(0, centres.size, _CHUNK):
        lines = centres[start : start + _CHUNK]
        colours = flat[lines[:, None] + around].astype(np.float64)
        noise = _NOISE * np.square(colours).mean(axis=(1, 2)) + _BLACK
        colours -= colours.mean(axis=1, keepdims=True)
        covariance = np.matmul(colours.transpose(0, 2, 1), colours) / size
        covariance[:, range(3), range(3)] += noise[:, None] / size
        affinity = np.matmul(colours @ np.linalg.inv(covariance), colours.transpose(0, 2, 1))
        affinity += 1.0
        affinity /= size
        yield lines, affinity

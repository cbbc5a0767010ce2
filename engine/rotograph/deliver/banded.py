"""Keyframes solved for together, though each frame hangs on a few of them only."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded


def factor(
    parts: np.ndarray, blocks: list[np.ndarray], rest: np.ndarray
) -> tuple[np.ndarray, bool]:
    """The Cholesky factor of ``sum_t (p_t p_t') x block_t``, and ``rest`` on every keyframe.

    parts: ``(T, K)``, how much of each keyframe is in each frame, in few neighbours at a time.
    blocks: one ``(n, n)`` for each frame; rest: ``(n, n)``, making it all positive definite.
    """
    keys, size = parts.shape[1], len(rest)
    sums: dict[tuple[int, int], np.ndarray] = {(k, k): rest.copy() for k in range(keys)}
    for weights, block in zip(parts, blocks, strict=True):
        own = np.flatnonzero(weights)
        for a in own:
            for b in own[own <= a]:
                sums[a, b] = sums.get((a, b), 0.0) + weights[a] * weights[b] * block
    reach = max(a - b for a, b in sums)
    band = np.zeros(((reach + 1) * size, keys * size))  # what is at (j + d, j) is in [d, j]
    down = np.arange(size)[:, None] - np.arange(size)[None]
    column = np.broadcast_to(np.arange(size), (size, size))
    for (a, b), block in sums.items():
        depth = (a - b) * size + down
        good = depth >= 0
        band[depth[good], b * size + column[good]] = block[good]
    return cholesky_banded(band, lower=True), True


def solve(factored: tuple[np.ndarray, bool], right: np.ndarray) -> np.ndarray:
    """right: ``(K, n)`` or ``(K, n, d)``, shaped back alike."""
    keys, size = right.shape[:2]
    return cho_solve_banded(factored, right.reshape(keys * size, -1)).reshape(right.shape)

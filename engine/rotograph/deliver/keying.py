"""Which frames become keyframes: as few as tell the motion of a contour that is known on all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rotograph.deliver.spline import hermite, shares

_CLOSE = 0.15  # pixels, root mean square: a motion need not be closer
_LONGEST = 48  # frames between two keyframes
_TRIES = 60
_FEW = 40  # points of a contour that are enough to tell its motion


def most_keys(frames: int) -> int:
    """How many keyframes a shape on so many frames may have: a third, but two if it moves."""
    return min(frames, max(2, frames // 3))


def choose_keys(
    tracks: np.ndarray, times: Sequence[int], weight: np.ndarray, most: int, least: int = 2
) -> list[int]:
    """As few frames as tell the motion; indices, rising, first and last among them.

    tracks: ``(T, N, 2)``; weight: ``(T, N)``. First by dynamic programming, each stretch as smooth
    motion with the points' own speed at its ends; then moved as long as that fits better.
    """
    count = len(tracks)
    if count <= 2 or most < 2:
        return list(range(count))[:most]
    some = slice(None, None, max(1, tracks.shape[1] // _FEW))
    tracks, weight = tracks[:, some], weight[:, some]
    at = np.asarray(times, np.float64)
    speed = np.gradient(tracks, at, axis=0)
    cost = np.full((count, count), np.inf)
    longest = max(_LONGEST, -(-count // (most - 1)))
    for i in range(count):
        for j in range(i + 1, min(count, i + longest + 1)):
            cost[i, j] = _stretch(tracks, at, speed, weight, i, j)
    best, came = np.full((most, count), np.inf), np.zeros((most, count), int)
    best[0, 0] = 0.0
    for k in range(1, most):
        options = best[k - 1][:, None] + cost
        came[k], best[k] = options.argmin(axis=0), options.min(axis=0)

    def chosen(k: int) -> list[int]:
        keys = [count - 1]
        for step in range(k, 0, -1):
            keys.append(int(came[step, keys[-1]]))
        return keys[::-1]

    fewest = next(k for k in range(1, most) if np.isfinite(best[k, -1]))
    low, high = max(fewest, least - 1), most - 1
    while low < high:  # the fewest that are close enough, for more are closer
        middle = (low + high) // 2
        if _error(chosen(middle), tracks, at, weight) < _CLOSE**2 * weight.sum():
            high = middle
        else:
            low = middle + 1
    return _better(chosen(low), tracks, at, weight)


def _error(keys: Sequence[int], tracks, at, weight) -> float:
    """Squared pixels, weighted, that the points are off when keyframes are as good as they can."""
    flat = tracks.reshape(len(tracks), -1)
    basis = np.linalg.qr(shares(at[list(keys)], at))[0]
    return float(np.sum(np.repeat(weight, 2, axis=1) * (flat - basis @ (basis.T @ flat)) ** 2))


def _stretch(tracks, at, speed, weight, i: int, j: int) -> float:
    """The same between two keyframes alone, moving as the points do at both."""
    if j == i + 1:
        return 0.0
    span = at[j] - at[i]
    u = ((at[i + 1 : j] - at[i]) / span)[:, None, None]
    there = hermite(u, span, (tracks[i], tracks[j]), (speed[i], speed[j]))
    return float(np.sum(weight[i + 1 : j, :, None] * (tracks[i + 1 : j] - there) ** 2))


def _better(keys: list[int], tracks, at, weight) -> list[int]:
    """Keyframes moved by a frame or two as long as what hangs on them fits better."""
    least, tries, improved = _error(keys, tracks, at, weight), _TRIES, True
    while improved and tries > 0:
        improved = False
        for k in range(1, len(keys) - 1):
            for step in (-1, 1, -2, 2):
                other = [*keys[:k], keys[k] + step, *keys[k + 1 :]]
                if tries <= 0 or any(b <= a for a, b in pairwise(other)):
                    continue
                tries -= 1
                found = _error(other, tracks, at, weight)
                if found < least * 0.999:
                    keys, least, improved = other, found, True
    return keys

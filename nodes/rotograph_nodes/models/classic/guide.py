"""The plate as its edges are compared: finite, its range compressed, and how grainy it is."""

from __future__ import annotations

import numpy as np

_PEDESTAL = 0.01  # scene-linear light under which the guide becomes linear
_LARGEST = 65504.0  # half float's
_ROWS = 256  # as many are looked at for grain
_MAD_OF_NORMAL = 0.6745  # median absolute deviation of a normal distribution of variance 1


def guide(linear: np.ndarray) -> np.ndarray:
    """``(H, W, 3)`` float32: the plate with its range compressed, about 0.1 to 6.6.

    linear: ``(H, W, 3)`` scene-linear, unclamped; NaN and negatives count as black, infinity
    as the largest half. A square root up to 1, which keeps the mixing of colours nearly linear
    and grain even; a logarithm above, with the same slope where they meet, so that a lamp does
    not swamp its surroundings.
    """
    light = np.nan_to_num(linear.astype(np.float32), nan=0.0, posinf=_LARGEST, neginf=0.0)
    np.clip(light, 0.0, _LARGEST, out=light)
    light += _PEDESTAL
    bright = light > 1.0
    root = np.sqrt(light)
    root[bright] = 1.0 + 0.5 * np.log(light[bright])
    return root


def grain_of(linear: np.ndarray) -> np.ndarray:
    """``(3,)`` float32: variance of the grain in each channel of the guide.

    linear: ``(H, W, 3)``, the whole plate. From the median of how far a pixel is from the mean
    of its left and right neighbours: most of a picture is smooth but for grain (Donoho and
    Johnstone 1994, with a second difference in place of a wavelet).
    """
    if linear.shape[0] < 1 or linear.shape[1] < 3:
        return np.zeros(3, np.float32)
    rows = guide(linear[:: -(-linear.shape[0] // _ROWS)])
    apart = np.abs(rows[:, 1:-1] - 0.5 * (rows[:, :-2] + rows[:, 2:]))
    sigma = np.median(apart, axis=(0, 1)) / _MAD_OF_NORMAL
    return (np.square(sigma) / 1.5).astype(np.float32)  # variance of that difference is 1.5

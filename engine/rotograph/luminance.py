"""Turn OpenEXR's luminance and chroma channels (Y, RY, BY, chroma at half size) into R, G, B.

Source: OpenEXR's ImfRgbaYca and RgbaInputFile: RY = (R - Y) / Y, BY = (B - Y) / Y, chroma kept at
every second pixel and line, reconstructed with a 27-tap filter, then colours that came out more
saturated than their surroundings are held back.
"""

from __future__ import annotations

import numpy as np

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)

# weights of the chroma samples at distance 1, 3, 5 … 13 pixels
_TAPS = (0.627123, -0.186077, 0.087929, -0.043159, 0.019597, -0.007540, 0.002128)


def luminance_weights(chromaticities: tuple[float, ...]) -> np.ndarray:
    """``(3,)`` float32: how much R, G and B each weigh in Y; they add up to 1.

    chromaticities: x and y of red, green, blue and white, eight numbers.
    Raises ValueError when they span no gamut.
    """
    x, y = np.asarray(chromaticities[0::2], np.float64), np.asarray(chromaticities[1::2])
    if not np.isfinite([x, y]).all() or y[3] == 0:
        raise ValueError("these chromaticities have no white")
    primaries = np.stack([x[:3], y[:3], 1.0 - x[:3] - y[:3]])
    white = np.array([x[3], y[3], 1.0 - x[3] - y[3]]) / y[3]
    try:
        weights = np.linalg.solve(primaries, white) * y[:3]
    except np.linalg.LinAlgError as error:
        raise ValueError("these chromaticities span no gamut") from error
    total = weights.sum()
    if not np.isfinite(weights).all() or total == 0 or weights[1] == 0:
        raise ValueError("these chromaticities span no gamut")
    return (weights / total).astype(np.float32)


def to_rgb(y: np.ndarray, ry: np.ndarray, by: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``(H, W, 3)`` float32 R, G, B, unclamped above.

    y: ``(H, W)``; ry, by: ``(ceil(H / 2), ceil(W / 2))``, or ``(H, W)`` when not subsampled.
    weights: from ``luminance_weights``.
    """
    y = y.astype(np.float32)
    ry, by = (_full(c.astype(np.float32), y.shape) for c in (ry, by))
    grey = (ry == 0) & (by == 0)
    with np.errstate(invalid="ignore", over="ignore"):
        red, blue = (ry + 1) * y, (by + 1) * y
        green = (y - red * weights[0] - blue * weights[2]) / weights[1]
        rgb = np.stack([red, green, blue], axis=-1)
        rgb[grey] = y[grey, None]
        return _hold_saturation(rgb, weights)


def _full(chroma: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Chroma at every pixel: columns first, then rows, as RgbaInputFile does."""
    if chroma.shape == shape:
        return chroma
    wide = _double(chroma, shape[1], axis=1)
    return _double(wide, shape[0], axis=0)


def _double(samples: np.ndarray, length: int, axis: int) -> np.ndarray:
    rows = np.moveaxis(samples, axis, 0)
    reach = len(_TAPS)
    padded = np.concatenate([rows[:1].repeat(reach - 1, 0), rows, rows[-1:].repeat(reach, 0)])
    count = len(rows)
    between = np.zeros_like(rows)
    for i, tap in enumerate(_TAPS):
        left = padded[reach - 1 - i : reach - 1 - i + count]
        right = padded[reach + i : reach + i + count]
        between += np.float32(tap) * (left + right)
    out = np.empty((2 * count, *rows.shape[1:]), np.float32)
    out[0::2], out[1::2] = rows, between
    return np.moveaxis(out[:length], 0, axis)


def _hold_saturation(rgb: np.ndarray, weights: np.ndarray) -> np.ndarray:
    highest, lowest = rgb.max(axis=-1), rgb.min(axis=-1)
    saturation = np.zeros_like(highest)
    np.divide(highest - lowest, highest, out=saturation, where=highest > 0)
    around = np.pad(saturation, 1, mode="edge")
    corners = (around[:-2, :-2], around[:-2, 2:], around[2:, :-2], around[2:, 2:])
    mean = np.minimum(1.0, 0.25 * sum(corners))
    most = np.minimum(1.0, 1.0 - (1.0 - mean) * 0.25)
    held = (saturation > mean) & (saturation > most)
    if not held.any():
        return rgb
    colours, top = rgb[held], highest[held, None]
    factor = (most[held] / saturation[held])[:, None]
    softer = np.maximum(top - (top - colours) * factor, 0.0)
    before, after = colours @ weights, softer @ weights
    scale = np.ones_like(after)
    np.divide(before, after, out=scale, where=after > 0)
    rgb[held] = softer * scale[:, None]
    return rgb

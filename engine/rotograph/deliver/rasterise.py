"""Shapes back to alpha, to see what they carry and what is left for the residual matte."""

from __future__ import annotations

import cv2
import numpy as np

from rotograph.deliver.spline import Key, Spline, SplineLayer
from rotograph.image import Box

_FINE = 3
"""Samples of a pixel, each way, that a feather's distance is measured on."""
_LARGE = 1 << 19  # pixels of a shape that is measured on whole pixels, to take no minutes
_PIECES = 4  # to a pixel's width
_STEPS = 16


def outline(points: np.ndarray, steps: int = _STEPS) -> np.ndarray:
    """``(P * steps, 2)``: a shape ``(P, 3, 2)`` as a closed polygon."""
    t = (np.arange(steps) / steps)[None, :, None]
    a, b = points[:, 1][:, None], points[:, 2][:, None]
    c, d = np.roll(points[:, 0], -1, 0)[:, None], np.roll(points[:, 1], -1, 0)[:, None]
    s = 1.0 - t
    curve = s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d
    return curve.reshape(-1, 2)


def shape_alpha(key: Key, window: Box) -> np.ndarray:
    """``(H, W)`` float32 in [0, 1] over ``window``: the shape with its feather.

    What overlaps itself is filled. Over a feather of more than a pixel, alpha falls evenly with the
    distance from the curve.
    """
    out = np.zeros(window.shape, np.float32)
    polygon = outline(key.points)
    reach = int(np.ceil(key.feather)) + 2
    low = np.floor(polygon.min(axis=0)).astype(int) - reach
    high = np.ceil(polygon.max(axis=0)).astype(int) + reach
    area = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])).intersect(window.grow(reach))
    both = area.intersect(window)
    if not both:
        return out
    placed = polygon - (area.x0, area.y0)
    if key.feather <= 1.0:
        alpha = _covered(placed, *area.shape)
    else:
        scale = _FINE if area.width * area.height < _LARGE else 1
        fine = _covered(placed * scale, area.height * scale, area.width * scale) > 0.5
        inside = cv2.distanceTransform(fine.astype(np.uint8), cv2.DIST_L2, 5)
        outside = cv2.distanceTransform((~fine).astype(np.uint8), cv2.DIST_L2, 5)
        signed = cv2.resize(inside - outside, area.size, interpolation=cv2.INTER_AREA) / scale
        alpha = np.clip(0.5 + signed / np.float32(key.feather), 0.0, 1.0)
    out[both.within(window)] = alpha[both.within(area)]
    return out


def _covered(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """``(height, width)`` float32 in [0, 1]: how much of each pixel a closed polygon covers.

    The signed area between its edges and the right border, summed along the rows (as in Levien,
    "Inside the fastest font renderer in the world", 2016), on pieces too short to leave a pixel.
    """
    following = np.roll(polygon, -1, 0)
    longest = float(np.abs(following - polygon).max())
    count = max(1, int(np.ceil(longest * _PIECES)))
    part = np.arange(count + 1)[:, None, None] / count
    points = polygon + (following - polygon) * part
    begin, end = points[:-1].reshape(-1, 2), points[1:].reshape(-1, 2)
    # a piece that crosses into another row is cut there, so that each row's edges cancel
    border = np.floor(np.maximum(begin[:, 1], end[:, 1]))
    crosses = np.floor(np.minimum(begin[:, 1], end[:, 1])) < border
    rise = np.where(crosses, end[:, 1] - begin[:, 1], 1.0)
    cut = begin + (end - begin) * np.where(crosses, (border - begin[:, 1]) / rise, 1.0)[:, None]
    begin, end = np.concatenate([begin, cut]), np.concatenate([cut, end])
    step = end[:, 1] - begin[:, 1]
    x, y = ((begin + end) / 2.0).T
    inside = (y >= 0) & (y < height) & (x < width)
    step, x, y = step[inside], np.maximum(x[inside], 0.0), y[inside].astype(int)
    left = x.astype(int)
    beyond = (x - left) * step
    size = height * (width + 1)
    at = y * (width + 1) + left
    sums = np.bincount(at, step - beyond, size) + np.bincount(at + 1, beyond, size + 1)[:size]
    covered = np.cumsum(sums.reshape(height, width + 1), axis=1)[:, :width]
    return np.minimum(np.abs(covered), 1.0).astype(np.float32)


def layer_alpha(layer: SplineLayer, frame: int, window: Box) -> np.ndarray:
    """``(H, W)`` float32 in [0, 1]: all that is added, each over the others, less what is cut."""
    return shapes_alpha(layer.shapes, frame, window)


def shapes_alpha(shapes: tuple[Spline, ...], frame: int, window: Box) -> np.ndarray:
    """``(H, W)`` float32 in [0, 1] of some shapes of one layer; see ``layer_alpha``."""
    added, left = np.zeros(window.shape, np.float32), np.ones(window.shape, np.float32)
    for shape in shapes:
        key = shape.at(frame)
        if key is None:
            continue
        alpha = shape_alpha(key, window)
        if shape.subtract:
            left *= 1.0 - alpha
        else:
            added = 1.0 - (1.0 - added) * (1.0 - alpha)
    return added * left

"""A band drawn too narrow, widened where alpha itself says so: hair sticks out of masks."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from rotograph_nodes.trimap import INSIDE, OUTSIDE, UNKNOWN

_SOFT = 0.1  # alpha this far from its known neighbour's has not come to its end


def widen_where_soft(
    linear: np.ndarray,
    trimap: np.ndarray,
    estimate: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    reach: float = 10.0,
) -> np.ndarray:
    """The trimap with its band widened where alpha is still mixed at the band's border.

    linear: ``(H, W, 3)`` float32, the plate, scene-linear. trimap: ``(H, W)`` float32 of 0, 0.5, 1,
    made from a mask (a drawn trimap is meant as it is). estimate: the matting model's
    ``estimate_alpha(linear, trimap)``; it is asked once, at half size. reach: plate pixels by
    which the band grows there. Returns ``(H, W)`` float32. Known pixels only ever become
    unknown: garbage and core are to be applied after this.
    """
    height, width = trimap.shape
    if min(height, width) < 2:
        return trimap
    size = ((width + 1) // 2, (height + 1) // 2)
    half = cv2.resize(trimap, size, interpolation=cv2.INTER_AREA)
    outside, inside = half < 1e-3, half > 1.0 - 1e-3
    half = np.where(outside, OUTSIDE, np.where(inside, INSIDE, UNKNOWN)).astype(np.float32)
    alpha = estimate(cv2.resize(linear, size, interpolation=cv2.INTER_AREA), half)
    square = np.ones((5, 5), np.uint8)
    beside_outside = cv2.dilate(outside.astype(np.uint8), square) > 0
    beside_inside = cv2.dilate(inside.astype(np.uint8), square) > 0
    unended = (beside_outside & (alpha > _SOFT)) | (beside_inside & (alpha < 1.0 - _SOFT))
    unended &= half == UNKNOWN
    if not unended.any():
        return trimap
    away = cv2.distanceTransform((~unended).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    grown = (away <= reach / 2.0).astype(np.uint8)
    grown = cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(grown > 0, UNKNOWN, trimap)

"""From a decision in every pixel back to graded logits, certain only away from the boundary."""

from __future__ import annotations

import cv2
import numpy as np

CERTAIN = 8.0
_REACH = 6  # pixels on either side of the boundary that may hold both colours
_SPREAD = 9.0  # standard deviation, pixels, of what counts as the colour nearby
_RADIUS = 4  # pixels that the guided filter looks around itself
_FLAT = 2e-4  # variance of a picture under which it counts as flat (ACEScct)
_GRAIN = 0.1  # share of the light that grain alone can change
_SLOPE = 0.6  # logits for every pixel of distance from the boundary


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32 pixels to the boundary, positive inside; the frame's edge is none."""
    inside = mask.astype(np.uint8)
    if inside.all() or not inside.any():
        far = float(max(mask.shape))
        return np.full(mask.shape, far if inside.any() else -far, np.float32)
    within = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    without = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return np.where(mask, within - 0.5, 0.5 - without).astype(np.float32)


def grade(mask: np.ndarray, picture: np.ndarray, passes: int = 2) -> np.ndarray:
    """``(h, w)`` float32 logits of a mask: coverage near the boundary, distance away from it.

    mask: ``(h, w)`` bool. picture: ``(h, w, 3)`` float32 ACEScct. Where the light on both sides
    differs, a pixel of the boundary lies between them by its coverage, which puts the boundary
    of a motion-blurred edge where half is covered; a guided filter (He, Sun and Tang 2010) then
    follows the picture. Each pass starts from the boundary that the one before found. From about
    fifteen pixels on ±8.
    """
    guide = np.ascontiguousarray(picture, dtype=np.float32)
    light = _light(guide)
    for _ in range(passes):
        distance = signed_distance(mask)
        soft = cv2.ximgproc.guidedFilter(guide, _coverage(mask, distance, light), _RADIUS, _FLAT)
        mask = soft > 0.5
    soft = np.clip(soft, 0.02, 0.98)
    near = np.log(soft / (1.0 - soft))
    away = np.sign(distance) * np.maximum(np.abs(distance) - 2.0, 0.0) * _SLOPE
    return np.clip(near + away, -CERTAIN, CERTAIN).astype(np.float32)


def _light(picture: np.ndarray) -> np.ndarray:
    """Scene-linear light of ACEScct (S-2016-001), which is what mixes at an edge."""
    coded = picture.astype(np.float32)
    return np.where(
        coded > 0.155251141552511,
        np.exp2(np.minimum(coded, 1.5) * 17.52 - 9.72),
        (coded - 0.0729055341958355) / 10.5402377416545,
    )


def _coverage(mask: np.ndarray, distance: np.ndarray, light: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32 in [0, 1]: the mask, with mixed pixels of the boundary split."""
    inner, inner_spread, inner_seen = _nearby(light, distance > _REACH)
    outer, outer_spread, outer_seen = _nearby(light, distance < -_REACH)
    across = inner - outer
    contrast = (across**2).sum(axis=2)
    share = np.clip(((light - outer) * across).sum(axis=2) / (contrast + 1e-9), 0.0, 1.0)
    # what does not lie between the two is no mixture of them
    off = ((light - outer - share[..., None] * across) ** 2).sum(axis=2)
    grain = _GRAIN**2 * ((inner**2).sum(axis=2) + (outer**2).sum(axis=2))
    spread = 4.0 * (inner_spread + outer_spread)
    trust = contrast / (contrast + spread + 20.0 * off + grain + 1e-9)
    trust *= np.minimum(1.0, 50.0 * inner_seen) * np.minimum(1.0, 50.0 * outer_seen)
    trust[np.abs(distance) >= _REACH] = 0.0
    decided = mask.astype(np.float32)
    return decided + trust * (share - decided)


def _nearby(light: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean light ``(h, w, 3)``, its variance and the share seen ``(h, w)`` around each pixel."""
    weight = where.astype(np.float32)
    seen = cv2.GaussianBlur(weight, (0, 0), _SPREAD)
    norm = 1.0 / (seen + 1e-4)
    mean = cv2.GaussianBlur(light * weight[..., None], (0, 0), _SPREAD) * norm[..., None]
    square = cv2.GaussianBlur((light**2).sum(axis=2) * weight, (0, 0), _SPREAD) * norm
    return mean, np.maximum(square - (mean**2).sum(axis=2), 0.0), seen

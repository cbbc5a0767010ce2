"""Holes and specks: small islands that a segmenter leaves in a matte, taken out whole."""

from __future__ import annotations

import cv2
import numpy as np

_CORE = 0.5  # an island has something at least this opaque in it
_SKIRT = 0.05  # and ends where it falls under this
_FRINGE = 2  # pixels around the skirt that still belong to it
_STRAND_HALF_WIDTH = 1.0  # a piece thinner than this, as a standard deviation in pixels ...
_STRAND_LENGTH = 4.0  # ... and this many times as long is a strand of hair


def remove_specks(alpha: np.ndarray, max_area_px: float) -> np.ndarray:
    """Alpha without small opaque islands.

    alpha: ``(H, W)`` float32 in [0, 1]. max_area_px: islands with up to this many plate pixels
    over 0.5 go, and their soft skirt with them. Left alone: what hangs on something bigger by
    as much as a soft skirt (alpha > 0.05); pieces that are soft all over, because that is what
    loose hair and motion blur look like; opaque pieces as thin as a strand; what touches the
    picture's edge, because nobody sees how large it is. Returns ``(H, W)`` float32 in [0, 1].
    """
    out = np.array(alpha, dtype=np.float32, copy=True)
    out[_islands(out, max_area_px)] = 0.0
    return out


def fill_holes(alpha: np.ndarray, max_area_px: float) -> np.ndarray:
    """Alpha without small clear islands: ``remove_specks`` of its inverse.

    A gap seen through soft hair is not a hole, as it hangs together with the outside through
    what is half transparent. Returns ``(H, W)`` float32 in [0, 1].
    """
    out = np.array(alpha, dtype=np.float32, copy=True)
    out[_islands(1.0 - out, max_area_px)] = 1.0
    return out


def _islands(alpha: np.ndarray, max_area: float) -> np.ndarray:
    """``(H, W)`` bool: the small islands of ``alpha`` with their skirts and fringes."""
    nothing = np.zeros(alpha.shape, bool)
    if max_area <= 0 or alpha.size == 0:
        return nothing
    skirt = alpha > _SKIRT
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(
        skirt.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    areas = np.bincount(labels[alpha > _CORE], minlength=count)
    left, top, width, height = (
        boxes[:, i]
        for i in (cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT)
    )
    inside = (left > 0) & (top > 0)
    inside &= (left + width < alpha.shape[1]) & (top + height < alpha.shape[0])
    small = inside & (areas > 0) & (areas <= max_area)
    small[0] = False  # the outside
    for label in np.flatnonzero(small):
        x, y = left[label], top[label]
        window = (slice(y, y + height[label]), slice(x, x + width[label]))
        small[label] = not _is_strand(alpha[window] * (labels[window] == label))
    if not small.any():
        return nothing
    speck = small[labels]
    side = 2 * _FRINGE + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    grown = cv2.dilate(speck.astype(np.uint8), disc).astype(bool)
    kept = cv2.dilate((skirt & ~speck).astype(np.uint8), disc).astype(bool)
    return speck | (grown & ~kept)


def _is_strand(weights: np.ndarray) -> bool:
    """Thin and long, by the second moments of a piece (a pixel's own is 1/12)."""
    y, x = np.nonzero(weights)
    w = weights[y, x].astype(np.float64)
    covariance = np.cov(np.stack([x, y]), aweights=w, ddof=0) + np.eye(2) / 12.0
    short, long = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0.0))
    return bool(short <= _STRAND_HALF_WIDTH and long >= _STRAND_LENGTH * short)

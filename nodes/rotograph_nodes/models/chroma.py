"""Matte before a green or blue screen: what the screen's colour says, which is a lot.

A colour difference key (after Vlahos, US patent 4100569, 1978): how much the screen's channel is
over the mean of the other two is a plain mixture of what it is on the bare screen and what it is
on what stands in front. Both are taken near each pixel: no screen is lit evenly, and skin is not
cloth.
"""

from __future__ import annotations

import cv2
import numpy as np

from rotograph.colour import harmless
from rotograph_nodes.models.classic import matting

PURE = 1.3
"""A screen's channel is at least this many times the larger of the other two."""
EVEN = 0.6
"""The part of what is surely outside that must be of the screen's colour."""
DARK = 1e-4
_NEAR = 0.04
"""How far the bare screen is looked for, of the picture's diagonal."""


def estimate_alpha(
    linear: np.ndarray, trimap: np.ndarray, hint: np.ndarray | None = None
) -> np.ndarray:
    """Alpha of the unknown pixels of a trimap; the others keep their 0 or 1.

    linear: ``(H, W, 3)`` float, scene-linear, unclamped; NaN and infinities are harmless.
    trimap: ``(H, W)`` float32: 0 outside, 1 inside, anything between unknown. hint: as for the
    classic model, which solves where the background is no screen. Returns ``(H, W)`` float32 in
    [0, 1]. Scaling the plate does not change it.
    """
    unknown = (trimap > 0.0) & (trimap < 1.0)
    if not unknown.any():
        return trimap.astype(np.float32)
    seen = harmless(linear)
    channel = screen_channel(seen, trimap)
    if channel is None:
        return matting.estimate_alpha(linear, trimap, hint)
    excess = seen[..., channel] - np.delete(seen, channel, axis=2).mean(axis=2)
    bare = _nearby(excess, (trimap == 0) & _is_screen(seen, channel))
    # a front that has the screen's colour in it would be keyed away: then it counts as grey
    front = np.minimum(_nearby(excess, trimap == 1), 0.5 * bare)
    alpha = (bare - excess) / np.maximum(bare - front, DARK * max(float(bare.max()), 1e-12))
    return np.where(unknown, np.clip(alpha, 0.0, 1.0), trimap).astype(np.float32)


def screen_channel(linear: np.ndarray, trimap: np.ndarray) -> int | None:
    """1 for a green screen, 2 for a blue one, None when what is surely outside is neither.

    linear: ``(H, W, 3)`` float32, finite. trimap: ``(H, W)``, 0 is outside.
    """
    outside = trimap == 0
    if outside.sum() < 16:
        return None
    shares = {k: float(_is_screen(linear, k)[outside].mean()) for k in (1, 2)}
    best = max(shares, key=shares.get)
    return best if shares[best] >= EVEN else None


def _is_screen(linear: np.ndarray, channel: int) -> np.ndarray:
    own = linear[..., channel]
    return (own > PURE * _others(linear, channel)) & (own > 0)


def _others(linear: np.ndarray, channel: int) -> np.ndarray:
    return np.maximum(np.max(np.delete(linear, channel, axis=2), axis=2), 0.0)


def _nearby(excess: np.ndarray, where: np.ndarray) -> np.ndarray:
    """``(H, W)`` float32: the mean of ``excess`` over what is in ``where`` near each pixel.

    0 when there is nothing in ``where``.
    """
    height, width = excess.shape
    # a slow change: at a sixteenth of the size it costs nothing
    step = max(1, min(height, width) // 64)
    size = max(1, width // step), max(1, height // step)
    mass = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    value = cv2.resize(excess * where, size, interpolation=cv2.INTER_AREA)
    usual = float(value.sum() / max(mass.sum(), 1e-12))
    sigma = max(1.0, _NEAR * float(np.hypot(*size)))
    for reach in (sigma, 4 * sigma):
        far = cv2.GaussianBlur(mass, (0, 0), reach)
        near = cv2.GaussianBlur(value, (0, 0), reach) / np.maximum(far, 1e-12)
        if reach == sigma:
            found, known = near, far > 1e-3
        else:
            found = np.where(known, found, np.where(far > 1e-3, near, usual))
    return cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)

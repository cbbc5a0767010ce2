"""Matte before a green or blue screen: what the screen's colour says, which is a lot.

The bare screen can be told behind every pixel, for it changes slowly: a clean plate. So a mixed
pixel has one unknown colour less, and what is found out from colours counts for more against the
plate's structure than elsewhere. How far a matte explains the screen's light is told by the colour
difference (Vlahos, US patent 4100569, 1978): the screen's channel over the mean of the other two.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rotograph.colour import harmless
from rotograph_nodes.models.classic import matting
from rotograph_nodes.models.classic.unmixing import Clean

PURE = 1.3
"""A screen's channel is at least this many times the larger of the other two."""
EVEN = 0.6
"""The part of what is surely outside, all told and near a pixel, that must be of that colour."""
SURE = 4.0
"""How much more colours count before a screen, where nothing in front has the screen's colour."""
LIKE = 0.15
"""Spread of the front's colour difference, over the screen's, at which they count as usual."""
ROUGH = 0.3
"""Deviation of the colour difference near a pixel, over its mean, from which it is no screen."""
DARK = 1e-4
_ENOUGH = 256
"""Rows and columns that are looked at to tell whether there is a screen at all."""
_NEAR = 0.04
"""How far the bare screen is looked for, of the picture's diagonal."""


@dataclass(frozen=True, eq=False)
class Screen:
    """A screen behind what is keyed. Each ``(H, W)`` float32, and ``bare`` ``(H, W, 3)``.

    channel: 1 for green, 2 for blue. there: where it is behind, 0 or 1. bare: its colour, linear.
    excess: the plate's colour difference; of the screen: bare_excess; of what stands in front:
    front_excess. spread: the standard deviation of the last, over what lies between the two.
    """

    channel: int
    there: np.ndarray
    bare: np.ndarray
    excess: np.ndarray
    bare_excess: np.ndarray
    front_excess: np.ndarray
    spread: np.ndarray

    def keyed(self) -> np.ndarray:
        """``(H, W)`` float32 in [0, 1]: alpha from the colour difference alone."""
        between = self._between()
        return np.clip((self.bare_excess - self.excess) / between, 0.0, 1.0)

    def unexplained(self, alpha: np.ndarray) -> np.ndarray:
        """``(H, W)`` float32, 0 to 1: the part of the screen's light that ``alpha`` leaves over.

        What may be due to colours in front that have the screen's in them is not counted; 0 where
        there is no screen.
        """
        left = np.abs(alpha - self.keyed()) - 2.0 * self.spread * np.maximum(alpha, 0.1)
        return np.clip(left, 0.0, 1.0) * self.there

    def _between(self) -> np.ndarray:
        floor = DARK * max(float(self.bare_excess.max()), 1e-12)
        return np.maximum(self.bare_excess - self.front_excess, floor)


def estimate_alpha(
    linear: np.ndarray, trimap: np.ndarray, hint: np.ndarray | None = None
) -> np.ndarray:
    """Alpha of the unknown pixels of a trimap; the others keep their 0 or 1.

    linear: ``(H, W, 3)`` float, scene-linear, unclamped; NaN and infinities are harmless.
    trimap: ``(H, W)`` float32: 0 outside, 1 inside, anything between unknown. hint: as for the
    classic model, which solves alone where the background is no screen. Returns ``(H, W)`` float32
    in [0, 1]. Scaling the plate does not change it.
    """
    unknown = (trimap > 0.0) & (trimap < 1.0)
    if not unknown.any():
        return trimap.astype(np.float32)
    return solve(linear, trimap, hint, find_screen(linear, trimap))


def solve(
    linear: np.ndarray, trimap: np.ndarray, hint: np.ndarray | None, screen: Screen | None
) -> np.ndarray:
    """As ``estimate_alpha``, before a screen that was found already."""
    if screen is None:
        return matting.estimate_alpha(linear, trimap, hint)
    sure = 1.0 + (SURE - 1.0) * np.clip(1.0 - screen.spread / LIKE, 0.0, 1.0)
    clean = Clean(screen.bare, screen.there > 0, sure.astype(np.float32))
    return matting.estimate_alpha(linear, trimap, hint, clean)


def find_screen(linear: np.ndarray, trimap: np.ndarray) -> Screen | None:
    """The screen behind what a trimap has inside; None when what is surely outside is none.

    linear: ``(H, W, 3)`` float, scene-linear. trimap: ``(H, W)``, 0 is outside, 1 inside.
    """
    step = max(1, min(trimap.shape) // _ENOUGH)
    channel = screen_channel(harmless(linear[::step, ::step]), trimap[::step, ::step])
    if channel is None:
        return None
    seen = harmless(linear)
    outside, inside = trimap == 0, trimap == 1
    bare = outside & _is_screen(seen, channel)
    excess = seen[..., channel] - np.delete(seen, channel, axis=2).mean(axis=2)
    behind = _nearby(excess, bare)
    # a front that has the screen's colour in it would be keyed away: then it counts as grey
    front = _nearby(excess, inside)
    spread = np.sqrt(_nearby(np.square(excess - front), inside))
    own = front > 0.5 * behind
    front = np.minimum(front, 0.5 * behind)
    rough = np.sqrt(_nearby(np.square(excess - behind), bare))
    there = (_nearby(bare.astype(np.float32), outside) >= EVEN) & (rough < ROUGH * behind)
    # what is of the screen's colour itself cannot be told from it by that
    there &= ~own
    if not there.any() or not inside.any():
        return None
    return Screen(
        channel,
        there.astype(np.float32),
        np.stack([_nearby(seen[..., k], bare) for k in range(3)], axis=-1),
        excess,
        behind,
        front,
        spread / np.maximum(behind - front, DARK * max(float(behind.max()), 1e-12)),
    )


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


def _nearby(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """``(H, W)`` float32: the mean of ``values`` over what is in ``where`` near each pixel.

    0 when there is nothing in ``where``.
    """
    height, width = values.shape
    # a slow change: at a sixteenth of the size it costs nothing
    step = max(1, min(height, width) // 64)
    size = max(1, width // step), max(1, height // step)
    mass = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    value = cv2.resize(values * where, size, interpolation=cv2.INTER_AREA)
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

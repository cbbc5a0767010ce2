"""Less flicker: a frame's alpha averaged with its neighbours' along the motion, where they agree.

A neighbour's alpha is fetched along the optical flow and believed as far as two things hold
there: the flow comes back to where it started (forward-backward consistency), and the plate has
the same colour at both ends. Where both neighbours are believed, the three alphas gather around
their median, so that one frame that blinks gives way; else around the frame's own. What lies
further from that centre than flicker does counts less and less. Hair that moves on its own,
what has just been uncovered, a wrong vector: there the frame keeps its own alpha, and nothing
ghosts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rotograph_nodes.models.classic.guide import grain_of, guide
from rotograph_nodes.models.tiles import placed, tiles

_CERTAIN = 0.01  # alpha nearer to 0 or 1 than this, and to the neighbours', needs no smoothing
_MARGIN = 2  # pixels around that which may change too
_MOST_MOVE = 99.0  # per cent of the pixels that move no farther than what is looked for
_FARTHEST = 96  # plate pixels, however fast things are
_STRAY = 0.5  # plate pixels by which a vector may miss on its way back ...
_STRAY_SHARE = 0.05  # ... plus this share of its length
_COLOUR = 0.12  # how far the plate's compressed colours may differ
_FLICKER = 0.25  # how far alpha may lie from the centre
_PATCH = 1.0  # sigma, in pixels, of the patch in which colours are compared
_HALO = math.ceil(3 * _PATCH)


@dataclass(frozen=True, eq=False)
class Neighbour:
    """The frame before or after, and the motion between.

    alpha: ``(H, W)`` float32 in [0, 1]. linear: ``(H, W, 3)`` float32 scene-linear. Both over
    the same plate window as the frame that is smoothed.
    there: ``(h, w, 2)`` float32, motion (x right, y down) from the frame that is smoothed to
    this one, in pixels of its own grid, which covers the whole window at any resolution: what
    ``motion(here, this)`` calls "forward". back: the same from this frame to the one that is
    smoothed.
    """

    alpha: np.ndarray
    linear: np.ndarray
    there: np.ndarray
    back: np.ndarray


def smooth_in_time(
    alpha: np.ndarray,
    linear: np.ndarray,
    neighbours: Sequence[Neighbour | None],
    strength: float = 0.5,
) -> np.ndarray:
    """One frame's alpha with less flicker.

    alpha: ``(H, W)`` float32 in [0, 1]. linear: ``(H, W, 3)`` float32 scene-linear, the same
    pixels, unclamped (NaN and infinities do no harm). neighbours: the frames before and after,
    None where the shot ends. strength: 0 nothing, 1 a neighbour that agrees fully counts as
    much as the frame itself. Returns ``(H, W)`` float32 in [0, 1].
    """
    out = np.array(alpha, dtype=np.float32, copy=True)
    present = [n for n in neighbours if n is not None]
    if strength <= 0 or not present or not out.size:
        return out
    source, near = out.copy(), _in_question(out, present)
    grain = 2.0 * float(grain_of(linear).sum())  # both frames have it
    for outer, inner in tiles(near, _HALO):
        colours = guide(linear[outer])
        fetched = [_fetch(source.shape, colours, grain, n, outer) for n in present]
        smooth = _gather(source[outer], fetched, strength)
        place = placed(outer, inner)
        out[place] = np.where(near[place], smooth[inner], source[place])
    return out


def _in_question(alpha: np.ndarray, neighbours: Sequence[Neighbour]) -> np.ndarray:
    """``(H, W)`` bool: the pixels that may change: edges, and where the frames differ, grown by
    as much as things move."""
    where = (alpha > _CERTAIN) & (alpha < 1.0 - _CERTAIN)
    length = 0.0
    for neighbour in neighbours:
        where |= np.abs(neighbour.alpha - alpha) > _CERTAIN
        scale = alpha.shape[1] / neighbour.there.shape[1]
        across = np.hypot(neighbour.there[..., 0], neighbour.there[..., 1])
        length = max(length, scale * float(np.percentile(across, _MOST_MOVE)))
    side = 2 * min(_MARGIN + math.ceil(length), _FARTHEST) + 1
    return cv2.dilate(where.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)


def _gather(
    own: np.ndarray, fetched: Sequence[tuple[np.ndarray, np.ndarray]], strength: float
) -> np.ndarray:
    """``(h, w)`` float32: the average of a tile's alphas around their centre."""
    centre = own
    if len(fetched) == 2:
        (before, trust_before), (after, trust_after) = fetched
        low, high = np.minimum(before, after), np.maximum(before, after)
        median = np.clip(own, low, high)
        centre = own + strength * np.minimum(trust_before, trust_after) * (median - own)
    total = np.exp(-np.square((own - centre) / _FLICKER))
    value = total * own
    for alpha, trust in fetched:
        weight = strength * trust * np.exp(-np.square((alpha - centre) / _FLICKER))
        value += weight * alpha
        total += weight
    return np.clip(value / np.maximum(total, 1e-6), 0.0, 1.0).astype(np.float32)


def _fetch(
    shape: tuple[int, int],
    colours: np.ndarray,
    grain: float,
    neighbour: Neighbour,
    outer: tuple[slice, slice],
) -> tuple[np.ndarray, np.ndarray]:
    """The neighbour's alpha at this frame's pixels of a tile, and how far to believe it.

    shape: the whole picture's. colours: ``(h, w, 3)``, the tile's guide. grain: how far
    apart grain alone puts two colours, squared. Returns ``(h, w)`` float32 alpha and
    ``(h, w)`` float32 in [0, 1].
    """
    y, x = np.mgrid[outer].astype(np.float32)
    there = _motion_at(neighbour.there, x, y, shape)
    to_x, to_y = x + there[..., 0], y + there[..., 1]
    back = _motion_at(neighbour.back, to_x, to_y, shape)

    fetched = cv2.remap(
        neighbour.alpha, to_x, to_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    fetched = np.clip(fetched, 0.0, 1.0)
    pixels = cv2.remap(
        neighbour.linear, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    inside = (to_x >= 0) & (to_x <= shape[1] - 1) & (to_y >= 0) & (to_y <= shape[0] - 1)

    stray = np.hypot(there[..., 0] + back[..., 0], there[..., 1] + back[..., 1])
    allowed = _STRAY + _STRAY_SHARE * np.hypot(there[..., 0], there[..., 1])
    apart = np.square(guide(pixels) - colours).sum(axis=-1)
    side = 2 * _HALO + 1
    apart = cv2.GaussianBlur(apart, (side, side), _PATCH, borderType=cv2.BORDER_REFLECT)
    apart = np.maximum(apart - grain, 0.0)
    exponent = np.square(stray / allowed) + apart / _COLOUR**2
    return fetched, (np.exp(-exponent) * inside).astype(np.float32)


def _motion_at(
    motion: np.ndarray, x: np.ndarray, y: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """``(h, w, 2)`` float32 motion in plate pixels at positions given in plate pixels."""
    scale_x, scale_y = motion.shape[1] / shape[1], motion.shape[0] / shape[0]
    found = cv2.remap(
        motion,
        (x + 0.5) * np.float32(scale_x) - np.float32(0.5),
        (y + 0.5) * np.float32(scale_y) - np.float32(0.5),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return found / np.array([scale_x, scale_y], np.float32)

"""Overlap between layers: who owns a pixel that several layers claim.

``exclusive``: one layer. ``independent``: each its own way. ``ordered``: the layer in front wins.
Once for the logits of masks, once for the alphas of mattes; each for one layer at a time, given
its rivals (``last_rival``), so that a layer depends only on those that can take pixels from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from rotograph.errors import GraphError, did_you_mean

MODES = ("exclusive", "independent", "ordered")
_PLAIN = 3.0  # logits beyond this only say how far the boundary is
_EQUAL = 1.0  # mean logits closer than this do not tell who is surer
_MOST, _LITTLE = 0.6, 0.25  # shares of two layers' areas that settle a contest at once
_PALE = 0.85  # a layer whose best logit is below this share of the other's is the less sure


def last_rival(mode: str, place: int, count: int) -> int:
    """The last place whose layer can take pixels from the one at ``place``; 0 for none.

    Places count from 1, front to back when the mode is ``ordered``; count: of all layers. Every
    other layer up to there is a rival. Raises GraphError for an unknown mode.
    """
    _check(mode)
    if mode == "independent" or count == 1:
        return 0
    return place - 1 if mode == "ordered" else count


def resolve_logits(mode: str, own: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """One layer's logits after it has settled with its rivals who owns what.

    own, others: ``(h, w)`` float32 of one grid; others: the layer's rivals.
    ``exclusive``: what is most of one layer and little of the other goes to the one. Otherwise
    every region that two layers claim goes to the layer that is surer on this frame (a tracker's
    logits grow pale where it is in doubt), else to the one that is surer in this region, else to
    the smaller layer, as the more particular claim. The loser gets the winner's boundary, so that
    the two meet without a gap. ``ordered``: all rivals win. Raises GraphError for an unknown mode.
    """
    _check(mode)
    own = np.asarray(own, dtype=np.float32)
    if mode == "independent" or not others:
        return own
    if mode == "ordered":
        return np.minimum(own, -np.max(others, axis=0))
    out = own
    for other in others:
        out = np.minimum(out, _after(own, np.asarray(other, dtype=np.float32)))
    return out


def resolve_alphas(mode: str, own: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """One layer's alpha after its rivals have had their share: ``(H, W)`` float16 in [0, 1].

    own, others: ``(H, W)`` of any float type in [0, 1]; others: the layer's rivals, front first.
    ``exclusive``: where the layers add up to more than 1 each is divided by the sum. ``ordered``:
    what all rivals let through. Results are rounded down, so that the sum over the layers is at
    most 1 in float16 too. Raises GraphError for an unknown mode.
    """
    _check(mode)
    own = np.clip(own, 0.0, 1.0)
    if mode == "independent" or not others:
        return own.astype(np.float16)
    # double precision: a quotient rounded up could lift the sum over 1
    result = own.astype(np.float64)
    if mode == "ordered":
        for other in others:
            result *= 1.0 - np.clip(other, 0.0, 1.0).astype(np.float64)
        return _rounded_down(result)
    total = result.copy()
    for other in others:
        total += np.clip(other, 0.0, 1.0)
    over = total > 1.0
    result[over] /= total[over]
    return _rounded_down(result)


def make_room(own: np.ndarray, approved: Sequence[np.ndarray]) -> np.ndarray:
    """One layer's alpha, at most what approved alphas of other layers leave: ``(H, W)`` float16."""
    if not approved:
        return own
    left = 1.0 - np.sum([a.astype(np.float64) for a in approved], axis=0)
    return _rounded_down(np.minimum(own.astype(np.float64), np.maximum(left, 0.0)))


def _check(mode: str) -> None:
    if mode not in MODES:
        raise GraphError(f"there is no overlap '{mode}'", hint=did_you_mean(mode, MODES))


def _after(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``own`` without the regions that ``other`` has the better claim to."""
    contested = (own > 0) & (other > 0)
    if not contested.any():
        return own
    count, parts = cv2.connectedComponents(contested.astype(np.uint8))
    peak, other_peak = float(own.max()), float(other.max())
    share, other_share = (float(contested.sum() / (f > 0).sum()) for f in (own, other))
    if max(share, other_share) > _MOST and min(share, other_share) < _LITTLE:
        yields = np.full(count, share < other_share)
    elif min(peak, other_peak) < _PALE * max(peak, other_peak):
        yields = np.full(count, peak < other_peak)
    else:
        flat = parts.ravel()
        size = np.maximum(np.bincount(flat, minlength=count), 1)
        by = (np.minimum(own, _PLAIN) - np.minimum(other, _PLAIN)).ravel()
        surer = np.bincount(flat, weights=by, minlength=count) / size
        yields = np.where(np.abs(surer) < _EQUAL, _is_larger(own, other), surer < 0)
    lost, won = contested & yields[parts], contested & ~yields[parts]
    # the winner's surroundings too, so that the boundary between them is the winner's own
    ring = np.ones((5, 5), np.uint8)
    lost = cv2.dilate(lost.astype(np.uint8), ring).astype(bool) & ~won
    return np.where(lost, np.minimum(own, -other), own)


def _is_larger(own: np.ndarray, other: np.ndarray) -> bool:
    """Whether the one mask is larger; of two equally large ones, exactly one counts as that."""
    more = int((own > 0).sum()) - int((other > 0).sum())
    if more:
        return more > 0
    first = int(np.argmax(own != other))
    return bool(own.flat[first] > other.flat[first])


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """float16, never more than the value itself."""
    half = values.astype(np.float16)
    above = half > values
    half[above] = np.nextafter(half[above], np.float16(0))
    return half

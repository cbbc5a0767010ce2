"""Track without weights: carry a mask along the motion, and settle it anew on every frame.

A step moves the mask by the optical flow, which is right to about a pixel, and then decides the
pixels near its boundary again from the colours on both sides (``appearance``) and the edges
(``cut``): after Video SnapCut (Bai, Wang, Simons and Sapiro 2009), where the colours tell inside
from outside they decide, and where they do not, the moved shape does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from rotograph_nodes.models.classic import appearance
from rotograph_nodes.models.classic.cut import cut, edge_planes
from rotograph_nodes.models.classic.grade import CERTAIN, grade, signed_distance
from rotograph_nodes.models.classic.motion import fetch
from rotograph_nodes.models.classic.segmenter import tidy

State = dict[str, np.ndarray]
_BAND = 6  # pixels on either side of the moved boundary that are decided anew
_SHAPE = 0.8  # score of the moved shape for every pixel from its boundary
_FIRM, _LOOSE = 1.2, 0.4  # its weight where colours tell nothing, and where they tell all
_REACHES = (30.0, 12.0)  # pixels: where colours count as nearby
_SMOOTHNESS = 3.0
_COLOUR_LIMIT = 4.0
_LOST = 1.5  # pixels of round trip beyond which the flow is not believed
_MARGIN = 48  # pixels around the mask that a step looks at


def encode(picture: np.ndarray) -> dict[str, np.ndarray]:
    """Features of one frame: ``{"picture": (h, w, 3) float16}``, shared by all layers.

    picture: ``(h, w, 3)`` float32 ACEScct at working resolution.
    """
    return {"picture": picture.astype(np.float16)}


def start(features: Mapping[str, np.ndarray], logits: np.ndarray) -> State:
    """The state on an anchor: ``{"logits": (h, w) float16, "trust": (1,) float32}``."""
    del features
    return {"logits": logits.astype(np.float16), "trust": np.ones(1, np.float32)}


def step(
    state: State,
    features_from: Mapping[str, np.ndarray],
    features_to: Mapping[str, np.ndarray],
    between: Mapping[str, np.ndarray],
    anchors: Sequence[tuple[State, Mapping[str, np.ndarray]]],
) -> State:
    """The state one frame on.

    between: ``motion`` from the one frame to the other (``reverse`` it to go backward). anchors:
    (state, features) of the anchors on both sides, one or two: their colours count everywhere.
    """
    before = state["logits"].astype(np.float32)
    error = between["backward_error"].astype(np.float32)
    moved = fetch(before, between["backward"], -CERTAIN)
    if not (moved > 0).any():
        return {
            "logits": np.full(before.shape, -CERTAIN, np.float16),
            "trust": state["trust"] * np.float32(0.5),
        }
    area = _around(moved > 0)
    came_from = fetch(features_from["picture"], between["backward"])[area]
    picture = features_to["picture"].astype(np.float32)[area]
    moved, error = moved[area], error[area]
    colours, old = appearance.colours(picture), appearance.colours(came_from)

    centres = appearance.palette(colours, old)
    kin = appearance.kinship(centres)
    known = appearance.assign(old, centres)
    belief = 1.0 / (1.0 + np.exp(-moved))
    sure = np.exp(-error / _LOST)
    within, without = _histograms(anchors, centres)
    inside = appearance.likelihood(
        appearance.tally(known, belief * sure, len(kin)), kin, _REACHES, within
    )
    outside = appearance.likelihood(
        appearance.tally(known, (1.0 - belief) * sure, len(kin)), kin, _REACHES, without
    )
    odds = appearance.log_odds(appearance.assign(colours, centres), inside, outside)
    tells = _tells(appearance.log_odds(known, inside, outside), moved > 0)

    distance = signed_distance(moved > 0)
    shape = np.clip(_SHAPE * distance, -CERTAIN, CERTAIN) * (0.25 + 0.75 * sure)
    scores = tells * np.clip(odds, -_COLOUR_LIMIT, _COLOUR_LIMIT) + (_FIRM - (_FIRM - _LOOSE) * tells) * shape
    fixed = np.where(distance > _BAND, 1, np.where(distance < -_BAND, -1, 0)).astype(np.int8)
    fixed[(fixed > 0) & (error > 2 * _LOST)] = 0
    mask = cut(edge_planes(colours), scores, _SMOOTHNESS, fixed)
    if mask.any():
        mask = tidy(mask, 3.0)
    logits = np.full(before.shape, -CERTAIN, np.float32)
    logits[area] = grade(mask, picture, passes=1)
    return {
        "logits": logits.astype(np.float16),
        "trust": state["trust"] * np.float32(_agreement(mask, moved > 0, sure)),
    }


def fuse(
    forward: State | None,
    backward: State | None,
    distance_forward: int,
    distance_backward: int,
    features: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, float]:
    """Logits ``(h, w)`` float32 and confidence 0 to 1 of one frame from both directions.

    forward: the state that came from the anchor before, or None; backward: from the one after.
    The distances are in frames. On an anchor itself the other side is None and the distance 0.
    """
    sides = [
        (s["logits"].astype(np.float32), float(s["trust"][0]), d)
        for s, d in ((forward, distance_forward), (backward, distance_backward))
        if s is not None
    ]
    if len(sides) == 1:
        return sides[0][0], sides[0][1]
    (first, trust_a, far_a), (second, trust_b, far_b) = sides
    weight_a, weight_b = (trust_a + 1e-3) / (far_a + 0.5), (trust_b + 1e-3) / (far_b + 0.5)
    share = weight_a / (weight_a + weight_b)
    both, either = ((first > 0) & (second > 0)).sum(), ((first > 0) | (second > 0)).sum()
    agree = float(both / either) if either else 1.0
    trust = share * trust_a + (1.0 - share) * trust_b
    confidence = agree * (0.5 + 0.5 * trust)
    return share * first + (1.0 - share) * second, float(np.clip(confidence, 0.0, 1.0))


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of the frame that a step looks at."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        slice(max(0, rows[0] - _MARGIN), min(height, rows[-1] + 1 + _MARGIN)),
        slice(max(0, columns[0] - _MARGIN), min(width, columns[-1] + 1 + _MARGIN)),
    )


def _histograms(
    anchors: Sequence[tuple[State, Mapping[str, np.ndarray]]], centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Palette counts inside and outside the layer on its anchors."""
    within, without = np.zeros(len(centres)), np.zeros(len(centres))
    for state, features in anchors:
        index = appearance.assign(
            appearance.colours(features["picture"][::2, ::2].astype(np.float32)), centres
        ).ravel()
        inside = (state["logits"][::2, ::2] > 0).ravel()
        within += np.bincount(index[inside], minlength=len(centres))
        without += np.bincount(index[~inside], minlength=len(centres))
    return within.astype(np.float32), without.astype(np.float32)


def _tells(odds: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32 in [0, 1]: how well the colours around would have told what is known."""
    wrong = ((odds > 0) != inside).astype(np.float32)
    return np.clip(1.0 - 2.0 * cv2.GaussianBlur(wrong, (0, 0), 8.0), 0.0, 1.0)


def _agreement(mask: np.ndarray, moved: np.ndarray, sure: np.ndarray) -> float:
    """0 to 1: how far the settled mask is the moved one, and the motion is believed inside."""
    either = (mask | moved).sum()
    if not either:
        return 0.5
    same = (mask & moved).sum() / either
    believed = sure[moved].mean() if moved.any() else 0.0
    return float(same * (0.9 + 0.1 * believed))

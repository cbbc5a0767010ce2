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

from rotograph_nodes.models.both_ways import blend
from rotograph_nodes.models.classic import appearance
from rotograph_nodes.models.classic.cut import cut, edge_planes
from rotograph_nodes.models.classic.grade import CERTAIN, grade, signed_distance
from rotograph_nodes.models.classic.leap import layer_motion
from rotograph_nodes.models.classic.motion import fetch
from rotograph_nodes.models.classic.segmenter import tidy
from rotograph_nodes.models.prompts import GridPrompts

State = dict[str, np.ndarray]
_BAND = 6  # pixels on either side of the moved boundary that are decided anew
_OPEN = 30  # the same where the motion is not believed
_SHAPE = 0.8  # score of the moved shape for every pixel from its boundary
_FIRM, _LOOSE = 1.2, 0.4  # its weight where colours tell nothing, and where they tell all
_REACHES = (30.0, 12.0)  # pixels: where colours count as nearby
_SMOOTHNESS = 3.0
_COLOUR_LIMIT = 4.0
_MOTION = 10.0  # score against a pixel that stays behind with the background
_WIDE = 30.0  # pixels: how far around, standard deviation, the layer's own motion is looked at
_LOST = 1.5  # pixels of round trip beyond which the flow is not believed
_KNOWN = 0.3  # share of a part of the mask that was there before
_MARGIN = 48  # pixels around the mask that a step looks at


def encode(picture: np.ndarray) -> dict[str, np.ndarray]:
    """Features of one frame: ``{"picture": (h, w, 3) float16}``, shared by all layers.

    picture: ``(h, w, 3)`` float32 ACEScct at working resolution.
    """
    return {"picture": picture.astype(np.float16)}


def start(
    features: Mapping[str, np.ndarray], logits: np.ndarray, asked: GridPrompts | None = None
) -> State:
    """The state on an anchor: ``{"logits": (h, w) float16, "trust": (1,) float32}``."""
    del features, asked
    return {"logits": logits.astype(np.float16), "trust": np.ones(1, np.float32)}


def step(
    state: State,
    features_from: Mapping[str, np.ndarray],
    features_to: Mapping[str, np.ndarray],
    between: Mapping[str, np.ndarray],
    anchors: Sequence[tuple[State, Mapping[str, np.ndarray]]],
    earlier: Sequence[State] = (),
) -> State:
    """The state one frame on; what is ``earlier`` than ``state`` takes no part.

    between: ``motion`` from the one frame to the other (``reverse`` it to go backward). anchors:
    (state, features) of the anchors on both sides, one or two: their colours count everywhere.
    """
    del earlier
    before = state["logits"].astype(np.float32)
    back, error = layer_motion(before > 0, features_from, features_to, between)
    moved = fetch(before, back)
    if not (moved > 0).any():
        return {
            "logits": np.full(before.shape, -CERTAIN, np.float16),
            "trust": state["trust"] * np.float32(0.5),
        }
    area = _around(moved > 0)
    came_from = fetch(features_from["picture"], back)[area]
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
    index = appearance.assign(colours, centres)
    odds = appearance.log_odds(index, inside, outside)
    tells = _tells(appearance.log_odds(known, inside, outside), moved > 0)

    distance = signed_distance(moved > 0)
    shape = np.clip(_SHAPE * distance, -CERTAIN, CERTAIN) * (0.25 + 0.75 * sure)
    scores = (
        tells * np.clip(odds, -_COLOUR_LIMIT, _COLOUR_LIMIT)
        + (_FIRM - (_FIRM - _LOOSE) * tells) * shape
    )
    stays = _stays_behind(distance, back[area], sure)
    scores -= _MOTION * stays
    # where the motion is not believed, and where the layer may have been uncovered, all is open
    open_to = (error > 2 * _LOST) & (np.abs(distance) < _OPEN)
    fixed = np.where(distance > _BAND, 1, np.where(distance < -_BAND, -1, 0)).astype(np.int8)
    fixed[open_to | ((fixed > 0) & (stays > 0.3))] = 0
    mask = cut(edge_planes(colours), scores, _SMOOTHNESS, fixed)
    if mask.any():
        mask = _come_along(tidy(mask, 3.0), moved > 0)
    logits = np.full(before.shape, -CERTAIN, np.float32)
    logits[area] = grade(mask, picture, passes=1)
    return {
        "logits": logits.astype(np.float16),
        "trust": state["trust"]
        * np.float32(
            _agreement(mask, moved > 0, sure) * _likeness(index[mask], kin, within, without)
        ),
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
    return blend(sides)


def _likeness(index: np.ndarray, kin: np.ndarray, within: np.ndarray, without: np.ndarray) -> float:
    """0 to 1: how much what is inside has the colours of the layer on its anchors."""
    if not index.size or not within.any():
        return 1.0
    layer, around = within @ kin, without @ kin
    layer, around = layer / max(layer.sum(), 1e-6), around / max(around.sum(), 1e-6)
    typical = layer / (layer + around + 1e-9)
    usual = float((within * typical).sum() / within.sum())
    return float(np.clip(typical[index].mean() / usual, 0.0, 1.0))


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of the frame that a step looks at."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        slice(max(0, rows[0] - _MARGIN), min(height, rows[-1] + 1 + _MARGIN)),
        slice(max(0, columns[0] - _MARGIN), min(width, columns[-1] + 1 + _MARGIN)),
    )


def _come_along(mask: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The parts of a mask that the motion accounts for; what lies apart and is new is a leak."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8))
    area = np.bincount(parts.ravel(), minlength=count)
    known = np.bincount(parts[moved], minlength=count)
    keep = known > _KNOWN * area
    keep[0] = False
    return keep[parts]


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


def _stays_behind(distance: np.ndarray, flow: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32 in [0, 1]: moves with what is around the layer, not with the layer.

    A leak holds on to the background it has leaked into, so its motion gives it away, where the
    two motions differ by more than a pixel. The reverse says nothing: beside a moving edge the
    flow of the background is dragged along.
    """
    layer, around = (
        _wide_mean(flow, (side * (sure + 1e-6)).astype(np.float32))
        for side in (distance > 2.0, distance < -6.0)
    )
    apart = np.linalg.norm(layer - around, axis=2)
    nearer = np.linalg.norm(flow - layer, axis=2) - np.linalg.norm(flow - around, axis=2)
    return (
        np.clip(nearer / (apart + 1e-3), 0.0, 1.0) * np.clip((apart - 2.0) / 3.0, 0.0, 1.0) * sure
    )


def _wide_mean(field: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``(h, w, 2)`` float32: the weighted mean of a field over ``_WIDE`` pixels around."""
    height, width = weight.shape
    small = max(1, width // 4), max(1, height // 4)
    stack = np.dstack([field * weight[..., None], weight])
    stack = cv2.GaussianBlur(
        cv2.resize(stack, small, interpolation=cv2.INTER_AREA), (0, 0), _WIDE / 4
    )
    mean = stack[..., :2] / (stack[..., 2:] + np.float32(1e-9))
    return cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)


def _agreement(mask: np.ndarray, moved: np.ndarray, sure: np.ndarray) -> float:
    """0 to 1: how far the settled mask is the moved one, and the motion is believed inside."""
    either = (mask | moved).sum()
    if not either:
        return 0.5
    same = (mask & moved).sum() / either
    believed = sure[moved].mean() if moved.any() else 0.0
    return float(np.sqrt(same) * (0.95 + 0.05 * believed))

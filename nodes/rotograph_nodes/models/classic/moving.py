"""What moves on its own on a frame: by the flow to the next one, and by what is behind it.

Between two frames the camera's own motion is the homography that most of the flow agrees on. What
departs from it is evidence, which is coarse: the flow drags its surroundings along and says nothing
of what is flat. Where the background is known from the frames around (``background``), the
difference to it decides instead, shadows left out. Cut out along the picture's edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from rotograph_nodes.models.classic import appearance
from rotograph_nodes.models.classic.background import behind, camera, camera_flow, shaded, unlike
from rotograph_nodes.models.classic.cut import cut, edge_planes
from rotograph_nodes.models.classic.motion import fetch
from rotograph_nodes.models.classic.segmenter import settled, tidy

_AGREE = 1.0  # pixels of round trip up to which the flow is believed
_MOVES = 1.2  # pixels of own motion in one frame from which a region counts as moving
_GRAIN = 0.012  # colour difference that grain makes
_DIFFERS = 0.03  # colour difference to the background at which something is as likely in front
_SHADE = -1.5  # score of what is the background under a shadow
_SEEN_TO_MOVE = 0.1  # share of a region that the flow has to see moving, else it was uncovered
_SMALLEST = 64  # pixels of a region
_APART = 0.6  # of the faster one's motion: how different two things that touch have to move
_SLOW = 0.25  # of the faster one's motion: the slower has to move this much
_SPREAD = 0.4  # of what is between their motions: how alike the motion within each has to be
_SHADOW = 0.3  # share of a region that is shadow, when all of it is
_KNOWN = 0.9  # how far the background has to be known to be sure of it
_COARSE = 0.5  # what the flow counts for where the background is not known
_SMOOTHNESS = 4.0
_MOST = 32  # regions of a frame


def moving(
    features_a: Mapping[str, np.ndarray],
    features_b: Mapping[str, np.ndarray],
    between: Mapping[str, np.ndarray],
    turn: np.ndarray,
) -> dict[str, np.ndarray]:
    """What the flow alone sees moving on frame ``a``, generously.

    features: ``{"picture": (h, w, 3)}`` ACEScct; between: ``motion`` from ``a`` to ``b``; turn: the
    ``camera`` of it. Returns ``scores`` ``(h, w)`` float16, positive where it moves, within ±3, and
    ``mask`` ``(h, w)`` uint8, 1 where the background is not to be trusted.
    """
    flow = between["forward"].astype(np.float32)
    still = camera_flow(turn, flow.shape[:2])
    speed = np.linalg.norm(flow - still, axis=2)
    # the flow is off by about this much where nothing moves
    threshold = max(_MOVES, min(4.0 * float(np.median(speed)), 3.0 * _MOVES))
    scores = np.clip(2.0 * np.log2((speed + 1e-3) / threshold), -3.0, 3.0)
    colours = appearance.colours(features_a["picture"].astype(np.float32))
    there = appearance.colours(features_b["picture"].astype(np.float32))
    # beside a moving edge the flow drags the background along; but that is explained by the camera
    unlike_camera, unlike_flow = (_unlike(colours, there, f) for f in (still, flow))
    explained = unlike_camera < 1.5 * unlike_flow + _GRAIN**2
    scores = np.where(explained & (scores > 0), -0.7, scores).astype(np.float32)
    mask = cut(edge_planes(colours), scores, _SMOOTHNESS)
    if mask.any():
        width = _width(mask)
        mask = tidy(_filled(mask, width), width)
    return {"scores": scores.astype(np.float16), "mask": mask.astype(np.uint8)}


def evidence(
    features_a: Mapping[str, np.ndarray],
    features_b: Mapping[str, np.ndarray],
    between: Mapping[str, np.ndarray],
    turn: np.ndarray | None = None,
    seen: Mapping[str, np.ndarray] | None = None,
    others: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]] = (),
) -> dict[str, np.ndarray]:
    """What moves on its own on frame ``a``, thing by thing.

    features: ``{"picture": (h, w, 3)}`` ACEScct; between: ``motion`` from ``a`` to ``b``; turn: the
    ``camera`` of it; seen: ``moving``. others: of frames around, picture ``(h, w, 3)``, ``mask`` of
    ``moving``, and the homography ``(3, 3)`` from here to there; without them the motion decides.
    Returns ``regions`` ``(h, w)`` uint8: 0 still, 1… one number per moving region;
    ``own`` ``(n, 3)`` float32 per region: mean flow (dx, dy) in pixels and mean own motion;
    ``sure`` ``(n,)`` float32: the share of it that is plainly in front.
    """
    turn = camera(between) if turn is None else turn
    seen = moving(features_a, features_b, between, turn) if seen is None else seen
    picture = features_a["picture"].astype(np.float32)
    flow, error = (between[n].astype(np.float32) for n in ("forward", "forward_error"))
    own = flow - camera_flow(turn, error.shape)
    speed = np.linalg.norm(own, axis=2)
    by_flow = seen["scores"].astype(np.float32)
    colours = appearance.colours(picture)
    place, known = behind(
        picture, seen["mask"] > 0, [(p.astype(np.float32), m > 0, t) for p, m, t in others]
    )
    difference = unlike(colours, place)
    by_place = np.clip(2.0 * np.log2((difference + 1e-4) / _DIFFERS), -3.0, 3.0)
    shade = shaded(colours, place)
    by_place = np.where(shade, np.minimum(by_place, _SHADE), by_place)
    scores = (known * by_place + (1.0 - known) * _COARSE * by_flow).astype(np.float32)
    if known.any():
        # the difference alone is ragged, and what is not known hangs on the colours around
        fixed = -((known > _KNOWN) & (by_place < _SHADE)).astype(np.int8)
        mask = settled(picture, scores, fixed)
    else:
        mask = seen["mask"] > 0
    parts = part_by_motion(mask, own, error < np.maximum(_AGREE, 0.05 * speed))
    parts = [p for p in parts if shade[p].mean() < _SHADOW]
    parts = [p for p in parts if (by_flow[p] > 0).mean() >= _SEEN_TO_MOVE]
    parts = sorted(parts, key=lambda part: -np.count_nonzero(part))[:_MOST]
    regions = np.zeros(mask.shape, np.uint8)
    for number, part in enumerate(parts, start=1):
        regions[part] = number
    told = [[*flow[part].mean(axis=0), speed[part].mean()] for part in parts]
    sure = [(scores[part] > 1.0).mean() for part in parts]
    return {
        "regions": regions,
        "own": np.array(told, np.float32).reshape(-1, 3),
        "sure": np.array(sure, np.float32),
    }


def part_by_motion(mask: np.ndarray, own: np.ndarray, sure: np.ndarray) -> list[np.ndarray]:
    """The pieces of a mask, each ``(h, w)`` bool in one piece, things that move apart kept apart.

    own: ``(h, w, 2)`` float32, motion against the camera's. sure: ``(h, w)`` bool, where it can be
    believed. A piece is cut in two where its motions fall into two clusters along the axis on
    which they differ most (Otsu's threshold), and both halves are looked at again.
    """
    calm = cv2.GaussianBlur(own, (0, 0), max(1.0, 0.008 * float(np.hypot(*mask.shape))))
    left, done = _pieces(mask), []
    while left:
        piece = left.pop()
        cut_at = _two_motions(own[piece & sure])
        if cut_at is None:
            done.append(piece)
            continue
        axis, threshold = cut_at
        first = calm @ axis > threshold
        halves = [_pieces(piece & side) for side in (first, ~first)]
        if all(halves):
            left += [part for half in halves for part in half]
        else:
            done.append(piece)
    return done


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    """What hangs together, ``(h, w)`` bool each, without what is too small."""
    count, numbers = cv2.connectedComponents(mask.astype(np.uint8))
    areas = np.bincount(numbers.ravel(), minlength=count)
    return [numbers == i for i in range(1, count) if areas[i] >= _SMALLEST]


def _two_motions(own: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The axis ``(2,)`` and the place on it that part two motions ``(n, 2)``; None for one."""
    if len(own) < 4 * _SMALLEST:
        return None
    _, axes = np.linalg.eigh(np.cov(own.T))
    along = own @ axes[:, 1]
    low, high = np.percentile(along, (1, 99))
    if high - low < 2.0 * _MOVES:
        return None
    level = np.clip((along - low) / (high - low) * 255.0, 0, 255).astype(np.uint8)
    found, _ = cv2.threshold(level, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    threshold = float(low + (found + 0.5) / 255.0 * (high - low))
    sides = [own[along <= threshold], own[along > threshold]]
    if min(map(len, sides)) < max(_SMALLEST, 0.05 * len(own)):
        return None
    means = [np.median(side, axis=0) for side in sides]
    between = float(np.linalg.norm(means[0] - means[1]))
    fastest = max(float(np.linalg.norm(m)) for m in means)
    within = max(
        float(np.median(np.linalg.norm(side - mean, axis=1)))
        for side, mean in zip(sides, means, strict=True)
    )
    slowest = min(float(np.linalg.norm(m)) for m in means)
    if between < max(_APART * fastest, 2.0 * _MOVES) or within > _SPREAD * between:
        return None
    if slowest < max(_SLOW * fastest, 2.0 * _MOVES):  # what an edge drags along is no thing
        return None
    return axes[:, 1].astype(np.float32), threshold


def _width(mask: np.ndarray) -> float:
    """Pixels: gaps and threads narrower than this are closed and cut off."""
    return 0.02 * float(np.hypot(*mask.shape))


def _unlike(here: np.ndarray, there: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32: squared colour difference to where ``flow`` points, over a patch."""
    return cv2.GaussianBlur(((here - fetch(there, flow)) ** 2).sum(axis=2), (0, 0), 2.5)


def _filled(mask: np.ndarray, width: float) -> np.ndarray:
    """With narrow gaps closed and with all holes filled: flat insides show no motion."""
    radius = max(1, round(width))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = cv2.copyMakeBorder(
        mask.astype(np.uint8), radius, radius, radius, radius, cv2.BORDER_CONSTANT, value=0
    )
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)[radius:-radius, radius:-radius]
    outline, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    full = cv2.drawContours(np.zeros_like(closed), outline, -1, 1, cv2.FILLED)
    return full.astype(bool)

"""Segment without weights: from boxes, points and masks to a graded mask, by colour and edges.

After GrabCut (Rother, Kolmogorov and Blake 2004): count the colours of inside and outside, cut,
count again. Different here: the colours are counted near the place as well as in the whole frame
(``appearance``), and the first guess is where the box's outside reaches without crossing an edge
(``geodesic``), which tells a bright background inside the box from the object at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from rotograph_nodes.models.classic import appearance
from rotograph_nodes.models.classic.cut import cut, edge_planes
from rotograph_nodes.models.classic.geodesic import geodesic
from rotograph_nodes.models.classic.grade import CERTAIN, grade, signed_distance
from rotograph_nodes.models.prompts import GridPrompts

# Each round counts colours over the whole frame and over these reaches (shares of the object's
# size), and the first guess counts for less.
_ROUNDS = (
    ((), 1.0),
    ((), 0.6),
    ((0.25,), 0.5),
    ((0.25, 0.12), 0.4),
    ((0.2, 0.08), 0.4),
)
_SMOOTHNESS = 5.0
_COLOUR_LIMIT = 5.0  # one pixel's colour never says more than this
_ALIKE = 0.05  # a way through colours that is this long is no longer through one thing
_FADE = 0.25  # how soon the way gets long through the very same colour, of the point's depth
_PUSH = 4.0
_SAID = 2.0
_SPREAD = 2.0  # how far a correction reaches, of the depth of its point on the wrong side
_POINT = 0.008  # radius of a point, of the picture's diagonal
_REACH = 0.10  # how far a point corrects a mask, of the picture's diagonal
_SPECK = 0.04  # threads and specks thinner than this share of the object's size go


def encode(picture: np.ndarray) -> dict[str, np.ndarray]:
    """Features of one frame: ``{"picture": (h, w, 3) float16}``.

    picture: ``(h, w, 3)`` float32 ACEScct at working resolution.
    """
    return {"picture": picture.astype(np.float16)}


def segment(
    features: Mapping[str, np.ndarray], prompts: GridPrompts, prior: np.ndarray | None = None
) -> np.ndarray:
    """Logits of one layer on one frame: ``(h, w)`` float32, positive inside, ±8 is certain.

    features: of ``encode``. prior: ``(h, w)`` logits that points and scribbles then correct, or
    None. A mask that stands alone or with points is taken as it is and corrected by the points;
    a thin or small mask within a box is a scribble. With nothing positive and no prior, all is
    outside.
    """
    scene = _Scene(features["picture"].astype(np.float32))
    inside, outside, whole = _sort(scene, prompts, prior)
    if whole is not None:
        return _correct(scene, whole, inside, outside)
    if prompts.boxes:
        found = [_in_box(scene, box, inside, outside) for box in prompts.boxes]
        mask = np.any(found, axis=0)
    elif inside.any():
        mask = _around(scene, inside, outside)
    else:
        return np.full(scene.shape, -CERTAIN, np.float32)
    return grade(mask, scene.picture)


@dataclass(frozen=True, eq=False)
class _Counted:
    """Palette indices of the pixels, and how akin the palette's colours are."""

    index: np.ndarray
    kin: np.ndarray


class _Scene:
    """One frame in the forms that the steps below ask for."""

    def __init__(self, picture: np.ndarray) -> None:
        self.picture = picture
        self.shape = picture.shape[:2]
        self.colours = appearance.colours(picture)
        self.edges = edge_planes(self.colours)
        self.diagonal = float(np.hypot(*self.shape))

    def counted(self, region: tuple[slice, slice]) -> _Counted:
        """Counted over a palette, half of which is for the region."""
        centres = appearance.palette(self.colours, self.colours[region])
        return _Counted(appearance.assign(self.colours, centres), appearance.kinship(centres))

    def discs(self, points: tuple[tuple[float, float], ...]) -> np.ndarray:
        """``(h, w)`` bool: a small disc at each point that is on the picture."""
        out = np.zeros(self.shape, np.uint8)
        radius = max(1, round(self.diagonal * _POINT))
        for x, y in points:
            cv2.circle(out, (int(np.floor(x)), int(np.floor(y))), radius, 1, cv2.FILLED)
        return out.astype(bool)


def _sort(
    scene: _Scene, prompts: GridPrompts, prior: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What is surely inside, what is surely outside, and the mask to correct, if there is one."""
    inside, outside = scene.discs(prompts.inside), scene.discs(prompts.outside)
    whole = None if prior is None else prior.astype(np.float32)
    for mask in prompts.masks:
        on = mask > 0.5
        if _is_scribble(on, prompts, scene):
            inside |= on
        elif on.any():
            logits = np.clip(signed_distance(on), -CERTAIN, CERTAIN)
            logits += np.clip(mask, 0.0, 1.0) - on  # a soft mask keeps its order at the edge
            whole = logits if whole is None else np.maximum(whole, logits)
    for mask in prompts.erasures:
        on = mask > 0.5
        if whole is None or _is_stroke(on, scene):
            outside |= on
        else:
            # drawn to take away what it covers, and no more
            whole = np.minimum(whole, np.clip(-signed_distance(on), -CERTAIN, CERTAIN))
    return inside & ~outside, outside, whole


def _is_scribble(on: np.ndarray, prompts: GridPrompts, scene: _Scene) -> bool:
    """Whether a mask only hints at the layer: much smaller than its box, or a stroke."""
    area = float(on.sum())
    if prompts.boxes:
        boxed = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in prompts.boxes)
        if area < 0.25 * boxed:
            return True
    return _is_stroke(on, scene)


def _is_stroke(on: np.ndarray, scene: _Scene) -> bool:
    """Whether a mask is a line drawn with a brush rather than an area."""
    thickest = float(_depth(on).max())
    return float(on.sum()) > 20.0 * np.pi * thickest**2 and thickest < 0.015 * scene.diagonal


def _in_box(
    scene: _Scene,
    box: tuple[float, float, float, float],
    inside: np.ndarray,
    outside: np.ndarray,
) -> np.ndarray:
    """``(h, w)`` bool: the object that the box holds."""
    height, width = scene.shape
    x0, x1 = (int(np.clip(round(v), 0, width)) for v in (box[0], box[2]))
    y0, y1 = (int(np.clip(round(v), 0, height)) for v in (box[1], box[3]))
    if x1 <= x0 or y1 <= y0:
        return np.zeros(scene.shape, bool)
    boxed = np.zeros(scene.shape, bool)
    boxed[y0:y1, x0:x1] = True
    open_to = geodesic(scene.colours, ~boxed | outside)
    guess = _middle(scene.shape, (x0, y0, x1, y1))
    if not boxed.all():
        scale = max(0.6 * float(np.percentile(open_to[boxed], 70)), 0.002)
        guess += 1.5 - 3.0 * np.exp(-open_to / scale)
    guess += _pull(scene, inside, outside)
    fixed = np.where(boxed, 0, -1).astype(np.int8)
    return _settle(scene, guess, fixed, inside, outside, (slice(y0, y1), slice(x0, x1)))


def _around(scene: _Scene, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """``(h, w)`` bool: the region that points or scribbles alone stand for."""
    near = geodesic(scene.colours, inside, tread=2e-4)
    border = np.zeros(scene.shape, bool)
    border[[0, -1], :] = border[:, [0, -1]] = True
    # where the object itself leaves the frame, the frame's edge is no background
    border &= near > 0.5 * float(np.median(near[border]))
    far = geodesic(scene.colours, border | outside, tread=2e-4)
    guess = 1.5 * np.log((far + 1e-3) / (near + 1e-3)) - 0.5
    guess = np.clip(guess, -3.0, 3.0).astype(np.float32) + _pull(scene, inside, outside)
    fixed = np.where(guess <= -2.9, -1, 0).astype(np.int8)
    rows, columns = np.nonzero(guess > 0)
    if not rows.size:
        rows, columns = np.nonzero(inside)
    region = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    mask = _settle(scene, guess, fixed, inside, outside, region)
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    return mask & np.isin(parts, np.unique(parts[inside & mask]))


def _middle(shape: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """``(h, w)`` float32 scores: the middle of a box is inside, its corners are not.

    A side of the box that lies on the frame's edge does not end the object.
    """
    height, width = shape
    x0, y0, x1, y1 = box
    beyond_x, beyond_y = 0.3 * (x1 - x0), 0.3 * (y1 - y0)
    left, right = (x0 - beyond_x if x0 <= 1 else x0), (x1 + beyond_x if x1 >= width - 1 else x1)
    top, bottom = (y0 - beyond_y if y0 <= 1 else y0), (y1 + beyond_y if y1 >= height - 1 else y1)
    u = np.abs((np.arange(width) + 0.5 - (left + right) / 2) / ((right - left) / 2))
    v = np.abs((np.arange(height) + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2))
    radius = (u[None] ** 2.5 + v[:, None] ** 2.5) ** 0.4
    return np.clip(3.0 * (1.0 - radius), -3.0, 2.0).astype(np.float32)


def _pull(scene: _Scene, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32 scores that points and scribbles spread over what looks like them."""
    out = np.zeros(scene.shape, np.float32)
    for seeds, sign in ((inside, 1.0), (outside, -1.0)):
        if seeds.any():
            way = geodesic(scene.colours, seeds, tread=0.03 / (_REACH * scene.diagonal / 4.0))
            out += (sign * 4.0 * np.exp(-((way / 0.03) ** 2))).astype(np.float32)
    return out


def settled(picture: np.ndarray, guess: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """``(h, w)`` bool: what a guess stands for, once its colours are counted.

    picture: ``(h, w, 3)`` float32 ACEScct. guess: ``(h, w)`` float32 scores, positive inside.
    fixed: ``(h, w)`` int8, +1 surely inside, -1 surely outside, 0 to be found.
    """
    rows, columns = np.nonzero(guess > 0)
    if not rows.size:
        return np.zeros(guess.shape, bool)
    region = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    nowhere = np.zeros(guess.shape, bool)
    return _settle(_Scene(picture), guess, fixed, nowhere, nowhere, region)


def _settle(
    scene: _Scene,
    guess: np.ndarray,
    fixed: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    region: tuple[slice, slice],
) -> np.ndarray:
    """Count colours and cut in turns; ``fixed`` and the seeds hold throughout."""
    fixed = np.where(inside, 1, np.where(outside, -1, fixed)).astype(np.int8)
    counted = scene.counted(region)
    size = float(np.sqrt((region[0].stop - region[0].start) * (region[1].stop - region[1].start)))
    belief = _belief(guess, fixed)
    mask = belief > 0.5
    for number, (reaches, weight) in enumerate(_ROUNDS):
        wide = [0.5] if number == 0 else reaches  # at first only the outside is known anywhere
        odds = _odds(counted, belief, [r * size for r in reaches], [r * size for r in wide])
        scores = np.clip(odds, -_COLOUR_LIMIT, _COLOUR_LIMIT) + weight * guess
        mask = cut(scene.edges, scores, _SMOOTHNESS, fixed)
        belief = _belief(np.where(mask, 2.2, -2.2) + 0.1 * scores, fixed)
    return _without(tidy(mask, _SPECK * size) | inside, inside, outside)


def _without(mask: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Without the separate parts that a negative point is on, while another part remains."""
    if not outside.any():
        return mask
    count, parts = cv2.connectedComponents(mask.astype(np.uint8))
    around = cv2.dilate(outside.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    denied = np.zeros(count, bool)
    denied[parts[around & mask]] = True
    denied[parts[inside]] = False
    area = np.bincount(parts.ravel(), minlength=count)
    area[0] = 0
    remaining = int(area[~denied].max())
    return mask & ~(denied & (area < 4 * remaining))[parts]


def _belief(scores: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    belief = 1.0 / (1.0 + np.exp(-scores))
    return np.where(fixed == 0, belief, fixed > 0).astype(np.float32)


def _odds(
    counted: _Counted, belief: np.ndarray, inner: list[float], outer: list[float]
) -> np.ndarray:
    size = len(counted.kin)
    within = appearance.tally(counted.index, belief, size)
    without = appearance.tally(counted.index, 1.0 - belief, size)
    return appearance.log_odds(
        counted.index,
        appearance.likelihood(within, counted.kin, inner),
        appearance.likelihood(without, counted.kin, outer),
    )


def tidy(mask: np.ndarray, thickness: float) -> np.ndarray:
    """Without specks and threads thinner than ``thickness`` pixels, and without such holes.

    What hangs on to something thicker stays up to that distance from it, so that corners and
    the roots of strands are kept.
    """
    radius = max(1, round(thickness / 2))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    out = mask.astype(np.uint8)
    for flip in (0, 1):
        side = cv2.copyMakeBorder(out ^ flip, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
        core = cv2.morphologyEx(side, cv2.MORPH_OPEN, disc)
        core = cv2.dilate(core, disc) & side
        if core.any():
            out = core[radius:-radius, radius:-radius] ^ flip
    return out.astype(bool)


def _correct(
    scene: _Scene, whole: np.ndarray, inside: np.ndarray, outside: np.ndarray
) -> np.ndarray:
    """The given logits, changed only around the points and scribbles that contradict them.

    Whoever corrects points at the middle of what is wrong: the deeper a point lies on the wrong
    side of the boundary, the larger the error may be. Near the boundary it moves that a little.
    """
    mask = whole > 0
    wrong = (inside & ~mask) | (outside & mask)
    if not wrong.any():
        return whole
    depth = np.where(mask, _depth(mask), _depth(~mask))
    scores = np.clip(whole, -2.0, 2.0)
    near = wrong.copy()
    count, parts = cv2.connectedComponents(wrong.astype(np.uint8))
    for part in range(1, count):
        seeds = parts == part
        reach = float(depth[seeds].max())
        near |= _depth(~seeds) <= _SPREAD * reach + 1.0
        way = geodesic(scene.colours, seeds, tread=_ALIKE / (_FADE * reach + 1.0))
        push = -_PUSH if mask[seeds].any() else _PUSH
        scores = scores + np.float32(push) * np.exp(-((way / _ALIKE) ** 2), dtype=np.float32)
    fixed = np.where(near, 0, np.where(mask, 1, -1)).astype(np.int8)
    fixed = np.where(inside, 1, np.where(outside, -1, fixed)).astype(np.int8)
    new = np.where(near, cut(scene.edges, scores, 1.5, fixed), mask)
    changed = (new != mask).astype(np.uint8)
    touched = cv2.dilate(changed, np.ones((9, 9), np.uint8)).astype(bool)
    out = np.where(touched, grade(new, scene.picture), whole)
    # what was pointed at is so, however thin it is
    out[inside] = np.maximum(out[inside], _SAID)
    out[outside] = np.minimum(out[outside], -_SAID)
    return out.astype(np.float32)


def _depth(mask: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32: how far each pixel of a mask is from the nearest outside it."""
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)

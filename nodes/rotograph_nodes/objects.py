"""From what was found on single frames to objects that are followed through a shot.

Frames are taken in windows: every few frames what is found there is held against what has been
followed so far, forward and then backward, so that who enters late is joined to who was there
before. After the three-stage pipeline (detect, segment, track) of production rotoscoping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Rules:
    """Every constant of the pipeline.

    window: frames an object is followed without being found again. refresh: frames from one
    comparison to the next. drop: overlap at which a mask that has two partners or more is left
    out. merge: overlap at which a mask with one partner is part of it. same: intersection over
    union of two masks of the same object. least: share of the picture that an object fills.
    Overlap is |A∩B|/|A|: how much of A is in B.
    """

    window: int = 20
    refresh: int = 5
    drop: float = 0.1
    merge: float = 0.6
    same: float = 0.9
    least: float = 0.002


@dataclass(frozen=True, eq=False)
class Piece:
    """Something found on a frame.

    mask: ``(h, w)`` bool, over the whole picture. boxes: what made it, in plate pixels; more than
    one after pieces were merged. label: what it is, such as "person". score: 0 to 1.
    """

    mask: np.ndarray
    boxes: tuple[Box, ...]
    label: str
    score: float


@dataclass(eq=False)
class Object:
    """One object through the shot.

    anchors: the frames on which it was found, with what was found. masks: ``(h, w)`` bool on the
    frames that were compared, as far as it was there. before, after: a compared frame on which
    it is not there yet, and one on which it is no more; None where nothing says so.
    """

    label: str
    anchors: dict[int, Piece]
    masks: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    before: int | None = None
    after: int | None = None
    name: str = ""

    @property
    def born(self) -> int:
        return min(self.anchors)


Found = Callable[[int], Sequence[Piece]]
Tracked = Callable[[Mapping[int, tuple[int, Piece]], int], Mapping[int, np.ndarray]]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """|A∩B|/|A|, 0 for an empty A."""
    size = np.count_nonzero(a)
    return np.count_nonzero(a & b) / size if size else 0.0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """|A∩B|/|A∪B|, 0 for two empty masks."""
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 0.0


def settle(pieces: Sequence[Piece], rules: Rules) -> list[Piece]:
    """One frame's pieces, those that belong to others dropped, or merged into that one.

    The least sure is looked at first, against all that are left then.
    """
    left = [p for p in pieces if p.mask.mean() >= rules.least]
    for piece in sorted(left, key=lambda p: (p.score, p.mask.sum())):
        shares = {
            i: overlap(piece.mask, other.mask) for i, other in enumerate(left) if other is not piece
        }
        partners = [i for i, share in shares.items() if share >= rules.drop]
        if len(partners) >= 2:
            left = [p for p in left if p is not piece]
        elif partners and shares[partners[0]] >= rules.merge:
            left[partners[0]] = _joined(left[partners[0]], piece)
            left = [p for p in left if p is not piece]
    return left


def _joined(one: Piece, other: Piece) -> Piece:
    boxes = tuple(dict.fromkeys((*one.boxes, *other.boxes)))
    return Piece(one.mask | other.mask, boxes, one.label, max(one.score, other.score))


def follow(frames: Sequence[int], found: Found, tracked: Tracked, rules: Rules) -> list[Object]:
    """The objects of a shot, named, in the order in which they appear.

    frames: all of the shot. found: the pieces of a frame. tracked: of some objects, each told by
    one frame and the piece there, the masks on another frame.
    """
    objects = _forward(frames, found, tracked, rules)
    objects = _backward(frames, objects, tracked, rules)
    _name(objects)
    return objects


def _forward(frames: Sequence[int], found: Found, tracked: Tracked, rules: Rules) -> list[Object]:
    at = {frame: n for n, frame in enumerate(frames)}
    objects: list[Object] = []
    for frame in _stops(frames, rules):
        live = {
            n: o for n, o in enumerate(objects) if at[frame] - at[max(o.anchors)] <= rules.window
        }
        latest = {n: (max(o.anchors), o.anchors[max(o.anchors)]) for n, o in live.items()}
        masks = dict(tracked(latest, frame)) if latest else {}
        there = {n: m for n, m in masks.items() if m.mean() >= rules.least}
        for n, mask in there.items():
            objects[n].masks[frame] = mask
        for piece in _by_likeness(settle(found(frame), rules), there):
            which = _whose(piece, there, rules)
            if which == _NEW:
                objects.append(Object(piece.label, {frame: piece}, masks={frame: piece.mask}))
                there[len(objects) - 1] = piece.mask
            elif which >= 0 and frame not in objects[which].anchors:
                objects[which].anchors[frame] = piece
                objects[which].masks[frame] = there[which] = piece.mask
        for n in live:
            if n not in there and n in masks:
                objects[n].after = objects[n].after or frame
            elif n in there:
                objects[n].after = None  # it was only hidden
    return objects


_NEW, _NOBODY = -1, -2


def _by_likeness(pieces: Sequence[Piece], there: Mapping[int, np.ndarray]) -> list[Piece]:
    """Those first that are most surely somebody's."""
    return sorted(pieces, key=lambda p: -max((iou(p.mask, m) for m in there.values()), default=0.0))


def _whose(piece: Piece, there: Mapping[int, np.ndarray], rules: Rules) -> int:
    """The object that a piece is, ``_NEW``, or ``_NOBODY`` when it is to be left out.

    Beside the same mask, two masks that lie mostly in each other are one object, whose track has
    drifted or whose mask was found differently.
    """
    shares = {n: overlap(piece.mask, mask) for n, mask in there.items()}
    alike = {n: iou(piece.mask, mask) for n, mask in there.items()}
    best = max(alike, key=alike.get, default=None)
    if best is None:
        return _NEW
    mutual = min(shares[best], overlap(there[best], piece.mask))
    if alike[best] >= rules.same or mutual >= rules.merge:
        return best
    partners = [n for n, share in shares.items() if share >= rules.drop]
    if len(partners) >= 2 or (partners and shares[partners[0]] >= rules.merge):
        return _NOBODY
    return _NEW


def _backward(
    frames: Sequence[int], objects: list[Object], tracked: Tracked, rules: Rules
) -> list[Object]:
    """Follow who came late back to where he came from, and join him to who was there already."""
    at = {frame: n for n, frame in enumerate(frames)}
    kept: list[Object] = []
    for late in sorted(objects, key=lambda o: at[o.born]):
        start = at[late.born]
        stops = [f for f in _stops(frames, rules)[::-1] if 0 < start - at[f] <= rules.window]
        for frame in stops:
            mask = tracked({0: (late.born, late.anchors[late.born])}, frame)[0]
            others = {n: o.masks[frame] for n, o in enumerate(kept) if frame in o.masks}
            near = max(others, key=lambda n: iou(mask, others[n]), default=None)
            if near is not None and iou(mask, others[near]) >= rules.same:
                _join(kept[near], late)
                break
            # not there, or run into somebody else
            if mask.mean() < rules.least or any(
                overlap(mask, other) >= rules.merge for other in others.values()
            ):
                late.before = frame
                kept.append(late)
                break
            late.masks[frame] = mask
        else:
            kept.append(late)
    return kept


def _join(one: Object, other: Object) -> None:
    one.anchors = {**other.anchors, **one.anchors}
    one.masks = {**other.masks, **one.masks}
    one.after = other.after


def _stops(frames: Sequence[int], rules: Rules) -> list[int]:
    """The frames on which what is followed is compared with what is found."""
    return sorted({*frames[:: rules.refresh], frames[-1]})


def _name(objects: list[Object]) -> None:
    """Names by kind, in the order of appearance, from left to right."""
    objects.sort(key=_appearance)
    count: dict[str, int] = {}
    for o in objects:
        count[o.label] = count.get(o.label, 0) + 1
        o.name = f"{o.label}_{count[o.label]:02d}"


def _appearance(o: Object) -> tuple[int, int]:
    first = min(o.masks)
    return first, int(np.flatnonzero(o.masks[first].any(axis=0))[0])

"""Who is hidden by somebody else and found again is one object: by its motion and its colours.

A track hardly survives that somebody passes in front of it. What was lost and what is found later
are held against each other: where each should be by the way it moved, and what it looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from rotograph_nodes.pieces import Piece, Rules, likeness

_LATELY = 4
"""Sightings that a motion is taken from."""


@dataclass(eq=False)
class Object:
    """One object through the shot.

    anchors: frames on which it was found best, with what was found. seen: the same of all frames on
    which it was found. masks: ``(h, w)`` bool of the frames on which it was there. before, after: a
    frame on which it is not there yet, and one on which it is no more; None where nothing says so.
    """

    label: str
    anchors: dict[int, Piece]
    seen: dict[int, Piece] = field(default_factory=dict, repr=False)
    masks: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    before: int | None = None
    after: int | None = None
    name: str = ""

    @property
    def born(self) -> int:
        return min(self.anchors)


def rejoined(objects: Sequence[Object], frames: Sequence[int], rules: Rules) -> list[Object]:
    """The objects, those that follow one another and are the same made one, the likeliest first.

    frames: all of the shot.
    """
    at = {frame: n for n, frame in enumerate(frames)}
    left = list(objects)
    while True:
        pairs = [
            (_apart(one, other, at, rules), n, m)
            for n, one in enumerate(left)
            for m, other in enumerate(left)
            if one is not other
        ]
        off, n, m = min(pairs, default=(np.inf, 0, 0))
        if off == np.inf:
            return left
        one, other = left[n], left[m]
        lost, found = max(one.seen), min(other.seen)
        kept = {f: mask for f, mask in one.masks.items() if at[f] <= at[lost]}
        kept |= {f: mask for f, mask in other.masks.items() if at[f] >= at[found]}
        one.anchors, one.seen = {**one.anchors, **other.anchors}, {**one.seen, **other.seen}
        one.masks, one.after = kept, other.after
        one.anchors |= _between(one, lost, found, at, rules)
        left = [o for o in left if o is not other]


def _apart(one: Object, other: Object, at: dict[int, int], rules: Rules) -> float:
    """How unlike a later one is, in place by its own size and in colour; infinite if another."""
    if one.label != other.label or not one.seen or not other.seen:
        return np.inf
    lost, found = max(one.seen), min(other.seen)
    gap = at[found] - at[lost]
    if not 0 < gap <= rules.window:
        return np.inf
    alike = likeness(_look(one), _look(other))
    size = np.sqrt(max(p.mask.sum() for p in (one.seen[lost], other.seen[found])))
    ahead = _place(one, lost) + gap * _speed(one, at, -1) - _place(other, found)
    back = _place(other, found) - gap * _speed(other, at, 1) - _place(one, lost)
    # both ways: two who cross are at the same place for a moment, but do not move alike
    off = float(np.linalg.norm(ahead) + np.linalg.norm(back)) / (2.0 * size)
    if alike < rules.alike or off > rules.leap:
        return np.inf
    return off + 1.0 - alike


def _between(
    o: Object, lost: int, found: int, at: dict[int, int], rules: Rules
) -> dict[int, Piece]:
    """More anchors on the frames around a crossing, where it was found best."""
    anchors: dict[int, Piece] = {}
    while True:
        known = [at[f] for f in (*o.anchors, *anchors)]
        spare = [
            f
            for f in o.seen
            if min(abs(at[f] - n) for n in known) > rules.refresh / 2
            and min(abs(at[f] - at[lost]), abs(at[f] - at[found])) <= rules.refresh
        ]
        if not spare:
            return anchors
        best = max(spare, key=lambda f: (o.seen[f].score, -f))
        anchors[best] = o.seen[best]


def _look(o: Object) -> np.ndarray | None:
    """The usual colours of an object."""
    looks = [p.look for p in o.seen.values() if p.look is not None]
    return np.mean(looks, axis=0) if looks else None


def _place(o: Object, frame: int) -> np.ndarray:
    """``(2,)``: the middle of an object, x and y."""
    rows, columns = np.nonzero(o.seen[frame].mask)
    return np.array([columns.mean(), rows.mean()])


def _speed(o: Object, at: dict[int, int], side: int) -> np.ndarray:
    """``(2,)`` pixels a frame at its end (side -1) or its beginning (1)."""
    frames = sorted(o.seen, reverse=side < 0)[:_LATELY]
    if len(frames) < 2:
        return np.zeros(2)
    steps = [(_place(o, b) - _place(o, a)) / (at[b] - at[a]) for a, b in pairwise(frames)]
    return np.median(steps, axis=0)

"""From what was found on single frames to objects that are followed through a shot.

What is found on every frame is held against what has been followed so far; every few frames an
object is told anew by where it was found best, and followed on from there. Forward and then
backward, so that who enters late is joined to who was there before. After the three-stage pipeline
(detect, segment, track) of production rotoscoping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rotograph_nodes.crossings import Object, rejoined
from rotograph_nodes.pieces import Piece, Rules, iou, likeness, overlap, settle

Found = Callable[[int], Sequence[Piece]]
Tracked = Callable[
    [Mapping[int, tuple[int, Piece]], Sequence[int]], Mapping[int, Mapping[int, np.ndarray]]
]
Chain = list[tuple[int, Piece]]


def follow(frames: Sequence[int], found: Found, tracked: Tracked, rules: Rules) -> list[Object]:
    """The objects of a shot, named, in the order in which they appear.

    frames: all of the shot. found: the pieces of a frame. tracked: of some objects, each told by
    one frame and the piece there, the masks on other frames: by frame, by object.
    """
    objects = _forward(frames, found, tracked, rules)
    objects = _backward(frames, objects, tracked, rules)
    objects = rejoined(objects, frames, rules)
    _name(objects)
    return objects


def _forward(frames: Sequence[int], found: Found, tracked: Tracked, rules: Rules) -> list[Object]:
    objects: list[Object] = []
    chains: list[Chain] = []
    for start in range(0, len(frames), rules.refresh):
        block = frames[start : start + rules.refresh]
        pieces = {frame: settle(found(frame), rules) for frame in block}
        live = _live(objects, frames[max(0, start - rules.window) : start])
        told = {n: (max(o.anchors), o.anchors[max(o.anchors)]) for n, o in live.items()}
        masks = _present(told, block, tracked, rules)
        anchors, claims, nobodys = _claimed(pieces, masks, told, rules)
        if anchors:
            # followed from where it was found best, it leaves alone what is somebody else's
            told |= anchors
            masks = _present(told, block, tracked, rules)
            _, again, nobodys = _claimed(pieces, masks, told, rules)
            claims += again
        for n in live:
            objects[n].masks |= {frame: there[n] for frame, there in masks.items() if n in there}
            objects[n].after = _gone(objects[n], block)
        for n, frame, piece in claims:
            objects[n].seen[frame] = piece
        for n, (frame, piece) in anchors.items():
            objects[n].anchors[frame] = piece
            objects[n].masks[frame] = piece.mask
        for frame, piece in nobodys:
            _enchain(chains, frame, piece, frames)
        last = start + rules.refresh >= len(frames)
        chains = _come_of_age(chains, objects, frames, block[-1], rules, last)
    return objects


def _present(
    told: Mapping[int, tuple[int, Piece]], block: Sequence[int], tracked: Tracked, rules: Rules
) -> dict[int, dict[int, np.ndarray]]:
    """The masks of those that are there: by frame, by object."""
    masks = tracked(told, block) if told else {}
    return {
        frame: {n: m for n, m in masks.get(frame, {}).items() if m.mean() >= rules.least}
        for frame in block
    }


def _claimed(
    pieces: Mapping[int, Sequence[Piece]],
    masks: Mapping[int, Mapping[int, np.ndarray]],
    told: Mapping[int, tuple[int, Piece]],
    rules: Rules,
) -> tuple[dict[int, tuple[int, Piece]], list[tuple[int, int, Piece]], Chain]:
    """Where each object is found best, where at all (object, frame, piece), what is nobody's."""
    sizes = {n: float(piece.mask.mean()) for n, (_, piece) in told.items()}
    best: dict[int, tuple[float, int, Piece]] = {}
    claims: list[tuple[int, int, Piece]] = []
    nobodys: Chain = []
    for frame, there in masks.items():
        for piece in _by_likeness(pieces[frame], there):
            own = {n: m for n, m in there.items() if _alike(piece, told[n][1], rules)}
            which = _whose(piece, own, sizes, rules)
            if which == _NEW:
                nobodys.append((frame, piece))
            elif which >= 0:
                claims.append((which, frame, piece))
                likeness = piece.score * max(iou(piece.mask, there[which]), rules.part)
                if which not in best or likeness > best[which][0]:
                    best[which] = likeness, frame, piece
    return {n: (frame, piece) for n, (_, frame, piece) in best.items()}, claims, nobodys


def _alike(one: Piece, other: Piece, rules: Rules) -> bool:
    return likeness(one.look, other.look) >= rules.alike


def _live(objects: Sequence[Object], lately: Sequence[int]) -> dict[int, Object]:
    """The objects found within the last frames, by number."""
    return {n: o for n, o in enumerate(objects) if lately and max(o.anchors) >= lately[0]}


def _gone(one: Object, block: Sequence[int]) -> int | None:
    """The first frame of a block from which an object is not there; None when it is at its end."""
    gone = None
    for frame in reversed(block):
        if frame in one.masks:
            break
        gone = frame
    if gone is None or one.after is None:
        return gone
    again = any(frame in one.masks for frame in block if frame >= one.after)
    return gone if again else min(gone, one.after)


def _enchain(chains: list[Chain], frame: int, piece: Piece, frames: Sequence[int]) -> None:
    """Put what is nobody's to what it was on the frame before, or begin with it."""
    at = frames.index(frame)
    ends = [c for c in chains if c[-1][0] in frames[max(0, at - 2) : at]]
    best = max(ends, key=lambda c: iou(c[-1][1].mask, piece.mask), default=None)
    if best is not None and iou(best[-1][1].mask, piece.mask) >= _LINK:
        best.append((frame, piece))
    else:
        chains.append([(frame, piece)])


def _come_of_age(
    chains: list[Chain],
    objects: list[Object],
    frames: Sequence[int],
    now: int,
    rules: Rules,
    last: bool,
) -> list[Chain]:
    """Chains that are long enough become objects; gives back those that may still grow."""
    least = min(rules.sightings, len(frames))
    open_ones = []
    for chain in chains:
        if len(chain) >= least:
            frame, piece = max(chain, key=lambda one: (one[1].score, -one[0]))
            masks = {f: p.mask for f, p in chain}
            objects.append(Object(piece.label, {frame: piece}, dict(chain), masks))
        elif not last and chain[-1][0] == now:
            open_ones.append(chain)
    return open_ones


_LINK = 0.3
"""Intersection over union of what is nobody's on two frames, when it is taken for the same."""
_NEW, _NOBODY = -1, -2


def _by_likeness(pieces: Sequence[Piece], there: Mapping[int, np.ndarray]) -> list[Piece]:
    """Those first that are most surely somebody's."""
    return sorted(pieces, key=lambda p: -max((iou(p.mask, m) for m in there.values()), default=0.0))


def _whose(
    piece: Piece, there: Mapping[int, np.ndarray], sizes: Mapping[int, float], rules: Rules
) -> int:
    """The object that a piece is, ``_NEW``, or ``_NOBODY`` when it is to be left out.

    there: the tracks on this frame. sizes: shares of the picture of the objects when last found.
    """
    shares = {n: overlap(piece.mask, mask) for n, mask in there.items()}
    alike = {n: iou(piece.mask, mask) for n, mask in there.items()}
    best = max(alike, key=alike.get, default=None)
    if best is None:
        return _NEW
    if _same(piece.mask, there[best], rules):
        return best
    if alike[best] >= rules.part:
        return best
    holder = max(shares, key=shares.get)
    if shares[holder] >= rules.merge and piece.mask.mean() >= rules.part * sizes[holder]:
        return holder
    partners = [n for n, share in shares.items() if share >= rules.drop]
    if len(partners) >= 2 or (partners and shares[partners[0]] >= rules.merge):
        return _NOBODY
    return _NEW


def _same(one: np.ndarray, other: np.ndarray, rules: Rules) -> bool:
    """Whether two masks are of one object.

    Beside the same mask, two masks that lie mostly in each other are: a track has drifted, or the
    mask was found differently.
    """
    mutual = min(overlap(one, other), overlap(other, one))
    return iou(one, other) >= rules.same or mutual >= rules.merge


def _backward(
    frames: Sequence[int], objects: list[Object], tracked: Tracked, rules: Rules
) -> list[Object]:
    """Follow who came late back to where he came from, and join him to who was there already."""
    at = {frame: n for n, frame in enumerate(frames)}
    kept: list[Object] = []
    for late in sorted(objects, key=lambda o: at[o.born]):
        born = at[late.born]
        earlier = frames[max(0, born - rules.window) : born][::-1]
        masks = tracked({0: (late.born, late.anchors[late.born])}, earlier) if earlier else {}
        for frame in earlier:
            mask = masks[frame][0]
            others = {n: o.masks[frame] for n, o in enumerate(kept) if frame in o.masks}
            near = max(others, key=lambda n: iou(mask, others[n]), default=None)
            if near is not None and _same(mask, others[near], rules):
                _join(kept[near], late)
                break
            # not there, or run into somebody else
            if mask.mean() < rules.least or any(
                overlap(mask, other) >= rules.merge for other in others.values()
            ):
                late.before = frame
                late.masks = {f: m for f, m in late.masks.items() if f > frame}
                kept.append(late)
                break
            late.masks.setdefault(frame, mask)
        else:
            kept.append(late)
    return kept


def _join(one: Object, other: Object) -> None:
    one.anchors = {**other.anchors, **one.anchors}
    one.seen = {**other.seen, **one.seen}
    one.masks = {**other.masks, **one.masks}
    one.after = None if None in (one.after, other.after) else max(one.after, other.after)


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

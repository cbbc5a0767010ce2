"""What is found on a single frame: a mask and what made it, overlaps settled.

After the three-stage pipeline (detect, segment, track) of production rotoscoping: of a frame's
masks, one that lies in several others is dropped, and one that lies in one other is part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Rules:
    """Every constant of the pipeline.

    window: frames an object is followed without being found again. refresh: frames from one telling
    of where it is to the next. sightings: frames on which what is nobody's is found, one after the
    other, before it is an object. drop: overlap at which a mask that has two partners or more is
    left out. merge: overlap at which a mask with one partner is part of it. same: intersection over
    union of two masks of the same object. part: the same with a track that has drifted and that
    is brought back; or, of what lies in a track that has grown, the share of the object's size
    when it was last found. least: share of the picture that an object fills.
    alike: likeness of colour of what is the same object. leap: distance, as a share of the size,
    from where it should be by its motion, of who is found again after somebody hid it.
    Overlap is |A∩B|/|A|: how much of A is in B.
    """

    window: int = 20
    refresh: int = 5
    sightings: int = 2
    drop: float = 0.1
    merge: float = 0.6
    part: float = 0.4
    same: float = 0.9
    least: float = 0.002
    alike: float = 0.6
    leap: float = 1.0


@dataclass(frozen=True, eq=False)
class Piece:
    """Something found on a frame.

    mask: ``(h, w)`` bool, over the whole picture. boxes: what made it, in plate pixels; more than
    one after pieces were merged. label: what it is, such as "person". score: 0 to 1. drawn: the
    boxes alone would not give this mask. look: ``(n,)`` float32, its colours counted, adding up to
    1; None where nobody looked.
    """

    mask: np.ndarray
    boxes: tuple[Box, ...]
    label: str
    score: float
    drawn: bool = False
    look: np.ndarray | None = None


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """|A∩B|/|A|, 0 for an empty A."""
    size = np.count_nonzero(a)
    return np.count_nonzero(a & b) / size if size else 0.0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """|A∩B|/|A∪B|, 0 for two empty masks."""
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 0.0


def likeness(one: np.ndarray | None, other: np.ndarray | None) -> float:
    """0 to 1: how alike two ``look``s are (Bhattacharyya coefficient); 1 where nobody looked."""
    return 1.0 if one is None or other is None else float(np.sqrt(one * other).sum())


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
    looks = [p.look for p in (one, other) if p.look is not None]
    return Piece(
        one.mask | other.mask,
        boxes,
        one.label,
        max(one.score, other.score),
        one.drawn or other.drawn,
        np.mean(looks, axis=0) if looks else None,
    )

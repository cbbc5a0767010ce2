"""From boxes on single frames to layers with names that stay the same through a shot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from rotograph.image import Box
from rotograph.layer import Detection, Detections

SAME = 0.25
"""Overlap (intersection over union) of two boxes that may be the same thing a frame later."""
PATIENCE = 12
"""Frames for which a thing may be hidden and is still the same when it is seen again."""
SIGHTINGS = 3
"""On so many frames a thing is there; less often, in a shot of nine frames or more, it is not."""
INSIDE = 0.7
"""Share of a box that lies in a stronger one of its kind, when the two are the same thing."""
ANCHORS = 3
"""Boxes of a layer that are handed on: each becomes an anchor."""


@dataclass
class _Strand:
    """One thing followed from frame to frame. boxes in picture pixels."""

    kind: int
    frames: list[int] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def ahead(self, frame: int) -> np.ndarray:
        """Where its box should be on a later frame, if it goes on as it went."""
        box = self.boxes[-1]
        if len(self.frames) < 2:
            return box
        step = (box - self.boxes[-2]) / (self.frames[-1] - self.frames[-2])
        return box + step * min(frame - self.frames[-1], 3)

    @property
    def weight(self) -> float:
        """How much of the shot it is: score and size, over all its frames."""
        sides = [np.sqrt(max(0.0, (b[2] - b[0]) * (b[3] - b[1]))) for b in self.boxes]
        return float(np.dot(self.scores, sides))


def layers(
    seen: Mapping[int, Mapping[str, np.ndarray]],
    names: Sequence[str],
    shape: tuple[int, int],
    window: Box,
    *,
    max_layers: int,
    min_area: float,
    threshold: float,
) -> Detections:
    """The shot's layers, strongest first, each with boxes on the frames that show it best.

    seen: by frame, what a detector found there: ``boxes`` ``(n, 4)`` x0, y0, x1, y1 in pixels of
    a picture of ``shape`` (h, w), which covers ``window`` of the plate; ``scores`` ``(n,)``;
    ``classes`` ``(n,)``, numbers in ``names``. max_layers: at most so many. min_area: share of the
    frame that a layer fills at least, usually. threshold: least score.

    Boxes of one kind on neighbouring frames are linked so that their overlaps add up to the most
    (Kuhn 1955). What is seen once in a while, or now and then within a stronger one of its kind, is
    no thing of its own. Names count each kind in the order of its appearance, from left to right.
    """
    strands = _solid(_linked(seen, threshold), min(SIGHTINGS, -(-len(seen) // 3)))
    least = min_area * shape[0] * shape[1]
    strands = [s for s in strands if np.median([_area(b) for b in s.boxes]) >= least]
    strands.sort(key=lambda s: -s.weight)
    kept = strands[:max_layers]
    told: dict[int, str] = {}
    count: dict[str, int] = {}
    for index in sorted(
        range(len(kept)), key=lambda i: (kept[i].frames[0], float(kept[i].boxes[0][0]))
    ):
        label = re.sub(r"[^a-z0-9]+", "_", names[kept[index].kind].lower()).strip("_") or "object"
        count[label] = count.get(label, 0) + 1
        told[index] = f"{label}_{count[label]:02d}"
    scale = np.array([window.width / shape[1], window.height / shape[0]] * 2)
    start = np.array([window.x0, window.y0] * 2)
    return Detections(
        tuple(
            Detection(
                told[index],
                strand.frames[i],
                tuple(float(v) for v in strand.boxes[i] * scale + start),
                float(strand.scores[i]),
            )
            for index, strand in enumerate(kept)
            for i in _best(strand, shape)
        )
    )


def _solid(strands: list[_Strand], least: int) -> list[_Strand]:
    """Those seen on ``least`` frames that do not repeat another, the strongest first."""
    kept: list[_Strand] = []
    for strand in sorted(strands, key=lambda s: -s.weight):
        if len(strand.frames) >= least and not any(_repeats(strand, other) for other in kept):
            kept.append(strand)
    return kept


def _repeats(strand: _Strand, other: _Strand) -> bool:
    """Whether it is part of a stronger one of its kind, for less than half of that one's life."""
    if strand.kind != other.kind or 2 * len(strand.frames) >= len(other.frames):
        return False
    there = dict(zip(other.frames, other.boxes, strict=True))
    shares = [
        _common(box, there[frame]) / max(_area(box), 1e-9)
        for frame, box in zip(strand.frames, strand.boxes, strict=True)
        if frame in there
    ]
    return bool(shares) and float(np.mean([s >= INSIDE for s in shares])) >= 0.8


def _linked(seen: Mapping[int, Mapping[str, np.ndarray]], threshold: float) -> list[_Strand]:
    live: list[_Strand] = []
    done: list[_Strand] = []
    for frame in sorted(seen):
        found = seen[frame]
        sure = np.flatnonzero(found["scores"] >= threshold)
        boxes = np.asarray(found["boxes"], np.float64).reshape(-1, 4)[sure]
        kinds, scores = np.asarray(found["classes"])[sure], np.asarray(found["scores"])[sure]
        done += [s for s in live if frame - s.frames[-1] > PATIENCE]
        live = [s for s in live if frame - s.frames[-1] <= PATIENCE]
        same = np.array(
            [
                [
                    overlap(s.ahead(frame), b) if s.kind == k else 0.0
                    for b, k in zip(boxes, kinds, strict=True)
                ]
                for s in live
            ]
        ).reshape(len(live), len(boxes))
        taken = set()
        for old, new in zip(*linear_sum_assignment(-same), strict=True):
            if same[old, new] >= SAME:
                _extend(live[old], frame, boxes[new], scores[new])
                taken.add(int(new))
        for new in range(len(boxes)):
            if new not in taken:
                strand = _Strand(int(kinds[new]))
                _extend(strand, frame, boxes[new], scores[new])
                live.append(strand)
    return done + live


def _extend(strand: _Strand, frame: int, box: np.ndarray, score: float) -> None:
    strand.frames.append(frame)
    strand.boxes.append(box)
    strand.scores.append(float(score))


def _best(strand: _Strand, shape: tuple[int, int]) -> list[int]:
    """Indices of the frames that show it best, one from each part of its life."""
    height, width = shape
    quality = []
    for box, score in zip(strand.boxes, strand.scores, strict=True):
        cropped = sum((box[0] <= 1, box[1] <= 1, box[2] >= width - 1, box[3] >= height - 1))
        quality.append(score - 0.1 * cropped)
    parts = np.array_split(np.arange(len(quality)), min(ANCHORS, len(quality)))
    return [int(part[np.argmax(np.array(quality)[part])]) for part in parts]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    both = _common(a, b)
    return both / (_area(a) + _area(b) - both) if both else 0.0


def _common(a: np.ndarray, b: np.ndarray) -> float:
    """The area that two boxes share."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return float(max(0.0, width) * max(0.0, height))


def distinct(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, most: float) -> np.ndarray:
    """Indices of the boxes left when of two of a kind that overlap by more, the less sure goes.

    boxes: ``(n, 4)``; scores, classes: ``(n,)``. Greedy, the surest first.
    """
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(classes[i] != classes[j] or overlap(boxes[i], boxes[j]) <= most for j in kept):
            kept.append(int(i))
    return np.array(kept, int)


def _area(box: np.ndarray) -> float:
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))

"""Detect without weights: what moves otherwise than the camera (``moving``).

Through the shot the regions that move are linked into layers, each with boxes on the frames that
show it best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rotograph.image import Box
from rotograph.layer import Detection, Detections
from rotograph_nodes.models.classic.background import camera
from rotograph_nodes.models.classic.moving import evidence, moving

__all__ = ["camera", "evidence", "moving", "propose"]

_LINK = 0.25  # overlap of two regions that are the same one a frame later


@dataclass
class _Strand:
    """One region followed from frame to frame."""

    frames: list[int] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    ahead: tuple[float, float] = (0.0, 0.0)


def propose(
    seen: Mapping[int, Mapping[str, np.ndarray]],
    window: Box,
    max_layers: int = 4,
    min_area: float = 0.003,
    threshold: float = 0.0,
    boxes_per_layer: int = 3,
) -> Detections:
    """The shot's moving layers.

    seen: ``evidence`` by frame. window: the plate pixels that the working picture covers.
    max_layers: at most so many layers. min_area: share of the frame that a layer fills at least.
    threshold: layers with a lower score, which is the share of the frames on which the layer
    is seen to move, are left out.
    boxes_per_layer: frames per layer, those that show it best, spread over its life.
    Names are ``object_01``… by falling score.
    """
    strands = _join(_follow(seen, min_area))
    length = max(1, len(seen))
    ranked = sorted(strands, key=lambda s: (-_weight(s), s.frames[0], s.boxes[0]))
    strongest = _weight(ranked[0]) if ranked else 1.0
    chosen = [
        s
        for s in ranked
        if len(s.frames) >= max(threshold * length, min(3, length))
        and _weight(s) >= 0.05 * strongest
    ][:max_layers]
    out = []
    shape = next(iter(seen.values()))["regions"].shape if seen else (1, 1)
    for number, strand in enumerate(chosen, start=1):
        for index in _best(strand, shape, boxes_per_layer):
            out.append(
                Detection(
                    layer=f"object_{number:02d}",
                    frame=strand.frames[index],
                    box=_to_plate(strand.boxes[index], shape, window),
                    score=len(strand.frames) / length,
                )
            )
    return Detections(tuple(out))


def _follow(seen: Mapping[int, Mapping[str, np.ndarray]], min_area: float) -> list[_Strand]:
    """Regions linked from each frame to the next by where their motion takes them."""
    done: list[_Strand] = []
    live: list[_Strand] = []
    for frame in sorted(seen):
        regions, own = seen[frame]["regions"], seen[frame]["own"]
        found = []
        for number in range(1, len(own) + 1):
            mask = regions == number
            area = int(mask.sum())
            if area < min_area * mask.size:
                continue
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            found.append((tuple(float(v) for v in box), area, own[number - 1]))
        pairs = sorted(
            (
                (-_overlap(_moved(strand.boxes[-1], strand.ahead), entry[0]), i, j)
                for i, strand in enumerate(live)
                for j, entry in enumerate(found)
            ),
        )
        taken_strands: set[int] = set()
        taken_found: set[int] = set()
        for cost, i, j in pairs:
            if -cost < _LINK or i in taken_strands or j in taken_found:
                continue
            taken_strands.add(i)
            taken_found.add(j)
            _extend(live[i], frame, found[j])
        for j, entry in enumerate(found):
            if j not in taken_found:
                strand = _Strand()
                _extend(strand, frame, entry)
                live.append(strand)
                taken_strands.add(len(live) - 1)
        # a region may stand still for a moment
        done += [s for s in live if s.frames[-1] < frame - 4]
        live = [s for s in live if s.frames[-1] >= frame - 4]
    return done + live


def _extend(strand: _Strand, frame: int, entry: tuple[tuple[float, ...], int, np.ndarray]) -> None:
    box, area, own = entry
    strand.frames.append(frame)
    strand.boxes.append(box)
    strand.areas.append(area)
    strand.speeds.append(float(own[2]))
    strand.ahead = (float(own[0]), float(own[1]))


def _join(strands: list[_Strand]) -> list[_Strand]:
    """Strands that follow one another at the same place are one object that stood still."""
    strands = sorted(strands, key=lambda s: (s.frames[0], s.boxes[0]))
    out: list[_Strand] = []
    for strand in strands:
        best, place = 0.0, None
        for earlier in out:
            gap = strand.frames[0] - earlier.frames[-1]
            if gap > 0:
                same = _overlap(earlier.boxes[-1], strand.boxes[0]) / (1.0 + 0.02 * gap)
                if same > max(best, 0.2):
                    best, place = same, earlier
        if place is None:
            out.append(strand)
        else:
            place.frames += strand.frames
            place.boxes += strand.boxes
            place.areas += strand.areas
            place.speeds += strand.speeds
    return out


def _weight(strand: _Strand) -> float:
    return float(np.sum(np.sqrt(strand.areas) * np.minimum(strand.speeds, 8.0)))


def _best(strand: _Strand, shape: tuple[int, int], count: int) -> list[int]:
    """Indices of the frames that show a strand best, one from each part of its life."""
    height, width = shape
    areas = np.array(strand.areas, float)
    usual = np.median(areas)
    quality = []
    for index, (x0, y0, x1, y1) in enumerate(strand.boxes):
        cropped = sum((x0 <= 1, y0 <= 1, x1 >= width - 1, y1 >= height - 1))
        odd = abs(np.log(areas[index] / usual))  # merged with another, or seen in part
        quality.append(np.log1p(strand.speeds[index]) - 1.5 * odd - 0.3 * cropped)
    parts = np.array_split(np.arange(len(areas)), min(count, len(areas)))
    return [int(p[np.argmax(np.array(quality)[p])]) for p in parts]


def _moved(
    box: tuple[float, float, float, float], by: tuple[float, float]
) -> tuple[float, float, float, float]:
    return box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _to_plate(
    box: tuple[float, float, float, float], shape: tuple[int, int], window: Box
) -> tuple[float, float, float, float]:
    sx, sy = window.width / shape[1], window.height / shape[0]
    return (
        window.x0 + box[0] * sx,
        window.y0 + box[1] * sy,
        window.x0 + box[2] * sx,
        window.y0 + box[3] * sy,
    )

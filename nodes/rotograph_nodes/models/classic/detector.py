"""Detect without weights: what moves otherwise than the camera.

Between two frames the camera's own motion is the homography that most of the flow agrees on. What
departs from it is evidence, cut out along the picture's edges. Through the shot the regions are
linked into layers, each with boxes on the frames that show it best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from rotograph.image import Box
from rotograph.layer import Detection, Detections
from rotograph_nodes.models.classic import appearance
from rotograph_nodes.models.classic.cut import cut, edge_planes
from rotograph_nodes.models.classic.motion import fetch
from rotograph_nodes.models.classic.segmenter import tidy

_SPACING = 8  # pixels between flow vectors that vote for the camera
_AGREE = 1.0  # pixels a vote may be off
_MOVES = 1.2  # pixels of own motion in one frame from which a region counts as moving
_GRAIN = 0.012  # colour difference that grain makes
_SMALLEST = 64  # pixels of a region
_APART = 0.6  # of the faster one's motion: how different two things that touch have to move
_SLOW = 0.25  # of the faster one's motion: the slower has to move this much
_SPREAD = 0.4  # of what is between their motions: how alike the motion within each has to be
_LINK = 0.25  # overlap of two regions that are the same one a frame later


def evidence(
    features_a: Mapping[str, np.ndarray],
    features_b: Mapping[str, np.ndarray],
    between: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """What moves on its own in frame ``a``.

    features: ``{"picture": (h, w, 3)}`` ACEScct; between: ``motion`` from ``a`` to ``b``.
    Returns ``regions`` ``(h, w)`` uint8: 0 still, 1… one number per moving region;
    ``own`` ``(n, 3)`` float32 per region: mean flow (dx, dy) in pixels and mean own motion.
    """
    flow = between["forward"].astype(np.float32)
    error = between["forward_error"].astype(np.float32)
    camera = _camera_flow(flow, error)
    speed = np.linalg.norm(flow - camera, axis=2)
    # the flow is off by about this much where nothing moves
    threshold = max(_MOVES, min(4.0 * float(np.median(speed)), 3.0 * _MOVES))
    scores = np.clip(2.0 * np.log2((speed + 1e-3) / threshold), -3.0, 3.0)
    colours = appearance.colours(features_a["picture"].astype(np.float32))
    there = appearance.colours(features_b["picture"].astype(np.float32))
    # beside a moving edge the flow drags the background along; but that is explained by the camera
    unlike_camera, unlike_flow = (_unlike(colours, there, f) for f in (camera, flow))
    explained = unlike_camera < 1.5 * unlike_flow + _GRAIN**2
    scores = np.where(explained & (scores > 0), -0.7, scores).astype(np.float32)
    mask = cut(edge_planes(colours), scores, 4.0)
    if mask.any():
        width = 0.02 * float(np.hypot(*mask.shape))
        mask = tidy(_filled(mask, width), width)
    parts = part_by_motion(mask, flow - camera, error < np.maximum(_AGREE, 0.05 * speed))
    parts = sorted(parts, key=lambda part: -np.count_nonzero(part))[:32]
    regions = np.zeros(mask.shape, np.uint8)
    for number, part in enumerate(parts, start=1):
        regions[part] = number
    own = [[*flow[part].mean(axis=0), speed[part].mean()] for part in parts]
    return {"regions": regions, "own": np.array(own, np.float32).reshape(-1, 3)}


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


@dataclass
class _Strand:
    """One region followed from frame to frame."""

    frames: list[int] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    ahead: tuple[float, float] = (0.0, 0.0)


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


def _camera_flow(flow: np.ndarray, error: np.ndarray) -> np.ndarray:
    """``(h, w, 2)`` float32: how the still world moves between the two frames."""
    height, width = error.shape
    ys, xs = np.mgrid[_SPACING // 2 : height : _SPACING, _SPACING // 2 : width : _SPACING]
    trusted = error[ys, xs] < _AGREE
    if trusted.sum() < 12:
        return np.broadcast_to(np.median(flow.reshape(-1, 2), axis=0), flow.shape)
    here = np.stack([xs[trusted], ys[trusted]], axis=1).astype(np.float32)
    there = here + flow[ys[trusted], xs[trusted]]
    # OpenCV seeds this search itself, the same each time
    matrix, _ = cv2.findHomography(here, there, cv2.RANSAC, _AGREE, maxIters=2000)
    if matrix is None:
        return np.broadcast_to(np.median(flow.reshape(-1, 2), axis=0), flow.shape)
    grid = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    return cv2.perspectiveTransform(grid, matrix) - grid


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

"""A shot's mattes as editable shapes: which shapes a layer needs, and what they leave over.

A layer is one shape that is added, more where a part of it stands apart, less its holes, less
the shapes of the layers that lie before it: behind those its own shape goes on, as an artist
would draw it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from rotograph.deliver import contours, fitting, keying
from rotograph.deliver.contours import Target
from rotograph.deliver.correspondence import follow, motion
from rotograph.deliver.rasterise import shapes_alpha
from rotograph.deliver.settle import settle
from rotograph.deliver.spline import Key, Spline, SplineLayer
from rotograph.image import Box

_WORKING = 1280
"""Long side of the masks that shapes are fitted to."""
_MOST_SHAPES = 5
_PART = 0.006  # of a layer's area in the shot: a part or a hole of less is left to the residual
_NOTHING = 0.005  # of its largest area: of so little no shape is made
_BLINK = 2  # frames that a shape may be hidden whole and be the same when it comes out
_ROUNDS, _LAST_ROUNDS = 80, 300  # of settling
_SHARED = 0.2  # of the smaller layer: two layers that share more do not hide each other


@dataclass(frozen=True, eq=False)
class Followed:
    """Masks of all layers on all frames, at the resolution that shapes are fitted to.

    masks: layer -> ``(T, h, w)`` bool. feathers: layer -> ``(T,)`` plate pixels. flows: motion
    between the frames' pictures, or None. scale: plate pixels (x, y) to a mask's. window: the plate
    pixels that masks cover.
    """

    frames: tuple[int, ...]
    masks: Mapping[str, np.ndarray]
    feathers: Mapping[str, np.ndarray]
    window: Box
    scale: tuple[float, float]
    flows: Sequence[tuple[np.ndarray, np.ndarray]] | None = None


def working_size(window: Box) -> tuple[int, int]:
    """(width, height) of the masks for plate pixels of ``window``."""
    scale = min(1.0, _WORKING / max(window.size))
    return max(1, round(window.width * scale)), max(1, round(window.height * scale))


def take(
    frames: Sequence[int],
    layers: Sequence[str],
    alpha: Callable[[str, int], np.ndarray],
    window: Box,
    flows: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
) -> Followed:
    """Read the mattes once. alpha: (layer, frame) -> ``(H, W)`` in [0, 1] over ``window``.

    flows: for each frame but the last (to the next, back), ``(h, w, 2)`` at ``working_size``.
    """
    size = working_size(window)
    scale = size[0] / window.width, size[1] / window.height
    masks = {name: np.zeros((len(frames), size[1], size[0]), bool) for name in layers}
    feathers = {name: np.zeros(len(frames)) for name in layers}
    for t, frame in enumerate(frames):
        for name in layers:
            full = np.asarray(alpha(name, frame), np.float32)
            small = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
            masks[name][t] = small > 0.5
            outlines = Target.of(masks[name][t]).outlines()
            length = sum(len(c) for c in outlines) / max(scale)
            feathers[name][t] = min(contours.softness(full, length), 40.0) if length else 0.0
    return Followed(tuple(frames), masks, feathers, window, scale, flows)


def motions(
    picture: Callable[[int], np.ndarray], frames: Sequence[int], window: Box
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The motion between every two frames, both ways, at ``working_size``, for ``take``.

    picture: frame -> ``(H, W, 3)`` float32 scene-linear over ``window``.
    """
    size, found, earlier = working_size(window), [], None
    for frame in frames:
        rgb = np.nan_to_num(picture(frame), nan=0.0, posinf=65504.0, neginf=0.0)
        now = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        if earlier is not None:
            found.append((motion(earlier, now), motion(now, earlier)))
        earlier = now
    return found


def before(shot: Followed, order: Sequence[str] = ()) -> dict[str, list[str]]:
    """layer -> the layers that may hide it.

    order: front to back, if known. Else of two layers that do not share pixels the one that bites
    into the other's convex hull lies before it.
    """
    names = list(shot.masks)
    out: dict[str, list[str]] = {name: [] for name in names}
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            both = np.count_nonzero(shot.masks[a] & shot.masks[b])
            least = min(np.count_nonzero(shot.masks[n]) for n in (a, b))
            if not least or both > _SHARED * least:
                continue
            if a in order and b in order:
                front, back = sorted((a, b), key=list(order).index)
            else:
                bites = _bites(shot.masks[a], shot.masks[b]), _bites(shot.masks[b], shot.masks[a])
                if not any(bites):
                    continue
                front, back = (a, b) if bites[0] >= bites[1] else (b, a)
            out[back].append(front)
    return out


def _bites(front: np.ndarray, back: np.ndarray) -> int:
    """Pixels of one layer inside the convex hull of the other, all frames together."""
    total = 0
    for a, b in zip(front, back, strict=True):
        points = cv2.findNonZero(b.astype(np.uint8))
        if points is None or not a.any():
            continue
        hull = np.zeros(b.shape, np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
        total += np.count_nonzero(hull.astype(bool) & a)
    return total


def shapes_of(shot: Followed, layer: str, fronts: Sequence[str]) -> tuple[Spline, ...]:
    """The layer's own shapes, in pixels of the masks: the main one, then parts and holes."""
    masks = shot.masks[layer]
    grown = np.ones((5, 5), np.uint8)
    hidden = np.zeros(masks.shape, bool)
    for front in fronts:
        hidden |= shot.masks[front]
    hidden = np.stack([cv2.dilate(h.astype(np.uint8), grown).astype(bool) for h in hidden])
    hidden &= ~masks
    total = np.count_nonzero(masks)
    if not total:
        return ()
    found: list[Spline] = []
    covered = np.zeros_like(masks)
    while len(found) < _MOST_SHAPES:
        lacking, excess = _large(masks & ~covered), _large(covered & ~masks & ~hidden)
        options = [(np.count_nonzero(lacking), False), (np.count_nonzero(excess), True)]
        for size, subtract in sorted(options, reverse=True):
            if size < _PART * total:
                continue
            kind = sum(s.subtract == subtract for s in found) + 1
            if not found:
                made = _shape(shot, f"{layer} 1", masks, hidden, False)
            elif subtract:
                made = _shape(shot, f"{layer} hole {kind}", excess, ~covered | hidden, True)
            else:
                made = _shape(shot, f"{layer} {kind}", lacking, covered & masks | hidden, False)
            if made is None:
                continue
            now = np.stack([_covered([*found, made], f, masks.shape[1:]) for f in shot.frames])
            better = np.count_nonzero((masks ^ covered) & ~hidden) - np.count_nonzero(
                (masks ^ now) & ~hidden
            )
            if better >= _PART * total / 2:  # else more to edit, and hardly nearer
                break
        else:
            break
        found.append(made)
        covered = now
    return tuple(found)


def _covered(shapes: Sequence[Spline], frame: int, size: tuple[int, int]) -> np.ndarray:
    """``(h, w)`` bool: what shapes cover on a frame, in pixels of the masks, without feather."""
    sharp = tuple(replace(s, keys=tuple(replace(k, feather=0.0) for k in s.keys)) for s in shapes)
    return shapes_alpha(sharp, frame, Box(0, 0, size[1], size[0])) > 0.5


def _large(masks: np.ndarray) -> np.ndarray:
    """Of every mask the pieces that a shape is worth: no slivers along an edge, no specks."""
    out = np.zeros_like(masks)
    least = max(24, masks.shape[1] * masks.shape[2] // 16000)
    for t, mask in enumerate(masks):
        opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
        sizes = [int(stats[i, cv2.CC_STAT_AREA]) for i in range(1, count)]
        if sizes and max(sizes) >= least:
            out[t] = labels == 1 + int(np.argmax(sizes))
    return out


def _shape(
    shot: Followed, name: str, inside: np.ndarray, free: np.ndarray, subtract: bool
) -> Spline | None:
    """One shape that follows ``inside``, on the frames around its largest where it is there."""
    areas = np.count_nonzero(inside, axis=(1, 2))
    if not areas.any():
        return None
    middle = int(areas.argmax())
    first, last = _lives(areas, middle, free.any(axis=(1, 2)))
    targets = [Target.of(inside[t], free[t]) for t in range(first, last + 1)]
    outlines = [t.outlines() for t in targets]
    start = max(
        (t for t in range(len(targets)) if outlines[t]),
        key=lambda t: _visible(targets[t], outlines[t][0]),
        default=None,
    )
    if start is None:
        return None
    contour = contours.resample(outlines[start][0], fitting.SAMPLES)
    flows = shot.flows[first:last] if shot.flows is not None else None
    tracks, seen = follow(contour, start, targets, flows)
    basis = fitting.choose_points(contour)
    frames = shot.frames[first : last + 1]
    most = keying.most_keys(len(frames))
    keys, controls = fitting.fit(basis, tracks, seen, targets, frames, most)
    made = Spline(
        name,
        frames[0],
        frames[-1],
        tuple(
            Key(frames[k], found.reshape(-1, 3, 2), 0.0)
            for k, found in zip(keys, controls, strict=True)
        ),
    )
    here = inside[first : last + 1], free[first : last + 1]
    (made,) = settle([made], frames, *here, rounds=_ROUNDS)
    return replace(made, subtract=subtract)


def _visible(target: Target, contour: np.ndarray) -> float:
    """How good a frame is to begin on: much of the layer, and most of its edge."""
    return cv2.contourArea(contour.astype(np.float32)) * float(target.seen(contour).mean())


def _lives(areas: np.ndarray, middle: int, hidden: np.ndarray) -> tuple[int, int]:
    """First and last frame of the stretch around ``middle`` on which there is anything to see.

    hidden: ``(T,)`` bool, frames on which something lies before it. What comes out again from
    behind it after more than ``_BLINK`` frames is another shape: nobody can tell its points.
    """
    there = areas > areas.max() * _NOTHING
    ends = []
    for step in (-1, 1):
        end = now = middle
        while 0 <= now + step < len(areas) and abs(now + step - end) <= _BLINK + 1:
            now += step
            if there[now]:
                end = now
            elif not hidden[now]:
                break
        ends.append(end)
    return ends[0], ends[1]


def on_plate(shot: Followed, layer: str, shape: Spline) -> Spline:
    """A shape in plate pixels, with the feather that a layer's edge has on the keyframes."""
    origin = np.array([shot.window.x0, shot.window.y0])
    feathers = dict(zip(shot.frames, shot.feathers[layer], strict=True))
    return replace(
        shape,
        keys=tuple(
            Key(k.frame, k.points / shot.scale + origin, float(feathers[k.frame]))
            for k in shape.keys
        ),
    )


def build(
    shot: Followed,
    colours: Mapping[str, tuple[float, float, float]],
    order: Sequence[str] = (),
) -> tuple[SplineLayer, ...]:
    """Every layer as shapes, in plate pixels. order: layers front to back, as far as known."""
    fronts = before(shot, order)
    own = {name: shapes_of(shot, name, fronts[name]) for name in shot.masks}
    layers = []
    for name, masks in shot.masks.items():
        before_it = _held_out(shot, name, fronts[name], own)
        # together: what is cut out of this layer need not be just where the other layer is full
        shapes = own[name] + tuple(shape for _, shape in before_it)
        shapes = settle(shapes, shot.frames, masks, rounds=_LAST_ROUNDS)
        edges = [name] * len(own[name]) + [front for front, _ in before_it]
        placed = (on_plate(shot, edge, s) for edge, s in zip(edges, shapes, strict=True))
        layers.append(SplineLayer(name, colours[name], tuple(placed)))
    return tuple(layers)


def _held_out(
    shot: Followed, layer: str, fronts: Sequence[str], own: Mapping[str, tuple[Spline, ...]]
) -> tuple[tuple[str, Spline], ...]:
    """The shapes of the layers before this one that ever lie over it, to be cut out of it."""
    size = shot.masks[layer].shape[1:]
    covered = {f: _covered(own[layer], f, size) for f in shot.frames}
    return tuple(
        (front, replace(shape, name=f"{layer} behind {shape.name}", subtract=True))
        for front in fronts
        for shape in own[front]
        if not shape.subtract
        and any((covered[f] & _covered([shape], f, size)).any() for f in shot.frames)
    )

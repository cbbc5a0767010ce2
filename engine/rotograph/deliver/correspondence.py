"""Points that stick to the object: a contour followed from frame to frame, point by point.

Each point goes where the picture moves (dense inverse search inside the layer), then onto the new
contour, in order along it: the pairing of the two closed curves that costs least, by dynamic
programming (as in Sebastian, Klein and Kimia, "On aligning curves", 2003). Points that are
hidden go with those that are seen, by the rigid motion that fits them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from rotograph.deliver.contours import MARGIN, REACH, Target, sample

_STRETCH = 6
"""Contour pixels that one step along the points may take, for each that it took before."""
_SNAP = 3.0 * REACH
_NUDGES = 12
_GLIMPSE = 0.25  # of the contour: where less is seen it goes on as it went
_SQUEEZED = 4.0  # pixels that what should be hidden may be off and still be seen
_WITHIN, _AROUND = 13, 19  # pixels: how deep inside, and how far about, motion is looked at
_FAR = 9.0  # squared pixels that the edge may be missed by
_GROWTH = 0.05  # that a hidden part is believed to grow or shrink in a frame
_BLACK, _WHITE = 2.0**-6, 2.0**4  # scene-linear values between which the motion is looked for
_LEAST_SPAN = 0.5  # stops: less contrast than that is noise


def motion(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """``(h, w, 2)`` float16: where each pixel of ``before`` is in ``after``, as (dx, dy).

    before, after: ``(h, w, 3)`` float32 scene-linear plates. Dense inverse search (Kroeger et al.,
    2016) on the logarithm of lightness, down to single pixels: points that ride on it must not
    drift.
    """
    lights = [_light(rgb) for rgb in (before, after)]
    if min(lights[0].shape) < 32:
        return np.zeros((*lights[0].shape, 2), np.float16)
    # all of the 8 bits that the search takes, for what there is of contrast
    low, high = np.percentile(np.stack([light[::4, ::4] for light in lights]), (1, 99))
    span = max(high - low, _LEAST_SPAN)
    pictures = [((light - low) / span * 255.0).clip(0, 255).astype(np.uint8) for light in lights]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    return search.calc(*pictures, None).astype(np.float16)  # a shot has many


def _light(rgb: np.ndarray) -> np.ndarray:
    return np.log2(np.nan_to_num(rgb, nan=0.0).mean(axis=2).clip(_BLACK, _WHITE))


def follow(
    start: np.ndarray, at: int, targets: Sequence[Target], flows: Sequence[tuple] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Follow a closed contour from one frame to all others.

    start: ``(N, 2)`` positions on frame ``at`` of ``targets``, in order along the contour.
    flows: for each frame but the last ``(to the next, and back)``, each as ``motion`` gives it;
    None without pictures.
    Returns positions ``(T, N, 2)`` and whether each was seen ``(T, N)``.
    """
    count = len(targets)
    tracks = np.empty((count, *start.shape))
    seen = np.zeros((count, len(start)), bool)
    tracks[at], seen[at] = start, targets[at].seen(start)
    for direction in (1, -1):
        frame, earlier = at, None
        while 0 <= frame + direction < count:
            flow = None
            if flows is not None:
                flow = flows[frame][0] if direction > 0 else flows[frame - 1][1]
            here, there, now = targets[frame], targets[frame + direction], tracks[frame]
            onward = now + _shift(here, there) if earlier is None else _rigid(earlier, now, now)
            if earlier is not None and _seen_length(there) < _GLIMPSE * _length(start):
                # of so little nobody can tell which part it is
                tracks[frame + direction] = onward
                frame, earlier = frame + direction, now
                continue
            moved = _moved(now, seen[frame], here, there, flow, onward)
            # where it is hidden or fast, the motion found may be another layer's
            miss = _misses(moved, there)
            others = [onward, now + _shift(here, there), now + _middle(there) - now.mean(axis=0)]
            if miss > _FAR:
                others = [_nudged(other, there) for other in others]
                misses = [_misses(other, there) for other in others]
                if min(misses) < miss / 2.0:
                    moved = others[int(np.argmin(misses))]
            tracks[frame + direction], seen[frame + direction] = _onto(moved, there)
            frame, earlier = frame + direction, now
    return tracks, seen


def again(
    curves: np.ndarray, tracks: np.ndarray, seen: np.ndarray, targets: Sequence[Target]
) -> tuple[np.ndarray, np.ndarray]:
    """Tracks found anew where they were lost, from curves ``(T, N, 2)`` that were fitted to them.

    Where a curve is hidden, its points are taken to be where it is. Where it is seen, they go onto
    the contour, in order along it; those that were seen before stay where the picture told them to
    be, unless the curve as a whole says that they slid. Returns as ``follow`` does.
    """
    tracks, now = tracks.copy(), seen.copy()
    for t, target in enumerate(targets):
        open_ = target.seen(curves[t])
        tracks[t, ~open_], now[t] = curves[t, ~open_], open_
        outline = _outline(curves[t], target)
        if outline is None:
            continue
        found = outline[pair(curves[t], outline, np.where(open_, 1.0, 0.05))]
        good = target.seen(found)
        lost = ~seen[t] | (np.linalg.norm(found - tracks[t], axis=1) > REACH)
        tracks[t, open_ & lost] = found[open_ & lost]
        now[t] = open_ & (good | ~lost)
    return tracks, now


def _moved(points, seen, here: Target, there: Target, flow, onward: np.ndarray) -> np.ndarray:
    """Where the points most likely are on the next frame, before its contour is looked at."""
    if flow is None:
        return points + _shift(here, there) if there.area else onward
    inside = here.inside[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float32)
    # from within: at the very edge the motion found is half the background's
    deep = cv2.erode(inside, np.ones((_WITHIN, _WITHIN), np.uint8))
    whole = _whole_motion(deep if deep.any() else inside, flow)
    rest = flow - whole(_pixels(flow.shape[:2])).reshape(flow.shape)
    inside += 50.0 * deep
    weight = cv2.boxFilter(inside, -1, (_AROUND, _AROUND))
    fields = [cv2.boxFilter(rest[..., i] * inside, -1, (_AROUND, _AROUND)) for i in (0, 1)]
    around = ((MARGIN, MARGIN), (MARGIN, MARGIN))
    known = sample(np.pad(weight, around), points)
    step = np.stack([sample(np.pad(f, around), points) for f in fields], axis=1)
    told = seen & (known > 0.02)
    step[told] /= known[told, None]
    step += whole(points)
    if np.count_nonzero(told) < 0.1 * len(points):
        return onward
    moved = points + step
    whole = _rigid(points[told], moved[told], points)
    return np.where(told[:, None], moved, whole)


def _whole_motion(inside: np.ndarray, flow: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """How the layer moves as one: positions ``(N, 2)`` to steps ``(N, 2)``."""
    places = np.argwhere(inside > 0)
    places = places[:: max(1, len(places) // 800)]
    if len(places) < 8:
        return np.zeros_like
    source = places[:, ::-1] + 0.5
    target = source + flow[places[:, 0], places[:, 1]]
    return lambda points: _rigid(source, target, points) - points


def _pixels(shape: tuple[int, int]) -> np.ndarray:
    """``(h * w, 2)``: where the pixels' centres are."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5


def _rigid(source: np.ndarray, target: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points moved as most of ``source`` moves to ``target``: shift, turn and a little growth.

    No more than that: what is hidden must not fly away by an affine motion of a few seen points.
    """
    found, kept = cv2.estimateAffinePartial2D(
        source.astype(np.float32), target.astype(np.float32), ransacReprojThreshold=4.0
    )
    if found is None:
        return points + np.median(target - source, axis=0)
    grown = float(np.hypot(found[0, 0], found[1, 0]))
    turned = found[:, :2] / max(grown, 1e-6) * np.clip(grown, 1 - _GROWTH, 1 + _GROWTH)
    good = kept.ravel().astype(bool)
    middles = source[good].mean(axis=0), target[good].mean(axis=0)
    return (points - middles[0]) @ turned.T + middles[1]


def _shift(here: Target, there: Target) -> np.ndarray:
    """How the middle of the layer moves."""
    if not here.area or not there.area:
        return np.zeros(2)
    return _middle(there) - _middle(here)


def _middle(target: Target) -> np.ndarray:
    """The middle of what is seen of the layer."""
    if not target.area:
        return np.zeros(2)
    return np.argwhere(target.inside).mean(axis=0)[::-1] + 0.5 - MARGIN


def _misses(points: np.ndarray, target: Target) -> float:
    """How far the edge that is seen lies from the nearest of the points, on average, squared."""
    edge = _seen_edge(target)
    if not len(edge):
        return 0.0
    return float(np.minimum(_apart(edge, points).min(axis=1), _SNAP**2).mean())


def _nudged(points: np.ndarray, target: Target) -> np.ndarray:
    """The points shifted as a whole until they lie nearest to the edge that is seen."""
    edge = _seen_edge(target)
    for _ in range(_NUDGES if len(edge) else 0):
        points = points + (edge - points[_apart(edge, points).argmin(axis=1)]).mean(axis=0)
    return points


def _seen_edge(target: Target) -> np.ndarray:
    edges = [outline[target.seen(outline)][::4] for outline in target.outlines()[:6]]
    return np.concatenate([e for e in edges if len(e)] or [np.zeros((0, 2))])


def _seen_length(target: Target) -> float:
    """Pixels of the edge that are seen."""
    return 4.0 * len(_seen_edge(target))


def _length(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.roll(points, -1, 0) - points, axis=1).sum())


def _onto(points: np.ndarray, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """The points put on the contour that they are nearest to, in order; and which were seen."""
    nearest = _outline(points, target)
    if nearest is None:
        return points, np.zeros(len(points), bool)
    # where the edge is hidden, its points need not be near anything
    paired = pair(points, nearest, np.where(target.seen(points), 1.0, 0.05))
    found = _between(points, nearest, paired)
    close = np.linalg.norm(found - points, axis=1) < _SNAP
    good = target.seen(found) & close
    if np.count_nonzero(good) < 8:
        return np.where(good[:, None], found, points), good
    whole = _rigid(points[good], found[good], points)
    # what the rest says is hidden is not to be squeezed onto the end of what is seen
    good &= target.seen(whole) | (np.linalg.norm(found - whole, axis=1) < _SQUEEZED)
    return np.where(good[:, None], found, whole), good


def _between(points: np.ndarray, contour: np.ndarray, paired: np.ndarray) -> np.ndarray:
    """Where on the contour, about a sample that each point is paired with, it is nearest to."""
    here = contour[paired]
    best, least = here, np.sum((points - here) ** 2, axis=1)
    for side in (-1, 1):
        along = contour[(paired + side) % len(contour)] - here
        part = np.sum((points - here) * along, axis=1) / np.maximum(np.sum(along**2, axis=1), 1e-9)
        there = here + part.clip(0.0, 1.0)[:, None] * along
        away = np.sum((points - there) ** 2, axis=1)
        best = np.where((away < least)[:, None], there, best)
        least = np.minimum(away, least)
    return best


def _outline(points: np.ndarray, target: Target) -> np.ndarray | None:
    """The contour that the points are nearest to."""
    return min(
        target.outlines()[:6],
        key=lambda c: np.mean(np.minimum(_apart(points[::4], c).min(axis=1), _SNAP**2)),
        default=None,
    )


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None] - b[None]) ** 2).sum(axis=2)


def pair(points: np.ndarray, contour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``(N,)`` indices into a closed contour: one for each point, in order around it.

    The cost of a pair is the squared distance times the point's weight, and of a step how much it
    stretches the points' own spacing.
    """
    count, size = len(points), len(contour)
    cost = np.minimum(_apart(points, contour), _SNAP**2) * weight[:, None]
    # begin at the point whose place is the least in doubt
    first = int((cost.min(axis=1) + (1.0 - weight) * _SNAP).argmin())
    cost = np.roll(np.roll(cost, -first, 0), -(start := int(cost[first].argmin())), 1)
    even = size / count
    steps = np.arange(0, int(np.ceil(even * _STRETCH)) + 1)
    strain = 2.0 * (steps - even) ** 2 / max(even, 1.0) ** 2
    best = np.full(size + 1, np.inf)
    best[0] = cost[0, 0]
    came = np.zeros((count, size + 1), np.int32)
    closed = np.concatenate([cost, cost[:, :1]], axis=1)
    for i in range(1, count):
        options = np.full((len(steps), size + 1), np.inf)
        for s, extra in zip(steps, strain, strict=True):
            options[s, s:] = best[: size + 1 - s] + extra
        chosen = options.argmin(axis=0)
        came[i] = chosen
        best = options[chosen, np.arange(size + 1)] + closed[i]
    last = np.arange(size + 1)
    closing = np.full(size + 1, np.inf)
    back = size - last
    fits = back <= steps[-1]
    closing[fits] = strain[back[fits]]
    at = int((best + closing).argmin())
    out = np.zeros(count, int)
    for i in range(count - 1, 0, -1):
        out[i] = at
        at -= int(came[i, at])
    return np.roll((out + start) % size, first)

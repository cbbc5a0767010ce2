"""Few points and few keyframes that say where a followed contour is on every frame.

The points of the curve and the handles of all keyframes are solved for together, against all
frames: on each frame the curve, interpolated as a host does it, is drawn to the layer's edge
along its own direction (Gauss-Newton, point to line, as in Chen and Medioni, "Object modelling by
registration of multiple range images", 1992), while along the edge it stays where the tracked
points are. So the points stick to the object, and an error between two keyframes pulls at both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from scipy.linalg import cho_factor, cho_solve

from rotograph.deliver.contours import MARGIN, Target, sample
from rotograph.deliver.correspondence import again
from rotograph.deliver.rasterise import outline
from rotograph.deliver.spline import MAX_POINTS

SAMPLES = 320
"""Tracked points of a contour."""
_LEAST_POINTS = 8
_CLOSE = 0.4  # pixels, root mean square: a curve or a motion need not be closer
_LONGEST = 48  # frames between two keyframes
_STICK_SEEN, _STICK_HIDDEN, _SMOOTH, _CALM = 0.05, 0.01, 0.1, 1e-3
_ALONE, _TOGETHER = 3, 4  # rounds of finding again what was lost
_LOOSE_STICK, _LOOSE_SMOOTH = 0.05, 0.05  # how much of that holds a curve that is exact
_STEP = 6.0  # pixels that a curve moves at most in one iteration


@dataclass(frozen=True, eq=False)
class Basis:
    """How the samples of a contour hang on the points of its curve.

    value: ``(N, 3P)``: weights of the controls (handle before, point, handle after, of each point
    in turn) in each sample. fair: ``(2P, 3P)``: 0 where handles are as a smooth curve through the
    points would have them.
    """

    value: np.ndarray
    fair: np.ndarray

    @classmethod
    def of(cls, contour: np.ndarray, anchors: Sequence[int]) -> Basis:
        """contour: ``(N, 2)`` samples; anchors: which of them are points, rising."""
        count, points = len(contour), len(anchors)
        step = np.linalg.norm(np.roll(contour, -1, 0) - contour, axis=1)
        at = np.concatenate([[0.0], np.cumsum(step)])
        begins = at[list(anchors)]
        lengths = np.diff([*begins, begins[0] + at[-1]])
        value = np.zeros((count, 3 * points))
        for n in range(count):
            i = int(np.searchsorted(anchors, n, side="right")) - 1
            t = ((at[n] - begins[i]) % at[-1]) / max(lengths[i], 1e-9)
            i, s = i % points, 1.0 - t
            columns = [3 * i + 1, 3 * i + 2, 3 * ((i + 1) % points), 3 * ((i + 1) % points) + 1]
            value[n, columns] += [s**3, 3 * s * s * t, 3 * s * t * t, t**3]
        fair = np.zeros((2 * points, 3 * points))
        for i in range(points):
            before, after = (i - 1) % points, (i + 1) % points
            both = 3.0 * (lengths[before] + lengths[i])
            for row, handle, length in ((2 * i, 0, -lengths[before]), (2 * i + 1, 2, lengths[i])):
                fair[row, 3 * i + handle] = 1.0
                fair[row, 3 * i + 1] -= 1.0
                fair[row, 3 * after + 1] -= length / both
                fair[row, 3 * before + 1] += length / both
        return cls(value, fair)

    def alone(self, contour: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """``(3P, 2)``: the controls of the curve nearest to one contour."""
        weighted = self.value.T * weight
        normal = weighted @ self.value + _SMOOTH * self.fair.T @ self.fair
        normal += 1e-9 * np.eye(len(normal))
        return np.linalg.solve(normal, weighted @ contour)


def choose_points(contour: np.ndarray, most: int = MAX_POINTS) -> Basis:
    """As few points as follow the contour closely: begun evenly, split where it is worst."""
    count = len(contour)
    anchors = sorted({round(i * count / _LEAST_POINTS) for i in range(_LEAST_POINTS)})
    weight = np.ones(count)
    while True:
        basis = Basis.of(contour, anchors)
        error = np.linalg.norm(basis.value @ basis.alone(contour, weight) - contour, axis=1)
        if len(anchors) >= most or np.sqrt(np.mean(error**2)) < _CLOSE:
            return basis
        spans = [*anchors, anchors[0] + count]
        worst = max(
            (i for i, (a, b) in enumerate(pairwise(spans)) if b - a >= 4),
            key=lambda i: sum(error[n % count] ** 2 for n in range(spans[i], spans[i + 1])),
            default=None,
        )
        if worst is None:
            return basis
        anchors = sorted({*anchors, (spans[worst] + spans[worst + 1]) // 2 % count})


def choose_keys(tracks: np.ndarray, seen: np.ndarray, most: int) -> list[int]:
    """As few frames as tell the motion, by dynamic programming; indices, first and last among them.

    tracks: ``(T, N, 2)``; between keyframes points move evenly. most: how many there may be.
    """
    count = len(tracks)
    if count == 1 or most < 2:
        return [count // 2]
    weight = np.where(seen, 1.0, 0.1)
    cost = np.full((count, count), np.inf)
    longest = max(_LONGEST, -(-count // max(1, most - 1)))
    for i in range(count):
        for j in range(i + 1, min(count, i + longest + 1)):
            part = ((np.arange(i + 1, j) - i) / (j - i))[:, None, None]
            even = tracks[i] + (tracks[j] - tracks[i]) * part
            cost[i, j] = np.sum(weight[i + 1 : j, :, None] * (tracks[i + 1 : j] - even) ** 2)
    best, came = np.full((most, count), np.inf), np.zeros((most, count), int)
    best[0, 0] = 0.0
    for k in range(1, most):
        options = best[k - 1][:, None] + cost
        came[k], best[k] = options.argmin(axis=0), options.min(axis=0)
        if best[k, -1] / weight.sum() < _CLOSE**2 or k == most - 1:
            break
    at, keys = count - 1, [count - 1]
    while k:
        at = int(came[k, at])
        keys.append(at)
        k -= 1
    return keys[::-1]


def between(keys: Sequence[int], count: int) -> np.ndarray:
    """``(T, K)``: how much of each keyframe is in each frame."""
    weights = np.zeros((count, len(keys)))
    for k in range(len(keys)):
        weights[:, k] = np.interp(np.arange(count), keys, np.eye(len(keys))[k])
    return weights


def fit(
    basis: Basis, tracks: np.ndarray, seen: np.ndarray, targets: Sequence[Target], most: int
) -> tuple[list[int], np.ndarray]:
    """Keyframes (indices) and their controls ``(K, 3P, 2)`` for a contour that was followed.

    First every frame is fitted by itself, and what was lost on the way is found again from there;
    then keyframes are chosen and solved for, and what they say corrects the tracks in turn.
    """
    count = len(tracks)
    for _ in range(_ALONE):
        each = [
            basis.value
            @ solve(basis, [0], tracks[t : t + 1], seen[t : t + 1], targets[t : t + 1])[0]
            for t in range(count)
        ]
        tracks, seen = again(np.stack(each), tracks, seen, targets)
    for _ in range(_TOGETHER):
        keys = choose_keys(tracks, seen, most)
        controls = solve(basis, keys, tracks, seen, targets, rounds=6)
        tracks, seen = again(curves(basis, keys, controls, count), tracks, seen, targets)
    controls = solve(basis, keys, tracks, seen, targets, controls, rounds=6)
    controls = solve(basis, keys, tracks, seen, targets, controls, rounds=12, exact=True)
    if len(keys) <= 16:
        keys, controls = better_keys(basis, keys, controls, tracks, seen, targets)
    return keys, controls


def solve(
    basis: Basis,
    keys: Sequence[int],
    tracks: np.ndarray,
    seen: np.ndarray,
    targets: Sequence[Target],
    controls: np.ndarray | None = None,
    rounds: int = 8,
    exact: bool = False,
) -> np.ndarray:
    """The controls on every keyframe: ``(K, 3P, 2)``. controls: to begin with, if known.

    exact: make the area that is wrong small, from a good beginning, rather than its distance.
    """
    parts = between(keys, len(tracks))
    if controls is None:  # from the tracks of all frames, for a keyframe's own may be hidden
        begun = np.zeros((len(keys), basis.value.shape[1], 2))
        controls = _round(basis, parts, tracks, seen, None, begun)
    for _ in range(rounds):
        controls = _round(basis, parts, tracks, seen, targets, controls, exact)
    return controls


def curves(basis: Basis, keys: Sequence[int], controls: np.ndarray, count: int) -> np.ndarray:
    """``(T, N, 2)``: where the samples are on every frame."""
    return basis.value @ np.tensordot(between(keys, count), controls, 1)


def _round(basis, parts, tracks, seen, targets, controls, exact=False) -> np.ndarray:
    keys, size = len(controls), controls.shape[1] * 2
    diagonal = np.zeros((keys, size, size))
    beside = np.zeros((max(0, keys - 1), size, size))
    right = np.zeros((keys, size))
    stuck, smooth = (_LOOSE_STICK, _LOOSE_SMOOTH) if exact else (1.0, 1.0)
    twice = np.kron(smooth * _SMOOTH * basis.fair.T @ basis.fair, np.eye(2))
    for k in range(keys):
        diagonal[k] += twice + _CALM * np.eye(size)
        right[k] += _CALM * controls[k].ravel()
    for t in range(len(tracks)):
        own = np.flatnonzero(parts[t])
        stick = np.where(seen[t], _STICK_SEEN, _STICK_HIDDEN)
        weighted = basis.value.T * (stuck * stick)
        normal = np.kron(weighted @ basis.value, np.eye(2))
        toward = (weighted @ tracks[t]).ravel()
        if targets is not None:
            now = np.tensordot(parts[t, own], controls[own], 1)
            rows, wanted = _pull(basis, now, targets[t], exact)
            normal += rows.T @ rows
            toward += rows.T @ wanted
        for a in own:
            right[a] += parts[t, a] * toward
            diagonal[a] += parts[t, a] ** 2 * normal
            if a + 1 in own:
                beside[a] += parts[t, a] * parts[t, a + 1] * normal
    return _chain(diagonal, beside, right).reshape(controls.shape)


def _pull(
    basis: Basis, now: np.ndarray, target: Target, exact: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Equations that draw a curve to the edge: ``(N, 6P)`` and ``(N,)``."""
    points = basis.value @ now
    far = sample(target.distance, points)
    # the edge's own direction and not the curve's, which may be folded
    across = np.stack(
        [
            sample(target.distance, points + step) - sample(target.distance, points - step)
            for step in np.eye(2)
        ],
        axis=1,
    )
    steep = np.linalg.norm(across, axis=1)
    across /= np.maximum(steep, 1e-9)[:, None]
    weight = (1.0 - sample(target.free, points)).clip(0.0, 1.0) * (steep > 0.5)
    if exact:  # so that the squares add up to the area that is wrong
        length = np.linalg.norm(np.roll(points, -1, 0) - np.roll(points, 1, 0), axis=1)
        weight *= (length / max(length.mean(), 1e-9)).clip(0.3, 3.0) / np.maximum(np.abs(far), 1.0)
    root = np.sqrt(weight)[:, None]
    rows = (basis.value[:, :, None] * across[:, None, :]).reshape(len(points), -1) * root
    far = np.clip(far, -_STEP, _STEP)
    return rows, (np.sum(points * across, axis=1) - far) * root[:, 0]


def _chain(diagonal: np.ndarray, beside: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a symmetric block tridiagonal system: each keyframe meets its neighbours only."""
    factors, known = [], []
    for k in range(len(diagonal)):
        block, value = diagonal[k], right[k]
        if k:
            block = block - beside[k - 1].T @ cho_solve(factors[-1], beside[k - 1])
            value = value - beside[k - 1].T @ cho_solve(factors[-1], known[-1])
        factors.append(cho_factor(block))
        known.append(value)
    out = np.empty_like(right)
    for k in reversed(range(len(diagonal))):
        value = known[k] - (beside[k] @ out[k + 1] if k + 1 < len(diagonal) else 0.0)
        out[k] = cho_solve(factors[k], value)
    return out


def wrong(controls: np.ndarray, keys: Sequence[int], targets: Sequence[Target]) -> int:
    """Pixels of all frames that the curve covers and must not, or does not and should."""
    parts, total = between(keys, len(targets)), 0
    for t, target in enumerate(targets):
        now = np.tensordot(parts[t], controls, 1).reshape(-1, 3, 2)
        filled = np.zeros(target.inside.shape, np.uint8)
        polygon = np.clip(outline(now, 8) + (MARGIN - 0.5), -4096, 16384)
        cv2.fillPoly(filled, [np.round(polygon * 16).astype(np.int32)], 1, shift=4)
        covered = filled.astype(bool)
        total += np.count_nonzero(np.where(covered, ~target.inside & ~target.free, target.inside))
    return int(total)


def better_keys(
    basis: Basis,
    keys: list[int],
    controls: np.ndarray,
    tracks: np.ndarray,
    seen: np.ndarray,
    targets: Sequence[Target],
    tries: int = 24,
) -> tuple[list[int], np.ndarray]:
    """Keyframes moved a frame at a time as long as fewer pixels are wrong."""
    best, improved = wrong(controls, keys, targets), True
    while improved and tries > 0:
        improved = False
        for k in range(1, len(keys) - 1):
            for step in (-1, 1, -2, 2):
                moved = [*keys[:k], keys[k] + step, *keys[k + 1 :]]
                if sorted(set(moved)) != moved or tries <= 0:
                    continue
                tries -= 1
                parts = between(keys, len(tracks))[moved]
                begun = np.tensordot(parts, controls, 1)
                found = solve(basis, moved, tracks, seen, targets, begun, rounds=5, exact=True)
                error = wrong(found, moved, targets)
                if error < best * 0.995:
                    keys, controls, best, improved = moved, found, error, True
    return keys, controls

"""Few points that say where a followed contour is, on every frame by itself.

The points of the curve and their handles are solved for together: the curve is drawn to the layer's
edge along the edge's own direction (Gauss-Newton, point to line, as in Chen and Medioni, "Object
modelling by registration of multiple range images", 1992), while along the edge it stays where the
tracked points are. So the points stick to the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rotograph.deliver import banded
from rotograph.deliver.contours import Target, sample
from rotograph.deliver.correspondence import again
from rotograph.deliver.keying import choose_keys
from rotograph.deliver.spline import MAX_POINTS, shares

SAMPLES = 320
"""Tracked points of a contour."""
_LEAST_POINTS = 8
_CLOSE = 0.25  # pixels, root mean square: a curve need not be closer
_STICK_SEEN, _STICK_HIDDEN, _SMOOTH, _CALM = 0.02, 0.004, 0.1, 1e-3
_TURNS, _NEAR = 5, 0.75  # pixels
_AGAIN = 3  # times that what was lost is looked for again
_ROUNDS = 8
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
        return cls(value, fairness(lengths))

    def alone(self, contour: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """``(3P, 2)``: the controls of the curve nearest to one contour."""
        weighted = self.value.T * weight
        normal = weighted @ self.value + _SMOOTH * self.fair.T @ self.fair
        normal += 1e-9 * np.eye(len(normal))
        return np.linalg.solve(normal, weighted @ contour)


def fairness(lengths: Sequence[float]) -> np.ndarray:
    """``(2P, 3P)``: 0 where handles are as a smooth curve through the points would have them.

    lengths: of the curve from each point to the next, in pixels.
    """
    points = len(lengths)
    fair = np.zeros((2 * points, 3 * points))
    for i in range(points):
        before, after = (i - 1) % points, (i + 1) % points
        both = max(3.0 * (lengths[before] + lengths[i]), 1e-9)
        for row, handle, length in ((2 * i, 0, -lengths[before]), (2 * i + 1, 2, lengths[i])):
            fair[row, 3 * i + handle] = 1.0
            fair[row, 3 * i + 1] -= 1.0
            fair[row, 3 * after + 1] -= length / both
            fair[row, 3 * before + 1] += length / both
    return fair


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


def fit(
    basis: Basis,
    tracks: np.ndarray,
    seen: np.ndarray,
    targets: Sequence[Target],
    times: Sequence[int],
    most: int,
) -> tuple[list[int], np.ndarray]:
    """Keyframes (indices) and their controls ``(K, 3P, 2)`` for a contour that was followed.

    times: the frames' numbers. Where the motion of the keyframes and the edge agree that points
    belong elsewhere along it, the points go there, and keyframes are chosen and solved for again.
    """
    at = np.asarray(times)
    curves, seen = every_frame(basis, tracks, seen, targets)
    sure = np.where(seen, 1.0, 0.1)
    keys: list[int] = []
    for turn in range(_TURNS):
        keys = choose_keys(curves, at, sure, most, len(keys))
        parts = shares(at[keys], at)
        controls = together(basis, keys, parts, curves, seen, targets)
        smooth = basis.value @ np.tensordot(parts, controls, 1)
        if turn + 1 == _TURNS or _misses(smooth, targets) < _NEAR:
            break
        curves = np.stack(
            [
                basis.value @ _fit(basis, smooth[t], seen[t], target)
                for t, target in enumerate(targets)
            ]
        )
    return keys, controls


def _misses(curves: np.ndarray, targets: Sequence[Target]) -> float:
    """Pixels from the curves to the edge where it is seen, on average over all frames."""
    far, sure = (
        np.stack([sample(field(t), c) for t, c in zip(targets, curves, strict=True)])
        for field in (lambda t: np.abs(t.distance), lambda t: ~t.free)
    )
    return float(np.sum(far * sure) / max(np.sum(sure), 1e-9))


def every_frame(
    basis: Basis, tracks: np.ndarray, seen: np.ndarray, targets: Sequence[Target]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``(T, N, 2)`` of a contour that was followed, on its curve, and which were seen.

    Each frame by itself. What was lost on the way is found again from the curves of the rest.
    """
    found = np.zeros((len(tracks), basis.value.shape[1], 2))
    for turn in range(_AGAIN + 1):
        for t, target in enumerate(targets):
            found[t] = _fit(basis, tracks[t], seen[t], target)
        if turn < _AGAIN:
            tracks, seen = again(basis.value @ found, tracks, seen, targets)
    return basis.value @ found, seen


def together(
    basis: Basis,
    keys: Sequence[int],
    parts: np.ndarray,
    tracks: np.ndarray,
    seen: np.ndarray,
    targets: Sequence[Target],
    rounds: int = _ROUNDS,
) -> np.ndarray:
    """The controls ``(K, 3P, 2)`` of the keyframes that suit all frames best.

    parts: ``(T, K)``, how much of each keyframe is in each frame; keys: which frames these are.
    """
    count, size = parts.shape[1], 2 * basis.value.shape[1]
    now = np.stack([basis.alone(tracks[k], np.where(seen[k], 1.0, 0.2)) for k in keys])
    rest = np.kron(_SMOOTH * basis.fair.T @ basis.fair, np.eye(2)) + _CALM * np.eye(size)
    for turn in range(rounds + 1):
        blocks, right = [], _CALM * now.reshape(count, size)
        for t, target in enumerate(targets):
            weighted = basis.value.T * np.where(seen[t], _STICK_SEEN, _STICK_HIDDEN)
            block = np.kron(weighted @ basis.value, np.eye(2))
            toward = (weighted @ tracks[t]).ravel()
            if turn:
                rows, wanted = _pull(basis, np.tensordot(parts[t], now, 1), target)
                block += rows.T @ rows
                toward += rows.T @ wanted
            blocks.append(block)
            right += parts[t][:, None] * toward
        now = banded.solve(banded.factor(parts, blocks, rest), right).reshape(now.shape)
    return now


def _fit(basis: Basis, track: np.ndarray, seen: np.ndarray, target: Target) -> np.ndarray:
    stick = np.where(seen, _STICK_SEEN, _STICK_HIDDEN)
    weighted = basis.value.T * stick
    size = 2 * basis.value.shape[1]
    held = np.kron(weighted @ basis.value + _SMOOTH * basis.fair.T @ basis.fair, np.eye(2))
    held += _CALM * np.eye(size)
    toward = (weighted @ track).ravel()
    now = np.linalg.solve(held, toward).reshape(-1, 2)
    for _ in range(_ROUNDS):
        rows, wanted = _pull(basis, now, target)
        right = toward + rows.T @ wanted + _CALM * now.ravel()
        now = np.linalg.solve(held + rows.T @ rows, right).reshape(-1, 2)
    return now


def _pull(basis: Basis, now: np.ndarray, target: Target) -> tuple[np.ndarray, np.ndarray]:
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
    root = np.sqrt(weight)[:, None]
    rows = (basis.value[:, :, None] * across[:, None, :]).reshape(len(points), -1) * root
    far = np.clip(far, -_STEP, _STEP)
    return rows, (np.sum(points * across, axis=1) - far) * root[:, 0]

"""Shapes of a layer moved together until as few pixels as possible are wrong.

The pixels that a set of shapes gets wrong change, when an edge is moved, by what lies along that
edge (the shape derivative of the area, as in Chan and Vese, "Active contours without edges", 2001).
So every edge is moved towards where wrong pixels become right, on all frames at once, through the
keyframes that they hang on, each step the least change of the keyframes that comes nearest to it.
Along the curve nothing pulls but what the points stuck to before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from rotograph.deliver import banded
from rotograph.deliver.contours import MARGIN
from rotograph.deliver.fitting import fairness
from rotograph.deliver.spline import Key, Spline, moved, shares

_SAMPLES = 360  # of a curve
_BLUR = 0.8  # pixels about an edge over which its pull fades
_AGAIN = 4  # rounds between two looks at what is covered
_BESIDE = 2.0  # pixels to a curve's two sides at which it is looked whether it is an edge
_FAIR, _STICK, _REST = 2e-5, 0.01, 1e-3  # against a pull of a pixel


@dataclass(eq=False)
class _Moving:
    """A shape on its way: controls ``(K, 3P, 2)`` of its keyframes, and what stays the same."""

    shape: Spline
    begin: int
    times: np.ndarray
    controls: np.ndarray
    value: np.ndarray
    along: np.ndarray
    fair: np.ndarray
    share: np.ndarray
    length: np.ndarray
    stiff: float
    turn: float
    factor: tuple
    home: np.ndarray

    @property
    def frames(self) -> np.ndarray:
        return np.arange(self.begin, self.begin + len(self.times))

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """``(T, N, 2)`` each: the curve on every frame, and its derivative."""
        keys = [key.frame for key in self.shape.keys]
        now = moved(keys, self.controls, self.times)
        return self.value @ now, self.along @ now


def settle(
    shapes: Sequence[Spline],
    frames: Sequence[int],
    inside: np.ndarray,
    free: np.ndarray | None = None,
    rounds: int = 100,
) -> tuple[Spline, ...]:
    """The shapes with keyframes that get the fewest pixels wrong; same points, same frames.

    shapes: in pixels of the masks, those that are cut out among those that are added.
    inside: ``(T, h, w)`` bool, for ``frames``; free: the same, where it does not matter.
    """
    pull = _pull(inside, free)
    moving = [_start(shape, frames) for shape in shapes]
    size = pull.shape[1:]
    covers = [np.zeros((len(part.times), *size), bool) for part in moving]
    best, fewest = [part.controls for part in moving], None
    added = cut = np.zeros(0)
    for step in range(rounds + 1):
        if step % _AGAIN == 0 or step == rounds:
            added, cut = _cover(moving, covers, pull.shape)
            wrong = _wrong(pull, added, cut)
            if fewest is None or wrong < fewest:
                best, fewest = [part.controls for part in moving], wrong
        pace = max(0.1, 1.0 - step / max(rounds, 1))
        for part, own in zip(moving, covers, strict=True):
            _step(part, own, pull, added, cut, pace)
    return tuple(
        replace(
            part.shape,
            keys=tuple(
                Key(key.frame, found.reshape(-1, 3, 2), key.feather)
                for key, found in zip(part.shape.keys, controls, strict=True)
            ),
        )
        for part, controls in zip(moving, best, strict=True)
    )


def _pull(inside: np.ndarray, free: np.ndarray | None) -> np.ndarray:
    """``(T, H, W)`` int8 with ``MARGIN``: 127 where a shape must not be, -127 where it must."""
    around = ((MARGIN, MARGIN), (MARGIN, MARGIN))
    out = np.zeros((len(inside), *(s + 2 * MARGIN for s in inside.shape[1:])), np.int8)
    for t, mask in enumerate(inside):
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _BLUR)
        wanted = np.rint(127.0 * (1.0 - 2.0 * soft))
        if free is not None:
            wanted[free[t]] = 0.0
        out[t] = np.pad(wanted, around).astype(np.int8)
    return out


def _start(shape: Spline, frames: Sequence[int]) -> _Moving:
    begin = list(frames).index(shape.first)
    times = np.array([f for f in frames if shape.first <= f <= shape.last])
    keys = [key.frame for key in shape.keys]
    controls = np.stack([key.points.reshape(-1, 2) for key in shape.keys])
    value, along = curve_basis(controls.shape[1] // 3)
    share = shares(keys, times)
    areas = [_area(value @ c) for c in controls]
    largest = controls[int(np.argmax(np.abs(areas)))]
    turn = float(np.sign(areas[int(np.argmax(np.abs(areas)))])) or 1.0
    fair = _fairness(largest, value)
    home = value @ moved(keys, controls, times)
    each = len(value) / (value.shape[1] // 3)
    step = np.linalg.norm(along @ moved(keys, controls, times), axis=-1) / each
    length = 0.5 * (step + step.mean())
    stiff = float(length.mean() * length.shape[1] * len(times) / len(keys))
    rest = stiff * (_FAIR * fair.T @ fair + _REST * np.eye(value.shape[1]))
    matrix = banded.factor(share, [(value.T * step) @ value for step in length], rest)
    return _Moving(
        shape, begin, times, controls, value, along, fair, share, length, stiff, turn, matrix, home
    )


def curve_basis(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the controls in even samples of a curve, and in its derivative: ``(N, 3P)`` each.

    Controls are handle before, point and handle after of each point in turn.
    """
    each = int(np.clip(round(_SAMPLES / points), 8, 40))
    t = np.arange(each) / each
    s = 1.0 - t
    weights = np.stack([s**3, 3 * s * s * t, 3 * s * t * t, t**3], axis=1)
    slopes = np.stack([-3 * s * s, 3 * s * s - 6 * s * t, 6 * s * t - 3 * t * t, 3 * t * t], axis=1)
    value, along = (np.zeros((points * each, 3 * points)) for _ in range(2))
    for i in range(points):
        rows, after = slice(i * each, (i + 1) * each), (i + 1) % points
        for column, at in enumerate((3 * i + 1, 3 * i + 2, 3 * after, 3 * after + 1)):
            value[rows, at] += weights[:, column]
            along[rows, at] += slopes[:, column]
    return value, along


def _fairness(controls: np.ndarray, value: np.ndarray) -> np.ndarray:
    """``fairness`` of a curve as its controls have it."""
    points = len(controls) // 3
    curve = value @ controls
    steps = np.linalg.norm(np.roll(curve, -1, 0) - curve, axis=1)
    return fairness(steps.reshape(points, -1).sum(axis=1))


def _cover(
    moving: Sequence[_Moving], covers: Sequence[np.ndarray], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """``(T, H, W)`` uint8 each: by how many shapes a pixel is added and cut out."""
    added, cut = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for part, own in zip(moving, covers, strict=True):
        for curve, picture in zip(part.curves()[0], own, strict=True):
            filled = np.zeros(shape[1:], np.uint8)
            polygon = np.clip(curve + (MARGIN - 0.5), -4096, 16384)
            cv2.fillPoly(filled, [np.rint(polygon * 16).astype(np.int32)], 1, shift=4)
            picture[:] = filled
        (cut if part.shape.subtract else added)[part.frames] += own
    return added, cut


def _wrong(pull: np.ndarray, added: np.ndarray, cut: np.ndarray) -> int:
    covered = (added > 0) & (cut == 0)
    return int(np.count_nonzero(np.where(covered, pull > 0, pull < 0)))


def _step(part: _Moving, own, pull, added, cut, pace: float) -> None:
    curve, along = part.curves()
    steep = np.linalg.norm(along, axis=-1, keepdims=True)
    along = along / np.maximum(steep, 1e-6)
    out = np.stack([along[..., 1], -along[..., 0]], axis=-1) * part.turn
    frames = part.frames[:, None]
    rows, columns = _pixel(curve, pull.shape)
    # only where no other shape decides
    mine = own[np.arange(len(own))[:, None], rows, columns].astype(np.uint8)
    others = added[frames, rows, columns] - (0 if part.shape.subtract else mine)
    holes = cut[frames, rows, columns] - (mine if part.shape.subtract else 0)
    alone = (others > 0) & (holes == 0) if part.shape.subtract else (others == 0) & (holes == 0)
    force = _read(pull, part.frames, curve) * alone / 127.0
    if part.shape.subtract:
        force = -force
    # where the curve is folded its outside is not where it seems to be
    near, far = (
        own[(np.arange(len(own))[:, None], *_pixel(curve + side * _BESIDE * out, pull.shape))]
        for side in (-1.0, 1.0)
    )
    force = force * (near.astype(np.float32) - far)
    astray = part.home - curve
    wanted = -pace * force[..., None] * out
    wanted += _STICK * np.sum(astray * along, axis=-1, keepdims=True) * along
    right = np.tensordot(part.share.T, part.value.T @ (wanted * part.length[..., None]), 1)
    right -= part.stiff * _FAIR * (part.fair.T @ (part.fair @ part.controls))
    part.controls = part.controls + banded.solve(part.factor, right)


def _pixel(points: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, with ``MARGIN``, of the pixels that positions lie in."""
    x, y = (np.floor(points[..., i]).astype(int) + MARGIN for i in (0, 1))
    return y.clip(0, shape[1] - 1), x.clip(0, shape[2] - 1)


def _read(field: np.ndarray, frames: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``(T, N)``: a field ``(T, H, W)`` with ``MARGIN`` at positions ``(T, N, 2)``, bilinear."""
    at = points + (MARGIN - 0.5)
    x, y = at[..., 0].clip(0, field.shape[2] - 1.001), at[..., 1].clip(0, field.shape[1] - 1.001)
    left, top, t = x.astype(int), y.astype(int), frames[:, None]
    x, y = x - left, y - top
    above = field[t, top, left] * (1 - x) + field[t, top, left + 1] * x
    below = field[t, top + 1, left] * (1 - x) + field[t, top + 1, left + 1] * x
    return above * (1 - y) + below * y


def _area(curve: np.ndarray) -> float:
    x, y = curve.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2.0

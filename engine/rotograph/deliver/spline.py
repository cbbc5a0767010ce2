"""Editable shapes: closed Beziers with keyframes, what hosts are given and what comes back as JSON.

Positions are plate pixels of the display window, y down: the centre of the top left pixel is
(0.5, 0.5). Between two keyframes every point and handle moves as Nuke and Natron move it by
themselves ("smooth": Catmull-Rom, held within its neighbours' values); before the first and after
the last it rests. Where a host knows straight motion only, ``straight`` adds keyframes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from rotograph.errors import MediaError

VERSION = 2  # 1 had straight motion
MAX_POINTS = 40


@dataclass(frozen=True, eq=False)
class Key:
    """A shape on one frame.

    points: ``(P, 3, 2)`` float64: of each point the handle before it, itself, and the handle after
    it, as positions (x, y). feather: plate pixels over which alpha falls from 1 to 0, half inside
    the curve and half outside, so that it is 0.5 on the curve.
    """

    frame: int
    points: np.ndarray
    feather: float


@dataclass(frozen=True, eq=False)
class Spline:
    """A closed shape with the same points on all its frames, first to last, both included.

    subtract: cut out of its layer (a hole, or what lies before it) instead of added.
    """

    name: str
    first: int
    last: int
    keys: tuple[Key, ...]
    subtract: bool = False

    def at(self, frame: int) -> Key | None:
        """The shape on a frame; None where it is not there."""
        if not self.first <= frame <= self.last:
            return None
        frames = [key.frame for key in self.keys]
        points = moved(frames, np.stack([key.points for key in self.keys]), [frame])[0]
        feather = moved(frames, np.array([key.feather for key in self.keys]), [frame])[0]
        return Key(frame, points, float(feather))

    def straight(self, tolerance: float = 0.25) -> Spline:
        """The same with as many more keyframes as straight motion between them needs.

        tolerance: pixels that a point may then be off.
        """
        frames = [key.frame for key in self.keys]
        todo = list(pairwise(frames))
        while todo:
            first, last = todo.pop()
            between = range(first + 1, last)
            a, b = self._points(first), self._points(last)
            off = {
                f: np.abs(a + (b - a) * ((f - first) / (last - first)) - self._points(f)).max()
                for f in between
            }
            worst = max(off, key=off.__getitem__, default=first)
            if off.get(worst, 0.0) > tolerance:
                frames.append(worst)
                todo += [(first, worst), (worst, last)]
        kept = {key.frame: key for key in self.keys}
        return replace(self, keys=tuple(kept.get(f) or self.at(f) for f in sorted(frames)))

    def _points(self, frame: int) -> np.ndarray:
        return self.at(frame).points


def slopes(frames: Sequence[int], values: np.ndarray, held: bool = True) -> np.ndarray:
    """``(K, ...)``: how fast keyed values ``(K, ...)`` move on their keyframes, in units a frame.

    That of the line between the neighbours, but 0 where a value turns back, and never so steep that
    it leaves its neighbours' values (only if ``held``); at the ends it begins and stops without
    bending. As ``KeyframeTypeSmooth`` in Natron's ``Interpolation.cpp`` and ``SMOOTH`` in Nuke.
    """
    out = np.zeros_like(values, dtype=np.float64)
    if len(frames) == 1:
        return out
    axes = (-1, *[1] * (values.ndim - 1))
    at = np.asarray(frames, np.float64)
    lines = np.diff(values, axis=0) / np.diff(at).reshape(axes)
    if len(frames) == 2:
        out[:] = lines
        return out
    inner = (values[2:] - values[:-2]) / (at[2:] - at[:-2]).reshape(axes)
    if held:
        steepest = 3.0 * np.minimum(np.abs(lines[:-1]), np.abs(lines[1:]))
        inner = np.where(lines[:-1] * lines[1:] > 0, inner.clip(-steepest, steepest), 0.0)
    out[1:-1] = inner
    out[0] = 1.5 * lines[0] - 0.5 * inner[0]
    out[-1] = 1.5 * lines[-1] - 0.5 * inner[-1]
    return out


def moved(
    frames: Sequence[int], values: np.ndarray, wanted: Sequence[int], held: bool = True
) -> np.ndarray:
    """``(T, ...)``: keyed values ``(K, ...)`` on other frames."""
    at, now = np.asarray(frames, np.float64), np.asarray(wanted, np.float64)
    if len(frames) == 1:
        return np.repeat(values, len(now), axis=0)
    speed = slopes(frames, values, held)
    i = np.clip(np.searchsorted(at, now, side="right") - 1, 0, len(at) - 2)
    axes = (-1, *[1] * (values.ndim - 1))
    span = (at[i + 1] - at[i]).reshape(axes)
    u = ((now - at[i]).reshape(axes) / span).clip(0.0, 1.0)
    return hermite(u, span, (values[i], values[i + 1]), (speed[i], speed[i + 1]))


def hermite(u: Any, span: Any, values: tuple[Any, Any], speeds: tuple[Any, Any]) -> Any:
    """What moves from one value to another as it does at both; u: 0 to 1 of ``span`` frames."""
    return (
        (2 * u**3 - 3 * u**2 + 1) * values[0]
        + (u**3 - 2 * u**2 + u) * span * speeds[0]
        + (3 * u**2 - 2 * u**3) * values[1]
        + (u**3 - u**2) * span * speeds[1]
    )


def shares(frames: Sequence[int], wanted: Sequence[int]) -> np.ndarray:
    """``(T, K)``: how much of each keyframe is in each frame, where no value turns back."""
    return moved(frames, np.eye(len(frames)), wanted, held=False)


@dataclass(frozen=True)
class SplineLayer:
    """A layer as shapes: what is added, less what is subtracted. colour: sRGB, each 0 to 1."""

    name: str
    colour: tuple[float, float, float]
    shapes: tuple[Spline, ...]


@dataclass(frozen=True)
class SplineShot:
    """The layers of a shot as shapes. size: (width, height) of the display window in pixels."""

    frames: tuple[int, ...]
    size: tuple[int, int]
    layers: tuple[SplineLayer, ...]
    pixel_aspect: float = 1.0
    fps: float = 24.0


def to_json(shot: SplineShot) -> str:
    """A shot's shapes as JSON text; positions to a thousandth of a pixel."""

    def key(k: Key) -> dict[str, Any]:
        return {
            "frame": k.frame,
            "feather": round(float(k.feather), 3),
            "points": np.round(k.points.reshape(-1, 6), 3).tolist(),
        }

    def shape(s: Spline) -> dict[str, Any]:
        return {
            "name": s.name,
            "subtract": s.subtract,
            "first": s.first,
            "last": s.last,
            "keys": [key(k) for k in s.keys],
        }

    return json.dumps(
        {
            "rotograph_splines": VERSION,
            "motion": "smooth",
            "frames": list(shot.frames),
            "size": list(shot.size),
            "pixel_aspect": shot.pixel_aspect,
            "fps": shot.fps,
            "layers": [
                {"name": a.name, "colour": list(a.colour), "shapes": [shape(s) for s in a.shapes]}
                for a in shot.layers
            ],
        },
        ensure_ascii=False,
    )


def from_json(text: str) -> SplineShot:
    """The reverse of ``to_json``. Raises MediaError for anything else."""
    try:
        said = json.loads(text)
        if said["rotograph_splines"] != VERSION:
            raise MediaError(
                f"splines of version {said['rotograph_splines']} are unknown",
                hint="write them again with this Rotograph",
            )
        return SplineShot(
            tuple(int(f) for f in said["frames"]),
            (int(said["size"][0]), int(said["size"][1])),
            tuple(
                SplineLayer(
                    str(a["name"]),
                    tuple(float(c) for c in a["colour"]),
                    tuple(_shape(s) for s in a["shapes"]),
                )
                for a in said["layers"]
            ),
            float(said["pixel_aspect"]),
            float(said["fps"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise MediaError(f"is no file of splines: {error}", hint="write it again") from None


def _shape(said: Mapping[str, Any]) -> Spline:
    keys = tuple(
        Key(
            int(k["frame"]),
            np.array(k["points"], np.float64).reshape(-1, 3, 2),
            float(k["feather"]),
        )
        for k in said["keys"]
    )
    counts = {len(k.points) for k in keys}
    finite = all(np.isfinite(k.points).all() and math.isfinite(k.feather) for k in keys)
    if len(counts) != 1 or 0 in counts or not finite:
        raise ValueError(f"'{said['name']}' has not the same points on every key")
    frames = [k.frame for k in keys]
    if frames != sorted(set(frames)):
        raise ValueError(f"'{said['name']}' has keys out of order")
    return Spline(
        str(said["name"]), int(said["first"]), int(said["last"]), keys, bool(said["subtract"])
    )


def outset(points: np.ndarray, distance: float) -> np.ndarray:
    """A shape's points moved outward (inward when negative) along the curve's normals.

    points: ``(P, 3, 2)``. Handles grow or shrink with the shape. For hosts whose feather begins at
    the curve instead of lying across it.
    """
    before, anchor, after = np.moveaxis(points.astype(np.float64), 1, 0)
    x, y = anchor.T
    turn = np.sign(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) or 1.0
    come = _normals(anchor - before, anchor - np.roll(anchor, 1, 0)) * turn
    go = _normals(after - anchor, np.roll(anchor, -1, 0) - anchor) * turn
    # a corner goes farther than its sides, but a spike no more than twice as far
    meet = np.maximum(1.0 + np.sum(come * go, axis=1, keepdims=True), 0.5)
    moved = anchor + (come + go) / meet * distance
    span = np.linalg.norm(np.roll(anchor, -1, 0) - anchor, axis=1)
    grown = np.linalg.norm(np.roll(moved, -1, 0) - moved, axis=1) / np.maximum(span, 1e-9)
    grown = np.clip(grown, 0.2, 5.0)[:, None]
    return np.stack(
        [
            moved + (before - anchor) * np.roll(grown, 1, 0),
            moved,
            moved + (after - anchor) * grown,
        ],
        axis=1,
    )


def _normals(along: np.ndarray, chord: np.ndarray) -> np.ndarray:
    """``(P, 2)``: unit vectors to the right of each direction, of the chord where it has none."""
    short = np.linalg.norm(along, axis=1, keepdims=True) < 1e-6
    along = np.where(short, chord, along)
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.stack([along[:, 1], -along[:, 0]], axis=1)

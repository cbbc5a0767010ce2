"""Shapes for Nuke: Python that builds a Roto node of them, and what both ways have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from rotograph.deliver.spline import Key, Spline, SplineLayer, SplineShot, outset, slopes

_LONGEST = 80  # letters of a name
_BUILD = """\
# Shapes written by Rotograph. Positions are pixels, y up.
import nuke
import nuke.rotopaint as rp

MINUS = 12

# layer, its shapes: name, whether it is cut out, visible from and to, and of each point its keys:
# the frame; x, y, handle before, handle after, feather, feather's handles (all from the point);
# and how fast each of these moves there, a frame
LAYERS = (
{layers})


def build(node):
    curves = node.knob('curves')
    for layer_name, shapes in LAYERS:
        layer = rp.Layer(curves)
        layer.name = layer_name
        curves.rootLayer.append(layer)
        for name, cut, visible, points in shapes:
            shape = rp.Shape(curves, type='bezier')
            shape.name = name
            for keys in points:
                shape.append(control_point(keys))
            attributes = shape.getAttributes()
            if cut:
                attributes.set('bm', MINUS)
            for frame, opacity in visible:
                attributes.getCurve('opc').addKey(frame, opacity)
            layer.append(shape)
            for point, keys in zip(shape, points):
                set_speed(point, keys)
    curves.changed()


def parts_of(point):
    return (
        point.center, point.leftTangent, point.rightTangent,
        point.featherCenter, point.featherLeftTangent, point.featherRightTangent,
    )


def control_point(keys):
    point = rp.ShapeControlPoint()
    for frame, values, speeds in keys:
        for i, part in enumerate(parts_of(point)):
            whole = 1.0 if i == 0 else 0.0
            part.addPositionKey(frame, rp.CVec3(values[2 * i], values[2 * i + 1], whole))
    return point


def set_speed(point, keys):
    for i, part in enumerate(parts_of(point)):
        for axis in (0, 1):
            curve = part.getPositionAnimCurve(axis)
            for k, (frame, values, speeds) in enumerate(keys):
                key = curve.getKey(k)
                key.lslope = key.rslope = speeds[2 * i + axis]
                key.la = key.ra = 1.0

"""
_RUN = """
node = nuke.createNode('Roto', inpanel=False)
node.setName('{name}')
build(node)
clamp = nuke.createNode('Clamp', inpanel=False)
clamp.setInput(0, node)
"""


def script(shot: SplineShot, name: str = "RotographShapes") -> str:
    """Python for Nuke's script editor: it makes a Roto node of all layers, and a Clamp below."""
    return _source(shot) + _RUN.format(name=host_name(name))


def host_name(name: str) -> str:
    """A name that Nuke, Natron and Silhouette take: what they may not have becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)[:_LONGEST] or "_"


def host_names(names: Iterable[str]) -> dict[str, str]:
    """``host_name`` of each, told apart by a number where two would be the same."""
    out: dict[str, str] = {}
    for name in dict.fromkeys(names):
        short, count = host_name(name), 1
        while short in out.values():
            count += 1
            short = f"{host_name(name)[: _LONGEST - 4]}_{count}"
        out[name] = short
    return out


def _source(shot: SplineShot) -> str:
    names = host_names(layer.name for layer in shot.layers)
    return _BUILD.format(
        layers="".join(_layer(shot, layer, names[layer.name]) for layer in shot.layers)
    )


def _layer(shot: SplineShot, layer: SplineLayer, name: str) -> str:
    # the first in Nuke's list lies on top: what is cut comes after what is added
    ordered = sorted(layer.shapes, key=lambda s: not s.subtract)
    names = host_names(s.name for s in ordered)
    shapes = "".join(_shape(shot, shape, names[shape.name]) for shape in ordered)
    return f"    ('{name}', (\n{shapes}    )),\n"


def _shape(shot: SplineShot, shape: Spline, name: str) -> str:
    values, speeds = motion(shot, shape)
    rows = []
    for i in range(values.shape[1]):
        own = ", ".join(
            f"({key.frame}, ({_numbers(values[k, i])}), ({_numbers(speeds[k, i])}))"
            for k, key in enumerate(shape.keys)
        )
        rows.append(f"            ({own},),\n")
    return (
        f"        ('{name}', {shape.subtract}, {_visible(shot, shape)}, (\n"
        f"{''.join(rows)}        )),\n"
    )


def motion(shot: SplineShot, shape: Spline) -> tuple[np.ndarray, np.ndarray]:
    """``(K, P, 6, 2)`` each: what Nuke has of every point on every keyframe, and how fast it moves.

    The point, its handles before and after, the feather's point, and its handles; all but the first
    from the point that they belong to, y up.
    """
    both = [across(shot, key) for key in shape.keys]
    inner, outer = (np.stack(side) for side in zip(*both, strict=True))
    frames = [key.frame for key in shape.keys]

    def related(curve: np.ndarray, feather: np.ndarray) -> np.ndarray:
        point, tip = curve[:, :, 1], feather[:, :, 1]
        return np.stack(
            [
                point,
                curve[:, :, 0] - point,
                curve[:, :, 2] - point,
                tip - point,
                feather[:, :, 0] - tip,
                feather[:, :, 2] - tip,
            ],
            axis=2,
        )

    return related(inner, outer), related(slopes(frames, inner), slopes(frames, outer))


def across(shot: SplineShot, key: Key) -> tuple[np.ndarray, np.ndarray]:
    """A key as hosts have it whose feather begins at the curve: y up, curve inside, feather out.

    Returns the points ``(P, 3, 2)`` and the feather's, both positions.
    """
    up = np.array([1.0, -1.0]), np.array([0.0, shot.size[1]])
    both = (outset(key.points, side * key.feather / 2.0) for side in (-1.0, 1.0))
    inner, outer = (points * up[0] + up[1] for points in both)
    return inner, outer


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{v:.4f}" for v in values.ravel())


def _visible(shot: SplineShot, shape: Spline) -> str:
    keys = list(visibility(shot, shape))
    return "(" + "".join(f"({frame}, {value:.1f}), " for frame, value in keys) + ")"


def visibility(shot: SplineShot, shape: Spline) -> Iterator[tuple[int, float]]:
    """(frame, opacity) keys for hosts without a shape's first and last frame; none if always."""
    if shape.first > shot.frames[0]:
        yield shape.first - 1, 0.0
        yield shape.first, 1.0
    if shape.last < shot.frames[-1]:
        yield shape.last, 1.0
        yield shape.last + 1, 0.0

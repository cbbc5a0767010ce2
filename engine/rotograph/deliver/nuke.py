"""Shapes for Nuke: Python that builds a Roto node, and a node to paste that builds itself.

Nuke's own text of an animated shape is documented nowhere, so the pasted node carries the same
Python on a button. That text is a Tcl string in a Tcl list: the Python has no brackets, braces,
dollars, double quotes or backslashes, and its data are tuples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from rotograph.deliver.spline import Key, Spline, SplineLayer, SplineShot, outset

_BUILD = """\
# Shapes written by Rotograph. Positions are pixels, y up.
import nuke
import nuke.rotopaint as rp

LINEAR = 258
MINUS = 12

# layer, its shapes: name, whether it is cut out, visible from and to, and of each point its keys:
# frame, x, y, handle before, handle after, feather, feather's handles (all from the point)
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
            for point in shape:
                make_linear(point)
    curves.changed()


def control_point(keys):
    point = rp.ShapeControlPoint()
    for frame, x, y, bx, by, ax, ay, fx, fy, gx, gy, hx, hy in keys:
        point.center.addPositionKey(frame, rp.CVec3(x, y, 1.0))
        point.leftTangent.addPositionKey(frame, rp.CVec3(bx, by, 0.0))
        point.rightTangent.addPositionKey(frame, rp.CVec3(ax, ay, 0.0))
        point.featherCenter.addPositionKey(frame, rp.CVec3(fx, fy, 0.0))
        point.featherLeftTangent.addPositionKey(frame, rp.CVec3(gx, gy, 0.0))
        point.featherRightTangent.addPositionKey(frame, rp.CVec3(hx, hy, 0.0))
    return point


def make_linear(point):
    parts = (
        point.center, point.leftTangent, point.rightTangent,
        point.featherCenter, point.featherLeftTangent, point.featherRightTangent,
    )
    for part in parts:
        for axis in (0, 1):
            curve = part.getPositionAnimCurve(axis)
            for i in range(curve.getNumberOfKeys()):
                curve.getKey(i).interpolationType = LINEAR

"""
_RUN = """
node = nuke.createNode('Roto', inpanel=False)
node.setName('{name}')
build(node)
clamp = nuke.createNode('Clamp', inpanel=False)
clamp.setInput(0, node)
"""
_PASTE = """\
set cut_paste_input [stack 0]
version 13.0 v1
Roto {{
 inputs 0
 output alpha
 cliptype none
 name {name}
 label "press Build shapes in the Rotograph tab"
 addUserKnob {{20 rotograph l Rotograph}}
 addUserKnob {{22 build_shapes l "Build shapes" T "{script}" +STARTLINE}}
}}
Clamp {{
 name {name}_clamp
}}
"""


def script(shot: SplineShot, name: str = "RotographShapes") -> str:
    """Python for Nuke's script editor: it makes a Roto node of all layers, and a Clamp below."""
    return _source(shot) + _RUN.format(name=host_name(name))


def node(shot: SplineShot, name: str = "RotographShapes") -> str:
    """Text to paste into Nuke's node graph: a Roto node whose button builds the shapes in it."""
    code = _source(shot) + "\nbuild(nuke.thisNode())\n"
    return _PASTE.format(name=host_name(name), script=code.replace("\n", "\\n"))


def host_name(name: str) -> str:
    """A name that Nuke, Natron and Silhouette take: what they may not have becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)[:80] or "_"


def _source(shot: SplineShot) -> str:
    return _BUILD.format(layers="".join(_layer(shot, layer) for layer in shot.layers))


def _layer(shot: SplineShot, layer: SplineLayer) -> str:
    # the first in Nuke's list lies on top: what is cut comes after what is added
    ordered = sorted(layer.shapes, key=lambda s: not s.subtract)
    shapes = "".join(_shape(shot, shape) for shape in ordered)
    return f"    ('{host_name(layer.name)}', (\n{shapes}    )),\n"


def _shape(shot: SplineShot, shape: Spline) -> str:
    keys = [(key.frame, *across(shot, key)) for key in shape.keys]
    rows = []
    for i in range(len(shape.keys[0].points)):
        own = ", ".join(_numbers(frame, points[i], feather[i]) for frame, points, feather in keys)
        rows.append(f"            ({own},),\n")
    return (
        f"        ('{host_name(shape.name)}', {shape.subtract}, {_visible(shot, shape)}, (\n"
        f"{''.join(rows)}        )),\n"
    )


def across(shot: SplineShot, key: Key) -> tuple[np.ndarray, np.ndarray]:
    """A key as hosts have it whose feather begins at the curve: y up, curve inside, feather out.

    Returns the points ``(P, 3, 2)`` and the feather's, both positions.
    """
    up = np.array([1.0, -1.0]), np.array([0.0, shot.size[1]])
    both = (outset(key.points, side * key.feather / 2.0) for side in (-1.0, 1.0))
    inner, outer = (points * up[0] + up[1] for points in both)
    return inner, outer


def _numbers(frame: int, point: np.ndarray, feather: np.ndarray) -> str:
    before, centre, after = point
    values = [
        *centre,
        *(before - centre),
        *(after - centre),
        *(feather[1] - centre),
        *(feather[0] - feather[1]),
        *(feather[2] - feather[1]),
    ]
    return f"({frame}, {', '.join(f'{v:.3f}' for v in values)})"


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

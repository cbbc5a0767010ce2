"""Shapes for Natron: a Python script that makes a Roto node of them."""

from __future__ import annotations

import numpy as np

from rotograph.deliver.nuke import across, host_name, host_names, visibility
from rotograph.deliver.spline import Spline, SplineLayer, SplineShot

_SCRIPT = """\
# Shapes written by Rotograph. Run it in Natron's script editor. Positions are pixels, y up.

# layer, its shapes: name, whether it is cut out, (frame, visible) keys, and for each keyframe
# the points and the feather's points: x, y, handle before x, y, handle after x, y
LAYERS = [
{layers}]


def build(project):
    node = project.createNode("fr.inria.built-in.Roto")
    node.setLabel("{name}")
    context = node.getRotoContext()
    for layer_name, shapes in LAYERS:
        layer = context.createLayer()
        layer.setLabel(layer_name)
        for name, cut, visible, keys in shapes:
            first, points, _ = keys[0]
            shape = context.createBezier(points[0][0], points[0][1], first)
            for point in points[1:]:
                shape.addControlPoint(point[0], point[1])
            shape.setCurveFinished(True)
            shape.setLabel(name)
            # twice: how a key moves hangs on its neighbours, which the second time are all there
            for frame, points, feather in keys + keys:
                for i in range(len(points)):
                    shape.setPointAtIndex(i, frame, *points[i])
                    shape.setFeatherPointAtIndex(i, frame, *feather[i])
            for frame, seen in visible:
                shape.setActivated(frame, seen)
            if cut:
                cut_out(shape)
            layer.addItem(shape)
    return node


def cut_out(shape):
    operator = shape.getCompositingOperatorParam()
    options = [str(option).lower() for option in operator.getOptions()]
    for wanted in ("stencil", "dest-out", "destination-out"):
        if wanted in options:
            operator.setValue(options.index(wanted))
            return
    raise RuntimeError("this Natron has no operator that cuts a shape out")


if "app1" in globals():
    build(app1)  # noqa: F821
"""


def script(shot: SplineShot, name: str = "RotographShapes") -> str:
    """Python for Natron's script editor. Between keyframes its Beziers move as ``Spline.at``."""
    names = host_names(layer.name for layer in shot.layers)
    return _SCRIPT.format(
        layers="".join(_layer(shot, layer, names[layer.name]) for layer in shot.layers),
        name=host_name(name),
    )


def _layer(shot: SplineShot, layer: SplineLayer, name: str) -> str:
    ordered = sorted(layer.shapes, key=lambda s: s.subtract)  # later ones lie over earlier ones
    names = host_names(s.name for s in ordered)
    shapes = "".join(_shape(shot, shape, names[shape.name]) for shape in ordered)
    return f"    ('{name}', [\n{shapes}    ]),\n"


def _shape(shot: SplineShot, shape: Spline, name: str) -> str:
    keys = []
    for key in shape.keys:
        points, feather = across(shot, key)
        keys.append(f"            ({key.frame}, {_points(points)}, {_points(feather)}),\n")
    visible = [(frame, value > 0) for frame, value in visibility(shot, shape)]
    return f"        ('{name}', {shape.subtract}, {visible}, [\n{''.join(keys)}        ]),\n"


def _points(points: np.ndarray) -> str:
    flat = points[:, [1, 0, 2]].reshape(-1, 6)
    return "[" + ", ".join("(" + ", ".join(f"{v:.3f}" for v in p) + ")" for p in flat) + "]"

"""Shapes for Silhouette: an .fxs file of layers with Bezier shapes.

Silhouette counts frames from 0, and positions in heights of the picture from its middle, y down,
so that they do not hang on the resolution. A feather is left at none: the residual matte has it.
Motion is straight between keyframes, so curved motion has more of them here.
"""

from __future__ import annotations

import xml.etree.ElementTree as xml

import numpy as np

from rotograph.deliver.nuke import host_names, visibility
from rotograph.deliver.spline import Spline, SplineShot


def document(shot: SplineShot) -> str:
    """The .fxs file's text."""
    root = xml.Element(
        "Silhouette",
        width=str(shot.size[0]),
        height=str(shot.size[1]),
        workRangeStart="0",
        workRangeEnd=str(shot.frames[-1] - shot.frames[0]),
        sessionStartFrame=str(shot.frames[0]),
    )
    names = host_names(layer.name for layer in shot.layers)
    for layer in shot.layers:
        made = xml.SubElement(root, "Layer", type="Layer", label=names[layer.name])
        properties = xml.SubElement(made, "Properties")
        _constant(properties, "color", "({:.6f},{:.6f},{:.6f})".format(*layer.colour))
        _constant(properties, "invert", "false")
        _constant(properties, "mode", "Add")
        objects = xml.SubElement(properties, "Property", id="objects", constant="True")
        own = host_names(shape.name for shape in layer.shapes)
        for shape in sorted(layer.shapes, key=lambda s: s.subtract):
            _shape(shot, shape, own[shape.name], objects)
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _shape(shot: SplineShot, shape: Spline, name: str, objects: xml.Element) -> None:
    made = xml.SubElement(objects, "Object", type="Shape", label=name, shape_type="Bezier")
    properties = xml.SubElement(made, "Properties")
    visible = list(visibility(shot, shape))
    if visible:
        opacity = xml.SubElement(properties, "Property", id="opacity")
        for frame, value in visible:
            key = xml.SubElement(opacity, "Key", frame=str(frame - shot.frames[0]), interp="hold")
            key.text = f"{value * 100:.6f}"
    else:
        _constant(properties, "opacity", "100.000000")
    _constant(properties, "mode", "Subtract" if shape.subtract else "Add")
    _constant(properties, "invert", "false")
    path = xml.SubElement(properties, "Property", id="path")
    for key in shape.straight().keys:
        frame = str(key.frame - shot.frames[0])
        made = xml.SubElement(path, "Key", frame=frame, interp="linear")
        points = xml.SubElement(made, "Path", closed="True", type="Bezier")
        for before, point, after in _placed(shot, key.points):
            xml.SubElement(points, "Point").text = ",".join(
                f"({x:.6f},{y:.6f})" for x, y in (point, before, after)
            )


def _placed(shot: SplineShot, points: np.ndarray) -> np.ndarray:
    """Plate pixels as Silhouette counts: from the middle, in heights, x in square pixels."""
    width, height = shot.size
    middle = np.array([width / 2.0, height / 2.0])
    return (points - middle) / height * np.array([shot.pixel_aspect, 1.0])


def _constant(properties: xml.Element, name: str, value: str) -> None:
    made = xml.SubElement(properties, "Property", constant="True", id=name)
    xml.SubElement(made, "Value").text = value

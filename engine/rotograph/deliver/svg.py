"""Shapes as SVG, a file for each frame: white on black, as a matte is."""

from __future__ import annotations

import math
import xml.etree.ElementTree as xml

import numpy as np

from rotograph.deliver.spline import SplineLayer, SplineShot

_NAMESPACE = "http://www.w3.org/2000/svg"


def document(shot: SplineShot, layer: SplineLayer, frame: int) -> str:
    """One layer on one frame; paths have the shapes' names as titles.

    A feather is a blur whose spread is that of an even ramp. Pixels are the plate's, not square.
    """
    width, height = shot.size
    root = xml.Element(
        "svg",
        xmlns=_NAMESPACE,
        width=str(width),
        height=str(height),
        viewBox=f"0 0 {width} {height}",
    )
    xml.SubElement(root, "title").text = f"{_legal(layer.name)}, frame {frame}"
    definitions = xml.SubElement(root, "defs")
    xml.SubElement(root, "rect", width="100%", height="100%", fill="black")
    for i, shape in enumerate(sorted(layer.shapes, key=lambda s: s.subtract)):
        key = shape.at(frame)
        if key is None:
            continue
        path = xml.SubElement(
            root, "path", d=_path(key.points), fill="black" if shape.subtract else "white"
        )
        xml.SubElement(path, "title").text = _legal(shape.name)
        if key.feather > 1.0:
            path.set("filter", f"url(#feather{i})")
            made = xml.SubElement(
                definitions,
                "filter",
                id=f"feather{i}",
                filterUnits="userSpaceOnUse",
                x="0",
                y="0",
                width=str(width),
                height=str(height),
            )
            made.set("color-interpolation-filters", "sRGB")
            spread = key.feather / math.sqrt(12.0)
            xml.SubElement(made, "feGaussianBlur", stdDeviation=f"{spread:.3f}")
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _path(points: np.ndarray) -> str:
    def at(point: np.ndarray) -> str:
        return f"{point[0]:.3f},{point[1]:.3f}"

    out = [f"M{at(points[0, 1])}"]
    for i in range(len(points)):
        following = points[(i + 1) % len(points)]
        out.append(f"C{at(points[i, 2])} {at(following[0])} {at(following[1])}")
    return " ".join(out) + " Z"


def _legal(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(c if c.isprintable() else "_" for c in text)

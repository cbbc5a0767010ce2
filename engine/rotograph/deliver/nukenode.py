"""Shapes as a Roto node to paste into Nuke's node graph, in the text that Nuke saves its own in.

The text of curves is described in Nuke's NDK guide ("Roto serialisation format", 7.0 and later);
where that leaves a choice, as in nodes that Nuke saved. Numbers are 32-bit floats in hexadecimal.
A keyframe is (frame, value, slope before, length of that handle, slope after, its length).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from rotograph.deliver.nuke import host_name, host_names, motion, visibility
from rotograph.deliver.spline import Spline, SplineLayer, SplineShot

_NODE = """\
set cut_paste_input [stack 0]
version 13.0 v1
Roto {{
 inputs 0
 output alpha
 cliptype none
 curves {{{{{{v {version}}}
  {{f 0}}
  {{n
   {{layer Root
    {{f {renders}}}
    {{t {middle}}}
    {{a}}
{layers}}}}}}}}}
 name {name}
}}
Clamp {{
 name {name}_clamp
}}
"""
_VERSION = 1.2
_RENDERS, _RELATIVE = 512, 8192  # flags: that it is drawn, and that handles count from the point
_MINUS = 12  # the blending mode


def node(shot: SplineShot, name: str = "RotographShapes") -> str:
    """Text to paste into Nuke's node graph: a Roto node with all layers, and a Clamp below it."""
    width, height = shot.size
    names = host_names(layer.name for layer in shot.layers)
    return _NODE.format(
        version=number(_VERSION),
        renders=_RENDERS,
        middle=_pair(width / 2.0, height / 2.0),
        layers="".join(_layer(shot, layer, names[layer.name]) for layer in shot.layers),
        name=host_name(name),
    )


def number(value: float) -> str:
    """As Nuke writes it: small whole numbers plainly, all else the bits of a 32-bit float."""
    if value in (0.0, 1.0):
        return str(int(value))
    return "x" + struct.pack(">f", value).hex()


def _layer(shot: SplineShot, layer: SplineLayer, name: str) -> str:
    width, height = shot.size
    # the first in Nuke's list lies on top: what is cut comes after what is added
    ordered = sorted(layer.shapes, key=lambda s: not s.subtract)
    names = host_names(s.name for s in ordered)
    shapes = "".join(_shape(shot, shape, names[shape.name]) for shape in ordered)
    return (
        f"    {{layer {name}\n     {{f {_RENDERS}}}\n"
        f"     {{t {_pair(width / 2.0, height / 2.0)}}}\n     {{a}}\n{shapes}    }}\n"
    )


def _shape(shot: SplineShot, shape: Spline, name: str) -> str:
    values, speeds = motion(shot, shape)
    frames = [key.frame for key in shape.keys]
    middle = values[:, :, 0].reshape(-1, 2).mean(axis=0)
    # in the text a point is its handle before, itself, its handle after
    curves = (_curve(frames, values[:, :, part], speeds[:, :, part]) for part in _PARTS)
    return (
        f"     {{curvegroup {name} {_RENDERS} bezier\n      {{{''.join(curves)}}}\n"
        f"      {{t {_pair(*middle)}}}\n      {{a {_attributes(shot, shape)}}}}}\n"
    )


_PARTS = ([1, 0, 2], [4, 3, 5])


def _curve(frames: Sequence[int], values: np.ndarray, speeds: np.ndarray) -> str:
    """values, speeds: ``(K, P, 3, 2)``."""
    rows = []
    for i in range(values.shape[1]):
        for j in range(3):
            x, y = (_keys(frames, values[:, i, j, d], speeds[:, i, j, d]) for d in (0, 1))
            rows.append(f"        {{{x}\n         {y}}}\n")
    return f"{{cc\n       {{f {_RELATIVE}}}\n       {{p\n{''.join(rows)}       }}}}\n"


def _keys(frames: Sequence[int], values: Sequence[float], speeds: Sequence[float]) -> str:
    keys = (
        f"{{{number(f)} {number(v)} {number(s)} 1 {number(s)} 1}}"
        for f, v, s in zip(frames, values, speeds, strict=True)
    )
    return f"{{{' '.join(keys)}}}"


def _attributes(shot: SplineShot, shape: Spline) -> str:
    said = ["sb 1"]
    if shape.subtract:
        said.append(f"bm {number(_MINUS)}")
    seen = list(visibility(shot, shape))
    if seen:
        frames, values = zip(*seen, strict=True)
        said.append(f"opc {_keys(frames, values, [0.0] * len(frames))}")
    return " ".join(said)


def _pair(x: float, y: float) -> str:
    return f"{number(x)} {number(y)}"

"""What a node is tried on: five frames of a disc before a wall, and nodes that give them.

Each wire has a node that fills it: ``CheckPlate``, ``CheckMasks``, ``CheckMattes`` and
``CheckDetections``. The same frames lie on disk for nodes that read files themselves.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rotograph import exr
from rotograph.declare import Input, NodeType, Output, Value, node, stage
from rotograph.deliver import cryptomatte
from rotograph.image import Box, Image, ImageSpec
from rotograph.layer import Detection, Detections
from rotograph.mask import MaskLogits
from rotograph.matte import Foreground, Matte
from rotograph.parameter import Bool, Choice
from rotograph.shape import FrameSet, Shape

FRAMES = (1001, 1002, 1003, 1004, 1005)
LAYERS = ("a", "b")
"""The disc, and the left part of the wall."""
KINDS = ("plain", "window", "wild")
"""plain: all windows are one. window: overscan on two sides, pixels missing on two, a display
window that does not begin at 0, pixels twice as wide as high. wild: NaN, infinities, negative and
huge values."""
FILES = {kind: f"{kind}.####.exr" for kind in KINDS}
CRYPTOMATTES = {kind: f"cryptomatte_{kind}.####.exr" for kind in KINDS}
_BOXES = {
    "plain": (Box(0, 0, 48, 32), Box(0, 0, 48, 32)),
    "wild": (Box(0, 0, 48, 32), Box(0, 0, 48, 32)),
    "window": (Box(10, -6, 58, 26), Box(4, -10, 55, 24)),
}


def spec(kind: str) -> ImageSpec:
    """The plate's geometry; R, G and B."""
    display, data = _BOXES[kind]
    return ImageSpec(display, data, pixel_aspect=2.0 if kind == "window" else 1.0)


def box(kind: str, frame: int, layer: str = "a") -> tuple[float, float, float, float]:
    """The box around a layer, in plate pixels."""
    display = _BOXES[kind][0]
    if layer == "b":
        return (display.x0, display.y0, display.x0 + 10.0, display.y1)
    x, y = _centre(kind, frame)
    return (x - 9.0, y - 9.0, x + 9.0, y + 9.0)


def alpha(kind: str, frame: int, layer: str) -> np.ndarray:
    """``(H, W)`` float32 in [0, 1]: a layer's coverage of the data window."""
    x, y = _places(kind)
    if layer == "b":
        return np.clip(_BOXES[kind][0].x0 + 10.5 - x, 0, 1).astype(np.float32)
    cx, cy = _centre(kind, frame)
    return np.clip(8.5 - np.hypot(x - cx, y - cy), 0, 1).astype(np.float32)


def pixels(kind: str, frame: int) -> np.ndarray:
    """``(H, W, 3)`` float16, linear: the plate's data window."""
    x, y = _places(kind)
    noise = np.random.default_rng(frame).normal(0, 0.01, (*x.shape, 3))
    wall = 0.12 + 0.05 * np.sin(0.7 * x) * np.cos(0.5 * y)
    disc = 0.55 + 0.10 * np.cos(0.9 * (x - _centre(kind, frame)[0]))
    inside = alpha(kind, frame, "a")[..., None]
    front = disc[..., None] * np.array([1.6, 0.9, 0.5])
    out = front * inside + wall[..., None] * np.array([0.5, 1.0, 1.4]) * (1 - inside) + noise
    if kind == "wild":
        out[3, 4], out[5:7, 20], out[28, 30] = np.nan, np.inf, -np.inf
        out[12, 24], out[20, :6] = 60000.0, -3.0
    return out.astype(np.float16)


def _places(kind: str) -> tuple[np.ndarray, np.ndarray]:
    data = _BOXES[kind][1]
    y, x = np.mgrid[data.y0 : data.y1, data.x0 : data.x1] + 0.5
    return x, y


def _centre(kind: str, frame: int) -> tuple[float, float]:
    display, step = _BOXES[kind][0], frame - FRAMES[0]
    return display.x0 + 20.0 + 2.0 * step, display.y0 + 16.0 + 0.5 * step


@node(version=1, output=Output("Image", "image"))
class CheckPlate:
    """A plate without a file."""

    kind = Choice("plain", KINDS, "Kind", "What is odd about it.")

    def describe(at):
        made = spec(at.value("kind"))
        return Shape(
            FrameSet(FRAMES),
            plate=at.node.name,
            size=made.data.size,
            display=tuple(made.display.to_list()),
            window=tuple(made.display.union(made.data).to_list()),
        )

    @stage(params=("kind",), stored=False, colour=True)
    def image(given, context):
        return Image(_said(context), pixels(context["kind"], given["frame"]))

    @image.needs
    def image(at):
        return {"frame": Value(at.frame)}

    @stage(params=("kind",), stored=False, colour=True)
    def header(given, context):
        return _said(context)

    @header.needs
    def header(at):
        return {"frame": Value(at.frame)}


def _said(context):
    made = spec(context["kind"])
    return ImageSpec(
        made.display,
        made.data,
        pixel_aspect=made.pixel_aspect,
        colour_space=context.colour.scene_linear,
    )


@node(version=1, output=Output("Masks", "logits"))
class CheckMasks:
    """Both layers, on every frame or as if they were prompted on the first and the last."""

    plate = Input("Image", help="The plate.")
    kind = Choice("plain", KINDS, "Kind", "What is odd about the plate.")
    sparse = Bool(False, "Sparse", "Only on the first and the last frame.")

    def describe(at):
        plate = at.shape("plate")
        ends = FrameSet((FRAMES[0], FRAMES[-1]))
        prompted = dict.fromkeys(LAYERS, ends) if at.value("sparse") else {}
        return Shape(plate.frames, LAYERS, prompted=prompted, plate=plate.plate, size=plate.size)

    @stage(per="layer", params=("kind",))
    def logits(given, context):
        covered = alpha(context["kind"], given["frame"], given["layer"])
        return MaskLogits((16 * covered - 8).astype(np.float32), spec(context["kind"]).data)

    @logits.needs
    def logits(at):
        return {"frame": Value(at.frame), "layer": Value(at.layer)}


@node(version=1, output=Output("Mattes", "alpha", beside=("foreground",)))
class CheckMattes:
    """Both layers as mattes, with their own colour."""

    plate = Input("Image", help="The plate.")
    kind = Choice("plain", KINDS, "Kind", "What is odd about the plate.")

    def describe(at):
        plate = at.shape("plate")
        return Shape(plate.frames, LAYERS, plate=plate.plate, size=plate.size)

    @stage(per="layer", params=("kind",))
    def alpha(given, context):
        covered = alpha(context["kind"], given["frame"], given["layer"])
        return Matte(spec(context["kind"]).data, covered.astype(np.float16))

    @alpha.needs
    def alpha(at):
        return {"frame": Value(at.frame), "layer": Value(at.layer)}

    @stage(per="layer", params=("kind",))
    def foreground(given, context):
        covered = alpha(context["kind"], given["frame"], given["layer"])
        soft = np.flatnonzero((covered > 0) & (covered < 1)).astype(np.uint32)
        return Foreground(soft, np.full((len(soft), 3), 0.5, np.float32))

    @foreground.needs
    def foreground(at):
        return {"frame": Value(at.frame), "layer": Value(at.layer)}


@node(version=1, output=Output("Detections", "boxes"))
class CheckDetections:
    """Both layers as boxes on the first frame."""

    plate = Input("Image", help="The plate.")
    kind = Choice("plain", KINDS, "Kind", "What is odd about the plate.")

    def describe(at):
        plate = at.shape("plate")
        return Shape(plate.frames, plate=plate.plate, size=plate.size)

    @stage(per="shot", params=("kind",))
    def boxes(given, context):
        return Detections(
            tuple(
                Detection(layer, FRAMES[0], box(context["kind"], FRAMES[0], layer), 0.9)
                for layer in LAYERS
            )
        )

    @boxes.needs
    def boxes(at):
        return {}


PROBES: dict[str, NodeType] = {
    "Image": CheckPlate,
    "Masks": CheckMasks,
    "Mattes": CheckMattes,
    "Detections": CheckDetections,
}
"""Wire -> the node that fills it."""


def write_files(folder: Path) -> None:
    """The plates of every kind as EXR sequences, each with a Cryptomatte of both layers."""
    for kind in KINDS:
        for frame in FRAMES:
            made = spec(kind)
            place = FILES[kind].replace("####", str(frame))
            exr.write(folder / place, Image(made, pixels(kind, frame)))
            layers = {name: alpha(kind, frame, name) for name in LAYERS}
            place = CRYPTOMATTES[kind].replace("####", str(frame))
            exr.write(folder / place, cryptomatte.deliver(layers, made).image, pixel_type="float")

"""An alpha that no Rotograph node made: what the two operators that take it have in common."""

from __future__ import annotations

import numpy as np

from rotograph.declare import Value
from rotograph.errors import ComputeError, GraphError, MissingFrame
from rotograph.image import Box
from rotograph.parameter import Text
from rotograph.shape import FrameSet, Shape


def layer() -> Text:
    """The parameter that names the layer."""
    return Text("matte", "Layer", "The layer's name.")


def describe(at) -> Shape:
    """One layer, on the frames that plate and picture have in common."""
    plate, picture = at.shape("plate"), at.shape("picture")
    frames = FrameSet(tuple(f for f in plate.frames if picture.still or f in picture.frames))
    if not frames:
        raise GraphError("the picture has no frame in common with the plate", hint="check its file")
    return Shape(
        frames, (at.value("layer"),), overlap="independent", plate=plate.plate, size=plate.size
    )


def needs(at) -> dict[str, object]:
    """The picture, and the plate's format; raises MissingFrame."""
    picture, plate = at.input("picture"), at.shape("plate")
    if picture is None:
        raise MissingFrame(
            "the picture has no such frame", frame=at.frame, hint="add the frame, or anchor another"
        )
    return {"picture": picture, "display": Value(plate.display)}


def coverage(given, area: Box) -> np.ndarray:
    """Alpha over ``area`` of the plate, (H, W) float32 with NaN as 0, and 0 where there is none."""
    image, display = given["picture"], Box(*given["display"])
    if image.spec.display.size != display.size:
        own = image.spec.display
        raise ComputeError(
            f"the picture is {own.width}x{own.height}, but the plate is "
            f"{display.width}x{display.height}",
            hint="bring it to the plate's format",
        )
    alpha = np.zeros(area.shape, np.float32)
    both = area.intersect(image.spec.data)
    if both:
        alpha[both.within(area)] = image.coverage()[both.within(image.spec.data)]
    return np.nan_to_num(alpha, nan=0.0, posinf=1.0, neginf=0.0)

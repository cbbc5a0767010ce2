"""Segment: from what the artist said on a frame to a mask of each layer there."""

from __future__ import annotations

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.errors import PromptError
from rotograph.mask import MaskLogits
from rotograph.parameter import Prompts, Text
from rotograph.shape import Shape
from rotograph_nodes import prompted, shared, working


@node(version=1, output=Output("Masks", "logits"))
class Segment:
    """Turn boxes, points and drawn masks into a mask of each layer, on the frames with prompts.

    A model that looks for one kind of thing, such as people, needs no prompts: then it gives a
    layer of that name on every frame. Prompts say which part of what it finds is meant.
    """

    plate = Input("Image", help="The plate.")
    boxes = Input("Detections", help="Boxes from Detect, beside the prompts.", optional=True)
    model = Text("classic", "Model", "The model that segments.")
    prompts = Prompts(
        "Prompts",
        "Boxes, points (positive or not) and masks, each on a frame and for a layer, in plate "
        "pixels of the display window, y down.",
    )

    def describe(at):
        plate = at.shape("plate")
        found = prompted.frames_by_layer(at.value("prompts"))
        if at.wired("boxes"):
            found = prompted.merge(prompted.frames_by_layer(at.small("boxes").boxes), found)
        if not found:
            card = at.card("segment")
            if not card.finds and not at.wired("boxes"):
                raise _unprompted(card, at.finders("segment"))
            found = {card.finds: plate.frames} if card.finds else {}
        for layer, frames in found.items():
            for frame in frames:
                if frame not in plate.frames:
                    raise PromptError(
                        f"'{layer}' has a prompt here, but the plate has no such frame",
                        frame=frame,
                        hint="move the prompt to a frame of the plate",
                    )
        prompted.check(at.value("prompts"), plate)
        return Shape(plate.frames, tuple(found), prompted=found, plate=plate.plate, size=plate.size)

    def asks(node):
        """Of a model that is chosen: to do with prompts, or without where there are none."""
        told = node.value("prompts") or "boxes" in node.inputs
        return {"model": ("prompts" if told else "no-prompts",)}

    picture = shared.picture("segment")

    @stage(models={"segment": "model"}, tier="features")
    def encode(given, context):
        return context.models["segment"].encode(given["picture"]["picture"].astype(np.float32))

    @encode.needs
    def encode(at):
        return {"picture": at.stage("picture")}

    @stage(per="layer", models={"segment": "model"})
    def logits(given, context):
        picture = given["picture"]
        asked = prompted.on_grid(
            given["prompts"], given["masks"], given["boxes"], picture, given["display"]
        )
        kept = prompted.whole(given["prompts"], given["masks"], picture)
        found = context.models["segment"].segment(given["features"], asked, kept)
        return MaskLogits(found, working.window(picture))

    @logits.needs
    def logits(at):
        prompts = at.value("prompts").at(at.layer, at.frame)
        boxes = at.small("boxes").boxes.at(at.layer, at.frame) if at.wired("boxes") else []
        return {
            "picture": at.stage("picture"),
            "features": at.stage("encode"),
            "prompts": Value(prompted.said(prompts)),
            "masks": prompted.leaves(at, prompts),
            "display": prompted.display(at, prompts),
            "boxes": Value([tuple(b.box) for b in boxes]),
        }


def _unprompted(card, finders):
    other = f", or choose a model that needs none, such as '{finders[0].name}'" if finders else ""
    return PromptError(
        f"the model '{card.name}' needs prompts, and there are none",
        hint=f"add a point or a box, wire Detect to 'boxes'{other}",
    )

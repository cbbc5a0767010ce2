"""Steps that several operators have in common, with results that they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rotograph.declare import Stage, Value, stage
from rotograph.image import Box
from rotograph.matte import Foreground
from rotograph_nodes import gathered, overlap, working
from rotograph_nodes.foreground import estimate_foreground


def picture(role: str, param: str = "model") -> Stage:
    """The plate as the model of a role sees it (see working.py), one for each frame.

    The node has an input ``plate``. The result is ``{"picture": (h, w, 3) float16, "window": (4,)
    int32}`` and depends on the model's colour space and size only, and on whether its card has
    ``stretch = true`` under ``network``.
    """

    @stage(operator="Picture", version=1, colour=True, tier="features", memory=32)
    def picture(given, context):
        space, size, area, *stretch = given["seen"]
        return working.picture(
            given["plate"], context.colour, space, size, Box(*area), stretch=bool(stretch)
        )

    @picture.needs
    def picture(at):
        card = at.card(role, param)
        stretch = ("stretch",) if card.network.get("stretch") else ()
        area = at.shape("plate").window
        return {
            "plate": at.input("plate"),
            "seen": Value((card.input_space, card.working_size, area, *stretch)),
        }

    return picture


def motion(source: str = "picture") -> Stage:
    """Dense motion between a frame and the next one that exists, both ways (role ``motion``).

    source: the node's stage that gives the pictures. The node has a parameter ``motion_model``.
    """

    @stage(operator="Motion", version=1, models={"motion": "motion_model"}, tier="features")
    def motion(given, context):
        return context.models["motion"].motion(given["here"], given["next"])

    @motion.needs
    def motion(at):
        following = at.shape("plate").frames.after(at.frame)
        return {"here": at.stage(source), "next": at.stage(source, following)}

    return motion


def foreground() -> Stage:
    """A layer's own colour under the node's own matte, without its background.

    The node has an input ``plate``.
    """

    @stage(operator="Foreground", version=1, per="layer", colour=True, memory=60)
    def foreground(given, context):
        plate, matte = given["plate"], given["matte"]
        linear = context.colour.to_linear(plate.rgb(), plate.spec.colour_space)
        indices, colour = estimate_foreground(linear, matte.at(plate.spec.data).astype(np.float32))
        return Foreground(indices, colour)

    @foreground.needs
    def foreground(at):
        return {"plate": at.input("plate"), "matte": at.output()}

    return foreground


def resolve(source: str) -> Stage:
    """The node's mattes (stage ``source``) after the overlap between layers was settled.

    The node has a stage ``gather``. What is approved (locked) of other layers stays as it is, and
    this one makes room for it.
    """

    @stage(operator="Resolve", version=1, per="layer", tier="mattes", memory=12)
    def resolve(given, context):
        own, (others, approved) = given["own"], gathered.rivals(given)
        alpha = overlap.resolve_alphas(given["mode"], own.alpha, [m.alpha for m in others])
        return replace(own, alpha=overlap.make_room(alpha, [m.at(own.window) for m in approved]))

    @resolve.needs
    def resolve(at):
        return gathered.settling(at, source)

    return resolve

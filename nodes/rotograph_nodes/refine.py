"""Refine: the matte's edge from the plate's own pixels, and what the artist asks for on top."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.image import Box
from rotograph.parameter import Float, Text
from rotograph_nodes import gathered, shared, working


@node(version=1, output=Output("Mattes", "resolve", beside=("foreground",)))
class Refine:
    """Make mattes steady and exact: edges from the plate's pixels, clean-up, shape, softness.

    Every length is in plate pixels at full resolution.
    """

    plate = Input("Image", help="The plate.")
    matte = Input("Mattes", help="Mattes from Matte.")
    model = Text("classic", "Model", "The model that refines.")
    motion_model = Text("classic", "Motion model", "The model that finds the motion.")
    smooth = Float(
        0.5,
        "Temporal smoothing",
        "How far neighbouring frames, moved along the motion, calm this one, where they agree.",
        minimum=0.0,
        maximum=1.0,
        per_layer=True,
    )
    edges = Float(
        1.0,
        "Edges",
        "How far edges follow the plate's own. 0 leaves the matte as it came.",
        minimum=0.0,
        maximum=2.0,
        per_layer=True,
    )
    edge_radius = Float(
        2.0,
        "Edge radius",
        "How soft or how far off the incoming edge is.",
        unit="plate pixels",
        minimum=0.5,
        maximum=8.0,
        per_layer=True,
    )
    specks = Float(
        0.0,
        "Remove specks",
        "Islands smaller than this go.",
        unit="square plate pixels",
        minimum=0.0,
        per_layer=True,
    )
    holes = Float(
        0.0,
        "Fill holes",
        "Holes smaller than this are filled.",
        unit="square plate pixels",
        minimum=0.0,
        per_layer=True,
    )
    grow = Float(
        0.0,
        "Grow",
        "Moves the edge outward; negative erodes.",
        unit="plate pixels",
        minimum=-200.0,
        maximum=200.0,
        per_layer=True,
    )
    feather = Float(
        0.0,
        "Feather",
        "Softens the edge: the distance from 10 % to 90 %.",
        unit="plate pixels",
        minimum=0.0,
        maximum=200.0,
        per_layer=True,
    )

    def describe(at):
        return at.shape("matte")

    picture = shared.picture("motion", "motion_model")
    motion = shared.motion()

    @stage(
        per="layer",
        models={"refine": "model"},
        params=("smooth", "edges", "edge_radius", "specks", "holes", "grow", "feather"),
        colour=True,
        tier="mattes",
        memory=110,
    )
    def refined(given, context):
        plate, matte = given["plate"], given["matte"]
        refiner = context.models["refine"]
        window = plate.spec.data
        alpha = refiner.refine(
            matte.at(window).astype(np.float32),
            _linear(plate, context),
            [
                _neighbour(given, context, refiner, side, there, back)
                for side, there, back in (
                    ("before", "backward", "forward"),
                    ("after", "forward", "backward"),
                )
            ],
            refiner.Refinement(**context.params),
            plate.spec.pixel_aspect,
        )
        return replace(matte, window=window, alpha=alpha.astype(np.float16))

    @refined.needs
    def refined(at):
        needs = {"plate": at.input("plate"), "matte": at.input("matte")}
        if at.value("smooth") <= 0:
            return needs
        needs["seen"] = Value(at.shape("plate").window)
        frames = at.shape("plate").frames
        for side, frame in (("before", frames.before(at.frame)), ("after", frames.after(at.frame))):
            if frame is None:
                continue
            needs[f"{side}_plate"] = at.input("plate", frame)
            needs[f"{side}_matte"] = at.input("matte", frame)
            needs[f"{side}_motion"] = at.stage("motion", min(frame, at.frame))
        return needs

    gather = gathered.gathering("refined")
    resolve = shared.resolve("refined")
    foreground = shared.foreground()


def _linear(plate, context):
    return context.colour.to_linear(plate.rgb(), plate.spec.colour_space)


def _neighbour(given, context, refiner, side, there, back):
    """The frame before or after, when it is there and of the same size; else None."""
    plate, matte = given.get(f"{side}_plate"), given.get(f"{side}_matte")
    window = given["plate"].spec.data
    if plate is None or matte is None or plate.spec.data != window:
        return None
    motion, seen = given[f"{side}_motion"], Box(*given["seen"])
    return refiner.Neighbour(
        alpha=matte.at(window).astype(np.float32),
        linear=_linear(plate, context),
        there=working.motion_over(motion[there], seen, window),
        back=working.motion_over(motion[back], seen, window),
    )

"""Matte: from masks to alpha, at the plate's full resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.errors import GraphError, MissingFrame
from rotograph.matte import Matte as Alpha
from rotograph.parameter import Choice, Float, Text
from rotograph.shape import Shape
from rotograph_nodes import gathered, shared
from rotograph_nodes.asked import asked, coverage, wired
from rotograph_nodes.fallback import key_where_unsure
from rotograph_nodes.own_alpha import looked, narrowed, own_alpha, starts
from rotograph_nodes.solid import make_solid, without_dust
from rotograph_nodes.trimap import apply_garbage_and_core

ONLY = "matte"
"""The layer's name when there is a trimap and no masks."""


@node(version=2, output=Output("Mattes", "resolve", beside=("foreground",)))
class Matte:
    """Turn masks into alpha: a band around each mask's edge is solved from the plate's colours.

    Solved in scene-linear light at full resolution. A trimap that is wired wins over the masks;
    garbage and core win over everything. A model that makes alpha without a trimap says where the
    edge is, within what the masks say the layer is.
    """

    plate = Input("Image", help="The plate.")
    logits = Input("Masks", help="Masks from Track or Segment.", optional=True)
    trimap = Input(
        "Image", help="A trimap: 0 outside, 0.5 unknown, 1 inside. Wins over masks.", optional=True
    )
    garbage = Input("Image", "Masks", help="What is surely outside.", optional=True)
    core = Input("Image", "Masks", help="What is surely inside.", optional=True)
    model = Text("classic", "Model", "The model that solves for alpha.")
    motion_model = Text("classic", "Motion model", "The model that finds the motion.")
    inside = Float(
        8.0,
        "Inside",
        "How far the unknown band reaches into the mask.",
        unit="plate pixels",
        minimum=0.0,
        maximum=500.0,
        per_layer=True,
    )
    outside = Float(
        14.0,
        "Outside",
        "How far the unknown band reaches out of the mask. Wider for hair.",
        unit="plate pixels",
        minimum=0.0,
        maximum=500.0,
        per_layer=True,
    )
    motion_blur = Float(
        0.5,
        "Motion blur",
        "The part of a frame for which the shutter is open: the band is wider where things move. "
        "0.5 is 180 degrees; 0 does not ask.",
        minimum=0.0,
        maximum=2.0,
        per_layer=True,
    )
    defocus = Float(
        1.0,
        "Defocus",
        "How much wider the band is where the plate's own edge is soft. 0 does not ask.",
        minimum=0.0,
        maximum=4.0,
        per_layer=True,
    )

    solid = Float(
        1.0,
        "Solid",
        "How far the inside of an edge, deeper than the edge is soft outside, is made solid. "
        "0 leaves what is solved, for things that are transparent.",
        minimum=0.0,
        maximum=1.0,
        per_layer=True,
    )
    screen = Choice(
        "auto",
        ("auto", "off"),
        "Screen keyer",
        "Auto: where what is behind is a green or blue screen, and the model leaves some of the "
        "screen's light unexplained, the keyer decides. Nothing changes before other plates.",
        per_layer=True,
    )
    confidence = Float(
        0.95,
        "Screen confidence",
        "Confidence of the model in a pixel, by the screen's light, below which the keyer decides.",
        minimum=0.0,
        maximum=1.0,
        per_layer=True,
    )

    def describe(at):
        plate, logits = at.shape("plate"), at.shape("logits")
        if not at.wired("logits") and not at.wired("trimap"):
            raise GraphError("has nothing to go by", hint="wire 'logits' or 'trimap'")
        shape = Shape(plate.frames, (ONLY,), plate=plate.plate, size=plate.size)
        if at.wired("logits"):
            shape = replace(
                shape, layers=logits.layers, overlap=logits.overlap, prompted=logits.prompted
            )
            if at.wired("trimap"):
                shape = replace(shape, prompted={})
        return shape

    picture = shared.picture("motion", "motion_model")
    motion = shared.motion()
    seen = shared.picture("matte")

    @stage(models={"matte": "model"}, tier="features")
    def look(given, context):
        """What a network that needs no trimap makes of the frame, for all layers."""
        return looked(given, context)

    @look.needs
    def look(at):
        return {"seen": at.stage("seen")}

    @stage(per="layer", models={"matte": "model"}, tier="features")
    def recall(given, context):
        """The same of a network that remembers: from what it remembers of the frame before."""
        return looked(given, context)

    @recall.needs
    def recall(at):
        earlier = None if at.frame in starts(at) else at.shape("plate").frames.before(at.frame)
        return {
            "seen": at.stage("seen"),
            "earlier": None if earlier is None else at.stage("recall", earlier),
        }

    @stage(
        per="layer",
        models={"matte": "model"},
        params=("inside", "outside", "motion_blur", "defocus", "solid", "screen", "confidence"),
        colour=True,
        tier="mattes",
        memory=260,
    )
    def solve(given, context):
        plate, logits = given["plate"], given["logits"]
        window, layer = plate.spec.data, given["layer"]
        linear = context.colour.to_linear(plate.rgb(), plate.spec.colour_space)
        estimate = _estimator(context.models["matte"], context.colour)
        own, finely = own_alpha(given, window)
        trimap, hint = asked(given, context, linear, estimate)
        if own is not None and given["trimap"] is None:
            reach = 2.0 * context["outside"] + finely["grid"]
            trimap, hint = narrowed(trimap, own, grid=finely["grid"], reach=reach)
        elif own is not None:
            hint = own
        trimap = apply_garbage_and_core(
            trimap,
            *(
                None if given[port] is None else coverage(given[port], layer, plate)
                for port in ("garbage", "core")
            ),
        )
        alpha, keyed = estimate(linear, trimap, hint, **finely), 0.0
        if context["screen"] == "auto":
            alpha, keyed = key_where_unsure(
                linear, trimap, alpha, hint, least=context["confidence"]
            )
        if hint is not None:
            alpha = make_solid(alpha, trimap, context["solid"])
        alpha = without_dust(alpha)
        confidence = 1.0 if logits is None else logits.confidence
        return Alpha(window, alpha.astype(np.float16), confidence, keyed)

    @solve.needs
    def solve(at):
        needs = {
            "plate": at.input("plate"),
            "logits": at.input("logits"),
            "trimap": wired(at, "trimap"),
            "garbage": wired(at, "garbage"),
            "core": wired(at, "core"),
            "layer": Value(at.layer),
        }
        if needs["logits"] is None and needs["trimap"] is None:
            raise MissingFrame(
                f"the mask of '{at.layer}' has no such frame",
                frame=at.frame,
                hint="change --frames",
            )
        network = at.card("matte").network
        if not network.get("trimap", True):
            needs["own"] = at.stage("recall" if network.get("state") else "look")
        frames = at.shape("plate").frames
        if needs["trimap"] is None and at.value("motion_blur") > 0 and len(frames) > 1:
            following = frames.after(at.frame)
            start = at.frame if following is not None else frames.before(at.frame)
            needs["motion"] = at.stage("motion", start)
            needs["seen"] = Value(at.shape("plate").window)
            needs["side"] = Value("forward" if following is not None else "backward")
        return needs

    gather = gathered.gathering("solve")
    resolve = shared.resolve("solve")
    foreground = shared.foreground()


def _estimator(adapter, colour):
    """The model's ``estimate_alpha``, for a plate in linear light whatever the model sees it in.

    A model that does not solve in linear light says in ``input_space`` what it was trained on.
    """
    space = getattr(adapter, "input_space", "")
    if not space:
        return adapter.estimate_alpha

    def estimate(linear, trimap, hint=None, **finely):
        seen = colour.to_model(linear, "scene_linear", space)
        return adapter.estimate_alpha(seen, trimap, hint, **finely)

    return estimate

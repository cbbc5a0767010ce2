"""Track: every layer followed through the plate, forward and backward from its anchors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.errors import GraphError, PromptError
from rotograph.frames import parse_frames
from rotograph.mask import MaskLogits
from rotograph.parameter import Choice, Frames, Names, Prompts, Text
from rotograph.shape import FrameSet, Shape
from rotograph_nodes import gathered, overlap, prompted, shared, working


@node(version=1, output=Output("Masks", "resolve"))
class Track:
    """Follow every layer through the plate, forward and backward from its anchors.

    An anchor is a frame on which a layer has prompts, here or on the wired masks. Between two
    anchors the tracker sees both of them; outside, the nearest.
    """

    plate = Input("Image", help="The plate.")
    masks = Input("Masks", help="Masks from Segment; their frames are anchors.", optional=True)
    model = Text("classic", "Model", "The model that follows the layers.")
    motion_model = Text("classic", "Motion model", "The model that finds the motion.")
    prompts = Prompts(
        "Prompts",
        "Corrections: boxes, points and masks on frames of the shot. Each frame that has some is "
        "an anchor.",
    )
    anchors = Frames(
        "Anchor frames",
        "On which frames the wired masks are anchors, such as 1001,1050. Empty: on those where the "
        "artist prompted them.",
    )
    overlap = Choice(
        "exclusive",
        ("exclusive", "independent", "ordered"),
        "Overlap",
        "How layers share a pixel. Exclusive: each belongs to one. Independent: layers do not "
        "know of each other. Ordered: those in front hide those behind.",
    )
    order = Names(
        "Order",
        "For ordered overlap: layers from front to back. Those not named lie behind, in their own "
        "order.",
    )

    def describe(at):
        plate, masks = at.shape("plate"), at.shape("masks")
        own = prompted.frames_by_layer(at.value("prompts"))
        layers = tuple(dict.fromkeys((*masks.layers, *own)))
        if not layers:
            raise GraphError(
                "has nothing to follow", hint="wire Segment to 'masks' or give it prompts"
            )
        prompted.check(at.value("prompts"), plate)
        if at.value("overlap") == "ordered":
            layers = _in_order(at.value("order"), layers)
        named = FrameSet(parse_frames(at.value("anchors"))) if at.value("anchors") else None
        anchors = {layer: _anchors(named, layer, plate, masks, own) for layer in layers}
        return Shape(
            plate.frames,
            layers,
            anchors=anchors,
            overlap=at.value("overlap"),
            plate=plate.plate,
            size=plate.size,
        )

    def asks(node):
        """Of a model that is chosen: to segment what it follows, too."""
        return {"model": ("segment", "track")}

    picture = shared.picture("track")
    motion = shared.motion()

    @stage(models={"track": "model"}, tier="features")
    def encode(given, context):
        return context.models["track"].encode(given["picture"]["picture"].astype(np.float32))

    @encode.needs
    def encode(at):
        return {"picture": at.stage("picture")}

    @stage(per="layer", models={"segment": "model", "track": "model"})
    def anchor(given, context):
        """What the artist said on an anchor, alone."""
        picture = given["picture"]
        grid = picture["picture"].shape[:2]
        prior = given["mask"]
        if prior is not None:
            prior = working.on_grid(prior, working.window(picture), grid)
        if not given["prompts"]:
            return context.models["track"].start(given["features"], prior)
        asked = prompted.on_grid(given["prompts"], given["masks"], (), picture, given["display"])
        kept = prompted.whole(given["prompts"], given["masks"], picture)
        prior = prior if kept is None else kept
        logits = context.models["segment"].segment(given["features"], asked, prior)
        alone = asked if prior is None else None
        return context.models["track"].start(given["features"], logits, alone)

    @anchor.needs
    def anchor(at):
        prompts = at.value("prompts").at(at.layer, at.frame)
        return {
            "picture": at.stage("picture"),
            "features": at.stage("encode"),
            "mask": at.input("masks"),
            "prompts": Value(prompted.said(prompts)),
            "masks": prompted.leaves(at, prompts),
            "display": prompted.display(at, prompts),
        }

    @stage(per="layer", models={"track": "model"}, tier="features")
    def forward(given, context):
        """The state on this frame, from the one before."""
        return context.models["track"].step(*_ahead(given))

    @forward.layers
    def forward(given, context):
        """Of several layers: they share the network, and their features are read once."""
        return context[0].models["track"].step_layers([_ahead(layer) for layer in given])

    @forward.needs
    def forward(at):
        frames, anchors = at.shape("plate").frames, at.own().anchors[at.layer]
        earlier = frames.before(at.frame)
        return _stepping(at, "forward", earlier, anchors)

    @stage(per="layer", models={"track": "model"}, tier="features")
    def backward(given, context):
        """The state on this frame, from the one after."""
        return context.models["track"].step(*_back(given))

    @backward.layers
    def backward(given, context):
        return context[0].models["track"].step_layers([_back(layer) for layer in given])

    @backward.needs
    def backward(at):
        frames, anchors = at.shape("plate").frames, at.own().anchors[at.layer]
        return _stepping(at, "backward", frames.after(at.frame), anchors)

    @stage(per="layer", models={"track": "model"})
    def fuse(given, context):
        """Both directions as one belief, and how far to trust it."""
        logits, confidence = context.models["track"].fuse(
            given["forward"],
            given["backward"],
            given["distances"][0],
            given["distances"][1],
            given["features"],
        )
        return MaskLogits(logits, working.window(given["picture"]), float(confidence))

    @fuse.needs
    def fuse(at):
        anchors = at.own().anchors[at.layer]
        before, after = anchors.before(at.frame), anchors.after(at.frame)
        features = at.stage("encode") if _look_back(at) == 1 else None
        here = {"picture": at.stage("picture"), "features": features}
        if at.frame in anchors:
            anchor = at.stage("anchor")
            return {**here, "forward": anchor, "backward": None, "distances": Value((0, None))}
        return {
            **here,
            "forward": None if before is None else at.stage("forward"),
            "backward": None if after is None else at.stage("backward"),
            "distances": Value(
                (
                    None if before is None else at.frame - before,
                    None if after is None else after - at.frame,
                )
            ),
        }

    gather = gathered.gathering("fuse")

    @stage(per="layer")
    def resolve(given, context):
        """Overlap between layers."""
        own = given["own"]
        grid, area = own.logits.shape, own.window
        others, approved = (
            [working.on_grid(mask, area, grid) for mask in masks]
            for masks in gathered.rivals(given)
        )
        logits = overlap.resolve_logits(given["mode"], own.logits, others)
        # what is approved of other layers stays as it is: as if it lay in front
        return replace(own, logits=overlap.resolve_logits("ordered", logits, approved))

    @resolve.needs
    def resolve(at):
        return gathered.settling(at, "fuse")


def _in_order(order, layers):
    unknown = [name for name in order if name not in layers]
    if unknown:
        raise GraphError(
            f"'order' names the layer '{unknown[0]}', which is not there",
            hint=f"layers: {', '.join(layers)}",
        )
    return (*order, *(name for name in layers if name not in order))


def _anchors(named, layer, plate, masks, own) -> FrameSet:
    """The frames on which this layer is known: prompted here, or wired.

    named: which of the wired masks' frames are anchors, None for those that were prompted.
    """
    wired: tuple[int, ...] = ()
    if masks.has(layer):
        if layer in masks.prompted:
            wired = masks.prompted[layer].frames
            if named is not None:
                wired = tuple(f for f in wired if f in named)
        elif named is not None:
            wired = named.frames
        elif layer not in own:
            raise GraphError(
                f"the wired masks have '{layer}' on every frame",
                hint="say in 'anchors' on which of them it is an anchor, such as 1001,1050",
            )
    for frame in wired:
        if frame not in masks.frames:
            raise PromptError(
                f"'{layer}' has an anchor here, but the wired mask has no such frame",
                frame=frame,
                hint="name another frame in 'anchors', or wire a mask that has it",
            )
    frames = FrameSet((*wired, *own.get(layer, FrameSet()).frames))
    for frame in frames:
        if frame not in plate.frames:
            raise PromptError(
                f"'{layer}' has an anchor here, but the plate has no such frame",
                frame=frame,
                hint="move it to a frame of the plate",
            )
    if not frames:
        raise GraphError(f"'{layer}' has no anchor", hint="prompt it on a frame")
    return frames


def _look_back(at) -> int:
    """How many states before a frame a step is given.

    1, or more for a model that remembers: its states hold all that it wants to know of the frames
    they are of, so that it is given no features but the frame's own, and no motion.
    """
    return at.card("track").network.get("look_back", 1)


def _stepping(at, stage_name, earlier, anchors):
    """What one step needs; ``earlier`` is the frame that it comes from."""
    before, after = anchors.before(at.frame), anchors.after(at.frame)
    sides = [f for f in (before, after) if f is not None]
    look_back = _look_back(at)
    state = at.stage("anchor" if earlier in anchors else stage_name, earlier)
    here, known = at.stage("encode"), [at.stage("anchor", f) for f in sides]
    if look_back > 1:
        further = _further(at, stage_name, earlier, anchors, look_back - 1)
        states = [at.stage(stage_name, f) for f in further]
        return {"state": state, "earlier": states, "to": here, "anchors": known}
    return {
        "state": state,
        "from": at.stage("encode", earlier),
        "to": here,
        "anchors": known,
        "anchor_features": [at.stage("encode", f) for f in sides],
        "motion": at.stage("motion", min(earlier, at.frame)),
    }


def _further(at, stage_name, earlier, anchors, count):
    """So many frames before ``earlier``, latest first, but none beyond the anchor.

    A memory ends at its anchor: so a correction changes nothing behind the next one.
    """
    frames = at.shape("plate").frames
    found = []
    while earlier not in anchors and len(found) < count:
        earlier = frames.before(earlier) if stage_name == "forward" else frames.after(earlier)
        found.append(earlier)
    return [frame for frame in found if frame not in anchors]


def _anchored(given):
    """(state, features) of the anchors in the order of frames; a model that remembers has none."""
    features = given.get("anchor_features", [None] * len(given["anchors"]))
    return list(zip(given["anchors"], features, strict=True))


def _ahead(given):
    """What the model's ``step`` is told on the way forward."""
    return _told(given, given.get("motion"), _anchored(given))


def _back(given):
    motion = given.get("motion")
    between = None if motion is None else working.reverse(motion)
    return _told(given, between, _anchored(given)[::-1])


def _told(given, between, anchors):
    """anchors: the one that the track comes from first."""
    earlier = given.get("earlier", ())
    return given["state"], given.get("from"), given["to"], between, anchors, earlier

"""Detect: what in the shot is worth a layer."""

from __future__ import annotations

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.errors import PromptError
from rotograph.parameter import Float, Int, Text
from rotograph.shape import Shape
from rotograph_nodes import naming, shared, working


@node(version=2, output=Output("Detections", "propose"))
class Detect:
    """Propose the things in a shot, as boxes with scores and layer names.

    The classic model proposes what moves on its own; others know what things look like, and those
    that read are told what to look for.

    Looks at the whole plate, whatever range is rendered, so that names stay the same.
    """

    plate = Input("Image", help="The plate.")
    model = Text("classic", "Model", "The model that detects.")
    motion_model = Text("classic", "Motion model", "The model that finds the motion.")
    text = Text(
        "",
        "Text",
        "What to look for, such as 'person, car'. Empty: whatever moves on its own. Only some "
        "models can read.",
    )
    max_layers = Int(8, "Layers", "At most this many.", minimum=1, maximum=64, animated=False)
    min_area = Float(
        0.5,
        "Least area",
        "Regions smaller than this are left out.",
        unit="% of the picture",
        minimum=0.0,
        maximum=100.0,
        animated=False,
    )
    threshold = Float(
        0.2,
        "Least score",
        "Regions that are less certain than this are left out.",
        minimum=0.0,
        maximum=1.0,
        animated=False,
    )

    def describe(at):
        plate = at.shape("plate")
        card = at.card("detect")
        if card.needs_text and not at.value("text").strip():
            raise PromptError(
                f"the model '{card.name}' has to be told what to look for",
                hint="set 'text', such as 'person, car', or choose 'classic'",
            )
        if at.value("text") and not card.reads_text:
            able = [f"'{c.name}'" for c in at.readers("detect")]
            raise PromptError(
                f"the model '{card.name}' cannot read the text '{at.value('text')}'",
                hint=f"choose one that can, such as {' or '.join(able)}, or clear 'text'"
                if able
                else "clear 'text'",
            )
        return Shape(plate.frames, plate=plate.plate, size=plate.size)

    def asks(node):
        """Of a model that is chosen: to read, where there is something to read."""
        return {"model": ("text" if node.value("text").strip() else "no-text",)}

    picture = shared.picture("detect")
    motion = shared.motion()

    @stage(models={"detect": "model"}, tier="features")
    def evidence(given, context):
        """What is on this frame; of a model without words, what moves on its own to the next."""
        if "text" in given:
            picture = given["here"]["picture"].astype(np.float32)
            return context.models["detect"].detect(picture, given["text"])
        return context.models["detect"].evidence(given["here"], given["next"], given["motion"])

    @evidence.needs
    def evidence(at):
        if at.card("detect").per_frame:
            return {"here": at.stage("picture"), "text": Value(at.value("text"))}
        following = at.shape("plate").frames.after(at.frame)
        return {
            "here": at.stage("picture"),
            "next": at.stage("picture", following),
            "motion": at.stage("motion"),
        }

    @stage(per="shot", models={"detect": "model"}, params=("max_layers", "min_area", "threshold"))
    def propose(given, context):
        if "text" in given:
            return naming.layers(
                given["evidence"],
                context.models["detect"].names(given["text"]),
                given["picture"]["picture"].shape[:2],
                working.window(given["picture"]),
                max_layers=context["max_layers"],
                min_area=context["min_area"] / 100.0,
                threshold=context["threshold"],
            )
        return context.models["detect"].propose(
            given["evidence"],
            working.window(given["picture"]),
            max_layers=context["max_layers"],
            min_area=context["min_area"] / 100.0,
            threshold=context["threshold"],
        )

    @propose.needs
    def propose(at):
        frames = at.shape("plate").frames.frames
        if at.card("detect").per_frame:
            return {
                "evidence": {frame: at.stage("evidence", frame) for frame in frames},
                "picture": at.stage("picture", frames[0]),
                "text": Value(at.value("text")),
            }
        return {
            "evidence": {frame: at.stage("evidence", frame) for frame in frames[:-1]},
            "picture": at.stage("picture", frames[0]),
        }

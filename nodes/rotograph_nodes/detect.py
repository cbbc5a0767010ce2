"""Detect: what in the shot is worth a layer."""

from __future__ import annotations

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.errors import PromptError
from rotograph.parameter import Float, Int, Text
from rotograph.shape import Shape
from rotograph_nodes import naming, shared, working


@node(version=3, output=Output("Detections", "propose"))
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
        0.0,
        "Least score",
        "What is less certain than this is left out. 0: what the model's card says.",
        minimum=0.0,
        maximum=1.0,
        animated=False,
    )

    reach = Int(
        24,
        "Background",
        "From so many frames before and after, what is behind the things that move is made out, "
        "and what differs from it is in front. 0: only the motion to the next frame counts.",
        unit="frames",
        minimum=0,
        maximum=240,
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

    @stage(models={"detect": "model"})
    def camera(given, context):
        """How the still world moves from this frame to the next."""
        return {"camera": context.models["detect"].camera(given["motion"])}

    @camera.needs
    def camera(at):
        return {"motion": at.stage("motion")}

    @stage(models={"detect": "model"}, tier="features")
    def moving(given, context):
        """What the motion to the next frame sees moving."""
        turn = given["camera"]["camera"]
        return context.models["detect"].moving(given["here"], given["next"], given["motion"], turn)

    @moving.needs
    def moving(at):
        return {
            "here": at.stage("picture"),
            "next": at.stage("picture", at.shape("plate").frames.after(at.frame)),
            "motion": at.stage("motion"),
            "camera": at.stage("camera"),
        }

    @stage(models={"detect": "model"}, tier="features")
    def evidence(given, context):
        """What is on this frame; of a model without words, what moves on its own."""
        model = context.models["detect"]
        if "text" in given:
            return model.detect(given["here"]["picture"].astype(np.float32), given["text"])
        if "moving" not in given:
            return model.evidence(given["here"], given["next"], given["motion"])
        first, asked = given["first"], given["asked"]
        cameras = [found["camera"] for found in given["cameras"]]
        others = [
            (picture["picture"], found["mask"], _turn(cameras, -first, at - first))
            for at, picture, found in zip(asked, given["pictures"], given["movings"], strict=True)
        ]
        return model.evidence(
            given["here"], given["next"], given["motion"], cameras[-first], given["moving"], others
        )

    @evidence.needs
    def evidence(at):
        if at.card("detect").per_frame:
            return {"here": at.stage("picture"), "text": Value(at.value("text"))}
        frames = at.shape("plate").frames.frames
        needs = {
            "here": at.stage("picture"),
            "next": at.stage("picture", at.shape("plate").frames.after(at.frame)),
            "motion": at.stage("motion"),
        }
        if not at.card("detect").network.get("background", False):
            return needs
        place = frames.index(at.frame)
        asked = _around(place, len(frames) - 1, at.value("reach"))
        first, last = min((place, *asked)), max((place, *asked))
        return {
            **needs,
            "moving": at.stage("moving"),
            "pictures": [at.stage("picture", frames[n]) for n in asked],
            "movings": [at.stage("moving", frames[n]) for n in asked],
            "cameras": [at.stage("camera", frames[n]) for n in range(first, last + 1)],
            "first": Value(first - place),
            "asked": Value(tuple(n - place for n in asked)),
        }

    @stage(per="shot", models={"detect": "model"}, params=("max_layers", "min_area"))
    def propose(given, context):
        """The layers. The least score is a need, for a model's card may be what says it."""
        if "text" in given:
            return naming.layers(
                given["evidence"],
                context.models["detect"].names(given["text"]),
                given["picture"]["picture"].shape[:2],
                working.window(given["picture"]),
                max_layers=context["max_layers"],
                min_area=context["min_area"] / 100.0,
                threshold=given["threshold"],
            )
        return context.models["detect"].propose(
            given["evidence"],
            working.window(given["picture"]),
            max_layers=context["max_layers"],
            min_area=context["min_area"] / 100.0,
            threshold=given["threshold"],
        )

    @propose.needs
    def propose(at):
        frames, card = at.shape("plate").frames.frames, at.card("detect")
        needs = {
            "picture": at.stage("picture", frames[0]),
            "threshold": Value(at.value("threshold") or least_score(card)),
        }
        if card.per_frame:
            return {
                **needs,
                "evidence": {frame: at.stage("evidence", frame) for frame in frames},
                "text": Value(at.value("text")),
            }
        return {
            **needs,
            "evidence": {frame: at.stage("evidence", frame) for frame in frames[:-1]},
        }


def least_score(card) -> float:
    """What a detector's card says is certain enough; of one that does not, what is for most."""
    return float(card.network.get("score", _SCORE))


_SCORE = 0.2


_ASKED = 8
"""Frames that are asked what is behind the things that move."""


def _around(place: int, count: int, reach: int) -> list[int]:
    """The places in a shot that are asked, spread over those within reach; ``count`` in all."""
    near = [n for n in range(max(0, place - reach), min(count, place + reach + 1)) if n != place]
    asked = min(_ASKED, len(near))
    return [near[int((n + 0.5) * len(near) / asked)] for n in range(asked)]


def _turn(cameras: list[np.ndarray], here: int, there: int) -> np.ndarray:
    """``(3, 3)``: how the still world moves from one place in a row of cameras to another."""
    low, high = sorted((here, there))
    turn = np.eye(3)
    for camera in cameras[low:high]:
        turn = camera @ turn
    return turn if here <= there else np.linalg.inv(turn)

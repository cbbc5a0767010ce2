"""What tests of the engine share: operators small enough to see through.

Ramp     a plate without files: its frame number times ``scale``
Chain    a tracker: every frame adds itself to the state of the one before
Tint     layers: each multiplies by its own ``gain``
Save     writes one small file for each frame
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rotograph import Graph
from rotograph.client import NoEngine, connect
from rotograph.declare import Input, Output, Value, node, stage
from rotograph.frames import parse_frames
from rotograph.image import Box
from rotograph.mask import MaskLogits
from rotograph.parameter import Bool, File, Float, Frames, Int, Names
from rotograph.shape import FrameSet, Shape
from rotograph.whole import write_whole


@node(version=1, output=Output("Image", "value"))
class Ramp:
    """The frame number times a scale."""

    first = Int(1, "First", "First frame.", animated=False, pixels=False)
    last = Int(10, "Last", "Last frame.", animated=False, pixels=False)
    scale = Float(1.0, "Scale", "What the number is multiplied by.")

    def describe(at):
        frames = FrameSet(tuple(range(at.value("first"), at.value("last") + 1)))
        return Shape(frames, plate=at.node.name)

    @stage(params=("scale",))
    def value(given, context):
        return {"value": np.full(1000, given["frame"] * context["scale"])}

    @value.needs
    def value(at):
        return {"frame": Value(at.frame)}


@node(version=1, output=Output("Image", "state"))
class Chain:
    """Every frame adds itself to the state before."""

    image = Input("Image", help="What to add up.")
    bad = Frames("Bad frames", "Where it fails.")

    def describe(at):
        return at.shape("image")

    @stage(params=("bad",))
    def state(given, context):
        if given["fails"]:
            raise ValueError("no state here")
        before = 0.0 if given["before"] is None else given["before"]["value"]
        return {"value": given["here"]["value"] + before}

    @state.needs
    def state(at):
        earlier = at.shape("image").frames.before(at.frame)
        bad = at.value("bad")
        return {
            "here": at.input("image"),
            "before": None if earlier is None else at.stage("state", earlier),
            "fails": Value(bool(bad) and at.frame in parse_frames(bad)),
        }


@node(version=1, output=Output("Masks", "tinted"))
class Tint:
    """The same for several layers, each with a gain of its own."""

    image = Input("Image", help="What to multiply.")
    names = Names("Names", "The layers.")
    gain = Float(1.0, "Gain", "What each layer is multiplied by.", per_layer=True)

    def describe(at):
        shape = at.shape("image")
        return Shape(shape.frames, at.value("names"), plate=shape.plate)

    @stage(per="layer", params=("gain",))
    def tinted(given, context):
        value = given["image"]["value"].reshape(20, 50).astype(np.float32)
        return MaskLogits(value * context["gain"], Box(0, 0, 50, 20))

    @tinted.needs
    def tinted(at):
        return {"image": at.input("image")}


@node(version=1)
class Save:
    """Write one small file for each frame."""

    image = Input("Image", "Masks", help="What to write.")
    file = File("File", "Where to.")
    overwrite = Bool(True, "Overwrite", "Whatever is there.", pixels=False)

    def describe(at):
        shape = at.shape("image")
        return Shape(shape.frames, shape.layers, plate=shape.plate)

    def files(at):
        return {None: at.output_path(at.value("file").replace("####", f"{at.frame:04d}"))}

    @stage(effect=True)
    def save(given, context):
        path = context.files[None]
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = [v["value"] if isinstance(v, dict) else v.logits for v in given["all"].values()]
        write_whole(path, np.concatenate([np.ravel(a) for a in arrays]).tobytes())
        return [path]

    @save.needs
    def save(at):
        layers = at.shape("image").layers or (None,)
        return {"all": {layer or "": at.input("image", layer=layer) for layer in layers}}


def toy(folder, last=10, **sets):
    """plate → track → tint (layers a, b) → out, and out2 behind the tracker."""
    graph = Graph(folder, {n.name: n for n in (Ramp, Chain, Tint, Save)})
    graph.add("plate", "Ramp", last=last)
    graph.add("track", "Chain", inputs={"image": "plate"})
    graph.add("tint", "Tint", inputs={"image": "track"}, names=["a", "b"])
    graph.add("out", "Save", inputs={"image": "tint"}, file="out.####.bin")
    for target, value in sets.items():
        graph.set(f"{target.replace('__', '.')}={value}")
    graph.check()
    return graph


@pytest.fixture(name="toy")
def toy_fixture():
    """``toy(folder, last=10, node__parameter=value)``: a graph of these nodes."""
    return toy


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine of one's own, on which commands use the engine as they do by default."""
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("ROTOGRAPH_NO_ENGINE", raising=False)
    monkeypatch.delenv("OCIO", raising=False)
    yield tmp_path
    with contextlib.suppress(NoEngine), connect("test", start=False) as client:
        client.stop()

"""Memory that runs out costs precision before it costs a frame, and never goes unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rotograph import Graph
from rotograph.card import Card
from rotograph.declare import Input, Output, Result, Value, node, stage
from rotograph.environment import Environment
from rotograph.errors import OutOfMemory
from rotograph.execution import Execution, Limits
from rotograph.frames import parse_frames
from rotograph.listing import entries
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.parameter import Frames, Text
from rotograph.render import Summary, render
from rotograph.shape import FrameSet, Shape
from rotograph.store import Store

ADAPTER = """
class Network:
    def __init__(self, room, mode=""):
        self.room, self.mode = room, mode

    def smaller(self, mode):
        return Network(self.room, mode)

    def run(self, frame):
        if ("", "half", "tiles").index(self.mode) < self.room(frame):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return float(frame) + 0.25 * len(self.mode)

needed = {}

def make(supply):
    return Network(lambda frame: needed.get(frame, 0))
"""
CARD = {
    "label": "Big", "version": 1, "adapters": {"matte": "big_network:make"},
    "input_space": "ACEScct", "working_size": 64, "licence": "MIT",
    "commercial": True, "smaller": ("half", "tiles"),
}  # fmt: skip


@node(version=1, output=Output("Image", "value"))
class Big:
    """What the network says of each frame."""

    model = Text("big", "Model", "Which network.")

    def describe(at):
        return Shape(FrameSet(tuple(range(1, 7))), plate=at.node.name)

    @stage(models={"matte": "model"})
    def value(given, context):
        value = context.models["matte"].run(given["frame"])
        return {"value": np.full(10, value), "numeric": np.array([len(context.numeric)])}

    @value.needs
    def value(at):
        return {"frame": Value(at.frame)}


@node(version=1, output=Output("Image", "twice"))
class Twice:
    """What hangs on it, through a stage that is not stored; its own memory may run out too."""

    image = Input("Image", help="What to double.")
    hungry = Frames("Hungry", "Frames that need tiles.")

    def describe(at):
        return at.shape("image")

    @stage(stored=False)
    def passed(given, context):
        return given["image"]

    @passed.needs
    def passed(at):
        return {"image": at.input("image")}

    @stage(params=("hungry",), smaller=("tiles",))
    def twice(given, context):
        hungry = context["hungry"] and given["frame"] in parse_frames(context["hungry"])
        if hungry and context.numeric != "tiles":
            raise MemoryError
        return {"value": given["image"]["value"] * 2}

    @twice.needs
    def twice(at):
        return {"image": at.stage("passed"), "frame": Value(at.frame)}


@pytest.fixture
def needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Any) -> dict[int, int]:
    """Frame -> how many times smaller the network must be to fit."""
    (tmp_path / "big_network.py").write_text(ADAPTER)
    monkeypatch.syspath_prepend(tmp_path)
    import big_network

    big_network.needed.clear()
    yield big_network.needed
    monkeypatch.delitem(__import__("sys").modules, "big_network")


@pytest.fixture
def run(tmp_path: Path, toy: Any, needed: dict[int, int]) -> Any:
    def made(hungry: str = "", models: Models | None = None) -> tuple[Summary, Keys]:
        save = toy(tmp_path).types["Save"]
        graph = Graph(tmp_path, {n.name: n for n in (Big, Twice, save)})
        graph.add("big", "Big")
        graph.add("twice", "Twice", inputs={"image": "big"}, hungry=hungry)
        graph.add("out", "Save", inputs={"image": "twice"}, file="out.####.bin")
        environment = Environment(
            Store(tmp_path / "cache"), models or Models([Card("big", **CARD)])
        )
        return render(graph, environment), Keys(graph, environment)

    return made


def written(folder: Path, frame: int) -> float:
    return float(np.frombuffer((folder / f"out.{frame:04d}.bin").read_bytes())[0])


def test_a_frame_that_does_not_fit_is_made_smaller_and_said(run, needed, tmp_path):
    needed[4] = 2
    summary, keys = run()
    assert summary.written == 6 and not summary.errors
    # from the frame on which the memory ran out the step stays as it is; what is computed beside
    # that frame may be made in the first smaller way
    made = {frame: mode for mode, frames in summary.smaller["big"].items() for frame in frames}
    assert made[4] == "tiles" and 6 in made and 1 not in made
    assert summary.to_json()["smaller"] == {"big": summary.smaller["big"]}
    for frame in range(1, 7):
        small = frame in made
        assert written(tmp_path, frame) == 2 * (frame + 0.25 * len(made.get(frame, "")))
        for name, step in (("big", "value"), ("twice", "twice")):
            key = keys.entry(Result(name, step, None, frame)).key
            # nothing that was made from less stands under the key of what the graph says
            assert keys.world.store.has(key) != small


def test_what_was_made_smaller_is_not_made_again_until_there_is_room(run, needed, tmp_path):
    needed.update(dict.fromkeys(range(1, 7), 1))
    first, _ = run()
    assert first.smaller == {"big": {"half": [1, 2, 3, 4, 5, 6]}}
    at = (tmp_path / "out.0003.bin").stat().st_mtime_ns
    again, _ = run()
    assert again.computed == {} and again.smaller == first.smaller and again.written == 6
    assert (tmp_path / "out.0003.bin").stat().st_mtime_ns == at
    needed.clear()
    whole, _ = run()
    assert whole.smaller == {} and whole.computed == {"big": 6, "twice": 6}
    assert written(tmp_path, 3) == 6.0


def test_the_flag_is_in_the_store(run, needed, tmp_path):
    needed[6] = 1
    run()
    store = Store(tmp_path / "cache")
    flags = [store.get(Path(entry.path).name).flags for entry in entries(str(store.folder))]
    assert sorted(set(flags)) == [(), ("half",)]


def test_a_stage_may_be_small_by_itself(run, needed):
    summary, _ = run(hungry="2")
    assert summary.written == 6 and summary.smaller.keys() == {"twice"}


def test_what_fits_in_no_way_costs_that_frame_only(run, needed):
    needed[3] = 3
    summary, _ = run()
    assert summary.written == 5
    (error,) = summary.errors
    assert isinstance(error, OutOfMemory) and (error.node, error.frame) == ("big", 3)
    assert "ran out of memory, even in tiles" in str(error)


def test_a_model_that_has_no_smaller_way_fails_at_once(run, needed):
    needed[3] = 1
    summary, _ = run(models=Models([Card("big", **{**CARD, "smaller": ()})]))
    assert summary.written == 5 and summary.smaller == {}
    assert "ran out of memory; render with --jobs 1" in str(summary.errors[0])


def test_who_looks_at_a_finished_shot_takes_what_was_made_smaller(run, needed, tmp_path):
    needed.update(dict.fromkeys(range(3, 7), 1))
    summary, keys = run()
    assert summary.smaller["big"]["half"][-1] == 6
    needed.update(dict.fromkeys(range(1, 7), 9))  # as for a process that has no memory at all
    execution = Execution(Environment(Store(tmp_path / "cache"), keys.world.models), Limits())
    execution.keys = Keys(keys.graph, execution.environment)
    execution.remember(summary.smaller)
    for frame in range(1, 7):
        shown = execution.fetch(Result("twice", "twice", None, frame))["value"][0]
        assert shown == written(tmp_path, frame)
    assert execution.outcome.computed == {}

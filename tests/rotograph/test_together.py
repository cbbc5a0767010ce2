"""Layers computed at once: the same results, and no layer pays for another."""

from __future__ import annotations

import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from rotograph import Graph
from rotograph.declare import Input, Output, Value, node, stage
from rotograph.environment import Environment
from rotograph.errors import Cancelled
from rotograph.execution import Limits
from rotograph.image import Box
from rotograph.mask import MaskLogits
from rotograph.parameter import Bool, Frames, Names
from rotograph.render import Silent, render
from rotograph.shape import Shape
from rotograph.sharing import SharedExecution, Shop, Task
from rotograph.store import Store

WINDOW = Box(0, 0, 4, 1)


class Seen:
    """What happened to the stage: the layers of each call; and what is to happen."""

    def __init__(self):
        self.calls = []
        self.room = 99
        self.slow = 0.0


def made(given):
    if given["layer"] == "b" and given["fails"]:
        raise ValueError("no b here")
    before = 0.0 if given["before"] is None else given["before"].logits[0, 0]
    other = 0.0 if given["other"] is None else given["other"].logits[0, 0]
    value = before + other + given["here"]["value"][0] + ord(given["layer"])
    return MaskLogits(np.full((1, 4), value, np.float32), WINDOW, 1.0)


def flock(seen):
    """A tracker whose layers may be computed at once; ``seen`` is told."""

    @node(version=1, output=Output("Masks", "state"))
    class Flock:
        """Every layer adds up its frames."""

        image = Input("Image", help="What to add up.")
        names = Names("Layers", "Which layers.")
        bad = Frames("Bad frames", "Where the layer b fails.")
        chained = Bool(False, "Chained", "Whether a layer needs the one before it on its frame.")

        def describe(at):
            return Shape(at.shape("image").frames, tuple(at.value("names")), plate="plate")

        @stage(per="layer")
        def state(given, context):
            seen.calls.append(given["layer"])
            return made(given)

        @state.layers
        def state(given, context):
            if len(given) > seen.room:
                raise MemoryError
            seen.calls.append("".join(layer["layer"] for layer in given))
            for layer in given:
                time.sleep(seen.slow)
                yield made(layer)

        @state.needs
        def state(at):
            names = at.value("names")
            at_number = names.index(at.layer)
            before = at.shape("image").frames.before(at.frame)
            chained = at.value("chained") and at_number > 0
            return {
                "here": at.input("image"),
                "before": None if before is None else at.stage("state", before),
                "other": at.stage("state", layer=names[at_number - 1]) if chained else None,
                "layer": Value(at.layer),
                "fails": Value(str(at.frame) in at.value("bad").split(",")),
            }

    return Flock


@pytest.fixture
def run(tmp_path, toy):
    def done(names="abc", last=6, jobs=2, cache="cache", seen=None, stop=None, **sets):
        seen = seen or Seen()
        types = toy(tmp_path).types
        graph = Graph(tmp_path, {**types, "Flock": flock(seen)})
        graph.add("plate", "Ramp", last=last)
        graph.add("track", "Flock", inputs={"image": "plate"}, names=list(names), **sets)
        graph.add("out", "Save", inputs={"image": "track"}, file="out.####.bin")
        summary = render(
            graph,
            Environment(Store(tmp_path / cache)),
            limits=Limits(jobs=jobs),
            stop=stop or threading.Event(),
        )
        return summary, seen

    return done


def written(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.glob("out.*.bin"))}


@pytest.mark.parametrize("jobs", [1, 4])
def test_layers_of_a_frame_are_computed_at_once_and_nothing_else_is_different(
    run, tmp_path, monkeypatch, jobs
):
    summary, seen = run(jobs=jobs)
    assert summary.complete and summary.computed["track"] == 6
    assert seen.calls == ["abc"] * 6, "though the plan goes layer by layer"
    together = written(tmp_path)
    for path in tmp_path.glob("out.*.bin"):
        path.unlink()
    monkeypatch.setattr("rotograph.together.MOST", 1)
    _, alone = run(jobs=jobs, cache="other")
    assert set(alone.calls) == set("abc") and written(tmp_path) == together
    again, none = run(jobs=jobs)
    assert none.calls == [] and not again.computed, "the keys know nothing of it"


def test_only_what_is_dirty_is_computed(run):
    run("ab")
    _, seen = run("abc")
    assert seen.calls == ["c"] * 6
    _, seen = run("abcdefghijk")
    assert seen.calls == ["defghijk"] * 6


def test_no_more_than_the_most(run, monkeypatch):
    monkeypatch.setattr("rotograph.together.MOST", 2)
    _, seen = run("abcde", last=3)
    assert sorted(seen.calls) == sorted(["ab", "cd", "e"] * 3)


def test_a_layer_that_fails_costs_itself_only(run, tmp_path):
    summary, seen = run("abc", bad="4")
    (error,) = summary.errors
    assert (error.node, error.frame) == ("track", 4) and "no b here" in str(error)
    assert summary.written == 3 and len(written(tmp_path)) == 3
    # those that can still be had are: a and c go on without b
    assert seen.calls[-2:] == ["ac", "ac"]


def test_when_the_memory_does_not_take_all_it_is_fewer_at_a_time(run):
    seen = Seen()
    seen.room = 2
    summary, seen = run("abcd", last=3, seen=seen)
    assert summary.complete and not summary.smaller
    assert seen.calls == ["ab", "cd"] * 3
    seen = Seen()
    seen.room = 0
    summary, seen = run("abcd", last=3, cache="other", seen=seen)
    assert summary.complete and sorted(seen.calls) == sorted("abcd" * 3)


def test_layers_that_need_each_other_are_computed_one_by_one(run):
    summary, seen = run("abc", chained=True)
    assert summary.complete and sorted(seen.calls) == sorted("abc" * 6)


def test_a_stop_is_heard_between_two_layers_and_those_made_are_kept(run):
    seen, stop = Seen(), threading.Event()
    seen.slow = 0.2
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run("abcdefgh", seen=seen, stop=stop)
    assert time.monotonic() - began < 1.5
    time.sleep(0.4)  # what was begun ends by itself
    seen.slow = 0.0
    summary, after = run("abcdefgh")
    assert summary.complete and len(after.calls[0]) < 8


def test_in_the_engine_they_take_one_turn_and_each_is_noted(run, tmp_path, monkeypatch):
    """What the engine hears of what is computed, so that it knows what a crash came from."""
    noted, shop = [], Shop()
    task = Task(
        SimpleNamespace(priority="batch", jobs=2), 1, threading.Event(), Silent(),
        lambda key, began: noted.append((key, began)), None, None, lambda digest: None,
    )  # fmt: skip
    made = partial(SharedExecution, shop=shop, task=task)
    monkeypatch.setattr("rotograph.render.Execution", made)
    with shop.serving(task):
        assert shop.careful, "until the engine says otherwise: one at a time, and none together"
        summary, seen = run(cache="careful")
        assert summary.complete and sorted(seen.calls) == sorted("abc" * 6)
        shop.pace(careful=False)
        del noted[:]
        summary, seen = run()
    assert summary.complete and seen.calls == ["abc"] * 6
    began, ended = ({key for key, start in noted if start is way} for way in (True, False))
    assert began == ended and len(began) == 6 + 18 + 6, "the plate, three layers, the file"
    assert task.busy == 0

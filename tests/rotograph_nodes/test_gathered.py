"""What a layer is told of the others on its frame: all that can take pixels from it."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.execution import Execution, Limits
from rotograph.frozen import write_frozen
from rotograph.image import Box, Image, ImageSpec
from rotograph.needs import Keys
from rotograph.plan import plan_outputs
from rotograph.render import Silent, known_plan
from rotograph.store import Store
from rotograph_nodes import gathered, overlap, working

LAYERS = [f"layer_{n:02d}" for n in range(11)]


@pytest.fixture
def shot(tmp_path):
    """A small plate, and a graph that follows eleven boxes which overlap each other."""
    box, rng = Box(0, 0, 96, 54), np.random.default_rng(3)
    for frame in (1, 2):
        pixels = rng.random((54, 96, 3)).astype(np.float16)
        exr.write(tmp_path / f"plate.{frame:04d}.exr", Image(ImageSpec(box, box), pixels))

    def graph(mode, count=11, **more):
        made = Graph(tmp_path)
        prompts = [
            {"frame": 1, "layer": name, "box": [5 + 5 * n, 8, 35 + 5 * n, 46]}
            for n, name in enumerate(LAYERS[:count])
        ]
        made.add("plate", "Read", file="plate.####.exr", colour_space="ACEScg")
        inputs = {"plate": "plate"}
        made.add("track", "Track", inputs=inputs, prompts=prompts, overlap=mode, **more)
        made.path = tmp_path / "shot.json"
        return made

    return graph


def execution(graph, folder):
    made = Execution(Environment(Store(folder / "cache")), Limits(kept=64 << 20))
    made.keys, _ = known_plan(
        lambda: Keys(graph, made.environment),
        lambda keys: plan_outputs(keys, "track", (), [1]),
        read=True,
        watch=Silent(),
    )
    return made


def rivals(mode, place):
    if mode == "independent":
        return []
    return LAYERS[:place] if mode == "ordered" else LAYERS[:place] + LAYERS[place + 1 :]


@pytest.mark.parametrize("mode", overlap.MODES)
def test_each_layer_settles_with_its_rivals_and_with_no_one_else(shot, tmp_path, mode):
    run = execution(shot(mode), tmp_path)
    raw = {name: run.fetch(Result("track", "fuse", name, 1)) for name in LAYERS}
    for place, name in enumerate(LAYERS):
        found = run.fetch(Result("track", "resolve", name, 1))
        others = [raw[other].logits for other in rivals(mode, place)]
        assert (found.logits == overlap.resolve_logits(mode, raw[name].logits, others)).all()


def test_what_is_approved_of_another_layer_is_as_if_in_front(shot, tmp_path):
    graph = shot("exclusive")
    first = execution(graph, tmp_path)
    approved = first.fetch(Result("track", "fuse", "layer_04", 1))
    locks = {"layer_04": {"1": write_frozen(graph.frozen_folder, approved)}}
    run = execution(shot("exclusive", locked=locks), tmp_path)
    own = run.fetch(Result("track", "fuse", "layer_05", 1))
    others = [
        run.fetch(Result("track", "fuse", name, 1)).logits
        for name in LAYERS
        if name not in ("layer_04", "layer_05")
    ]
    wanted = overlap.resolve_logits("exclusive", own.logits, others)
    wanted = overlap.resolve_logits(
        "ordered", wanted, [working.on_grid(approved, own.window, own.logits.shape)]
    )
    found = run.fetch(Result("track", "resolve", "layer_05", 1))
    assert (found.logits == wanted).all()


@pytest.mark.parametrize("mode", overlap.MODES)
def test_a_layer_added_at_the_back_concerns_only_those_that_it_can_take_from(shot, tmp_path, mode):
    def keys(count):
        known = execution(shot(mode, count), tmp_path).keys
        return [known.entry(Result("track", "resolve", name, 1)).key for name in LAYERS[:10]]

    fewer, more = keys(10), keys(11)
    assert None not in fewer
    assert [a == b for a, b in zip(fewer, more, strict=True)] == [mode != "exclusive"] * 10


@pytest.mark.parametrize("place", [0, 4, 10])
def test_the_others_come_front_first(shot, tmp_path, place):
    run = execution(shot("exclusive"), tmp_path)
    given = run.given(run.keys.entry(Result("track", "resolve", LAYERS[place], 1)))
    found, approved = gathered.rivals(given)
    raw = [run.fetch(Result("track", "fuse", other, 1)) for other in rivals("exclusive", place)]
    assert approved == []
    assert all((a.logits == b.logits).all() for a, b in zip(found, raw, strict=True))


def test_what_only_gathers_takes_no_memory_of_its_own(shot, tmp_path):
    run = execution(shot("exclusive"), tmp_path)
    for name in LAYERS:
        run.fetch(Result("track", "fuse", name, 1))
    before = run.kept.room
    gathering = run.fetch(Result("track", "gather", LAYERS[7], 1))
    assert len(gathering) == 8
    assert before - run.kept.room < min(mask.logits.nbytes for mask, _ in gathering)

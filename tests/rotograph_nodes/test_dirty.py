"""The table of the design ("Between two anchors the tracker sees both"), on the real operators.

A plan needs no pixels, so the world here is a fake whose plate digests are text; the operators,
the graph, the keys and the model cards are the real ones. A result is dirty after an edit when
its key was not there before.
"""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path

import pytest

from rotograph import Graph
from rotograph.declare import Result
from rotograph.entry import flatten
from rotograph.image import Box, ImageSpec
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan
from rotograph.schedule import Schedule

FIRST, LAST = 1001, 3000
ALL = range(FIRST, LAST + 1)


class FakePlate:
    still = False
    frames = tuple(ALL)

    def path(self, frame):
        return f"/plate.{frame}.exr"

    def file(self, frame):
        return Path(self.path(frame))

    def spec(self, frame):
        return ImageSpec(Box(0, 0, 1920, 1080), Box(0, 0, 1920, 1080))

    def place(self, frame):
        return self.path(frame), None, ()


class FakeWorld:
    """Digests of text instead of pixels; the store is a set of keys."""

    def __init__(self, changed=(), stored=frozenset()):
        self.models = Models()
        self.changed = {f"/plate.{frame}.exr" for frame in changed}
        self.stored = stored

    def colour_digest(self):
        return "fake"

    def open_plate(self, path, start, **choice):
        return FakePlate()

    def plate_space(self, plate, named):
        return named or "ACEScg"

    def leaf_digest(self, leaf):
        text = f"{leaf.kind} {leaf.path} {'new' if leaf.path in self.changed else 'old'}"
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def has(self, key):
        return key in self.stored

    def small_result(self, key):
        return None

    def written(self, path, key):
        return "new"


def box(layer, frame, x=0.0):
    return {"frame": frame, "layer": layer, "box": [100 + x, 100, 500 + x, 500]}


A = [box("A", frame) for frame in (1001, 1500, 2500)]
B = [box("B", frame) for frame in (1001, 3000)]


def shot(prompts=(*A, *B), name="track", **parameters):
    graph = Graph("/")
    graph.add("plate", "Read", file="plate.####.exr", colour_space="ACEScg")
    graph.add("segment", "Segment", inputs={"plate": "plate"}, prompts=list(prompts))
    graph.add(name, "Track", inputs={"plate": "plate", "masks": "segment"})
    graph.add("matte", "Matte", inputs={"plate": "plate", "logits": name})
    graph.add("refine", "Refine", inputs={"plate": "plate", "matte": "matte"})
    graph.add("out", "Write", inputs={"image": "refine"}, file="matte.####.exr")
    for target, value in parameters.items():
        graph.set(f"{target.replace('__', '.')}={value}")
    graph.check()
    return graph


def keys_of(graph, world=None, tracker="track"):
    """{(step, layer): {frame: key}} of all that goes into the tracker's results."""
    keys = Keys(graph, world or FakeWorld())
    gc.disable()  # it would walk the growing entries again and again
    for frame in ALL:
        for layer in "AB":
            keys.entry(Result(tracker, "resolve", layer, frame))
    gc.enable()
    found = {}
    for result, entry in keys._entries.items():
        if result.node == tracker and entry.stage.stored:
            found.setdefault((result.stage, result.layer), {})[result.frame] = entry.key
    return found


@pytest.fixture(scope="module")
def before():
    return keys_of(shot())


def dirty(before, after):
    """{(step, layer): (first, last, how many)} of the results that are new."""
    known = {key for results in before.values() for key in results.values()}
    changed = {
        step: sorted(frame for frame, key in results.items() if key not in known)
        for step, results in after.items()
    }
    return {step: (at[0], at[-1], len(at)) for step, at in changed.items() if at}


def span(first, last):
    return first, last, last - first + 1


MOVED = [box("A", 1001), box("A", 1500, 7.0), box("A", 2500), *B]
TABLE = {
    "A's prompt at 1500 changed": (MOVED, span(1002, 2499), {1500}),
    "that anchor deleted": ([A[0], A[2], *B], span(1002, 2499), set()),
    "new anchor at 1800": ([*A, box("A", 1800), *B], span(1501, 2499), {1800}),
    "new anchor at 2800": ([*A, box("A", 2800), *B], span(2501, 3000), {2800}),
}


@pytest.mark.parametrize("edit", TABLE)
def test_an_edit_of_prompts_dirties_the_frames_between_the_anchors_on_both_sides(before, edit):
    prompts, expected, anchors = TABLE[edit]
    after = dirty(before, keys_of(shot(prompts)))
    assert after["fuse", "A"] == expected
    # the state of each direction changes nowhere else, and no step of the frame as a whole does
    for step in ("forward", "backward"):
        assert after[step, "A"][0] >= expected[0] and after[step, "A"][1] <= expected[1]
    assert after.get(("anchor", "A"), (0, 0, 0))[2] == len(anchors)
    assert not {step for step, layer in after if layer is None}
    # B does not know of A but for who owns a pixel where both are
    assert {step for step, layer in after if layer == "B"} == {"resolve"}
    assert after["resolve", "B"] == after["resolve", "A"] == expected


def test_a_plate_frame_between_anchors_dirties_the_frames_between_them(before):
    after = dirty(before, keys_of(shot(), FakeWorld(changed=[1700])))
    assert after["fuse", "A"] == span(1501, 2499)
    assert ("anchor", "A") not in after
    # steps of the frame that all layers share: itself, and the motion from it and to it
    assert after["encode", None] == after["picture", None] == (1700, 1700, 1)
    assert after["motion", None] == (1699, 1700, 2)
    # B's only anchors are the first and the last frame
    assert after["fuse", "B"] == span(1002, 2999)


def test_a_plate_frame_that_is_an_anchor_dirties_both_sides_of_it(before):
    after = dirty(before, keys_of(shot(), FakeWorld(changed=[1500])))
    assert after["fuse", "A"] == span(1002, 2499)
    assert after["anchor", "A"] == (1500, 1500, 1)
    assert after["encode", None] == after["picture", None] == (1500, 1500, 1)
    assert after["motion", None] == (1499, 1500, 2)


def test_another_layer_s_prompt_dirties_only_who_owns_a_pixel(before):
    after = dirty(before, keys_of(shot([*A, box("B", 1001, 9.0), B[1]])))
    assert after["fuse", "B"] == span(1001, 2999)
    assert {step for step, layer in after if layer == "A"} == {"resolve"}
    assert after["resolve", "A"] == span(1001, 2999)


def test_independent_layers_do_not_know_of_each_other():
    alone = keys_of(shot(track__overlap="independent"))
    after = dirty(
        alone, keys_of(shot([*A, box("B", 1001, 9.0), B[1]], track__overlap="independent"))
    )
    assert not {step for step, layer in after if layer == "A"}


def test_parameters_further_down_dirty_nothing_of_track(before):
    changed = shot(
        matte__outside=40,
        matte__motion_blur=0,
        refine__feather=3,
        refine__smooth=0,
        out__content="plate+matte",
        out__file="elsewhere/matte.%04d.exr",
    )
    assert dirty(before, keys_of(changed)) == {}


def test_a_renamed_node_dirties_nothing(before):
    assert dirty(before, keys_of(shot(name="follow_the_hero"), tracker="follow_the_hero")) == {}


def test_a_copied_node_dirties_nothing(before):
    graph = shot()
    copied = graph.nodes["track"].to_json()
    graph.add("copy", "Track", inputs=copied["inputs"])
    graph.nodes["matte"].inputs["logits"] = "copy"
    assert dirty(before, keys_of(graph, tracker="copy")) == {}


def everything(graph):
    """Every key of the graph that a store can keep."""
    keys = Keys(graph, FakeWorld())
    plan(keys)
    return {entry.key for entry in keys._entries.values() if entry.stage.stored}


def test_another_range_dirties_nothing():
    graph = shot()
    stored = everything(graph)
    for frames in ([1400], [1700, 1702], range(2000, 2300)):
        made = plan(Keys(graph, FakeWorld(stored=stored)), frames)
        assert set(made.dirty_frames()) == {"out"}, "only the files are new"


def test_an_evicted_result_above_a_present_one_dirties_nothing():
    graph = shot()
    keys = Keys(graph, FakeWorld())
    plan(keys, [1700])
    stored = {keys.entry(Result("refine", "resolve", layer, 1700)).key for layer in "AB"}
    made = plan(Keys(graph, FakeWorld(stored=stored)), [1700])
    assert made.dirty_frames() == {"out": [1700]}


@pytest.mark.parametrize("overlap", ["exclusive", "ordered", "independent"])
def test_a_plan_grows_with_the_layers_and_not_with_their_pairs(overlap):
    def looked_at(count):
        prompts = [box(f"layer_{n}", FIRST, n) for n in range(count)]
        keys = Keys(shot(prompts, track__overlap=overlap), FakeWorld())
        made = plan(keys, [FIRST + 1])
        needs = sum(len(list(flatten(entry.needs))) for entry in keys._entries.values())
        return needs, sum(map(len, Schedule(made.dirty, lambda entry: 8).below))

    for more, few in zip(looked_at(400), looked_at(100), strict=True):
        assert more < 5 * few

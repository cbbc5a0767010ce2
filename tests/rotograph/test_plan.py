"""The plan: what is dirty and why, what stands, and what cannot be known yet."""

from __future__ import annotations

import pytest

from rotograph import Graph, exr
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.errors import DamagedFile, GraphError, MissingFrame, WriteError
from rotograph.execution import Execution, Limits
from rotograph.frozen import write_frozen
from rotograph.needs import Keys
from rotograph.outputs import check_outputs
from rotograph.plan import plan
from rotograph.render import known_plan, render
from rotograph.store import Store


@pytest.fixture
def environment(tmp_path):
    return Environment(Store(tmp_path / "cache"))


def planned(graph, environment, frames=None):
    return plan(Keys(graph, environment), frames)


def entry(graph, environment, *result):
    return Keys(graph, environment).entry(Result(*result))


def test_everything_is_dirty_at_first_each_after_what_it_needs(toy, tmp_path, environment):
    made = planned(toy(tmp_path), environment)
    frames = list(range(1, 11))
    assert made.dirty_frames() == dict.fromkeys(("plate", "track", "tint", "out"), frames)
    place = {e.key: i for i, e in enumerate(made.dirty)}
    for e in made.dirty:
        assert all(place[below.key] < place[e.key] for below in e.below)
        assert made.reasons[e.result]
    assert made.reused == {}


def test_a_tracker_is_asked_for_as_far_back_as_it_hangs_together(toy, tmp_path, environment):
    made = planned(toy(tmp_path), environment, [5])
    assert made.dirty_frames() == {
        "plate": [1, 2, 3, 4, 5], "track": [1, 2, 3, 4, 5], "tint": [5], "out": [5],
    }  # fmt: skip


def test_demand_stops_at_what_is_stored(toy, tmp_path, environment):
    render(toy(tmp_path), environment, [1, 2, 3, 4, 5])
    made = planned(toy(tmp_path), environment, [5, 6])
    assert made.dirty_frames() == {"plate": [6], "track": [6], "tint": [6], "out": [6]}
    assert made.reused == {"track": {5}, "out": {5}}


def test_an_evicted_result_above_a_present_one_is_not_dirt(toy, tmp_path, environment):
    graph = toy(tmp_path)
    render(graph, environment)
    for path in (tmp_path / "cache" / "results").glob("*/*"):
        kept = {entry(graph, environment, "tint", "tinted", layer, 7).key.hex() for layer in "ab"}
        if path.name not in kept:
            path.unlink()
    (tmp_path / "out.0007.bin").unlink()
    environment.store.refresh()
    made = planned(graph, environment)
    assert made.dirty_frames() == {"out": [7]}
    assert made.reused["tint"] == {7}


def test_a_node_by_another_name_or_a_copy_is_the_same_work(toy, tmp_path, environment):
    graph = toy(tmp_path)
    graph.add("copy", "Chain", inputs={"image": "plate"})
    graph.add("out2", "Save", inputs={"image": "copy"}, file="copy.####.bin")
    made = planned(graph, environment)
    keys = [e.key for e in made.dirty if not e.stage.effect]
    assert len(keys) == len(set(keys)), "planned once"
    done = render(graph, environment)
    assert done.complete and len(list(tmp_path.glob("copy.*.bin"))) == 10


# -- Write's own state -------------------------------------------------------------------------


def test_the_state_of_a_written_file_is_part_of_the_plan(shot):
    environment = Environment(Store(shot.cache))
    graph = Graph.load(shot.graph)
    assert render(graph, environment).complete
    assert planned(graph, environment).dirty == []
    shot.matte(1002).unlink()
    shot.matte(1003).write_bytes(shot.matte(1004).read_bytes())
    made = planned(graph, environment)
    assert made.dirty_frames() == {"out": [1002, 1003]}
    reasons = {result.frame: why for result, why in made.reasons.items()}
    assert "not been written" in reasons[1002] and "changed since" in reasons[1003]
    check_outputs(Keys(graph, environment), made)
    assert render(graph, environment).complete
    assert planned(graph, environment).dirty == []


def test_a_file_of_another_recipe_is_dirty_and_a_foreign_one_is_refused(shot):
    environment = Environment(Store(shot.cache))
    graph = Graph.load(shot.graph)
    assert render(graph, environment).complete
    graph.set("out.compression=piz")
    made = planned(graph, environment)
    assert made.dirty_frames() == {"out": list(shot.frames)}
    assert "another recipe" in made.reasons[made.dirty[0].result]
    shot.matte(1002).write_bytes(shot.truth(1002).read_bytes())
    keys = Keys(graph, environment)
    with pytest.raises(WriteError, match=r"frame 1002.*not written by Rotograph"):
        check_outputs(keys, plan(keys))


# -- what is not known yet ---------------------------------------------------------------------


def test_frames_never_read_are_listed_and_can_be_read(shot):
    environment = Environment(Store(shot.cache))
    graph = Graph.load(shot.graph)
    made = planned(graph, environment)
    pixels = {leaf.path for leaf in made.unread if leaf.kind == "pixels"}
    assert pixels == {str(shot.plate(frame)) for frame in shot.frames}
    assert made.dirty_frames()["refine"] == list(shot.frames)
    seen = []

    class Watch:
        def reading(self, done, total):
            seen.append((done, total))

    _, known = known_plan(lambda: Keys(graph, environment), plan, read=True, watch=Watch())
    assert known.unread == {} and seen[-1] == (8, 8), "the pixels and the attributes of each"


def test_what_detect_decides_is_unknown_until_it_ran(shot):
    document = shot.document()
    nodes = document["nodes"]
    nodes["detect"] = {"type": "Detect", "inputs": {"plate": "plate"}, "max_layers": 1}
    nodes["segment"]["inputs"]["boxes"] = "detect"
    shot.save(document)
    environment = Environment(Store(shot.cache))
    graph = Graph.load(shot.graph)
    made = planned(graph, environment)
    assert made.unknown["track"] == "unknown until detect ran" and "plate" not in made.unknown
    assert [result.node for result in made.pending] == ["detect"]
    assert "detect" in made.dirty_frames()
    render(graph, environment)
    again = planned(graph, environment)
    assert again.pending == [] and again.unknown == {} and again.dirty == []


# -- frames ------------------------------------------------------------------------------------


def test_a_frame_outside_the_plate_is_named(shot):
    environment = Environment(Store(shot.cache))
    with pytest.raises(GraphError, match=r"frame 1009.*1001-1004"):
        planned(Graph.load(shot.graph), environment, [1001, 1009])


@pytest.mark.parametrize("choice", ["error", "hold", "skip"])
def test_a_missing_frame_is_an_error_held_or_skipped(shot, choice):
    shot.plate(1003).unlink()
    graph = Graph.load(shot.graph)
    graph.set(f"plate.missing={choice}")
    environment = Environment(Store(shot.cache))
    if choice == "error":
        with pytest.raises(MissingFrame, match=r"frame 1003.*plate\.1003\.exr.*hold or skip"):
            planned(graph, environment, [1002, 1003])
        assert render(graph, environment, [1001, 1002]).complete, "not asked for, not missed"
        return
    made = planned(graph, environment, [1001, 1002, 1003, 1004])
    delivered = {"hold": (1001, 1002, 1003, 1004), "skip": (1001, 1002, 1004)}[choice]
    assert made.frames == delivered
    assert made.skipped == (() if choice == "hold" else (1003,))
    done = render(graph, environment, [1001, 1002, 1003, 1004])
    assert done.complete and shot.matte(1004).exists()
    assert shot.matte(1003).exists() is (choice == "hold")


def test_a_frame_missing_at_the_end_is_held_as_far_as_it_is_asked_for(shot):
    shot.plate(1004).unlink()
    graph = Graph.load(shot.graph)
    graph.set("plate.missing=hold")
    environment = Environment(Store(shot.cache))
    done = render(graph, environment, [1001, 1002, 1003, 1004, 1005])
    assert done.complete and done.computed["track"] == 3
    held = exr.read(shot.matte(1003)).pixels
    for frame in (1004, 1005):
        assert (exr.read(shot.matte(frame)).pixels == held).all()
    assert planned(graph, environment, [1001, 1005]).dirty == []
    with pytest.raises(GraphError, match=r"frame 1000.*1001-1003"):
        planned(graph, environment, [1000])


def test_a_graph_of_thousands_of_nodes_is_planned_without_recursion(toy, tmp_path, environment):
    graph = toy(tmp_path, 2)
    last = "plate"
    for number in range(3000):
        graph.add(f"chain{number}", "Chain", inputs={"image": last})
        last = f"chain{number}"
    graph.nodes["out"].inputs["image"] = last
    assert len(planned(graph, environment, [1]).dirty) == 3002


def test_parameters_of_a_layer_that_is_not_there_are_an_error(shot, environment):
    graph = Graph.load(shot.graph)
    graph.set("matte.disk.outside=20")
    with pytest.raises(GraphError, match=r"matte: .*layer 'disk', .*did you mean 'disc'"):
        planned(graph, environment)


# -- approved frames ---------------------------------------------------------------------------


def test_a_locked_frame_stays_whatever_is_edited(shot):
    environment = Environment(Store(shot.cache))
    graph = Graph.load(shot.graph)
    assert render(graph, environment).complete
    approved = shot.matte(1002).read_bytes()
    execution = Execution(environment, Limits())
    execution.keys = Keys(graph, environment)
    value = execution.fetch(Result("refine", "resolve", "disc", 1002))
    name = write_frozen(graph.frozen_folder, value)
    document = shot.document()
    document["nodes"]["refine"] |= {"locked": {"disc": {"1002": name}}, "grow": 5}
    document["nodes"]["matte"]["outside"] = 20
    shot.save(document)
    graph = Graph.load(shot.graph)
    made = planned(graph, environment)
    assert 1002 not in made.dirty_frames()["refine"]
    assert render(graph, environment).complete
    alpha = [exr_alpha(path) for path in (shot.matte(1002), shot.matte(1003))]
    assert (alpha[0] == exr_alpha_of(approved, shot)).all()
    assert alpha[1].sum() > alpha[0].sum() * 1.2

    (graph.frozen_folder / f"{name}.result").write_bytes(b"something else")
    shot.matte(1002).unlink()
    (error,) = render(Graph.load(shot.graph), Environment(Store(shot.cache))).errors
    assert isinstance(error, DamagedFile) and (error.node, error.frame) == ("out", 1002)


def exr_alpha(path):
    return exr.read(path).channel("A")


def exr_alpha_of(data, shot):
    path = shot.folder / "approved.exr"
    path.write_bytes(data)
    return exr_alpha(path)

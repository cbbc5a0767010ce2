"""Running a plan: the same results whatever happens beside it, nothing done twice, nothing lost."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

from rotograph import Graph
from rotograph.environment import Environment
from rotograph.errors import Cancelled
from rotograph.execution import Execution, Limits
from rotograph.kept import Kept
from rotograph.render import Silent, render
from rotograph.store import Store

FRAMES = tuple(range(1, 11))


@pytest.fixture
def environment(tmp_path):
    return Environment(Store(tmp_path / "cache"))


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.bin"))}


def expected(last=10):
    """What the toy graph writes, worked out by hand."""
    sums = np.cumsum(np.arange(1.0, last + 1))
    return {
        f"out.{f:04d}.bin": np.full(2000, sums[f - 1], np.float32).tobytes()
        for f in range(1, last + 1)
    }


def test_results_do_not_depend_on_jobs_or_on_the_order_of_visits(toy, tmp_path):
    for name, jobs, visits in (
        ("one", 1, [None]),
        ("four", 4, [None]),
        ("mixed", 3, [[7], [2, 9], None]),
    ):
        folder = tmp_path / name
        environment = Environment(Store(folder / "cache"))
        for frames in visits:
            render(toy(folder), environment, frames, limits=Limits(jobs=jobs))
        assert files(folder) == expected()


def test_a_second_run_computes_nothing(toy, tmp_path, environment):
    first = render(toy(tmp_path), environment)
    assert first.complete and first.computed == {"plate": 10, "track": 10, "tint": 10}
    second = render(toy(tmp_path), Environment(Store(tmp_path / "cache")))
    assert second.complete and second.written == 10
    assert second.computed == {} and second.files == []


def test_a_changed_parameter_recomputes_its_node_and_those_behind_it(toy, tmp_path, environment):
    render(toy(tmp_path), environment)
    changed = render(toy(tmp_path, tint__gain=2), environment)
    assert changed.computed == {"tint": 10} and changed.written == 10
    assert changed.reused == {"track": 10}


def test_an_animated_parameter_dirties_the_frames_where_it_changes(toy, tmp_path, environment):
    render(toy(tmp_path, tint__gain='{"keys": {"1": 1, "6": 1}}'), environment)
    moved = render(toy(tmp_path, tint__gain='{"keys": {"1": 1, "6": 1, "8": 3}}'), environment)
    assert moved.computed == {"tint": 4}, "frames 7 to 10"
    assert sorted(p.name for p in moved.files) == [f"out.{f:04d}.bin" for f in (7, 8, 9, 10)]


def test_a_layer_s_own_parameter_dirties_that_layer(toy, tmp_path, environment):
    render(toy(tmp_path), environment)
    render(toy(tmp_path, tint__b__gain=2), environment, [4])
    a, b = np.frombuffer(files(tmp_path)["out.0004.bin"], np.float32).reshape(2, 1000)
    assert a[0] == 10 and b[0] == 20
    keys = Execution(environment, Limits())
    from rotograph.declare import Result
    from rotograph.needs import Keys

    plain, own = (Keys(toy(tmp_path, **s), environment) for s in ({}, {"tint__b__gain": 2}))
    for layer, same in (("a", True), ("b", False)):
        result = Result("tint", "tinted", layer, 4)
        assert (plain.entry(result).key == own.entry(result).key) is same
    assert keys.outcome.errors == []


def test_a_failing_frame_costs_what_hangs_on_it_and_is_told_once(toy, tmp_path, environment):
    done = render(toy(tmp_path, track__bad="7"), environment)
    assert not done.complete and done.written == 6
    (error,) = done.errors
    assert (error.node, error.frame) == ("track", 7)
    assert "no state here" in str(error) and "\n" not in str(error)
    assert set(files(tmp_path)) == {f"out.{f:04d}.bin" for f in range(1, 7)}


@pytest.mark.parametrize("kept", [1, 400 << 20])
def test_a_store_that_takes_nothing_costs_speed_not_results(toy, tmp_path, kept):
    environment = Environment(Store(tmp_path / "cache", limit_bytes=10))
    done = render(toy(tmp_path, 40), environment, limits=Limits(jobs=3, kept=kept))
    assert done.complete and files(tmp_path) == expected(40)
    assert done.computed == {"plate": 40, "track": 40, "tint": 40}


def test_what_a_full_store_leaves_in_memory_is_let_go_once_used(toy, tmp_path):
    environment = Environment(Store(tmp_path / "cache", limit_bytes=10))
    execution = Execution(environment, Limits(kept=1))
    peak = 0

    class Watch(Silent):
        def rendering(self, what, frames, done, total):
            nonlocal peak
            peak = max(peak, execution.kept.limit - execution.kept.room)

    from rotograph.needs import Keys
    from rotograph.plan import plan
    from rotograph.render import compute

    graph = toy(tmp_path, 200)
    compute(execution, lambda: Keys(graph, environment), plan, watch=Watch())
    assert len(files(tmp_path)) == 200
    assert peak < 60 * 8000, "of 200 frames with three results each"
    assert not execution.kept._pinned


def test_entries_that_vanish_in_mid_run_are_computed_again(toy, tmp_path):
    folder = tmp_path / "cache"
    environment = Environment(Store(folder))
    stop = threading.Event()

    def vandal():
        while not stop.wait(0.002):
            for path in folder.glob("results/*/*"):
                path.unlink(missing_ok=True)

    thread = threading.Thread(target=vandal)
    thread.start()
    try:
        done = render(toy(tmp_path, 60), environment, limits=Limits(jobs=3, kept=1))
    finally:
        stop.set()
        thread.join()
    assert done.complete and files(tmp_path) == expected(60)


def test_a_long_chain_whose_store_is_gone_needs_no_recursion(toy, tmp_path):
    last = sys.getrecursionlimit() + 500
    environment = Environment(Store(tmp_path / "cache"))
    graph = toy(tmp_path, last)
    from rotograph.declare import Result
    from rotograph.needs import Keys

    execution = Execution(environment, Limits(kept=1))
    execution.keys = Keys(graph, environment)
    value = execution.fetch(Result("track", "state", None, last))
    assert value["value"][0] == last * (last + 1) / 2
    assert environment.store.prune() > 0
    environment.store.refresh()
    assert execution.fetch(Result("tint", "tinted", "a", last)).logits[0, 0] == value["value"][0]


def test_memory_is_bounded():
    kept = Kept(100_000)
    for i in range(1000):
        kept.put(i, {"value": np.zeros(1000, np.uint8)})
        assert kept._bytes <= 100_000
    assert kept.get(999) is not None and kept.get(0) is None
    kept.put("pinned", np.zeros(99_000, np.uint8), pin=True)
    kept.put("more", np.zeros(5000, np.uint8))
    assert kept.get("pinned") is not None
    kept.unpin("pinned")
    kept.put("most", np.zeros(5000, np.uint8))
    assert kept._bytes <= 100_000


def test_a_stopped_run_ends_soon_and_keeps_what_was_finished(toy, tmp_path, environment):
    stop = threading.Event()

    class Watch(Silent):
        def rendering(self, what, frames, done, total):
            if frames >= 20:
                stop.set()

    start = time.monotonic()
    with pytest.raises(Cancelled):
        render(toy(tmp_path, 3000), environment, range(1, 3001), watch=Watch(), stop=stop)
    assert time.monotonic() - start < 20
    there = files(tmp_path)
    whole = expected(3000)
    assert 20 <= len(there) < 3000
    assert all(whole[name] == data for name, data in there.items()), "no half-written file"
    again = render(toy(tmp_path, 3000), Environment(Store(tmp_path / "cache")), range(1, 21))
    assert again.complete and again.computed == {}
    assert {p.name for p in again.files}.isdisjoint(there), "what was finished stands"


# -- on a real plate with the real operators ---------------------------------------------------


def real(shot, **sets):
    graph = Graph.load(shot.graph)
    for target, value in sets.items():
        graph.set(f"{target.replace('__', '.')}={value}")
    return render(graph, Environment(Store(shot.cache)))


def test_touching_a_plate_file_recomputes_nothing(shot):
    assert real(shot).complete
    for frame in shot.frames:
        shot.plate(frame).touch()
    assert real(shot).computed == {}


def test_the_same_pixels_written_anew_recompute_nothing(shot):
    assert real(shot).complete
    for frame in shot.frames:
        shot.write_plate(frame)
    assert real(shot).computed == {}


def test_a_change_of_feather_recomputes_refine_alone(shot):
    assert real(shot).complete
    done = real(shot, refine__feather=3)
    assert done.computed == {"refine": 4} and len(done.files) == 4


def test_a_changed_plate_frame_recomputes_what_depends_on_it(shot):
    assert real(shot).complete
    before = {frame: shot.matte(frame).read_bytes() for frame in shot.frames}
    shot.write_plate(1004, np.full((96, 160, 3), 0.2))
    done = real(shot)
    # the only anchor is 1001: the tracker reaches 1004 last; motion from 1003 widens its band,
    # and Refine looks at its neighbours
    assert done.computed == {"track": 1, "matte": 2, "refine": 3}
    assert [shot.matte(f).read_bytes() == before[f] for f in shot.frames[:1]] == [True]


def test_a_plate_that_changes_between_two_runs_of_one_environment_is_seen(shot):
    environment = Environment(Store(shot.cache))
    assert render(Graph.load(shot.graph), environment).complete
    before = shot.matte(1004).read_bytes()
    shot.write_plate(1004, np.full((96, 160, 3), 0.2))
    assert "matte" in render(Graph.load(shot.graph), environment).computed
    assert shot.matte(1004).read_bytes() != before


def test_a_damaged_plate_frame_costs_the_frames_that_need_it(make_shot):
    shot = make_shot(6)
    shot.plate(1006).write_bytes(shot.plate(1006).read_bytes()[:3000])
    done = real(shot)
    (error,) = done.errors
    assert (error.node, error.frame) == ("plate", 1006) and "plate.1006.exr" in str(error)
    assert done.written == 3, "the motion from 1005 needs it, and Refine looks one frame ahead"
    assert not shot.matte(1006).exists()
    shot.write_plate(1006)
    assert real(shot).complete

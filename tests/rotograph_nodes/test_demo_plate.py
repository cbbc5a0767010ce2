"""The demo's plate: a real shot by every measure that a node could take, and the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rotograph import exr
from rotograph.errors import WriteError
from rotograph.graph import Graph
from rotograph_nodes import demo_plate
from rotograph_nodes.demo_plate import FIRST, FRAMES, LAYER, SIZE, demo_graph, make_demo_plate

SMALL = (360, 240)


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_plate(tmp_path_factory.mktemp("demo") / "plate", 2, SMALL)


def frames(pattern: Path) -> list[Path]:
    return sorted(pattern.parent.glob("plate.*.exr"))


def test_it_is_scene_referred_half_float_in_acescg(plate: Path) -> None:
    assert [path.name for path in frames(plate)] == ["plate.1001.exr", "plate.1002.exr"]
    image = exr.read(frames(plate)[0])
    assert image.spec.channels == ("R", "G", "B")
    assert image.pixels.dtype == np.float16 and image.spec.display.size == SMALL
    assert np.isfinite(image.pixels).all()
    assert image.pixels.max() > 4
    assert 0.05 < (image.pixels > 1).any(axis=-1).mean() < 0.4
    assert 0.1 < np.median(image.pixels) < 0.6
    assert image.spec.attributes["chromaticities"].value[:2] == pytest.approx((0.713, 0.293))


def test_timecode_advances_frame_by_frame(plate: Path) -> None:
    codes = [exr.read(path).spec.attributes["timeCode"].value[0] for path in frames(plate)]
    assert codes == [0x01000000, 0x01000001]


def test_neighbouring_frames_move_and_have_grain_of_their_own(plate: Path) -> None:
    first, second = (exr.read(path).rgb() for path in frames(plate))
    wall = first[20:60, 60:110]
    assert 0.005 < (wall - second[20:60, 60:110]).std() < 0.2
    assert abs(wall.mean() - second[20:60, 60:110].mean()) < 0.03


def test_it_is_the_same_each_time_and_a_complete_one_is_left_alone(
    plate: Path, tmp_path: Path
) -> None:
    again = make_demo_plate(tmp_path / "other", 2, SMALL)
    before = [path.read_bytes() for path in frames(plate)]
    assert [path.read_bytes() for path in frames(again)] == before

    times = [path.stat().st_mtime_ns for path in frames(again)]
    told = []
    assert make_demo_plate(tmp_path / "other", 2, SMALL, lambda *n: told.append(n)) == again
    assert [path.stat().st_mtime_ns for path in frames(again)] == times and not told

    frames(again)[1].unlink()
    make_demo_plate(tmp_path / "other", 2, SMALL, lambda *n: told.append(n))
    assert [path.read_bytes() for path in frames(again)] == before
    assert told == [(1, 2), (2, 2)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="file/plate"):
        make_demo_plate(tmp_path / "file" / "plate", 1, SMALL)


def test_the_graph_is_one_the_engine_takes() -> None:
    graph = Graph.from_dict(demo_graph())
    assert [node.type.name for node in graph.order()][-1] == "Write"


def test_prompts_lie_on_the_astronaut_and_on_what_is_behind_her(plate: Path) -> None:
    prompts = demo_graph(SMALL)["nodes"]["segment"]["prompts"]
    assert {p["frame"] for p in prompts} == {FIRST, FIRST + FRAMES - 1}
    assert {p["layer"] for p in prompts} == {LAYER}
    for frame in (FIRST, FIRST + FRAMES - 1):
        (box,) = (p["box"] for p in prompts if p["frame"] == frame and "box" in p)
        assert 0 <= box[0] < box[2] <= SMALL[0] and 0 <= box[1] < box[3] == SMALL[1]
        points = [p for p in prompts if p["frame"] == frame and "point" in p]
        assert {p["positive"] for p in points} == {True, False}
        for x, y in (p["point"] for p in points if p["positive"]):
            assert box[0] <= x < box[2] and box[1] <= y < box[3]
    rgb = exr.read(frames(plate)[0]).rgb()
    seen = [
        rgb[p["point"][1], p["point"][0]] for p in prompts if p["frame"] == FIRST and "point" in p
    ]
    suit, wall = seen[5], seen[8]
    assert suit[0] > 2 * suit[2] and max(wall) < 1.5 * min(wall)


def test_the_camera_moves_smoothly_and_stays_on_the_photograph() -> None:
    corners = np.array([(0, 0), (SIZE[0], 0), (0, SIZE[1]), SIZE], dtype=np.float64)
    moments = [demo_plate.camera(n / (FRAMES - 1)) for n in range(FRAMES)]
    seen = np.array([corners @ (m := c.photograph(SIZE))[:, :2].T + m[:, 2] for c in moments])
    assert seen.min() > 0 and seen.max() < 512
    steps = np.linalg.norm(np.diff(seen, axis=0), axis=-1)
    assert np.abs(seen[-1] - seen[0]).max() > 15 and steps.max() < 6

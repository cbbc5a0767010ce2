"""What is wired to a node beside its plate, and what came in that no Rotograph node made."""

from __future__ import annotations

import json

import numpy as np
import pytest

FRAMES = [1002, 1003, 1005]


def drawn(plate, alpha):
    """A picture for each frame whose alpha is ``alpha(x, y, frame)`` and whose colour is grey."""
    made = {}
    for frame, pixels in plate.items():
        y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
        made[frame] = np.full(pixels.shape, 0.18, np.float32)
        made[frame][..., 3] = alpha(x, y, frame)
    return made


@pytest.fixture(name="pictures")
def pictures_fixture(plate):
    """What an artist may have drawn: left is garbage, a dot is core, a trimap of the disc."""

    def trimap(x, y, frame):
        distance = np.hypot(x - (30 + 4 * (frame - 1001)), y - 32)
        return np.where(distance < 11, 1.0, np.where(distance < 20, 0.5, 0.0))

    return {
        "garbage": drawn(plate, lambda x, y, frame: x < 26),
        "core": drawn(plate, lambda x, y, frame: np.hypot(x - 70, y - 20) < 4),
        "trimap": drawn(plate, trimap),
    }


@pytest.fixture(name="with_pictures")
def with_pictures_fixture(tmp_path, write_plate):
    """``with_pictures(graph, node, pictures)``: the graph with pictures wired to a node of it."""

    def wire(graph, node, pictures):
        for port, picture in pictures.items():
            pattern = write_plate(tmp_path / port, picture, "RGBA")
            graph[port] = {"type": "Read", "file": pattern}
            graph[node]["inputs"][port] = port
        return graph

    return wire


@pytest.mark.parametrize("ports", [("garbage",), ("garbage", "core"), ("trimap",)])
@pytest.mark.parametrize("profile", ["NATRON_RENDERER", "NUKE_FARM"])
def test_a_wired_picture_does_what_it_does_in_the_graph(
    profile, ports, hosts, opened, source, plate, prompts, pictures, render_graph, roto_graph,
    with_pictures,
):  # fmt: skip
    node = opened(getattr(hosts, profile)).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    for port in ports:
        node.wire(port, source(pictures[port]))
    graph = with_pictures(roto_graph, "matte", {port: pictures[port] for port in ports})
    wanted = render_graph(graph, "refine", FRAMES)
    for frame in FRAMES:
        got = node.render(frame)
        assert got is not None, node.message
        assert np.array_equal(got.pixels[..., 3], wanted[frame])
    if "garbage" in ports:
        assert wanted[1003][:, :20].max() < 0.01
    if "core" in ports:
        assert wanted[1003][::-1][20, 70] == 1.0


def test_a_picture_may_be_smaller_than_the_plate(
    hosts, opened, source, plate, prompts, pictures, render_graph, roto_graph, with_pictures
):
    """A host's roto is as large as its shapes: outside there is nothing."""
    small = {f: p[10:60, 4:40] for f, p in pictures["garbage"].items()}
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    node.wire("garbage", source(small, origin=(4, 72 - 60)))
    whole = {f: np.zeros_like(p) for f, p in pictures["garbage"].items()}
    for frame, pixels in small.items():
        whole[frame][10:60, 4:40] = pixels
    wanted = render_graph(with_pictures(roto_graph, "matte", {"garbage": whole}), "refine", [1003])
    assert np.array_equal(node.render(1003).pixels[..., 3], wanted[1003]), node.message


def test_track_knows_the_wired_pictures_too(
    hosts, opened, source, plate, prompts, pictures, render_graph, roto_graph, with_pictures
):
    node = opened(hosts.NUKE).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    node.wire("garbage", source(pictures["garbage"]))
    node.time = 1003.0
    node.changed("track_button")
    assert node.message is None
    own = json.loads(node["recipe"])["own"]
    assert sorted(own["garbage"]["frames"]) == [str(f) for f in sorted(plate)]
    graph = with_pictures(roto_graph, "matte", {"garbage": pictures["garbage"]})
    wanted = render_graph(graph, "refine", [1004])
    assert np.array_equal(node.render(1004).pixels[..., 3], wanted[1004])
    other = dict(pictures["garbage"])
    other[1004] = np.roll(other[1004], 9, axis=1)
    node.wire("garbage", source(other))
    node.render(1004)
    assert "press Track" in node.message[1]


@pytest.mark.parametrize("profile", ["NUKE", "NUKE_FARM"])
def test_a_picture_may_be_wired_later(
    profile, hosts, opened, source, plate, prompts, pictures, render_graph, roto_graph,
    with_pictures,
):  # fmt: skip
    """The plate is known, the picture is not: an artist is told, a farm looks at all of it."""
    node = opened(getattr(hosts, profile)).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    node.changed("track_button")
    assert node.render(1003) is not None, node.message
    node.wire("garbage", source(pictures["garbage"]))
    graph = with_pictures(roto_graph, "matte", {"garbage": pictures["garbage"]})
    wanted = render_graph(graph, "refine", [1003])
    if profile == "NUKE":
        node.render(1003)
        assert "press Track" in node.message[1]
        node.changed("track_button")
    assert np.array_equal(node.render(1003).pixels[..., 3], wanted[1003]), node.message


def graded(hosts, before, by):
    """A Grade on alpha behind a node."""

    def picture(time):
        shown = before.picture(time)
        pixels = shown.pixels.copy()
        pixels[..., 3] *= by
        return hosts.Frame(pixels, shown.origin)

    return hosts.Source(picture, before.first, before.last, rod=before.rod)


def test_an_alpha_that_somebody_changed_is_an_outside_matte(
    hosts, opened, source, plate, prompts, render_graph, roto_graph, tmp_path, write_plate
):
    """A Grade between Matte and Refine: the plate is known still, and the node says which."""
    host = opened()
    wire = source(plate)
    for name in ("Segment", "Track", "Matte"):
        node = host.instance(name, **({"prompts": prompts} if name == "Segment" else {}))
        node.wire("Source", wire)
        wire = hosts.downstream(node, 1001, 1005)
    between = graded(hosts, wire, np.float32(0.5))
    refine = host.instance("Refine")
    refine.wire("Source", between)
    got = {frame: refine.render(frame) for frame in FRAMES}
    kind, said = refine.message
    assert kind == "OfxMessageMessage"
    assert "outside matte" in said
    pictures = {f: between.picture(f).pixels[::-1] for f in plate}
    graph = {
        "drawn": {"type": "Read", "file": write_plate(tmp_path / "drawn", pictures, "RGBA")},
        "matte": {"type": "OutsideMatte", "inputs": {"plate": "plate", "picture": "drawn"}},
        "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
    }
    wanted = render_graph(graph, "refine", FRAMES)
    for frame in FRAMES:
        assert np.array_equal(got[frame].pixels[..., 3], wanted[frame])
        assert 0.4 < wanted[frame].max() < 0.6


@pytest.mark.parametrize("name", ["Track", "Roto"])
def test_a_hosts_roto_is_an_anchor_on_the_frames_that_the_artist_names(
    name, hosts, opened, source, plate, render_graph, tmp_path, write_plate
):
    rotoed = {f: p.copy() for f, p in plate.items()}
    y, x = np.mgrid[:72, :96]
    for frame, pixels in rotoed.items():
        pixels[..., 3] = np.hypot(x - (30 + 4 * (frame - 1001)), y - 32) < 15
    said = {"anchors": "1002"} if name == "Track" else {"track_anchors": "1002"}
    node = opened().instance(name, **said)
    node.wire("Source", source(rotoed))
    graph = {
        "drawn": {"type": "Read", "file": write_plate(tmp_path / "drawn", rotoed, "RGBA")},
        "masks": {"type": "OutsideMask", "inputs": {"plate": "plate", "picture": "drawn"}},
        "track": {
            "type": "Track",
            "inputs": {"plate": "plate", "masks": "masks"},
            "anchors": "1002",
        },
        "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
        "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
    }
    last = "track" if name == "Track" else "refine"
    wanted = render_graph(graph, last, [1002, 1004])
    for frame in (1002, 1004):
        got = node.render(frame)
        assert got is not None, node.message
        alpha = wanted[frame] > 0.5 if name == "Track" else wanted[frame]  # a mask is a decision
        assert np.array_equal(got.pixels[..., 3], alpha)
        assert wanted[frame].mean() > 0.05
    assert "outside matte" in node.message[1]


def test_masks_from_elsewhere_without_a_named_anchor_are_refused(opened, source, plate):
    rotoed = {f: p.copy() for f, p in plate.items()}
    for pixels in rotoed.values():
        pixels[20:40, 20:40, 3] = 0.0
    node = opened().instance("Track")
    node.wire("Source", source(rotoed))
    assert node.render(1002) is None
    assert "anchor" in node.message[1]


def test_behind_a_time_offset_the_recipe_is_known_still(
    hosts, opened, source, plate, prompts, render_graph, roto_graph
):
    host = opened()
    wire = source(plate)
    for name in ("Segment", "Track", "Matte"):
        node = host.instance(name, **({"prompts": prompts} if name == "Segment" else {}))
        node.wire("Source", wire)
        wire = hosts.downstream(node, 1001, 1005)
    before = wire
    later = hosts.Source(lambda time: before.picture(time - 10), 1011, 1015, rod=before.rod)
    refine = host.instance("Refine")
    refine.wire("Source", later)
    wanted = render_graph(roto_graph, "refine", [1003, 1004])
    for frame in (1003, 1004):
        got = refine.render(frame + 10)
        assert got is not None, refine.message
        assert np.array_equal(got.pixels[..., 3], wanted[frame])
    assert refine.message is None


def test_what_depends_on_the_frame_does_not_go_behind_a_time_offset(
    hosts, opened, source, plate, prompts
):
    """Its prompt would be on another frame than the artist saw: only the plate counts."""
    host = opened(hosts.NUKE)
    segment = host.instance("Segment", prompts=prompts)
    segment.wire("Source", source(plate))
    segment.changed("track_button")
    before = hosts.downstream(segment, 1001, 1005)
    later = hosts.Source(lambda time: before.picture(time - 10), 1011, 1015, rod=before.rod)
    said = json.loads(prompts)
    said[0]["frame"] = 1012
    track = host.instance("Track", prompts=json.dumps(said))
    track.wire("Source", later)
    assert track.render(1012) is not None
    assert "another frame" in track.message[1]

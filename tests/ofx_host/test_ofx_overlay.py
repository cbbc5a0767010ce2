"""Clicks on the viewer: what they write into the node's prompts, and what is drawn of it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rotograph import wire
from rotograph.graph import Graph
from rotograph.needs import Keys
from rotograph.plan import plan_outputs
from rotograph.prompt import parse_prompts
from rotograph.store import Store
from rotograph.wired import WiredEnvironment, wire_plates

HERE = Path(__file__).parent


def _load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def interact(hosts_module):
    return _load("interact")


@pytest.fixture(scope="module", name="hosts_module")
def hosts_module_fixture():
    return sys.modules["host"]


@pytest.fixture
def viewed(bundle, interact, hosts, source, plate, monkeypatch, tmp_path):
    """``viewed(node, **values)``: (viewer, overlay) of a node on a plate, without an engine."""
    monkeypatch.setenv("ROTOGRAPH_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "cache"))
    made = []

    def view(name="Segment", profile=interact.DRAWING, project=(96, 72), given=None, **values):
        viewer = interact.Viewer(bundle, profile, project)
        node = interact.seen(viewer.instance(name, **values), given or source(plate))
        overlay = interact.Overlay(viewer, node)
        made.append((viewer, node, overlay))
        return viewer, overlay

    yield view
    for viewer, node, overlay in made:
        overlay.destroy()
        node.destroy()
        viewer.unload()
        assert viewer.faults == []


def said(overlay, name="prompts"):
    """The prompts of a node, as the engine understands them."""
    text = overlay.node[name]
    return [p.to_json() for p in parse_prompts(json.loads(text))] if text else []


def point(x, y, frame=1001, layer="layer_01", positive=True):
    return {"frame": frame, "layer": layer, "point": [x, y], "positive": positive}


def box(x0, y0, x1, y1, frame=1001, layer="layer_01"):
    return {"frame": frame, "layer": layer, "box": [x0, y0, x1, y1]}


# -- adding -----------------------------------------------------------------------------------


def test_a_click_adds_a_point_inside_the_layer(viewed):
    viewer, overlay = viewed()
    overlay.click(30.25, 72 - 32.5)
    assert said(overlay) == [point(30.25, 32.5)]
    assert len(viewer.edits) == 1
    assert overlay.redraws > 0


def test_with_shift_or_the_tool_a_click_says_outside(viewed, interact):
    _, overlay = viewed()
    overlay.key(interact.SHIFT)
    overlay.click(10, 62)
    overlay.key(interact.SHIFT, "Up")
    overlay.click(20, 62)
    overlay.node["clicks_tool"] = 1
    overlay.click(40, 62)
    assert [p["positive"] for p in said(overlay)] == [False, True, False]


def test_shift_is_let_go_where_the_viewer_loses_the_keyboard(viewed, interact):
    _, overlay = viewed()
    overlay.key(interact.SHIFT)
    overlay.act("OfxInteractActionLoseFocus")
    overlay.click(10, 62)
    assert said(overlay)[0]["positive"]


def test_a_drag_from_an_empty_place_is_a_box_whichever_way_it_goes(viewed):
    _, overlay = viewed()
    overlay.drag(18, 72 - 15, 51, 72 - 49)
    overlay.drag(80, 10, 60, 40)
    assert said(overlay) == [box(18, 15, 51, 49), box(60, 32, 80, 62)]


def test_the_box_tool_adds_nothing_at_a_mere_click(viewed):
    _, overlay = viewed(clicks_tool=2)
    overlay.click(30, 30)
    assert said(overlay) == []
    overlay.drag(10, 10, 10.75, 12)
    assert said(overlay) == [box(10, 60, 10.75, 62)]


def test_prompts_are_of_the_frame_and_the_layer(viewed):
    viewer, overlay = viewed()
    overlay.click(30, 40)
    overlay.time = 1003
    overlay.node["clicks_layer"] = "zoé_02"
    overlay.click(30, 40)
    assert said(overlay) == [point(30, 32), point(30, 32, 1003, "zoé_02")]
    assert [len(e) for e in viewer.edits] == [1, 1]


def test_a_click_for_no_layer_is_refused_in_one_line(viewed):
    viewer, overlay = viewed(clicks_layer="")
    overlay.click(30, 40)
    assert overlay.node["prompts"] == ""
    assert overlay.node.message == (
        "OfxMessageError",
        "Layer: name the one that the click is for",
    )
    assert viewer.edits == []


def test_a_node_with_two_kinds_of_prompts_asks_which_is_meant(viewed):
    _, overlay = viewed("Roto")
    overlay.click(30, 40)
    overlay.node["clicks_for"] = 1
    overlay.click(60, 40)
    assert said(overlay) == [point(30, 32)]
    assert said(overlay, "track_prompts") == [point(60, 32)]
    overlay.drag(30, 40, 33, 40)  # a handle of the other one
    assert said(overlay) == [point(33, 32)]


def test_every_node_that_takes_prompts_can_be_clicked_and_no_other(bundle, interact):
    viewer = interact.Viewer(bundle, interact.DRAWING)
    can = {
        name.split(".")[-1]
        for name, plugin in viewer.plugins.items()
        if interact.V1 in plugin.descriptor.props.values
    }
    assert can == {"Segment", "Track", "Roto"}
    assert viewer.faults == []


# -- moving and deleting ------------------------------------------------------------------------


def test_a_point_is_dragged_and_the_rest_stays_letter_by_letter(viewed):
    first = '{"layer":"a",  "frame":1001, "point":[ 70,10 ],"positive":false }'
    last = '{"frame": 1002, "layer": "é\\u00e9", "mask": "m.exr", "whole": true}'
    text = f'[ {first} ,{{"point":[30, 32], "layer":"b","frame":1001}},\n{last}]\n'
    viewer, overlay = viewed(prompts=text)
    overlay.drag(30, 40, 36, 30)
    moved = '{"point":[36, 42], "layer":"b","frame":1001}'
    assert overlay.node["prompts"] == f"[{first}, {moved}, {last}]"
    assert len(viewer.edits) == 1


def test_a_box_is_changed_by_its_corners_and_sides(viewed):
    _, overlay = viewed(prompts=json.dumps([box(20, 20, 60, 50)]))
    overlay.drag(20, 72 - 20, 16, 72 - 24)
    assert said(overlay) == [box(16, 24, 60, 50)]
    overlay.drag(60, 72 - 40, 70, 72 - 10)  # the right side goes right only
    assert said(overlay) == [box(16, 24, 70, 50)]
    overlay.drag(40, 72 - 50, 45, 72 - 10)  # the lower side goes over the upper one
    assert said(overlay) == [box(16, 10, 70, 24)]


def test_a_click_on_a_handle_changes_nothing(viewed):
    viewer, overlay = viewed(prompts=json.dumps([point(30, 32)]))
    overlay.click(30.5, 40)
    assert said(overlay) == [point(30, 32)]
    assert viewer.edits == []


@pytest.mark.parametrize("key", ["DELETE", "BACKSPACE"])
def test_delete_takes_away_what_is_under_the_pen(viewed, interact, hosts, key):
    _, overlay = viewed(prompts=json.dumps([point(30, 32), box(50, 10, 80, 40), point(60, 60)]))
    overlay.pen("Motion", 50, 72 - 25)  # on the box's side
    assert overlay.key(getattr(interact, key)) == hosts.OK
    assert said(overlay) == [point(30, 32), point(60, 60)]
    overlay.pen("Motion", 5, 5)
    assert overlay.key(getattr(interact, key)) == hosts.DEFAULT, "the host's own key then"
    assert len(said(overlay)) == 2


def test_the_tool_removes_without_a_keyboard(viewed, hosts):
    _, overlay = viewed(clicks_tool=3, prompts=json.dumps([point(30, 32)]))
    assert overlay.click(70, 40) == hosts.DEFAULT
    overlay.click(30, 40)
    assert overlay.node["prompts"] == "[]"


def test_what_lies_on_another_frame_cannot_be_reached(viewed, interact):
    _, overlay = viewed(prompts=json.dumps([point(30, 32, 1003)]))
    overlay.pen("Motion", 30, 40)
    overlay.key(interact.DELETE)
    assert said(overlay) == [point(30, 32, 1003)]
    overlay.click(30, 40)
    assert said(overlay) == [point(30, 32, 1003), point(30, 32)]


def test_escape_gives_a_drag_up(viewed, interact):
    viewer, overlay = viewed(prompts=json.dumps([point(30, 32)]))
    overlay.pen("Motion", 30, 40)
    overlay.pen("Down", 30, 40)
    overlay.pen("Motion", 60, 40)
    overlay.key(interact.ESCAPE)
    overlay.pen("Up", 60, 40)
    assert said(overlay) == [point(30, 32)]
    assert viewer.edits == []


# -- the string -----------------------------------------------------------------------------------


def test_each_edit_is_one_step_of_undo(viewed):
    viewer, overlay = viewed()
    overlay.click(30, 40)
    overlay.drag(50, 10, 80, 40)
    overlay.drag(30, 40, 36, 40)
    assert said(overlay) == [point(36, 32), box(50, 32, 80, 62)]
    viewer.undo(overlay.node)
    assert said(overlay) == [point(30, 32), box(50, 32, 80, 62)]
    viewer.undo(overlay.node)
    assert said(overlay) == [point(30, 32)]
    overlay.drag(30, 40, 20, 20)
    assert said(overlay) == [point(20, 52)], "the pen goes by what the host put back"
    viewer.undo(overlay.node)
    viewer.undo(overlay.node)
    assert overlay.node["prompts"] == ""


def test_an_undo_in_the_middle_of_a_drag_is_not_written_over(viewed):
    viewer, overlay = viewed(prompts=json.dumps([point(30, 32), point(60, 32)]))
    overlay.pen("Motion", 60, 40)
    overlay.pen("Down", 60, 40)
    overlay.pen("Motion", 70, 40)
    overlay.node["prompts"] = json.dumps([point(30, 32)])
    overlay.pen("Up", 70, 40)
    assert said(overlay) == [point(30, 32)]
    assert viewer.edits == []


def test_a_pasted_node_shows_the_same(viewed, interact, source, plate):
    viewer, overlay = viewed()
    overlay.click(30, 40)
    overlay.drag(50, 10, 80, 40)
    copied = {n: p.value for n, p in overlay.node.params.items() if "String" in p.type}
    pasted = interact.seen(viewer.instance("Segment", **copied), source(plate))
    other = interact.Overlay(viewer, pasted)
    assert said(other) == said(overlay)
    overlay.pen("Motion", 0, 0)
    wanted = [(line.kind, line.points.tolist(), line.colour) for line in overlay.draw()]
    assert [(line.kind, line.points.tolist(), line.colour) for line in other.draw()] == wanted
    other.click(10, 40)
    assert len(said(overlay)) == 2
    other.destroy()
    pasted.destroy()


@pytest.mark.parametrize("text", ['[{"frame": 1001', '{"frame": 1}', "no json", '["a", ]'])
def test_what_is_not_understood_is_told_once_and_never_written_over(viewed, text):
    viewer, overlay = viewed(prompts=text)
    overlay.draw()
    overlay.click(30, 40)
    overlay.drag(10, 10, 50, 50)
    assert overlay.node["prompts"] == text
    assert overlay.node.message == (
        "OfxMessageError",
        "Prompts: are not understood; undo the last edit",
    )
    assert viewer.edits == []
    overlay.node["prompts"] = "[]"
    assert overlay.node.message is None
    overlay.click(30, 40)
    assert said(overlay) == [point(30, 32)]


def test_entries_that_cannot_be_shown_are_kept(viewed):
    strange = (
        '[7, {"frame": 1001, "layer": "a", "point": [1]}, {"frame": "x"}, '
        '{"box": [[1], 2, 3, 4]}, null]'
    )
    _, overlay = viewed(prompts=strange)
    overlay.draw()
    overlay.click(30, 40)
    kept = json.loads(overlay.node["prompts"])
    assert kept[:-1] == json.loads(strange)
    assert kept[-1] == {"frame": 1001, "layer": "layer_01", "point": [30, 32]}


# -- geometry -------------------------------------------------------------------------------------


def test_wide_pixels(viewed, source, plate):
    _, overlay = viewed(project=(192, 72), given=source(plate, aspect=2.0))
    overlay.click(61, 40)
    assert said(overlay) == [point(30.5, 32)]
    overlay.drag(61, 40, 81, 40)
    assert said(overlay) == [point(40.5, 32)]


def test_a_proxy_moves_nothing(viewed):
    """Pens and drawing are canonical, whatever the scale of the picture below."""
    _, overlay = viewed()
    overlay.scale = 0.5
    overlay.click(30, 40)
    assert said(overlay) == [point(30, 32)]
    centre = np.mean([line.points.mean(0) for line in overlay.draw() if line.kind == 0][:1], 0)
    assert centre.tolist() == [30, 40]


def test_overscan_counts_from_the_formats_corner(viewed, source, plate):
    moved = {f: np.pad(p, ((6, 4), (8, 2), (0, 0)), mode="edge") for f, p in plate.items()}
    _, overlay = viewed(given=source(moved, origin=(-8, -4)))
    overlay.click(30, 40)
    assert said(overlay) == [point(30, 32)]


def test_a_pen_outside_the_picture_adds_nothing(viewed, hosts):
    _, overlay = viewed()
    for x, y in ((-3, 40), (96.5, 40), (30, -1), (30, 72.5), (1e300, 40), (float("nan"), 40)):
        assert overlay.click(x, y) == hosts.DEFAULT
    assert overlay.node["prompts"] == ""
    overlay.drag(80, 60, 500, 300)
    assert said(overlay) == [box(80, 0, 96, 12)]
    overlay.drag(80, 60, -40, 50)  # a corner never leaves the picture
    assert said(overlay) == [box(0, 0, 96, 22)]
    overlay.drag(0, 50, 30, 200)
    assert said(overlay) == [box(0, 0, 96, 22)], "a box without an inside is none"


def test_the_reach_of_a_handle_is_in_pixels_of_the_screen(viewed):
    _, overlay = viewed(prompts=json.dumps([point(30, 32)]))
    overlay.zoom = 0.5  # seven pixels of the screen are fourteen of the plate
    overlay.drag(44, 40, 60, 40)
    assert said(overlay) == [point(46, 32)]
    overlay.zoom = 20.0
    overlay.click(45, 40)
    assert said(overlay) == [point(46, 32), point(45, 32)]


# -- drawing --------------------------------------------------------------------------------------


def shapes(lines):
    """What is drawn, without colours, widths and place: shape by shape."""
    return [
        (line.kind, np.round(line.points - line.points.mean(0), 6).tolist())
        for line in lines
        if not line.rim
    ]


def test_inside_and_outside_differ_in_shape(viewed):
    _, overlay = viewed(prompts=json.dumps([point(30, 32)]))
    inside = shapes(overlay.draw())
    overlay.node["prompts"] = json.dumps([point(30, 32, positive=False)])
    outside = shapes(overlay.draw())
    assert inside != outside
    crossing = [k for k, points in inside if len(points) == 4 and k == 0]
    assert crossing, "inside is a plus"
    assert next(len(points) for k, points in outside if k == 0) == 2, "outside is a minus"


def test_everything_has_a_dark_rim(viewed):
    _, overlay = viewed(prompts=json.dumps([point(30, 32), box(50, 10, 80, 40)]))
    lines = overlay.draw()
    for rim, line in zip(lines[::2], lines[1::2], strict=True):
        assert rim.rim
        assert not line.rim
        assert np.array_equal(rim.points, line.points)
        assert rim.width > line.width


def test_layers_have_colours_and_the_chosen_one_stands_out(viewed):
    names = ("layer_01", "person_01", "car")
    _, overlay = viewed(
        prompts=json.dumps([point(20 + 20 * i, 32, layer=n) for i, n in enumerate(names)])
    )
    crosses = [line for line in overlay.draw() if line.kind == 0 and not line.rim][:3]
    assert crosses[0].width > crosses[1].width == crosses[2].width
    assert len({line.colour for line in crosses}) > 1


def test_a_drag_is_seen_before_it_is_written(viewed):
    _, overlay = viewed()
    overlay.pen("Motion", 50, 10)
    overlay.pen("Down", 50, 10)
    overlay.pen("Motion", 80, 40)
    corners = [sorted(map(tuple, line.points.tolist())) for line in overlay.draw()]
    assert [(50, 10), (50, 40), (80, 10), (80, 40)] in corners
    assert overlay.node["prompts"] == ""
    overlay.pen("Up", 80, 40)
    corners = [sorted(map(tuple, line.points.tolist())) for line in overlay.draw()]
    assert [(50, 10), (50, 40), (80, 10), (80, 40)] in corners


def test_anchors_lie_along_the_lower_edge_in_the_order_of_frames(viewed):
    _, overlay = viewed(
        prompts=json.dumps([point(5, 5, 1001), point(5, 5, 1005), point(5, 5, 900)])
    )
    overlay.time = 1003
    lines = [line for line in overlay.draw() if not line.rim]
    anchors = [line.points.mean(0).tolist() for line in lines if len(line.points) == 4]
    assert [x for x, _ in anchors] == [3.0, 93.0], "twelve pixels of the screen from the edges"
    strip, here = (line.points for line in lines if len(line.points) == 2)
    assert strip[:, 0].tolist() == [3.0, 93.0]
    assert here[:, 0].tolist() == [48.0, 48.0]


def test_the_overlay_can_be_put_away(viewed, hosts):
    _, overlay = viewed(prompts=json.dumps([point(30, 32)]), clicks_shown=0)
    assert overlay.draw() == []
    assert overlay.click(50, 40) == hosts.DEFAULT
    assert said(overlay) == [point(30, 32)]


def test_without_a_draw_suite_and_opengl_nothing_is_drawn(viewed, hosts):
    _, overlay = viewed(profile=hosts.NATRON, prompts=json.dumps([point(30, 32)]))
    overlay.draw()
    assert overlay.status == hosts.DEFAULT
    overlay.click(60, 40)
    assert len(said(overlay)) == 2


# -- with the engine ------------------------------------------------------------------------------


@pytest.fixture
def working(bundle, wired, interact, source, plate):
    """``working(node, **values)``: as ``viewed``, with a real engine."""
    made = []

    def view(name="Segment", profile=interact.DRAWING, given=None, **values):
        viewer = interact.Viewer(bundle, profile, (96, 72))
        node = interact.seen(viewer.instance(name, **values), given or source(plate))
        made.append(viewer)
        return viewer, interact.Overlay(viewer, node)

    yield view
    for viewer in made:
        viewer.unload()
        assert viewer.faults == []


def test_clicks_and_track_give_the_matte_of_the_same_graph(working, render_graph, plate):
    _, segment = working("Segment")
    segment.time = 1002
    segment.drag(18, 72 - 15, 51, 72 - 49)
    segment.click(34, 72 - 32)
    assert segment.node.changed("track_button") == 0
    assert segment.node.message is None
    graph = {"segment": {"type": "Segment", "inputs": {"plate": "plate"}, "prompts": said(segment)}}
    wanted = render_graph(graph, "segment", [1002])
    mask = wanted[1002] > 0.5  # a file has the scores, a host the decision
    assert np.array_equal(segment.node.render(1002).pixels[..., 3], mask)
    assert mask.mean() > 0.05


def test_clicks_in_roto_and_track_give_the_matte_of_the_same_graph(
    working, render_graph, roto_graph, plate
):
    _, roto = working("Roto")
    roto.time = 1002
    roto.drag(18, 72 - 15, 51, 72 - 49)
    roto.node["clicks_for"] = 1
    roto.time = 1004
    roto.click(42, 72 - 32)
    roto.node.changed("track_button")
    assert roto.node.message is None
    roto_graph["segment"]["prompts"] = said(roto)
    roto_graph["track"]["prompts"] = said(roto, "track_prompts")
    frames = sorted(plate)
    wanted = render_graph(roto_graph, "refine", frames)
    for frame in frames:
        assert np.array_equal(roto.node.render(frame).pixels[..., 3], wanted[frame])


def test_the_first_correction_of_a_tracked_frame_keeps_what_was_there(working):
    drawn = '[{"frame":1001,"layer":"layer_01","box":[16,14,53,50]}]'
    viewer, roto = working("Roto", prompts=drawn)
    roto.node.changed("track_button")
    before = roto.node.render(1003).pixels[..., 3]
    roto.node["clicks_for"] = 1
    roto.time = 1003
    roto.click(3, 72 - 3)
    kept, correction = said(roto, "track_prompts")
    assert (kept["frame"], kept["layer"], kept["whole"]) == (1003, "layer_01", True)
    assert kept["mask"].startswith("inline:")
    assert correction == point(3, 3, frame=1003)
    viewer.undo(roto.node)
    assert said(roto, "track_prompts") == [], "both are one step of undo"
    roto.node["track_prompts"] = json.dumps([kept])
    roto.node.changed("track_button")
    after = roto.node.render(1003).pixels[..., 3]
    assert before.mean() > 0.05
    assert np.abs(after - before).mean() < 0.01, "the mask alone is the frame as it was"
    roto.node["track_prompts"] = json.dumps([kept, correction])
    roto.click(60, 72 - 3)
    assert len(said(roto, "track_prompts")) == 3, "it is an anchor now"


def test_a_correction_where_nothing_was_tracked_stands_alone(working):
    _, roto = working("Roto")
    roto.node["clicks_for"] = 1
    roto.time = 1003
    roto.click(20, 72 - 20)
    assert said(roto, "track_prompts") == [point(20, 20, frame=1003)]
    assert roto.node.message is None


def test_the_outline_of_what_was_rendered_lies_on_its_edge(working):
    _, overlay = working("Segment", prompts='[{"frame":1002,"layer":"d","box":[18,15,51,49]}]')
    overlay.time = 1002
    assert not [line for line in overlay.draw() if len(line.points) > 12]
    alpha = overlay.node.render(1002).pixels[..., 3]
    pieces = [line for line in overlay.draw() if len(line.points) > 12 and not line.rim]
    points = np.concatenate([line.points for line in pieces])
    x, y = np.floor(points - 0.5).astype(int).T
    around = np.pad(alpha, 2)
    least = np.min([around[y + 2 + j, x + 2 + i] for i in (0, 1) for j in (0, 1)], 0)
    most = np.max([around[y + 2 + j, x + 2 + i] for i in (0, 1) for j in (0, 1)], 0)
    assert (least <= 0.5).all()
    assert (most >= 0.5).all()
    assert np.ptp(points[:, 0]) > 20
    overlay.time = 1003
    assert not [line for line in overlay.draw() if len(line.points) > 12], "another frame"
    overlay.time = 1002
    overlay.click(34, 72 - 32)
    assert not [line for line in overlay.draw() if len(line.points) > 12], "never a stale one"


def still_to_do(folder, nodes, recipe):
    """The frames of a graph's Refine that are not in the store, as the engine would plan them."""
    told = recipe["plates"]["plate"] if "plates" in recipe else recipe
    plate = msgspec.convert({n: told[n] for n in ("picture", "frames")}, wire.Plate)
    graph = Graph.from_dict({"rotograph": 1, "nodes": nodes}, folder)
    wire_plates(graph, {"plate": plate})
    keys = Keys(graph, WiredEnvironment(Store(folder), plates={"plate": plate}))
    made = plan_outputs(keys, "refine", (), sorted(map(int, plate.frames)))
    return made.dirty_frames().get("refine", [])


@pytest.mark.parametrize(
    ("button", "frames"),
    [
        ("track_button", [1001, 1002, 1003, 1004, 1005]),
        ("track_button_forward", [1003, 1004, 1005]),
        ("track_button_backward", [1001, 1002, 1003]),
        ("track_button_next", [1004]),
        ("track_button_previous", [1002]),
    ],
)
def test_the_buttons_track_what_they_say(working, tmp_path, prompts, roto_graph, button, frames):
    viewer, overlay = working("Roto", prompts=prompts)
    node = overlay.node
    node.time = 1003.0
    node.changed(button)
    assert node.message is None
    assert len(node.reports) >= 1
    nodes = {"plate": {"type": "Read", "file": ""}, **roto_graph}
    left = still_to_do(tmp_path / "cache", nodes, json.loads(node["recipe"]))
    assert left == sorted({*range(1001, 1006)} - {*frames})
    assert viewer.times == ([float(frames[0])] if len(frames) == 1 else [])


def test_a_step_beyond_the_last_frame_does_nothing(working, prompts):
    viewer, overlay = working("Roto", prompts=prompts)
    overlay.node.time = 1005.0
    overlay.node.changed("track_button_next")
    assert overlay.node["recipe"] == ""
    assert viewer.times == []
    assert overlay.node.message is None


def test_a_step_can_be_cancelled(working, prompts):
    viewer, overlay = working("Roto", prompts=prompts)
    overlay.node.time = 1003.0
    overlay.node.progress = lambda part: False
    overlay.node.changed("track_button_next")
    assert overlay.node["recipe"] == ""
    assert viewer.times == []


# -- in a process of its own ----------------------------------------------------------------------


def test_software_opengl_shows_it_on_a_plate(bundle, tmp_path):
    """What an artist sees: rendered by Mesa, for the pixels' sake and to be looked at."""
    done = subprocess.run(
        [sys.executable, str(HERE / "pens.py"), "look", str(bundle), str(tmp_path / "seen.npz")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["faults"] == []
    assert told["state_before"] == told["state_after"]
    assert told["state_after"][-1] == 0
    seen = np.load(tmp_path / "seen.npz")
    before, after = seen["plate"].astype(int), seen["overlay"].astype(int)
    changed = np.abs(after - before).sum(2) > 60
    assert changed[seen["inside"]].any()
    assert changed[seen["outside"]].any()
    assert changed.mean() < 0.1


def random_pens(bundle, count, folder, **more):
    """Random pens and keys in a process of their own; gives back what it wrote to stderr."""
    nobody = {"ROTOGRAPH_SOCKET": str(folder / "nobody"), "ROTOGRAPH_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, str(HERE / "pens.py"), "random", str(bundle), str(count)],
        env={**os.environ, **nobody, **more},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["faults"] == []
    assert told["edits"] > count / 100
    return done.stderr


def test_random_pens_break_no_manners(bundle, tmp_path):
    random_pens(bundle, 2000, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
def test_random_pens_leave_nothing_behind(build, tmp_path):
    """Under AddressSanitizer, LeakSanitizer and UBSan."""
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    said = random_pens(
        build(sanitize=True, out=tmp_path / "sanitized"),
        10_000,
        tmp_path,
        LD_PRELOAD=library,
        ASAN_OPTIONS="detect_leaks=1:exitcode=0",  # Python's own leaks are not ours
        PYTHONMALLOC="malloc",
    )
    assert "ERROR: AddressSanitizer" not in said, said[-3000:]
    blamed = [line for line in said.splitlines() if "plugin/ofx" in line]
    assert not blamed, "\n".join(blamed[:20])

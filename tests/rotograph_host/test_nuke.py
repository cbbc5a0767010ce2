"""The node set through files, in a stand-in for Nuke, on a real plate and with the real engine."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.environment import Environment
from rotograph.render import render
from rotograph.store import Store

BOX = (21, 17, 79, 75)
HEIGHT = 96


@pytest.fixture
def plate(nuke, make_shot):
    """A Read of two frames of the moving disc; the script is saved beside it."""
    shot = make_shot(2)
    read = nuke.createNode("Read")
    read["file"].setValue(f"{shot.folder}/plate.####.exr")
    read["first"].setValue(1001)
    read["last"].setValue(1002)
    nuke.root()["name"].setValue(str(shot.folder / "comp.nk"))
    read.shot = shot
    return read


def wired(nuke, plate, *names, suffix="Files"):
    """Nodes one after the other behind the plate; the first is told where the disc is."""
    before, made = plate, []
    for name in names:
        node = nuke.createNode(f"Rotograph{name}{suffix}")
        node.setInput(0, before)
        made.append(node)
        before = node
    return made


def say_box(node):
    """Draw the box on the viewer, name the layer and press the button."""
    x0, y0, x1, y1 = BOX
    node["box"].setValue((x0, HEIGHT - y1, x1, HEIGHT - y0))  # Nuke counts upward
    node["layer"].setValue("disc")
    node.press("add_box")


@pytest.mark.slow
def test_five_nodes_make_the_same_matte_as_the_command_line(nuke, plate, engine, tmp_path):
    nodes = wired(nuke, plate, "Segment", "Track", "Matte", "Refine")
    say_box(nodes[0])
    assert "disc: 1001 (1 box)" in nodes[0]["said"].value()
    nodes[-1]["feather"].setValue(3.0)
    nodes[-1].press("render")
    assert not nuke.said
    pattern = nodes[-1]["mattes"].value()
    read = nodes[-1].node("Mattes")
    assert (read["file"].value(), read["first"].value(), read["last"].value()) == (
        pattern,
        1001,
        1002,
    )
    assert nodes[-1]["ready"].value() is True

    document = plate.shot.document()
    document["nodes"]["segment"]["prompts"] = [{"frame": 1001, "layer": "disc", "box": list(BOX)}]
    document["nodes"]["refine"]["feather"] = 3.0
    del document["nodes"]["plate"]["colour_space"]
    done = render(
        Graph.from_dict(document, plate.shot.folder), Environment(Store(tmp_path / "other")), None
    )
    assert done.complete
    for frame in (1001, 1002):
        ours = exr.read(pattern.replace("####", str(frame))).pixels
        np.testing.assert_array_equal(ours, exr.read(plate.shot.matte(frame)).pixels)
        assert ours.astype(np.float32).mean() > 0.05


@pytest.mark.slow
def test_render_by_a_process_of_its_own_gives_the_same_files(nuke, plate, engine):
    (node,) = wired(nuke, plate, "Roto")
    say_box(node)
    node.press("render")
    assert node["mattes"].value().endswith(f"/rotograph/{node.name()}/{node.name()}.####.exr")
    by_engine = exr.read(node["mattes"].value().replace("####", "1002")).pixels
    node["way"].setValue("command")
    node["refine_grow"].setValue(2.0)
    node.press("render")
    assert not nuke.said
    by_command = exr.read(node["mattes"].value().replace("####", "1002")).pixels
    assert by_command.astype(np.float32).sum() > by_engine.astype(np.float32).sum()


@pytest.mark.slow
def test_tracking_many_and_reads_of_finished_mattes(nuke, plate, engine):
    from rotograph_host import nuke_menu

    segment, *rest = wired(nuke, plate, "Segment", "Track", "Matte")
    say_box(segment)
    (other,) = wired(nuke, plate, "Roto")
    say_box(other)
    assert [node.name() for node in nuke_menu.ends(nuke.allNodes())] == [
        rest[-1].name(),
        other.name(),
    ]
    assert nuke_menu.track_all() == 2
    assert any(percent > 0 for _, percent in nuke.ProgressTask.shown)
    rest[-1].setSelected(True)
    other.setSelected(False)
    (read,) = nuke_menu.render_selected()
    assert read.Class() == "Read"
    assert exr.read(read["file"].value().replace("####", "1001")).pixels.max() > 0.9
    nuke.clipnames = [f"{read['file'].value()} 1001-1002"]
    (again,) = nuke_menu.read_finished()
    assert again["last"].value() == 1002
    assert "at work" in nuke_menu.engine_status()


def test_a_precomp_bakes_and_refuses_to_read_what_is_not_there(nuke, plate, tmp_path):
    node = nuke.createNode("RotoPrecomp")
    node.setInput(0, plate)
    node["file"].setValue(f"{tmp_path}/baked/p.####.exr")
    node["first"].setValue(1001)
    node["last"].setValue(1002)
    node.press("reuse")
    assert "frame 1001 and 1 more is not there; press Bake" in nuke.said.pop()
    assert node["use"].value() is False
    node.press("bake")
    assert not nuke.said
    assert node["use"].value() is True
    assert node.node("Baked")["on_error"].value() == "error"
    (tmp_path / "baked" / "p.1002.exr").unlink()
    node.press("reuse")
    assert "frame 1002 is not there" in nuke.said.pop()


def test_what_changes_the_picture_on_the_way_is_refused_and_what_does_not_is_not(nuke, plate):
    from rotograph_host import chain, in_nuke

    grade = nuke.createNode("Grade")
    grade.setInput(0, plate)
    dot = nuke.createNode("Dot")
    dot.setInput(0, grade)
    (node,) = wired(nuke, dot, "Segment")
    with pytest.raises(chain.HostError, match=r"Grade1 \(Grade\): changes the picture"):
        chain.build(node, in_nuke.look)
    grade["disable"].setValue(True)
    assert chain.build(node, in_nuke.look).plate == "Read1"
    refine, track = wired(nuke, node, "Refine", "Track")
    refine.add("disable", "true")
    assert len(chain.build(track, in_nuke.look).nodes) == 3  # Read, Segment, Track


def test_a_moving_number_is_a_keyframe_on_every_frame(nuke, plate):
    from rotograph_host import chain, in_nuke

    nodes = wired(nuke, plate, "Segment", "Matte")
    say_box(nodes[0])
    nodes[1]["outside"].setKeys({1001: 10.0, 1002: 12.5})
    nodes[1]["inside"].setKeys({1001: 9.0, 1002: 9.0})
    built = chain.build(nodes[1], in_nuke.look)
    matte = built.nodes[built.last]
    assert matte["outside"] == {"keys": {"1001": 10.0, "1002": 12.5}}
    assert matte["inside"] == 9.0
    Graph.from_dict(chain.document(built), plate.shot.folder).check()


def test_an_unsaved_script_and_an_empty_box_are_one_line(nuke, plate, engine):
    (node,) = wired(nuke, plate, "Roto")
    node["layer"].setValue("disc")
    node["box"].setValue((50.0, 50.0, 50.0, 50.0))
    node.press("add_box")
    assert "draw it around the object" in nuke.said.pop()
    say_box(node)
    nuke.root()["name"].setValue("Root")
    node.press("render")
    assert nuke.said == ["the script is not saved yet; save it, so that mattes can lie beside it"]


def test_a_group_around_the_plugin_is_tracked_by_the_plugins_own_values(nuke, plate, monkeypatch):
    from rotograph_host import chain, declared, in_nuke

    kinds = {"float": 7, "int": 3, "bool": 6, "choice": 4}
    knobs = {
        k["name"]: k for n in declared.table()["nodes"].values() for k in n["knobs"] if "node" in k
    }

    def plugin_knob(node, name):
        known = knobs.get(name, {"kind": "text", "default": ""})
        made = type(plate["file"])(name, kinds.get(known["kind"], 1), known.get("choices"))
        made.setValue(known["default"] if known["default"] != [] else "")
        return made

    monkeypatch.setattr(nuke, "plugin_knob", plugin_knob)
    segment, matte = wired(nuke, plate, "Segment", "Matte", suffix="")
    prompt = [{"frame": 1001, "layer": "disc", "box": list(BOX)}]
    segment.node("Plugin")["prompts"].setValue(json.dumps(prompt))
    matte.node("Plugin")["outside"].setValue(20.0)
    built = chain.build(matte, in_nuke.look)
    assert built.nodes[segment.name()]["prompts"] == prompt
    assert built.nodes[matte.name()]["outside"] == 20.0
    assert set(built.nodes[matte.name()]) == {"type", "inputs", "outside"}


def test_a_relative_plate_and_a_colour_space(nuke, plate, monkeypatch):
    from rotograph_host import chain, in_nuke

    (node,) = wired(nuke, plate, "Segment")
    for name, value in (("colorManagement", "OCIO"), ("OCIO_config", "aces_1.2")):
        nuke.root().add(name, value)
    plate.add("colorspace", "default (ACES - ACEScg)")
    monkeypatch.delenv("OCIO", raising=False)
    assert "colour_space" not in chain.build(node, in_nuke.look).nodes["Read1"]
    nuke.root()["OCIO_config"].setValue("custom")
    nuke.root().add("customOCIOConfigPath", "/configs/show.ocio")
    assert chain.build(node, in_nuke.look).nodes["Read1"]["colour_space"] == "ACES - ACEScg"
    assert in_nuke.config() == "/configs/show.ocio"
    plate["file"].setValue("plate.####.exr")
    with pytest.raises(chain.HostError, match="is no full path"):
        chain.build(node, in_nuke.look)
    nuke.root().add("project_directory", "/shows/x")
    assert chain.build(node, in_nuke.look).nodes["Read1"]["file"] == "/shows/x/plate.####.exr"
    plate["file"].setValue("[file dirname [value root.name]]/plate.####.exr")
    assert chain.build(node, in_nuke.look).nodes["Read1"]["file"] == "/s/plate.####.exr"
    plate["file"].setValue("/s/[value name].####.exr")
    with pytest.raises(chain.HostError, match="write the file's name out"):
        chain.build(node, in_nuke.look)


def test_with_the_plugin_a_menu_makes_the_other_kind_of_group(nuke, plate):
    from rotograph_host import nuke_menu

    assert nuke_menu.create("Track").name().startswith("RotographTrackFiles")
    nuke_menu.has_plugin.cache_clear()
    nuke.env["nc"] = False
    assert nuke_menu.create("Track").name().startswith("RotographTrackFiles")
    nuke_menu.has_plugin.cache_clear()
    nuke._chosen_plugins = ["OFXorg.rotograph.track_v1"]
    count = len(nuke.allNodes())
    node = nuke_menu.create("Track")
    assert len(nuke.allNodes()) == count + 1
    assert node["rotograph"].value() == "Track"
    node.press("clicks")
    assert node.node("Plugin").opened


def test_prompts_are_kept_as_the_graph_file_has_them(nuke, plate):
    (node,) = wired(nuke, plate, "Segment")
    say_box(node)
    node["point"].setValue((50.0, 40.0))
    node.press("add_outside")
    assert json.loads(node["prompts"].value()) == [
        {"frame": 1001, "layer": "disc", "box": list(BOX)},
        {"frame": 1001, "layer": "disc", "point": [50.0, 56.0], "positive": False},
    ]
    node.press("delete")
    assert node["prompts"].value() == "[]"

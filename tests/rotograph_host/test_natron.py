"""The PyPlugs and the menu, in a stand-in for Natron, on a real plate and with the real engine."""

from __future__ import annotations

import importlib
import sys
import types

import pytest

from rotograph import Graph, exr
from rotograph.generate.hosted import hosted_nodes

KINDS = {"float": "Double", "int": "Int", "bool": "Boolean", "choice": "Choice", "file": "File"}
BOX = '[{"frame": 1001, "layer": "disc", "box": [21, 17, 79, 75]}]'


@pytest.fixture
def loaded(natron):
    """With the plugin's nodes, whose parameters are those of the declarations."""
    for node in hosted_nodes():
        natron.plugins[node.identifier] = {
            k.name: KINDS.get(k.declared.kind, "String") for k in node.knobs
        }
        own = {"button": "Button", "choice": "Choice", "text": "String", "bool": "Boolean"}
        natron.plugins[node.identifier].update({o.name: own[o.kind] for o in node.shown})
    return natron


@pytest.fixture
def plate(loaded, make_shot):
    shot = make_shot(2)
    read = loaded.createReader(f"{shot.folder}/plate.####.exr")
    read.getParam("firstFrame").set(1001)
    read.getParam("lastFrame").set(1002)
    loaded.folder = str(shot.folder)
    read.shot = shot
    return read


def pyplug(natron, name):
    """A group as Natron makes it of a PyPlug."""
    module = importlib.import_module(f"Rotograph{name}")
    group = natron.group()
    module.createInstance(natron, group)
    group.identifier, group.label = module.getPluginID(), module.getLabel()
    return group, module


@pytest.mark.parametrize("node", hosted_nodes(), ids=lambda node: node.name)
def test_a_pyplug_shows_every_parameter_of_the_plugin_with_range_and_help(loaded, node):
    group, module = pyplug(loaded, node.name)
    plugin = group.getNode("Plugin")
    for knob in node.knobs:
        shown = group.getParam(knob.name)
        assert shown.alias is plugin.getParam(knob.name)
        assert (shown.label, shown.said["Help"]) == (knob.declared.label, knob.tooltip)
        if knob.declared.kind in ("float", "int") and knob.declared.minimum is not None:
            assert shown.said["Minimum"] == knob.declared.minimum
        shown.set("moved")
        assert plugin.getParam(knob.name).get() == "moved"
    button = group.getParam("track_button")
    module.paramChanged(button, group, None, loaded, True)
    assert plugin.getParam("track_button").pressed == 1
    assert group.getParam("output").alias is plugin.getParam("output")
    assert [plugin.getInput(i).label for i in range(len(node.ports))] == [n for n, _ in node.ports]
    assert group.getNode("Output1").getInput(0) is plugin
    assert (module.getVersion(), module.getGrouping()) == (node.version, "Rotograph/PyPlugs")


def test_without_the_plugin_a_pyplug_says_so(natron):
    with pytest.raises(RuntimeError, match="check OFX_PLUGIN_PATH"):
        pyplug(natron, "Track")


@pytest.mark.slow
def test_chains_are_tracked_and_their_mattes_read(loaded, plate, engine):
    from rotograph_host import natron_menu

    roto = loaded.createNode("org.rotograph.Roto")
    dot = loaded.createNode("fr.inria.built-in.Dot")
    dot.connectInput(0, plate)
    roto.connectInput(0, dot)
    roto.getParam("prompts").set(BOX)
    roto.getParam("track_overlap").set(1)
    roto.selected = True
    for knob in next(n for n in hosted_nodes() if n.name == "Roto").knobs:
        default = knob.declared.default
        if knob.name not in ("prompts", "track_overlap"):
            choices = knob.declared.choices
            value = choices.index(default) if choices else "" if default == () else default
            roto.getParam(knob.name).set(value)
    assert natron_menu.track([roto]) == 1
    (read,) = natron_menu.render_selected()
    assert not loaded.said
    first = read.getParam("filename").get().replace("####", "1001")
    assert exr.read(first).pixels.max() > 0.9
    natron_menu.engine_status()
    assert "at work" in loaded.said[0]


def test_the_menu_is_made_of_names_that_natron_can_call(loaded, monkeypatch):
    import __main__
    from rotograph_host import natron_menu

    made = {}
    gui = types.ModuleType("NatronGui")
    gui.natron = types.SimpleNamespace(addMenuCommand=made.__setitem__)
    monkeypatch.setitem(sys.modules, "NatronGui", gui)
    natron_menu.add()
    assert list(made) == [
        "Rotograph/Track selected",
        "Rotograph/Track all",
        "Rotograph/Render mattes of selected",
        "Rotograph/Engine status",
    ]
    loaded.getSelectedNodes = lambda: []
    getattr(__main__, made["Rotograph/Track selected"])()
    assert "choose a Rotograph node first" in loaded.said.pop()
    for name in made.values():
        delattr(__main__, name)


def test_a_dialog_shows_the_progress_and_cancels_where_pyside_is(loaded, monkeypatch):
    from rotograph_host import natron_menu

    shown = []

    class Dialog:
        def __init__(self, title, cancel, least, most):
            shown.append((title, least, most))

        def __getattr__(self, name):
            return lambda *values: shown.append((name, *values))

        def wasCanceled(self):
            return len(shown) > 5

    widgets = types.SimpleNamespace(
        QProgressDialog=Dialog,
        QApplication=types.SimpleNamespace(processEvents=lambda: shown.append("events")),
    )
    monkeypatch.setattr(loaded, "isBackground", lambda: False)
    monkeypatch.setitem(sys.modules, "PySide2", types.SimpleNamespace(QtWidgets=widgets))
    monkeypatch.setitem(sys.modules, "PySide6", None)
    with natron_menu.Progress("Tracking") as progress:
        assert progress(0, 0, "waiting") is False
        assert progress(1, 4, "Track") is True
    assert ("setValue", 25) in shown
    assert shown[-1] == ("close",)


def test_a_grade_in_between_is_refused_in_one_line(loaded, plate):
    from rotograph_host import natron_menu

    grade = loaded.createNode("net.sf.openfx.GradePlugin")
    grade.getParam("disableNode").set(False)
    grade.connectInput(0, plate)
    track = loaded.createNode("org.rotograph.Track")
    track.connectInput(0, grade)
    track.selected = True
    natron_menu.track_selected()
    (line,) = loaded.said
    assert "changes the picture before the engine reads it" in line


def test_the_wired_nodes_become_one_graph(loaded, plate):
    from rotograph_host import chain, in_natron

    before = plate
    for name in ("Detect", "Segment", "Track", "Matte", "Refine"):
        node = loaded.createNode(f"org.rotograph.{name}")
        node.connectInput(0, before)
        node.label = name
        for knob in next(n for n in hosted_nodes() if n.name == name).knobs:
            default = knob.declared.default
            choices = knob.declared.choices
            value = choices.index(default) if choices else "" if default == () else default
            node.getParam(knob.name).set(value)
        before = node
    before.getParam("feather")._keys = {1001: 0.0, 1002: 4.0}
    built = chain.build(before, in_natron.look)
    wires = {n["type"]: n.get("inputs", {}) for n in built.nodes.values()}
    read = next(name for name, n in built.nodes.items() if n["type"] == "Read")
    assert all(w["plate"] == read for kind, w in wires.items() if kind != "Read")
    assert [set(wires[k]) - {"plate"} for k in ("Segment", "Track", "Matte", "Refine")] == [
        {"boxes"},
        {"masks"},
        {"logits"},
        {"matte"},
    ]
    assert built.nodes[built.last]["feather"] == {"keys": {"1001": 0.0, "1002": 4.0}}
    Graph.from_dict(chain.document(built), plate.shot.folder)


def test_a_precomp_bakes_then_reads_and_refuses_what_is_not_there(loaded, tmp_path):
    import RotoPrecomp

    group = loaded.group()
    RotoPrecomp.createInstance(loaded, group)
    group.getParam("file").set(f"{tmp_path}/p.####.exr")
    group.getParam("first").set(1001)
    group.getParam("last").set(1003)
    loaded.target = f"{tmp_path}/p.####.exr"

    def press(name):
        RotoPrecomp.paramChanged(group.getParam(name), group, None, loaded, True)

    press("reuse")
    assert "frame 1001 and 2 more is not there" in loaded.said.pop()
    assert group.getParam("use").get() is False
    press("bake")
    assert not loaded.said
    assert group.getParam("use").get() is True
    assert group.getNode("Baked").getParam("lastFrame").get() == 1003
    group.getParam("file").set(f"{tmp_path}/q.exr")
    press("bake")
    assert "has no place for the frame" in loaded.said.pop()
    group.getParam("file").set("q.####.exr")
    press("bake")
    assert "names no file by its full path" in loaded.said.pop()

"""What is generated for the hosts: it is what is committed, and says what the declarations say."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rotograph.generate import hosted, natron, nuke
from rotograph.generate.icons import ICONS, draw

PROJECT = Path(__file__).parent.parent.parent
GIZMOS = PROJECT / "gizmos"
HOST = PROJECT / "plugin" / "rotograph_host"
NODES = hosted.hosted_nodes()
AGAIN = "generate it again: python -m rotograph.generate."
MATERIAL = PROJECT.parent / "shared" / "material" / "nk"
BY_HAND = {"nuke": {"init.py", "menu.py"}, "natron": {"init.py", "initGui.py"}}


def _nk():
    spec = importlib.util.spec_from_file_location("nk", PROJECT / "tests/rotograph_host/nk.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["nk"] = module
    spec.loader.exec_module(module)
    return module


nk = _nk()


def group(name):
    (found,) = nk.read((GIZMOS / "nuke" / f"{name}.gizmo").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("host", "made"), [("nuke", nuke.gizmo_files), ("natron", natron.pyplug_files)]
)
def test_what_is_committed_is_what_is_generated(host, made):
    committed = {p.name for p in (GIZMOS / host).iterdir() if p.is_file()} - BY_HAND[host]
    files = made()
    assert committed == set(files), AGAIN + f"{host} gizmos/{host}"
    for name, content in files.items():
        there = (GIZMOS / host / name).read_bytes()
        if name.endswith(".png"):  # another zlib may pack the same pixels otherwise
            far = np.abs(_pixels(content).astype(int) - _pixels(there)).max()
            assert far <= 1, AGAIN + f"{host} gizmos/{host}"
        else:
            assert content == there, AGAIN + f"{host} gizmos/{host}"


def _pixels(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_hosts_table_is_what_is_generated():
    there = (HOST / "declared.json").read_text(encoding="utf-8")
    assert there == hosted.table_text(), AGAIN + "hosted plugin/rotograph_host/declared.json"


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_the_group_around_the_plugin_links_every_knob(node):
    found = group(f"Rotograph{node.name}")
    links = {u.name: u for u in found.user if u.kind == 41}
    shown = [own.name for own in node.shown]
    assert list(links) == shown + [knob.name for knob in node.knobs]
    for knob in node.knobs:
        said = links[knob.name].options
        assert said["T"] == f"Plugin.{knob.name}"
        assert (said["l"], said["t"]) == (knob.declared.label, knob.tooltip)
    plugin = next(n for n in found.inside if n.name == "Plugin")
    assert plugin.kind == node.nuke_class
    assert [n.name for n in plugin.inputs] == [port for port, _ in node.ports]
    assert found.inside[-1].inputs == [plugin]
    assert _numbers(found) == {port: n for n, (port, _) in enumerate(node.ports)}


def test_every_parameter_that_the_plugins_source_names_is_there():
    source = (PROJECT / "plugin" / "ofx" / "plugin.h").read_text(encoding="utf-8")
    named = set(re.findall(r'#define PARAM_\w+ "(\w+)"', source))
    assert named
    assert named <= {own.name for node in NODES for own in node.own}


def test_only_nodes_that_take_prompts_have_what_clicks_need():
    clicked = {n.name for n in NODES if any(own.name.startswith("clicks_") for own in n.own)}
    assert clicked == {n.name for n in NODES if any(k.declared.kind == "prompts" for k in n.knobs)}
    both = next(own for n in NODES if n.name == "Roto" for own in n.own if own.name == "clicks_for")
    assert both.choices == ("Prompts", "Corrections")


def _numbers(found):
    return {n.name: int(n.knobs.get("number", 0)) for n in found.inside if n.kind == "Input"}


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_the_group_through_files_has_the_ranges_and_defaults_of_the_declarations(node):
    found = group(f"Rotograph{node.name}Files")
    users = {u.name: u for u in found.user}
    assert len(users) == len(found.user)
    for knob in node.knobs:
        said, param = users[knob.name].options, knob.declared
        assert (said["l"], said["t"]) == (param.label, knob.tooltip)
        if param.kind == "float":
            low, high = map(float, said["R"])
            assert param.minimum is None or low == param.minimum
            assert param.maximum is None or high == param.maximum
            assert float(found.knobs.get(knob.name, 0)) == param.default
        if param.kind == "choice":
            assert said["M"] == list(param.choices)
            assert found.knobs.get(knob.name, param.choices[0]) == param.default
    switch = next(n for n in found.inside if n.kind == "Switch")
    live, baked = switch.inputs
    assert live.name == node.ports[0][0]
    assert [n.name for n in baked.inputs] == [live.name, "Mattes"]  # Copy: B is the plate, A alpha
    assert _numbers(found) == {port: n for n, (port, _) in enumerate(node.ports)}


def test_the_precomp_reads_its_files_or_what_comes_in():
    found = group("RotoPrecomp")
    inside = {n.name: n for n in found.inside}
    assert [n.name for n in inside["Which"].inputs] == ["Input1", "Baked"]
    assert inside["Bake"].inputs == [inside["Input1"]]
    # off while the files are read: a farm that runs every Write does not bake again
    assert inside["Bake"].knobs["disable"] == "{parent.use}"


def test_every_button_is_python_37_and_names_what_is_there():
    for path in sorted((GIZMOS / "nuke").glob("*.gizmo")):
        (found,) = nk.read(path.read_text(encoding="utf-8"))
        for user in found.user:
            if user.kind != 22:
                continue
            tree = ast.parse(user.options["T"], feature_version=(3, 7))
            call = tree.body[-1].value
            if isinstance(tree.body[0], ast.Import):
                module = tree.body[0].names[0].name
                source = HOST / f"{module.rpartition('.')[2]}.py"
                defined = {n.name for n in ast.parse(source.read_text()).body if hasattr(n, "name")}
                assert call.func.attr in defined, f"{path.name}: {user.name}"


@pytest.mark.parametrize(
    "path",
    [*sorted(HOST.glob("*.py")), *sorted(GIZMOS.rglob("*.py"))],
    ids=lambda p: f"{p.parent.name}/{p.name}",
)
def test_what_runs_in_a_host_is_python_37_and_the_standard_library(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
    own = {"rotograph_host", "rotograph_start", "__main__"}
    host = {"nuke", "NatronEngine", "NatronGui", "PySide2", "PySide6"}
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in own | host | sys.stdlib_module_names, name


@pytest.mark.parametrize("name", ICONS)
def test_an_icon_is_seen_on_dark_and_has_room_around_it(name):
    icon = draw(name, 24).astype(float) / 255
    shown = icon[..., :3] * icon[..., 3:] + 0.2 * (1 - icon[..., 3:])
    assert (shown.max(axis=-1) > 0.6).mean() > 0.08
    assert icon[[0, -1], :, 3].max() == 0
    assert icon[:, [0, -1], 3].max() == 0


@pytest.mark.material
@pytest.mark.skipif(not MATERIAL.is_dir(), reason="the samples are not beside the checkout")
def test_the_reader_of_these_tests_reads_what_nuke_itself_wrote():
    found = [*MATERIAL.rglob("*.nk"), *MATERIAL.rglob("*.gizmo")]
    assert len(found) >= 5
    for path in found:
        assert nk.read(path.read_text(encoding="utf-8"), foreign=True), path

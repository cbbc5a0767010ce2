"""Exports of shapes: each is run or parsed, and gives the same curves.

Nuke, Natron and After Effects cannot be had here: stand-ins take the scripts' calls. They show
that a script runs and says the right positions, not that the host does what it should.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
import types
import xml.etree.ElementTree as xml
from pathlib import Path

import cv2
import numpy as np
import pytest

from rotograph.deliver import aftereffects, natron, nuke, nukenode, silhouette, svg
from rotograph.deliver.rasterise import layer_alpha
from rotograph.deliver.spline import Key, Spline, SplineLayer, SplineShot
from rotograph.image import Box

SIZE = (200, 140)
AWKWARD = "a/b 'c\" 猫 ${x} [y]"


def square(x: float, y: float, half: float) -> np.ndarray:
    corners = np.array([(x - half, y - half), (x + half, y - half), (x + half, y + half),
                        (x - half, y + half)])  # fmt: skip
    return np.stack([corners, corners, corners], axis=1)


@pytest.fixture
def shot() -> SplineShot:
    body = Spline(
        AWKWARD,
        1001,
        1005,
        (Key(1001, square(60, 50, 30), 4.0), Key(1005, square(80, 60, 30), 8.0)),
    )
    hole = Spline("hole 1", 1002, 1004, (Key(1003, square(70, 55, 10), 0.0),), subtract=True)
    layers = (SplineLayer("hero", (1.0, 0.0, 0.0), (body, hole)),)
    return SplineShot((1001, 1002, 1003, 1004, 1005), SIZE, layers)


class NukeStandIn:
    """As much of nuke and nuke.rotopaint as the script calls, and no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nodes: list[types.SimpleNamespace] = []
        stand_in, paint = types.ModuleType("nuke"), types.ModuleType("nuke.rotopaint")
        stand_in.createNode = self.node
        stand_in.thisNode = lambda: self.nodes[0]
        paint.CVec3 = lambda x, y, z: (x, y, z)
        paint.Layer = lambda curves: _Listed()
        paint.Shape = lambda curves, type: _Listed()
        paint.ShapeControlPoint = _Point
        stand_in.rotopaint = paint
        monkeypatch.setitem(sys.modules, "nuke", stand_in)
        monkeypatch.setitem(sys.modules, "nuke.rotopaint", paint)

    def node(self, kind: str, inpanel: bool = True) -> types.SimpleNamespace:
        curves = types.SimpleNamespace(rootLayer=_Listed(), changed=lambda: None)
        made = types.SimpleNamespace(
            kind=kind, curves=curves, knob=lambda name: curves, inputs={}, name=""
        )
        made.setName = lambda name: setattr(made, "name", name)
        made.setInput = lambda i, node: made.inputs.update({i: node})
        self.nodes.append(made)
        return made


class _Listed(list):
    name = ""

    def __init__(self) -> None:
        super().__init__()
        self.set: dict[str, float] = {}
        self.opacity: dict[int, float] = {}

    def getAttributes(self):
        curve = types.SimpleNamespace(addKey=lambda t, v: self.opacity.update({t: v}))
        return types.SimpleNamespace(set=self.set.__setitem__, getCurve=lambda name: curve)


class _Animated:
    def __init__(self) -> None:
        self.keys: dict[int, tuple[float, float, float]] = {}
        self.made: tuple[list, list] = ([], [])

    def addPositionKey(self, frame, position):
        self.keys[frame] = position
        for made in self.made:
            made.append(types.SimpleNamespace(lslope=0.0, rslope=0.0, la=1.0, ra=1.0))

    def getPositionAnimCurve(self, axis):
        return types.SimpleNamespace(getKey=self.made[axis].__getitem__)


class _Point:
    def __init__(self) -> None:
        for name in ("center", "leftTangent", "rightTangent", "featherCenter",
                     "featherLeftTangent", "featherRightTangent"):  # fmt: skip
            setattr(self, name, _Animated())


def check_nuke(node) -> None:
    (layer,) = node.curves.rootLayer
    hole, body = layer  # the first lies on top
    assert hole.set == {"bm": 12} and not body.set
    assert hole.opacity == {1001: 0.0, 1002: 1.0, 1004: 1.0, 1005: 0.0} and not body.opacity
    assert len(body) == 4 and set(body[0].center.keys) == {1001, 1005}
    # top left at (30, 20), two pixels further in, y from the bottom; the feather is 4 wide
    assert body[0].center.keys[1001] == pytest.approx((32, 118, 1), abs=0.01)
    assert body[0].featherCenter.keys[1001][:2] == pytest.approx((-4, 4), abs=0.01)
    first = body[0].center.made[0][0]
    assert (first.rslope, first.la) == (pytest.approx(22 / 4, abs=0.01), 1.0)


def test_the_script_for_nuke_builds_a_roto_node_of_a_stand_in(shot, monkeypatch):
    host = NukeStandIn(monkeypatch)
    exec(compile(nuke.script(shot), "shapes.nuke.py", "exec"), {})
    roto, clamp = host.nodes
    assert (roto.kind, clamp.kind) == ("Roto", "Clamp") and clamp.inputs == {0: roto}
    check_nuke(roto)


def braces(text: str) -> list:
    """A strict reader of what Nuke saves: words, numbers and braces, nothing else."""
    stack: list[list] = [[]]
    for token in re.findall(r"[{}]|[^\s{}]+", text):
        if token == "{":
            stack.append([])
        elif token == "}":
            done = stack.pop()
            stack[-1].append(done)
        else:
            assert re.fullmatch(r"[A-Za-z0-9_.$]+", token), token
            stack[-1].append(token)
    assert len(stack) == 1
    return stack[0]


def value(token: str) -> float:
    if token in ("0", "1"):
        return float(token)
    assert re.fullmatch(r"x[0-9a-f]{8}", token), token
    return struct.unpack(">f", bytes.fromhex(token[1:]))[0]


def keyed(curve: list) -> dict[float, tuple[float, float]]:
    """An animated number: frame -> value and slope."""
    out = {}
    for frame, at, left, la, right, ra in curve:
        assert left == right and (la, ra) == ("1", "1")
        out[value(frame)] = value(at), value(left)
    return out


def read_nk(text: str) -> dict[str, list[tuple[str, list, dict]]]:
    """Layer -> its shapes: name, curves of points, attributes. Anything unknown fails."""
    text = text.removeprefix("set cut_paste_input [stack 0]\n")
    word, version, patch, node, roto, clamp, _ = braces(text)
    assert (word, version, patch, node, clamp) == ("version", "13.0", "v1", "Roto", "Clamp")
    assert roto[:7] == ["inputs", "0", "output", "alpha", "cliptype", "none", "curves"]
    ((tree,),) = (roto[7],)
    assert tree[0] == ["v", "x3f99999a"] and tree[1] == ["f", "0"]
    n, (kind, name, *inside) = tree[2]
    assert (n, kind, name) == ("n", "layer", "Root")
    assert inside[0] == ["f", "512"] and inside[1][0] == "t" and inside[2] == ["a"]
    out: dict[str, list] = {}
    for layer, name, flags, pivot, attributes, *shapes in inside[3:]:
        assert layer == "layer" and flags == ["f", "512"] and attributes == ["a"]
        assert [value(p) for p in pivot[1:]] == [SIZE[0] / 2, SIZE[1] / 2]
        out[name] = []
        for group, label, drawn, sort, curves, middle, (_, *said) in shapes:
            assert (group, drawn, sort, middle[0]) == ("curvegroup", "512", "bezier", "t")
            both = []
            for cc, relative, (p, *points) in curves:
                assert (cc, relative, p) == ("cc", ["f", "8192"], "p")
                both.append([[keyed(axis) for axis in point] for point in points])
            out[name].append((label, both, dict(zip(said[::2], said[1::2], strict=True))))
    return out


def test_the_node_to_paste_has_the_shapes_as_nuke_saves_them(shot):
    ((hole, hole_curves, cut), (label, body, plain)) = read_nk(nukenode.node(shot))["hero"]
    assert hole == "hole_1" and value(cut["bm"]) == 12 and "bm" not in plain
    assert {f: v for f, (v, _) in keyed(cut["opc"]).items()} == {
        1001: 0.0, 1002: 1.0, 1004: 1.0, 1005: 0.0}  # fmt: skip
    assert re.fullmatch(r"[A-Za-z0-9_]+", label) and "opc" not in plain
    assert len(hole_curves[0]) == len(body[0]) == len(body[1]) == 12
    keys = shot.layers[0].shapes[0].keys
    for frame, key in zip((1001, 1005), keys, strict=True):
        inner, outer = nuke.across(shot, key)
        got = np.array([[axis[frame][0] for axis in point] for point in body[0]]).reshape(-1, 3, 2)
        got[:, [0, 2]] += got[:, [1]]
        np.testing.assert_allclose(got, inner, atol=1e-3)
        soft = np.array([[axis[frame][0] for axis in point] for point in body[1]]).reshape(-1, 3, 2)
        soft[:, 1] += got[:, 1]
        soft[:, [0, 2]] += soft[:, [1]]
        np.testing.assert_allclose(soft, outer, atol=1e-3)


def test_the_node_to_paste_moves_as_our_own_shapes_between_keyframes():
    steps = (Key(1, square(60, 50, 30), 0.0), Key(4, square(75, 60, 30), 0.0),
             Key(9, square(70, 90, 34), 0.0), Key(12, square(90, 95, 30), 0.0))  # fmt: skip
    shape = Spline("body", 1, 12, steps)
    own = SplineShot(tuple(range(1, 13)), SIZE, (SplineLayer("hero", (1.0, 0.0, 0.0), (shape,)),))
    ((_, (points, _), _),) = read_nk(nukenode.node(own))["hero"]
    for frame in range(1, 13):
        for i, point in enumerate(shape.at(frame).points[:, 1]):
            x, y = (hermite(axis, frame) for axis in points[3 * i + 1])
            assert (x, SIZE[1] - y) == pytest.approx(tuple(point), abs=2e-3)


def hermite(curve: dict[float, tuple[float, float]], frame: float) -> float:
    """Nuke's animation curve with slopes and handles of a third of the way."""
    frames = sorted(curve)
    a = max((f for f in frames if f <= frame), default=frames[0])
    b = min((f for f in frames if f > frame), default=a)
    (p, m), (q, n) = curve[a], curve[b]
    if a == b:
        return p
    span = b - a
    c0, c1, c2, c3 = p, p + m * span / 3, q - n * span / 3, q
    u = (frame - a) / span
    s = 1 - u
    return s**3 * c0 + 3 * s * s * u * c1 + 3 * s * u * u * c2 + u**3 * c3


def test_names_that_would_be_the_same_in_a_host_are_told_apart():
    names = ["a/b", "a:b", "猫", "犬", "x" * 300, "x" * 301, ""]
    hosts = nuke.host_names(names)
    assert list(hosts) == names and len(set(hosts.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_]{1,80}", name) for name in hosts.values())


class _NatronShape:
    def __init__(self, x, y, frame) -> None:
        self.count, self.points, self.feather, self.active = 1, {}, {}, {}
        self.closed, self.label, self.operator = False, "", None

    def addControlPoint(self, x, y):
        self.count += 1

    def setCurveFinished(self, closed):
        self.closed = closed

    def setLabel(self, label):
        self.label = label

    def setPointAtIndex(self, i, frame, *position):
        self.points[i, frame] = position

    def setFeatherPointAtIndex(self, i, frame, *position):
        self.feather[i, frame] = position

    def setActivated(self, frame, active):
        self.active[frame] = active

    def getCompositingOperatorParam(self):
        return types.SimpleNamespace(
            getOptions=lambda: ["over", "stencil"],
            setValue=lambda i: setattr(self, "operator", ["over", "stencil"][i]),
        )


def test_the_script_for_natron_builds_shapes_in_a_stand_in(shot):
    shapes: list[_NatronShape] = []

    def bezier(x, y, frame):
        shapes.append(_NatronShape(x, y, frame))
        return shapes[-1]

    layer = types.SimpleNamespace(setLabel=lambda label: None, addItem=lambda item: None)
    context = types.SimpleNamespace(createLayer=lambda: layer, createBezier=bezier)
    node = types.SimpleNamespace(setLabel=lambda label: None, getRotoContext=lambda: context)
    app = types.SimpleNamespace(createNode=lambda name: node)
    exec(compile(natron.script(shot), "shapes.natron.py", "exec"), {"app1": app})
    body, hole = shapes
    assert body.count == 4 and body.closed and hole.operator == "stencil"
    assert body.operator is None
    assert body.points[0, 1001][:2] == pytest.approx((32, 118), abs=0.01)
    assert body.feather[0, 1001][:2] == pytest.approx((28, 122), abs=0.01)
    assert hole.active == {1001: False, 1002: True, 1004: True, 1005: False}


AFTER_EFFECTS_STAND_IN = """
function Shape() {}
var KeyframeInterpolationType = {LINEAR: 1}, MaskMode = {ADD: 'add', SUBTRACT: 'subtract'};
function CompItem() { this.frameRate = 24; this.duration = 10; var layers = []; this.made = layers;
  this.layers = {addSolid: function (colour, name, w, h) {
    var masks = []; layers.push({name: name, w: w, h: h, masks: masks});
    return {property: function () { return {addProperty: function () {
      var mask = {properties: {}}; masks.push(mask);
      mask.property = function (id) { if (!mask.properties[id]) mask.properties[id] = {
        keys: [], numKeys: 0, setValueAtTime: function (t, v) {
          this.keys.push([t, v]); this.numKeys++; }, setInterpolationTypeAtKey: function () {}};
        return mask.properties[id]; };
      return mask; }}; }}; }}; }
var comp = new CompItem();
var app = {project: {activeItem: comp}, beginUndoGroup: function () {},
  endUndoGroup: function () {}};
"""


def test_the_script_for_after_effects_runs_in_a_stand_in(shot):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no JavaScript here")
    code = aftereffects.script(shot)
    assert code.isascii()
    program = AFTER_EFFECTS_STAND_IN + code + "\nconsole.log(JSON.stringify(comp.made));"
    said = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    (layer,) = json.loads(said.stdout)
    assert (layer["name"], layer["w"], layer["h"]) == ("hero", 200, 140)
    body, hole = layer["masks"]
    assert (body["maskMode"], hole["maskMode"]) == ("add", "subtract")
    assert body["name"] == AWKWARD
    time, shape = body["properties"]["ADBE Mask Shape"]["keys"][1]
    assert time == pytest.approx(4 / 24)
    assert shape["closed"] and shape["vertices"][0] == [50, 30]
    assert body["properties"]["ADBE Mask Feather"]["keys"][1][1] == [8, 8]
    assert [v for _, v in hole["properties"]["ADBE Mask Opacity"]["keys"]] == [0, 100, 100, 0]


def test_an_fxs_counts_from_the_middle_in_heights(shot):
    root = xml.fromstring(silhouette.document(shot).encode())
    assert root.tag == "Silhouette" and root.get("sessionStartFrame") == "1001"
    body, hole = root.iter("Object")
    modes = [o.find("./Properties/Property[@id='mode']/Value").text for o in (body, hole)]
    assert modes == ["Add", "Subtract"]
    keys = body.findall("./Properties/Property[@id='path']/Key")
    assert [key.get("frame") for key in keys] == ["0", "4"]
    points = keys[0].findall("./Path/Point")
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", points[0].text)]
    assert len(points) == 4 and len(numbers) == 6
    assert numbers[:2] == pytest.approx([(30 - 100) / 140, (20 - 70) / 140], abs=1e-5)


def test_an_svg_drawn_by_a_browser_is_the_shape(shot, tmp_path: Path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here")
    (layer,) = shot.layers
    (tmp_path / "hero.svg").write_text(svg.document(shot, layer, 1003), encoding="utf-8")
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'hero.png'}",
         f"--window-size={SIZE[0] + 300},{SIZE[1] + 300}", (tmp_path / "hero.svg").as_uri()],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    drawn = cv2.imread(str(tmp_path / "hero.png"), cv2.IMREAD_GRAYSCALE) / 255.0
    drawn = drawn[: SIZE[1], : SIZE[0]]
    alpha = layer_alpha(layer, 1003, Box(0, 0, *SIZE))
    a, b = drawn > 0.5, alpha > 0.5
    assert (a & b).sum() / (a | b).sum() > 0.97
    assert np.abs(drawn - alpha).mean() < 0.02


def test_hosts_that_move_straight_get_keyframes_until_they_move_the_same():
    steps = (Key(1, square(60, 50, 30), 0.0), Key(6, square(75, 60, 30), 0.0),
             Key(12, square(70, 90, 30), 0.0))  # fmt: skip
    shape = Spline("body", 1, 12, steps)
    straight = shape.straight(0.25)
    frames = [key.frame for key in straight.keys]
    assert {1, 6, 12} < set(frames) and len(frames) < 12
    for frame in range(1, 13):
        i = next(i for i, f in enumerate(frames) if f >= frame)
        a, b = straight.keys[max(i - 1, 0)], straight.keys[i]
        part = (frame - a.frame) / max(b.frame - a.frame, 1)
        there = a.points + (b.points - a.points) * part
        assert np.abs(there - shape.at(frame).points).max() <= 0.25
    moving = SplineShot(tuple(range(1, 13)), SIZE, (SplineLayer("a", (1.0, 0.0, 0.0), (shape,)),))
    keys = xml.fromstring(silhouette.document(moving).encode()).findall(
        ".//Property[@id='path']/Key"
    )
    assert [int(key.get("frame")) + 1 for key in keys] == frames

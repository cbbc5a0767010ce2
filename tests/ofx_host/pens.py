"""Overlays in a process of their own.

    python pens.py random BUNDLE COUNT     random pens and keys, on strange prompts too
    python pens.py look BUNDLE FILE.npz    a viewer of software OpenGL, its pictures into a file

Prints a line of JSON; ends with 77 where there is no software OpenGL.
"""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from pathlib import Path

import numpy as np


def load(name):
    path = Path(__file__).with_name(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


STRANGE = (
    "",
    " \n",
    "[]",
    "[",
    "{}",
    "null",
    '[{"frame":1001,"layer":"a","box":[10,10,60,60]}]',
    '[{"frame":1001,"layer":"a","box":[60,60,10,10]}, {"frame":1e300,"layer":"b","point":[1,2]}]',
    '[{"frame":1002,"layer":"a","point":[1e999,-1e999]}, [], "x", {"frame":1001,"layer":5}]',
    '[{"frame":1001,"layer":"\\ud800","point":[3,4,5]},{"frame":1001,"layer":"é","point":[3,4]}]',
    '[{"frame":1003,"layer":"m","mask":"m.exr","whole":true}]',
)


def at_random(bundle, count):
    ofx = load("conftest.py")
    interact = load("interact.py")
    plate = ofx.moving_disc()
    chance = random.Random(3)
    viewer = interact.Viewer(Path(bundle), interact.DRAWING, (96, 72))
    overlays = []
    for name, aspect in (("Roto", 1.0), ("Segment", 2.0)):
        wire = ofx.source(plate, aspect=aspect, rod=(0, 0, 96, 72))
        node = interact.seen(viewer.instance(name), wire)
        overlays.append(interact.Overlay(viewer, node))
    keys = (interact.SHIFT, interact.DELETE, interact.BACKSPACE, interact.ESCAPE, 97)
    for _ in range(count):
        overlay = chance.choice(overlays)
        node = overlay.node
        turn = chance.random()
        if turn < 0.8:
            place = chance.gauss(40, 40), chance.gauss(36, 30)
            overlay.pen(chance.choice(("Motion", "Motion", "Down", "Up")), *place)
        elif turn < 0.88:
            overlay.key(chance.choice(keys), chance.choice(("Down", "Up", "Repeat")))
        elif turn < 0.92:
            overlay.time = chance.choice((1001, 1002, 1003, 1001.5, -5))
            overlay.zoom = chance.choice((0.1, 1.0, 4.0, 50.0))
        elif turn < 0.95:
            node["clicks_tool"] = chance.randrange(4)
            node["clicks_layer"] = chance.choice(("a", "b", "", "x" * 400, "é"))
            if "clicks_for" in node.params:
                node["clicks_for"] = chance.randrange(2)
        elif turn < 0.97:
            names = [n for n in ("prompts", "track_prompts") if n in node.params]
            node[chance.choice(names)] = chance.choice(STRANGE)
        elif turn < 0.98:
            node["clicks_shown"] = int(chance.random() < 0.8)
        else:
            overlay.draw()
        for name in ("prompts", "track_prompts"):
            if name in node.params and len(node[name]) > 20000:
                node[name] = "[]"
    edits = len(viewer.edits)
    for overlay in overlays:
        overlay.destroy()
        overlay.node.destroy()
    viewer.unload()
    print(json.dumps({"edits": edits, "faults": viewer.faults[:5]}))


def look(bundle, into):
    ofx = load("conftest.py")
    interact = load("interact.py")
    zoom, plate = 6.0, ofx.moving_disc()
    size = (96 * 6, 72 * 6)
    try:
        screen = interact.SoftwareGL(size)
    except OSError as error:
        print(error)
        sys.exit(77)
    viewer = interact.Viewer(Path(bundle), ofx.host.NATRON, (96, 72))
    prompts = [
        {"frame": 1001, "layer": "layer_01", "point": [30, 32]},
        {"frame": 1001, "layer": "layer_01", "point": [60, 20], "positive": False},
        {"frame": 1001, "layer": "car", "box": [10, 12, 50, 52]},
        {"frame": 1004, "layer": "layer_01", "point": [30, 32]},
    ]
    node = interact.seen(viewer.instance("Segment", prompts=json.dumps(prompts)), ofx.source(plate))
    overlay = interact.Overlay(viewer, node, zoom)
    screen.begin(np.clip(plate[1001][::-1, :, :3], 0, 1), zoom)
    before, state = screen.read(), screen.state()
    overlay.draw()
    np.savez(
        into,
        plate=before,
        overlay=screen.read(),
        inside=_mask(size, 30, 32),
        outside=_mask(size, 60, 20),
    )
    after = screen.state()
    overlay.destroy()
    node.destroy()
    viewer.unload()
    print(json.dumps({"state_before": state, "state_after": after, "faults": viewer.faults}))


def _mask(size, x, y):
    made = np.zeros(size[::-1], bool)
    made[y * 6 - 9 : y * 6 + 9, x * 6 - 9 : x * 6 + 9] = True
    return made


if __name__ == "__main__":
    {"random": lambda a, n: at_random(a, int(n)), "look": look}[sys.argv[1]](*sys.argv[2:])

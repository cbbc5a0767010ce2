"""Many renders with random stops, in a process of its own: python stress.py BUNDLE COUNT

Prints a line of JSON: how many were rendered and stopped, and what the host had to complain of.
"""

from __future__ import annotations

import importlib.util
import json
import random
import sys
import time
from pathlib import Path


def load(name):
    path = Path(__file__).with_name(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def main(bundle, count):
    ofx = load("conftest.py")
    plate = ofx.moving_disc()
    host = ofx.host.Host(Path(bundle), ofx.host.NATRON_RENDERER, (96, 72))
    chance = random.Random(1)
    rendered = stopped = 0
    node = None
    for turn in range(count):
        if turn % 50 == 0:
            if node is not None:
                node.destroy()
            node = host.instance("Roto", prompts=ofx.PROMPTS)
            node.wire("Source", ofx.source(plate))
            node.render(1003)
        if chance.random() < 0.02:
            node["refine_feather"] = float(chance.randrange(100))
        patience = chance.choice([0.0, 0.001, 0.003, 0.01, 10.0])
        deadline = time.monotonic() + patience
        node.abort = lambda deadline=deadline: time.monotonic() > deadline
        if node.render(chance.randrange(1001, 1006)) is None:
            stopped += 1
        else:
            rendered += 1
        if node.message is not None:
            host.fault(node.message[1])
            node.changed("refine_feather")
    node.destroy()
    host.unload()
    print(json.dumps({"rendered": rendered, "stopped": stopped, "faults": host.faults[:5]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

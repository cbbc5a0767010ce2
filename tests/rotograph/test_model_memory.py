"""Networks stay loaded within a budget that the whole engine shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rotograph.client import Client

FAULTY = Path(__file__).with_name("faulty_engine.py")
PACKAGE = '''
from pathlib import Path
import numpy as np
from rotograph.declare import Output, Value, node, stage
from rotograph.parameter import Int, Text
from rotograph.shape import FrameSet, Shape

CARDS = Path(__file__).parent

class Adapter:
    def __init__(self, supply):
        self.supply = supply

    def run(self):
        def load():
            log = Path(__file__).with_name("loaded")
            with log.open("a") as file:
                file.write(self.supply.card.name)
            return object(), 1000
        with self.supply.resident.use(self.supply.card.name, load, 1000):
            return 1.0

@node(version=1, output=Output("Image", "value"))
class Net:
    """A network's word."""
    model = Text("net-a", "Model", "Which.")
    seed = Int(0, "Seed", "Another result.")
    def describe(at):
        return Shape(FrameSet((1,)), plate=at.node.name)
    @stage(models={"matte": "model"}, params=("seed",))
    def value(given, context):
        return {"value": np.full(4, context.models["matte"].run())}
    @value.needs
    def value(at):
        return {"frame": Value(at.frame)}

NODES = [Net]
'''
CARD = """
name = "net-{name}"
label = "Net"
version = 1
adapters = {{ matte = "net_nodes:Adapter" }}
input_space = "ACEScct"
working_size = 64
licence = "MIT"
commercial = true
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a node and three models, installed as pip would."""
    package, said = tmp_path / "net_nodes", tmp_path / "net_nodes-1.0.dist-info"
    package.mkdir()
    said.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    for name in "abc":
        (package / f"{name}.toml").write_text(CARD.format(name=name))
    (said / "METADATA").write_text("Metadata-Version: 2.1\nName: net-nodes\nVersion: 1.0\n")
    (said / "entry_points.txt").write_text(
        "[rotograph.nodes]\nnet = net_nodes:NODES\n[rotograph.models]\nnet = net_nodes:CARDS\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return package


def test_the_least_recently_used_network_goes_first(site: Path, tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    command = [sys.executable, str(FAULTY), "serve", address, json.dumps({"models": 2500})]
    with subprocess.Popen(command) as process:
        while not os.path.exists(address):
            time.sleep(0.02)
        with Client("test", address) as client:

            def run(name: str, seed: int = 0) -> None:
                net = {"type": "Net", "model": f"net-{name}", "seed": seed}
                graph = {"rotograph": 1, "nodes": {"net": net}}
                told = client.track(graph, tmp_path, {"store": str(tmp_path / "cache")}, "net")
                assert told["computed"] == {"net": 1} and not told["errors"], told

            def loaded() -> dict[str, Any]:
                return {
                    m["model"]: m["bytes"] for m in client.status()["models"] if m["bytes"] != "0"
                }

            run("a")
            run("b")
            assert loaded() == {"net-a": "1000", "net-b": "1000"}
            run("a", seed=1)
            run("c")
            assert loaded() == {"net-a": "1000", "net-c": "1000"}
            run("b", seed=1)
        process.terminate()
    assert (site / "loaded").read_text() == "net-anet-bnet-cnet-b"

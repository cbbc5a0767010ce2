"""An engine that runs already computes with what is installed now."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from rotograph.client import COMMAND, Client, EngineError, Private
from rotograph.installed import LOOK, Installed

NODE = '''
from rotograph.declare import Output, stage, node, Value
from rotograph.shape import FrameSet, Shape
import numpy as np

@node(version={version}, output=Output("Image", "value"))
class Number:
    """A number."""
    def describe(at):
        return Shape(FrameSet((1,)), plate=at.node.name)
    @stage()
    def value(given, context):
        return {{"value": np.full(4, {version})}}
    @value.needs
    def value(at):
        return {{"frame": Value(at.frame)}}

NODES = [Number]
'''
GRAPH = {"rotograph": 1, "nodes": {"number": {"type": "Number"}}}


def install(folder: Path, version: int) -> None:
    """A package that adds a node, as pip would put it there."""
    package, said = folder / "number_nodes", folder / "number_nodes-1.0.dist-info"
    for made in (package, said):
        made.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(NODE.format(version=version))
    (said / "METADATA").write_text("Metadata-Version: 2.1\nName: number-nodes\nVersion: 1.0\n")
    (said / "entry_points.txt").write_text("[rotograph.nodes]\nnumber = number_nodes:NODES\n")


@pytest.mark.slow
def test_a_node_that_was_installed_or_changed_meanwhile_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(site))
    environment = {"store": str(tmp_path / "cache")}
    with Private(COMMAND) as engine, Client("test", engine.address) as client:

        def track() -> dict:
            return client.track(GRAPH, tmp_path, environment, "number")

        with pytest.raises(EngineError, match="no node type 'Number'"):
            track()
        for version in (1, 2):
            time.sleep(LOOK)
            install(site, version)
            assert track()["computed"] == {"number": 1}, "another version is another recipe"
        assert track()["computed"] == {}
        assert client.status()["worker"]["restarts"] == 0, "nothing went wrong"


def test_looking_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Installed()
    seen._looked -= LOOK
    began = time.process_time()
    assert not seen.changed()
    assert time.process_time() - began < 0.1
    assert any(folder.endswith("rotograph_nodes") for folder in seen._folders), sys.path
    assert os.path.isdir(seen._folders[0])

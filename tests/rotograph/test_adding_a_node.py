"""The node that docs/adding-a-node.md shows is complete: it runs as it stands there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np

from rotograph import Graph, exr
from rotograph.environment import Environment
from rotograph.graph import installed_nodes
from rotograph.render import render
from rotograph.store import Store

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-node.md"


def test_the_documented_node_runs(shot, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    file = tmp_path / "sweep.py"
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("sweep", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    document = shot.document()
    document["nodes"]["sweep"] = {"type": "Sweep", "inputs": {"matte": "matte"}, "amount": 1.0}
    document["nodes"]["out"]["inputs"]["image"] = "sweep"
    del document["nodes"]["refine"]
    types = {**installed_nodes(), **{node.name: node for node in module.NODES}}
    graph = Graph.from_dict(document, shot.folder, types)
    summary = render(graph, Environment(Store(shot.cache)))
    assert summary.complete and summary.computed["sweep"] == 4

    union = np.max([exr.read(shot.truth(f)).coverage() for f in (1001, 1002, 1003)], axis=0)
    assert np.abs(exr.read(shot.matte(1002)).coverage() - union).mean() < 0.02

"""What the OpenFX plugin is told of the nodes, from their declarations:

    python -m rotograph.generate.ofx plugin/ofx/nodes.json

The plugin is an interpreter of this file, which lies in the bundle's Resources: a new node or
parameter needs no C.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rotograph import __version__
from rotograph.declare import NodeType
from rotograph.generate.hosted import Hosted, Knob, carried, hosted_nodes
from rotograph.whole import write_whole
from rotograph.wire import PROTOCOL

SOURCE = "Source"
"""The plate's input, by the name that OpenFX demands of a filter."""


def described(nodes: tuple[Hosted, ...] | None = None) -> dict[str, Any]:
    """Everything the plugin has to know, for JSON.

    Each node: the clips in the order in which a host shows them, the operators it is made of
    (``parts``, with the port that takes what comes in with the plate) and its parameters.
    """
    listed = hosted_nodes() if nodes is None else nodes
    return {
        "version": __version__,
        "protocol": PROTOCOL,
        "nodes": [_node(node) for node in listed],
    }


def _node(node: Hosted) -> dict[str, Any]:
    ports = [name for name, _ in node.ports]
    return {
        "id": node.identifier,
        "name": node.name,
        "version": node.version,
        "help": node.help,
        "clips": [
            {
                "name": SOURCE if name == "plate" else name,
                "port": name,
                "optional": name != "plate",
            }
            for name in ports
        ],
        "parts": [_part(part) for part in node.parts],
        "params": [_param(knob) for knob in node.knobs],
    }


def _part(part: NodeType) -> dict[str, Any]:
    found = carried(part)
    said: dict[str, Any] = {"type": part.name, "gives": part.output.wire}
    said["ports"] = [n for n, p in part.inputs.items() if "Image" in p.accepts and n != "plate"]
    if found is not None:
        name, port = found
        said |= {"port": name, "accepts": list(port.accepts), "optional": port.optional}
    return said


def _param(knob: Knob) -> dict[str, Any]:
    param = knob.declared
    said: dict[str, Any] = {
        "name": knob.name,
        "label": param.label,
        "kind": param.kind,
        "help": knob.tooltip,
        "page": knob.page,
        "page_name": f"page{knob.page}",
        "part": knob.node,
        "param": knob.param,
    }
    default = param.default
    said["default"] = ", ".join(default) if param.kind == "names" else default
    if param.kind == "prompts":
        said["default"] = ""
    for name, value in (("min", param.minimum), ("max", param.maximum)):
        if value is not None:
            said[name] = value
    if param.choices:
        said["choices"] = list(param.choices)
    if param.animated:
        said["animated"] = True
    return said


def nodes_text(nodes: tuple[Hosted, ...] | None = None) -> str:
    """nodes.json as it lies in the bundle."""
    return json.dumps(described(nodes), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_whole(Path(sys.argv[1]), nodes_text().encode())

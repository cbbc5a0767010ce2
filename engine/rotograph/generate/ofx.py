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
from rotograph.generate import ofx_props
from rotograph.generate.hosted import Hosted, Knob, carried, hosted_nodes
from rotograph.generate.ofx_says import SAYS
from rotograph.whole import write_whole
from rotograph.wire import PROTOCOL

OUTSIDE = {"Masks": "OutsideMask", "Mattes": "OutsideMatte"}
"""Which operator makes that of an alpha which came in from outside."""
SOURCE = "Source"
"""The plate's input, by the name that OpenFX demands of a filter."""


def described(nodes: tuple[Hosted, ...] | None = None) -> dict[str, Any]:
    """Everything the plugin has to know, for JSON.

    Each node: the clips in the order in which a host shows them, the operators it is made of
    (``parts``, with the port that takes what comes in with the plate), the plugin's ``own``
    parameters and the declared ones; ``clicks``, where it takes prompts: the parameters that hold
    them, and whether the first prompt on a frame ``freezes`` what was tracked there. ``ofx``,
    everywhere: what a host is told (``ofx_props``).
    """
    listed = hosted_nodes() if nodes is None else nodes
    return {
        "version": __version__,
        "protocol": PROTOCOL,
        "says": SAYS,
        "preferences": ofx_props.preferences(),
        "nodes": [_node(node) for node in listed],
    }


def _node(node: Hosted) -> dict[str, Any]:
    own = [own.to_json() for own in node.own]
    params = [_param(knob) for knob in node.knobs]
    correcting = {part.name for part in node.parts if part.corrects}
    holders = [
        {"name": k.name, "label": k.declared.label, "freezes": k.node in correcting}
        for k in node.knobs
        if k.declared.kind == "prompts"
    ]
    said = {
        "id": node.identifier,
        "name": node.name,
        "version": node.version,
        "ofx": ofx_props.effect(node.name, node.help),
        "output": ofx_props.clip(output=True),
        "clips": [_clip(name) for name, _ in node.ports],
        "parts": [_part(part) for part in node.parts],
        "own": [{**said, "ofx": ofx_props.param(said)} for said in own],
        "params": [{**said, "ofx": ofx_props.param(said)} for said in params],
        "pages": ofx_props.pages(own, params),
    }
    if holders:
        told = ofx_props.overlay([p["name"] for p in own + holders])
        said["clicks"] = {"holders": holders, "ofx": told}
    return said


def _clip(port: str) -> dict[str, Any]:
    optional = port != "plate"
    return {
        "name": port if optional else SOURCE,
        "port": port,
        "optional": optional,
        "ofx": ofx_props.clip(optional=optional),
    }


def _part(part: NodeType) -> dict[str, Any]:
    found = carried(part)
    said: dict[str, Any] = {"type": part.name, "gives": part.output.wire}
    said["ports"] = [n for n, p in part.inputs.items() if "Image" in p.accepts and n != "plate"]
    if found is not None:
        name, port = found
        said |= {"port": name, "accepts": list(port.accepts), "optional": port.optional}
        for wire in port.accepts:
            if wire in OUTSIDE:
                said |= {"outside": OUTSIDE[wire], "takes": wire}
    return said


def _param(knob: Knob) -> dict[str, Any]:
    param = knob.declared
    said: dict[str, Any] = {
        "name": knob.name,
        "label": param.label,
        "kind": param.kind,
        "help": knob.tooltip,
        "page": knob.page,
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

"""The nodes as a compositing host shows them: few inputs, one panel, one node that is all five.

In a host a wire carries a picture: RGB is the plate, A what the node before made of it. So Detect's
boxes, masks and mattes arrive with the plate, and only pictures of their own (a trimap, a garbage
matte) have inputs beside it. The gizmos, the PyPlugs and the table that ``rotograph_host`` goes by
are made from this, and this from the declarations:

    python -m rotograph.generate.hosted plugin/rotograph_host/declared.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rotograph.declare import Input, NodeType
from rotograph.generate.docs import range_text
from rotograph.generate.own import Own, own_params
from rotograph.graph import installed_nodes
from rotograph.parameter import Param
from rotograph.whole import write_whole

IDENTIFIER = "org.rotograph."
CHAIN = ("Detect", "Segment", "Track", "Matte", "Refine")
"""The operators that a host has, in the order in which they are wired."""
ALL = "Roto"
DETECT = "use_detect"
PROMPTS = "prompts"
_WHOLE = (
    "Detect, Segment, Track, Matte and Refine in one node: from a prompt on one frame to the "
    "finished matte of every frame."
)
_USE_DETECT = Param(
    "bool", False, "Detect layers", "Find the layers as Detect does, beside those with prompts."
)


@dataclass(frozen=True)
class Knob:
    """One parameter in a host's panel.

    name: within the host's node. page: its tab. node, param: the operator and its parameter that it
    sets; both empty for one that is the host's alone.
    """

    name: str
    page: str
    node: str
    param: str
    declared: Param

    @property
    def tooltip(self) -> str:
        """Help, range, unit and what may be done with it, for a person."""
        param = self.declared
        said = [param.help]
        if param.kind in ("float", "int", "choice"):
            unit = f" {param.unit}" if param.unit else ""
            said.append(f"Range: {range_text(param)}{unit}.")
        if param.per_layer:
            said.append("A layer may have a value of its own in a graph file.")
        return " ".join(said)


@dataclass(frozen=True)
class Hosted:
    """A node of a host.

    ports: its inputs, the plate first. parts: the operators that it stands for.
    """

    name: str
    help: str
    version: int
    ports: tuple[tuple[str, Input], ...]
    knobs: tuple[Knob, ...]
    parts: tuple[NodeType, ...]

    @property
    def identifier(self) -> str:
        """The OpenFX identifier, such as ``org.rotograph.Detect``."""
        return IDENTIFIER + self.name

    @property
    def own(self) -> tuple[Own, ...]:
        """What the plugin gives the node beside ``knobs``."""
        labels = [k.declared.label for k in self.knobs if k.declared.kind == "prompts"]
        return own_params(labels)

    @property
    def shown(self) -> tuple[Own, ...]:
        """Those of ``own`` that a panel shows."""
        return tuple(own for own in self.own if not own.hidden)

    @property
    def nuke_class(self) -> str:
        """What Nuke calls the plugin's node: the identifier in lower case, and its version."""
        return f"OFX{self.identifier.lower()}_v{self.version}"


def hosted_nodes(declared: Mapping[str, NodeType] | None = None) -> tuple[Hosted, ...]:
    """The nodes that a host has, the one that is all of them last.

    Raises KeyError when an operator of the chain is not among ``declared``.
    """
    known = installed_nodes() if declared is None else declared
    chain = tuple(known[name] for name in CHAIN)
    return (*(_single(node) for node in chain), _all(chain))


def carried(node: NodeType) -> tuple[str, Input] | None:
    """The port whose result comes along with the plate: Refine's ``matte``, Track's ``masks``."""
    found = [(n, p) for n, p in node.inputs.items() if "Image" not in p.accepts]
    return found[0] if found else None


def _single(node: NodeType) -> Hosted:
    knobs = tuple(
        Knob(name, node.name, node.name, name, param) for name, param in node.params.items()
    )
    return Hosted(node.name, node.help, node.version, _ports(node), knobs, (node,))


def _ports(node: NodeType) -> tuple[tuple[str, Input], ...]:
    return tuple((name, port) for name, port in node.inputs.items() if "Image" in port.accepts)


def _all(chain: tuple[NodeType, ...]) -> Hosted:
    """The prompts of Segment are the node's own; all else goes by the operator's name in front."""
    segment = chain[CHAIN.index("Segment")]
    knobs = [
        Knob(PROMPTS, ALL, "Segment", PROMPTS, segment.params[PROMPTS]),
        Knob(DETECT, ALL, "", "", _USE_DETECT),
    ]
    ports = {}
    for node in chain:
        ports.update(_ports(node))
        for name, param in node.params.items():
            if (node.name, name) == ("Segment", PROMPTS):
                continue
            label = param if param.kind != "prompts" else replace(param, label="Corrections")
            knobs.append(Knob(f"{node.name.lower()}_{name}", node.name, node.name, name, label))
    return Hosted(ALL, _WHOLE, 1, tuple(ports.items()), tuple(knobs), chain)


def table(nodes: tuple[Hosted, ...]) -> dict[str, Any]:
    """What ``rotograph_host`` has to know to turn a host's nodes into a graph file."""
    operators = {part.name: part for node in nodes for part in node.parts}
    return {
        "identifier": IDENTIFIER,
        "operators": {
            name: {
                "ports": [port for port, _ in _ports(part)],
                "carried": _carried(part),
                "gives": part.output.wire,
            }
            for name, part in operators.items()
        },
        "nodes": {
            node.name: {
                "id": node.identifier,
                "nuke": node.nuke_class,
                "ports": [port for port, _ in node.ports],
                "parts": [part.name for part in node.parts],
                "knobs": [_knob(knob) for knob in node.knobs],
            }
            for node in nodes
        },
    }


def _carried(part: NodeType) -> dict[str, Any] | None:
    found = carried(part)
    if found is None:
        return None
    name, port = found
    return {"port": name, "accepts": list(port.accepts), "optional": port.optional}


def _knob(knob: Knob) -> dict[str, Any]:
    param = knob.declared
    said: dict[str, Any] = {"name": knob.name, "kind": param.kind}
    if knob.node:
        said |= {"node": knob.node, "parameter": knob.param}
    said["default"] = list(param.default) if isinstance(param.default, tuple) else param.default
    if param.choices:
        said["choices"] = list(param.choices)
    return said


def table_text(nodes: tuple[Hosted, ...] | None = None) -> str:
    """The table as it is kept."""
    return json.dumps(table(nodes or hosted_nodes()), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_whole(Path(sys.argv[1]), table_text().encode())

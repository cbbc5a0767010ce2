"""The JSON schema of graph files, from the declarations of the nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rotograph.declare import NodeType
from rotograph.graph import FORMAT

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LAYER = r"^[^\W\d_]([\w\- ]{0,61}[\w\-])?$"
_NODE_NAME = r"^[^./\u0000-\u001f]{1,100}$"

_PROMPT: dict[str, Any] = {
    "type": "object",
    "title": "Prompt",
    "description": "One box, point or mask on a frame, for a layer, in plate pixels of the "
    "display window, y down.",
    "required": ["frame", "layer"],
    "properties": {
        "frame": {"type": "integer"},
        "layer": {"type": "string", "pattern": _LAYER},
        "box": {
            "description": "x0, y0, x1, y1: the layer is inside.",
            "type": "array",
            "items": {"type": "number"},
            "minItems": 4,
            "maxItems": 4,
        },
        "point": {
            "description": "x, y",
            "type": "array",
            "items": {"type": "number"},
            "minItems": 2,
            "maxItems": 2,
        },
        "mask": {
            "description": "A picture whose alpha (or only channel) over 0.5 is meant.",
            "type": "string",
            "minLength": 1,
        },
        "whole": {
            "description": "The mask is all that is known there: taken as it is, corrected by the "
            "other prompts.",
            "type": "boolean",
        },
        "positive": {
            "description": "Whether the point or mask says inside (else outside).",
            "type": "boolean",
            "default": True,
        },
    },
    "additionalProperties": False,
    "oneOf": [
        {"required": ["box"], "properties": {"positive": {"const": True}}},
        {"required": ["point"]},
        {"required": ["mask"]},
    ],
}


def graph_schema(nodes: Iterable[NodeType]) -> dict[str, Any]:
    """The schema of a graph file (format 1) that uses these nodes.

    Wires that run in circles or join what does not fit, and values that hang on others (a box
    without an inside), are for ``Graph.check``: a schema cannot see them.
    """
    declared = {node.name: node for node in nodes}
    return {
        "$schema": DIALECT,
        "title": "Rotograph graph",
        "type": "object",
        "required": ["rotograph", "nodes"],
        "properties": {
            "rotograph": {"description": "The format's version.", "const": FORMAT},
            "nodes": {
                "description": "The nodes, by names of your own.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _NODE_NAME},
                "additionalProperties": {"$ref": "#/$defs/node"},
            },
        },
        "additionalProperties": False,
        "$defs": {
            "prompt": _PROMPT,
            "node": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": list(declared)}},
                "allOf": [
                    {
                        "if": {"properties": {"type": {"const": name}}},
                        "then": {"$ref": f"#/$defs/{name}"},
                    }
                    for name in declared
                ],
            },
            **{name: _node(node) for name, node in declared.items()},
        },
    }


def _node(node: NodeType) -> dict[str, Any]:
    required = [port for port, given in node.inputs.items() if not given.optional]
    own = {name: p.schema() for name, p in node.params.items() if p.per_layer}
    properties: dict[str, Any] = {"type": {"const": node.name}}
    properties["inputs"] = {
        "description": "Port: name of the node that is wired to it.",
        "type": "object",
        "properties": {
            port: {"type": "string", "description": given.help}
            for port, given in node.inputs.items()
        },
        "required": required,
        "additionalProperties": False,
    }
    properties |= {name: param.schema() for name, param in node.params.items()}
    properties["layers"] = {
        "description": "Values of single layers, where they differ from the node's.",
        "type": "object",
        "propertyNames": {"pattern": _LAYER},
        "additionalProperties": {
            "type": "object",
            "properties": own,
            "additionalProperties": False,
        },
    }
    properties["locked"] = {
        "description": "Approved results: layer, frame, digest of the file kept beside the graph.",
        "type": "object",
        "propertyNames": {"pattern": _LAYER},
        "additionalProperties": {
            "type": "object",
            "patternProperties": {r"^-?\d+$": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
            "additionalProperties": False,
        },
    }
    return {
        "title": node.name,
        "description": node.help,
        "type": "object",
        "required": ["type", *(["inputs"] if required else [])],
        "properties": properties,
        "additionalProperties": False,
    }

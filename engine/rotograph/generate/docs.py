"""The reference page of the nodes (docs/nodes.md), from their declarations.

Write it again with ``python -m rotograph.generate.docs docs/nodes.md``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from rotograph.declare import NodeType
from rotograph.graph import installed_nodes
from rotograph.parameter import Param
from rotograph.whole import write_whole

_HEAD = """# The nodes

<!-- Generated from the declarations by `python -m rotograph.generate.docs docs/nodes.md`. -->

`rotograph nodes NAME` shows the same. How they are put together: [graph.md](graph.md).

*Animated* parameters take keyframes, `{"keys": {"1001": 0, "1024": 4}}`. Those marked *per layer*
may have a value of their own for a layer. A parameter that moves no pixels never makes a result
dirty.
"""


def first_line(node: NodeType) -> str:
    """A node's help up to the end of its first paragraph, on one line."""
    return " ".join(node.help.split("\n\n")[0].split())


def range_text(param: Param) -> str:
    """What a parameter may be: ``0 to 100``, the choices, or the kind."""
    if param.choices:
        return ", ".join(param.choices)
    if param.minimum is not None and param.maximum is not None:
        return f"{param.minimum:g} to {param.maximum:g}"
    if param.minimum is not None:
        return f"{param.minimum:g} or more"
    if param.maximum is not None:
        return f"{param.maximum:g} or less"
    kinds = {"bool": "true, false", "names": "list of names", "prompts": "list of prompts"}
    kinds |= {"float": "number", "int": "whole number", "frames": "frames, as 1001-1100x2"}
    return kinds.get(param.kind, param.kind)


def default_text(param: Param) -> str:
    """The default as a graph file has it; nothing where it is empty."""
    if param.default in ("", ()):
        return ""
    if param.kind == "float":
        return f"{param.default:g}"
    return json.dumps(param.default).strip('"')


def traits(param: Param) -> list[str]:
    """What is particular about a parameter, in words."""
    found = []
    if param.animated:
        found.append("animated")
    if param.per_layer:
        found.append("per layer")
    if not param.pixels:
        found.append("moves no pixels")
    return found


def page(nodes: Iterable[NodeType]) -> str:
    """The reference page as Markdown."""
    return "\n".join([_HEAD, *(_section(node) for node in nodes)])


def _section(node: NodeType) -> str:
    lines = [f"## {node.name}", "", node.help, ""]
    gives = f"Gives **{node.output.wire}**." if node.output else "Writes files."
    lines += [f"{gives} Version {node.version}.", ""]
    if node.inputs:
        lines += ["| input | takes | |", "|---|---|---|"]
        for port, given in node.inputs.items():
            optional = "Optional. " if given.optional else ""
            lines.append(_row(f"`{port}`", " or ".join(given.accepts), optional + given.help))
        lines.append("")
    if node.params:
        lines += ["| parameter | default | range | unit | |", "|---|---|---|---|---|"]
        for name, param in node.params.items():
            default = default_text(param)
            more = ", ".join(traits(param))
            lines.append(
                _row(
                    f"`{name}`",
                    f"`{default}`" if default else "",
                    range_text(param),
                    param.unit,
                    f"{param.help} *({more})*" if more else param.help,
                )
            )
        lines.append("")
    return "\n".join(lines)


def _row(*cells: str) -> str:
    safe = (" ".join(c.split()).replace("|", "\\|").replace("<", "&lt;") for c in cells)
    return f"| {' | '.join(safe)} |"


if __name__ == "__main__":
    write_whole(Path(sys.argv[1]), page(installed_nodes().values()).encode())

"""The wires of a graph: whether they can be so, and the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping

from rotograph.errors import GraphError, did_you_mean
from rotograph.node import Node


def check(nodes: Mapping[str, Node]) -> None:
    """Raise GraphError for a wire to nowhere, a wrong kind, a missing input or a cycle."""
    for node in nodes.values():
        for port, source in node.inputs.items():
            if source not in nodes:
                raise GraphError(
                    f"input '{port}' is wired to '{source}', which is not there",
                    node=node.name,
                    hint=did_you_mean(source, nodes),
                )
            output = nodes[source].type.output
            accepts = node.type.inputs[port].accepts
            if output is None or output.wire not in accepts:
                gives = "nothing" if output is None else output.wire
                raise GraphError(
                    f"input '{port}' takes {' or '.join(accepts)}, "
                    f"but '{source}' ({nodes[source].type.name}) gives {gives}",
                    node=node.name,
                )
        for port, declared in node.type.inputs.items():
            if not declared.optional and port not in node.inputs:
                raise GraphError(
                    f"input '{port}' is not wired",
                    node=node.name,
                    hint=f'add "inputs": {{"{port}": …}}, {declared.help[0].lower()}'
                    f"{declared.help[1:]}",
                )
    in_order(nodes)


def in_order(nodes: Mapping[str, Node]) -> list[Node]:
    """Nodes, each after everything wired to it; raises GraphError for a cycle."""
    done: dict[str, bool] = {}
    ordered: list[Node] = []
    for root in nodes:
        stack = [(root, iter(nodes[root].inputs.values()))] if root not in done else []
        while stack:
            name, sources = stack[-1]
            done.setdefault(name, False)
            source = next((s for s in sources if not done.get(s, False)), None)
            if source is None:
                stack.pop()
                done[name] = True
                ordered.append(nodes[name])
            elif source in done:
                path = [n for n, _ in stack]
                ring = [*path[path.index(source) :], source]
                raise GraphError(f"the wires run in a circle: {' ← '.join(ring)}", node=source)
            else:
                stack.append((source, iter(nodes[source].inputs.values())))
    return ordered

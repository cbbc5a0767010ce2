"""The graph: nodes by name, as a document that is read, checked, edited and saved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from rotograph import document, wires
from rotograph.declare import NodeType
from rotograph.errors import GraphError, RotographError, did_you_mean, shown
from rotograph.node import Node, node_name, parse_locks

FORMAT = 1
_WORDS = ("type", "inputs", "layers", "locked")


def installed_nodes() -> dict[str, NodeType]:
    """Every operator that an installed package declares (entry point ``rotograph.nodes``).

    An entry point names a sequence of NodeTypes. Raises GraphError when two packages declare the
    same name, for neither could be meant safely.
    """
    found: dict[str, NodeType] = {}
    for entry in sorted(entry_points(group="rotograph.nodes"), key=lambda e: e.name):
        for declared in entry.load():
            if found.setdefault(declared.name, declared) is not declared:
                raise GraphError(
                    f"two packages declare a node '{declared.name}', one of them {entry.value}",
                    hint="uninstall one",
                )
    return found


class Graph:
    """Nodes by name, in the order of the document.

    folder: what relative paths are relative to. path: the document's file, if it has one.
    """

    def __init__(
        self, folder: Path | str = ".", nodes: Mapping[str, NodeType] | None = None
    ) -> None:
        self.folder = Path(folder).absolute()
        self.path: Path | None = None
        self.types = dict(installed_nodes() if nodes is None else nodes)
        self.nodes: dict[str, Node] = {}

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    @classmethod
    def load(cls, path: Path | str, nodes: Mapping[str, NodeType] | None = None) -> Graph:
        """Read a graph file; raises GraphError naming the file, the node and what is wrong."""
        path = Path(path)
        data = document.read(path)
        try:
            graph = cls.from_dict(data, path.absolute().parent, nodes)
        except RotographError as error:
            raise error.located(file=path) from None
        graph.path = path.absolute()
        return graph

    @classmethod
    def from_dict(
        cls, data: Any, folder: Path | str = ".", nodes: Mapping[str, NodeType] | None = None
    ) -> Graph:
        """A checked graph from its JSON form; raises GraphError."""
        if not isinstance(data, Mapping) or "rotograph" not in data:
            raise GraphError('is not a graph: it needs "rotograph": 1 and "nodes"')
        if data["rotograph"] != FORMAT or isinstance(data["rotograph"], bool):
            raise GraphError(
                f"has format {shown(data['rotograph'])}, but this version reads {FORMAT}",
                hint="update Rotograph if the file is newer",
            )
        for name in data:
            if name not in ("rotograph", "nodes"):
                raise GraphError(
                    f"a graph has no '{name}'", hint=did_you_mean(name, ("rotograph", "nodes"))
                )
        listed = data.get("nodes")
        if not isinstance(listed, Mapping) or not listed:
            raise GraphError("has no nodes")
        graph = cls(folder, nodes)
        for name, body in listed.items():
            if not isinstance(body, Mapping) or not isinstance(body.get("type"), str):
                raise GraphError('needs a "type", such as "Read"', node=name)
            settings = {k: v for k, v in body.items() if k not in _WORDS}
            graph.add(
                name,
                body["type"],
                inputs=body.get("inputs", {}),
                layers=body.get("layers", {}),
                locked=body.get("locked", {}),
                **settings,
            )
        graph.check()
        return graph

    def add(
        self,
        name: str,
        type: str,
        /,
        *,
        inputs: Mapping[str, str] | None = None,
        layers: Mapping[str, Mapping[str, Any]] | None = None,
        locked: Mapping[str, Mapping[str, str]] | None = None,
        **params: Any,
    ) -> Node:
        """Add a node; raises GraphError naming it. Wires are checked by ``check``."""
        node_name(name)
        if name in self.nodes:
            raise GraphError("there are two nodes of this name", node=name)
        declared = self.types.get(type)
        if declared is None:
            raise GraphError(
                f"there is no node type '{type}'", node=name, hint=did_you_mean(type, self.types)
            )
        made = Node(name, declared)
        for word, value in (("inputs", inputs), ("layers", layers), ("locked", locked)):
            if value is not None and not isinstance(value, Mapping):
                raise GraphError(f"'{word}' must be an object", node=name)
        for port, source in (inputs or {}).items():
            if port not in declared.inputs:
                raise GraphError(
                    f"{type} has no input '{port}'",
                    node=name,
                    hint=did_you_mean(port, declared.inputs),
                )
            if not isinstance(source, str):
                raise GraphError(
                    f"input '{port}' must be the name of a node, not {shown(source)}", node=name
                )
            made.inputs[port] = source
        for param, value in params.items():
            made.set(param, value)
        for layer, own in (layers or {}).items():
            if not isinstance(own, Mapping):
                raise GraphError(f"'layers' of '{layer}' must be an object", node=name)
            for param, value in own.items():
                made.set(param, value, layer)
        for layer, frames in (locked or {}).items():
            made.locked[layer] = parse_locks(name, layer, frames)
        self.nodes[name] = made
        return made

    def node(self, name: str) -> Node:
        """A node by name; raises GraphError that suggests the nearest."""
        if name not in self.nodes:
            raise GraphError(f"there is no node '{name}'", hint=did_you_mean(name, self.nodes))
        return self.nodes[name]

    def set(self, assignment: str) -> None:
        """``node.parameter=value`` or ``node.layer.parameter=value``; the value is JSON or text."""
        target, equals, text = assignment.partition("=")
        parts = target.split(".")
        if not equals or len(parts) not in (2, 3):
            raise GraphError(
                f"'{assignment}' sets nothing",
                hint="write NODE.PARAMETER=VALUE, as refine.feather=3",
            )
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        node = self.node(parts[0])
        declared = node.type.params.get(parts[-1])
        if declared and declared.kind in ("text", "file", "frames", "choice"):
            value = text if not isinstance(value, str | dict) else value
        node.set(parts[-1], value, parts[1] if len(parts) == 3 else None)

    def check(self) -> None:
        """Raise GraphError for a wire to nowhere, a wrong kind, a missing input or a cycle."""
        wires.check(self.nodes)

    def order(self) -> list[Node]:
        """Nodes, each after everything wired to it; raises GraphError for a cycle."""
        return wires.in_order(self.nodes)

    def writers(self) -> list[Node]:
        """The nodes that write files."""
        return [n for n in self if n.type.effect is not None]

    def resolve_path(self, path: str) -> Path:
        """A path of the document, relative ones from the document's folder; ``~`` is the user's."""
        try:
            return self.folder / Path(path).expanduser()
        except RuntimeError:
            raise GraphError(
                f"'{path}': there is no such user", hint="write the path out"
            ) from None

    @property
    def frozen_folder(self) -> Path:
        """Where frozen masks and approved results are kept: beside the document, never evicted.

        Raises GraphError while the document has no file.
        """
        if self.path is None:
            raise GraphError("the graph has no file yet", hint="save it before freezing or locking")
        return self.path.with_suffix(".frozen")

    def to_dict(self) -> dict[str, Any]:
        return {"rotograph": FORMAT, "nodes": {n.name: n.to_json() for n in self}}

    def save(self, path: Path | str | None = None) -> Path:
        """Write the document, to a temporary name and then renamed; raises GraphError."""
        target = Path(path).absolute() if path is not None else self.path
        if target is None:
            raise GraphError("the graph has no file yet", hint="say where to save it")
        document.write(target, self.to_dict())
        self.path, self.folder = target, target.parent
        return target

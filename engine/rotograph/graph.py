"""The graph: nodes, wires and parameters, as a document that is read, checked, edited and saved."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from rotograph.declare import NodeType
from rotograph.errors import GraphError, RotographError, did_you_mean, shown
from rotograph.parameter import Curve, frame_number, parse_value
from rotograph.prompt import layer_name

FORMAT = 1
MAX_BYTES = 64 << 20
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


@dataclass
class Node:
    """One node of a graph.

    inputs: port -> name of the node wired to it. params: what the document sets, checked.
    layers: layer -> parameter -> value, for parameters that a layer may have of its own.
    locked: layer -> frame -> digest (hex) of the approved result kept beside the document.
    """

    name: str
    type: NodeType
    inputs: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    locked: dict[str, dict[int, str]] = field(default_factory=dict)

    def value(self, param: str, frame: int | None = None, layer: str | None = None) -> Any:
        """A parameter's value, on a frame and for a layer where it has keyframes or layers."""
        own = self.layers.get(layer, {}) if layer is not None else {}
        value = own.get(param, self.params.get(param, self.type.params[param].default))
        if not isinstance(value, Curve):
            return value
        return value.at(value.frames[0] if frame is None else frame)

    def model(self, param: str) -> str:
        """A model's name, as ``Models.card`` takes it: "auto" with what this node asks of it."""
        name = self.value(param)
        if name != "auto" or self.type.asks is None:
            return name
        return " ".join((name, *self.type.asks(self).get(param, ())))

    def animated(self, param: str, layer: str | None = None) -> bool:
        own = self.layers.get(layer, {}) if layer is not None else {}
        return isinstance(own.get(param, self.params.get(param)), Curve)

    def set(self, param: str, value: Any, layer: str | None = None) -> None:
        """Set a parameter, for all layers or one; raises GraphError naming the node."""
        try:
            declared = self.type.params.get(param)
            if declared is None:
                raise GraphError(
                    f"{self.type.name} has no parameter '{param}'",
                    hint=did_you_mean(param, self.type.params),
                )
            if layer is None:
                self.params[param] = parse_value(declared, param, value)
                return
            if not declared.per_layer:
                raise GraphError(f"'{param}' is one for all layers; set it on the node itself")
            self.layers.setdefault(layer_name(layer), {})[param] = parse_value(
                declared, param, value
            )
        except RotographError as error:
            raise error.located(node=self.name) from None

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"type": self.type.name}
        if self.inputs:
            out["inputs"] = dict(self.inputs)
        out |= {name: _plain(value) for name, value in self.params.items()}
        if self.layers:
            out["layers"] = {
                layer: {name: _plain(value) for name, value in own.items()}
                for layer, own in self.layers.items()
            }
        if self.locked:
            out["locked"] = {
                layer: {str(frame): name for frame, name in sorted(frames.items())}
                for layer, frames in self.locked.items()
            }
        return out


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value.to_json() if hasattr(value, "to_json") else value


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
        try:
            with open(path, "rb") as file:
                text = file.read(MAX_BYTES + 1)  # and no more of what has no end
            if len(text) > MAX_BYTES:
                raise GraphError(f"is larger than {MAX_BYTES >> 20} MB", hint="is it a graph file?")
            data = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_unique)
        except OSError as error:
            raise GraphError(f"cannot be read: {error.strerror}", file=path) from None
        except (ValueError, RecursionError) as error:
            raise GraphError(f"is not a graph file: {error}", file=path) from None
        except GraphError as error:
            raise error.located(file=path) from None
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
        if not _is_name(name):
            raise GraphError(
                f"{shown(name)} cannot be a node's name",
                hint="use letters, digits and such, no . or /, 100 at most",
            )
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
            made.locked[layer] = _locks(name, layer, frames)
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
        for node in self:
            for port, source in node.inputs.items():
                if source not in self.nodes:
                    raise GraphError(
                        f"input '{port}' is wired to '{source}', which is not there",
                        node=node.name,
                        hint=did_you_mean(source, self.nodes),
                    )
                output = self.nodes[source].type.output
                accepts = node.type.inputs[port].accepts
                if output is None or output.wire not in accepts:
                    gives = "nothing" if output is None else output.wire
                    raise GraphError(
                        f"input '{port}' takes {' or '.join(accepts)}, "
                        f"but '{source}' ({self.nodes[source].type.name}) gives {gives}",
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
        self.order()

    def order(self) -> list[Node]:
        """Nodes, each after everything wired to it; raises GraphError for a cycle."""
        done: dict[str, bool] = {}
        ordered: list[Node] = []
        for root in self.nodes:
            stack = [(root, iter(self.nodes[root].inputs.values()))] if root not in done else []
            while stack:
                name, sources = stack[-1]
                done.setdefault(name, False)
                source = next((s for s in sources if not done.get(s, False)), None)
                if source is None:
                    stack.pop()
                    done[name] = True
                    ordered.append(self.nodes[name])
                elif source in done:
                    path = [n for n, _ in stack]
                    ring = [*path[path.index(source) :], source]
                    raise GraphError(f"the wires run in a circle: {' ← '.join(ring)}", node=source)
                else:
                    stack.append((source, iter(self.nodes[source].inputs.values())))
        return ordered

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
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        try:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.chmod(name, target.stat().st_mode & 0o777 if target.exists() else 0o644)
                os.replace(name, target)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            raise GraphError(f"cannot be saved: {error.strerror}", file=target) from None
        self.path, self.folder = target, target.parent
        return target


def _is_name(name: Any) -> bool:
    """Whether a node may be called so: it stands in messages, in ``--set`` and in hosts."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= 100
        and name.isprintable()
        and not any(c in name for c in "./")
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise GraphError(f"'{twice}' is there twice in one object", hint="rename or remove one")
    return out


def _locks(node: str, layer: str, frames: Any) -> dict[int, str]:
    layer_name(layer)
    wrong = GraphError(f"'locked' of '{layer}' must give a digest for each frame", node=node)
    if not isinstance(frames, Mapping):
        raise wrong
    out = {}
    for frame, name in frames.items():
        if not isinstance(name, str) or len(name) != 32 or set(name) - set("0123456789abcdef"):
            raise wrong
        out[frame_number(frame, f"'locked' of '{layer}' has a result")] = name
    return out

"""What changed since the last run: for a result whose key is another one, the first cause of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotograph.declare import Leaf, Result, Value
from rotograph.errors import shown
from rotograph.lastrun import Before
from rotograph.needs import Entry, Keys, flatten
from rotograph.node import Node


@dataclass(frozen=True)
class Cause:
    """Why a result is dirty. text: ``{}`` stands for ``frames``, those where the cause lies."""

    text: str
    frames: frozenset[int] = frozenset()


SAME = Cause("")
"""The result is the last run's own."""
UNKNOWN = Cause("something changed since the last run")


class Changes:
    """The causes, each looked for once; a tracker's state hangs on the one before it, and so on."""

    def __init__(self, keys: Keys, before: Before) -> None:
        self._now = keys
        self._before = before
        self._known: dict[Result, Cause] = {}

    def cause(self, root: Result) -> Cause:
        """What changed first, or SAME; ``follows NODE`` where it lies in a node before."""
        path = [root]
        while path:
            at = path[-1]
            if at not in self._known:
                found = self._own(at)
                below = None if found is not None else self._below(at)
                if found is None and below is not None and below not in self._known:
                    path.append(below)
                    continue
                self._known[at] = found or self._through(at, below)
            path.pop()
        return self._known[root]

    def _through(self, at: Result, below: Result | None) -> Cause:
        if below is None:
            return UNKNOWN
        # what is never kept is in nobody's list of dirty results: its cause is handed on
        mine = below.node == at.node or not self._now.entry(below).stage.stored
        return self._known[below] if mine else Cause(f"follows {below.node}")

    def _was(self, result: Result) -> Entry | None:
        try:
            return self._before.keys.entry(result)
        except Exception:  # a graph that had no such result cannot say what it would have needed
            return None

    def _own(self, result: Result) -> Cause | None:
        """What changed in this result's own recipe; None when it must lie below."""
        node = self._now.graph.nodes[result.node]
        old = self._before.keys.graph.nodes.get(result.node)
        if old is None or old.type.name != node.type.name:
            return Cause("the node is new")
        if result.layer is not None and result.layer not in self._layers(result.node):
            return Cause(f"the layer {result.layer} is new")
        now, was = self._now.entry(result), self._was(result)
        if was is None or was.key is None:
            return self._edited(node, old, result) or UNKNOWN
        if now.key == was.key:
            return SAME
        found = self._settings(node, old, now, was)
        if found is None and _outline(now) != _outline(was):
            found = self._edited(node, old, result)
        return found or self._needs(node, old, now, was)

    def _layers(self, name: str) -> tuple[str, ...]:
        try:
            return self._before.keys.shape(name).layers
        except Exception:  # as above; then no layer is called new
            return self._now.shape(name).layers

    def _settings(self, node: Node, old: Node, now: Entry, was: Entry) -> Cause | None:
        step, result = now.stage, now.result
        for param in step.params:
            if node.type.params[param].pixels:
                found = _parameter(node, old, param, result)
                if found is not None:
                    return found
        for role, param in step.models.items():
            then, today = (
                keys.world.models.card(role, n.model(param)).identity(role)
                for keys, n in ((self._before.keys, old), (self._now, node))
            )
            if then["name"] != today["name"]:
                return Cause(f"{_named(param)} {then['name']} → {today['name']}")
            if then != today:
                what = "weights" if then["weights"] != today["weights"] else "adapter"
                return Cause(f"the model {today['name']} has other {what}")
        version = step.version or node.type.version
        if version != (was.stage.version or old.type.version):
            return Cause(f"{step.operator or node.type.name} is version {version} now")
        if step.colour and self._now.world.colour_digest() != self._before.noted.colour:
            return Cause("the colour configuration changed")
        return None

    def _edited(self, node: Node, old: Node, result: Result) -> Cause | None:
        """An edit of the node, or of one before it, that gives the result other needs."""
        if node.inputs != old.inputs:
            port = next(p for p in (*node.inputs, *old.inputs) if _wire(node, p) != _wire(old, p))
            return Cause(f"the input {port} is wired to another node")
        for param in node.type.params:
            found = _parameter(node, old, param, result)
            if found is not None:
                return found
        if node.locked != old.locked:
            return Cause("other frames are locked")
        nodes, olds = self._now.graph.nodes, self._before.keys.graph.nodes
        seen, left = {node.name}, list(node.inputs.values())
        while left:
            name = left.pop(0)
            if name in seen:
                continue
            seen.add(name)
            if name not in olds or nodes[name].to_json() != olds[name].to_json():
                return Cause(f"follows {name}")
            left += nodes[name].inputs.values()
        return None

    def _needs(self, node: Node, old: Node, now: Entry, was: Entry) -> Cause | None:
        """A value or a file that is another; None when it is a result."""
        then = dict(flatten(was.needs))
        for name, need in flatten(now.needs):
            other = then.get(name)
            if isinstance(need, Value) and isinstance(other, Value) and need != other:
                found = self._edited(node, old, now.result)
                return found or Cause(f"its {name.split('.')[0]} changed")
            if isinstance(need, Leaf) and isinstance(other, Leaf):
                digests = self._digest(need, self._now), self._digest(other, self._before.keys)
                if digests[0] != digests[1]:
                    return _file(need, other, now.result)
        return None

    @staticmethod
    def _digest(leaf: Leaf, keys: Keys) -> bytes | None:
        return keys.world.leaf_digest(leaf)

    def _below(self, result: Result) -> Result | None:
        """The first result that it needs and whose key is another one."""
        then = dict(flatten(self._before.keys.entry(result).needs))
        for name, need in flatten(self._now.entry(result).needs):
            if isinstance(need, Result):
                other = then.get(name)
                was = self._was(other) if isinstance(other, Result) else None
                if was is None or was.key != self._now.entry(need).key:
                    return need
        return None


def _outline(entry: Entry) -> list[tuple[str, Any]]:
    """What is needed, without what it holds."""
    return [
        (name, need if isinstance(need, Result) else type(need))
        for name, need in flatten(entry.needs)
    ]


def _wire(node: Node, port: str) -> str | None:
    return node.inputs.get(port)


def _named(param: str) -> str:
    return param.replace("_", " ") if "model" in param else f"parameter {param}"


def _parameter(node: Node, old: Node, param: str, result: Result) -> Cause | None:
    """How a parameter changed there, if it did."""
    kind = node.type.params[param].kind
    if kind == "prompts":
        return _prompts(node.value(param), old.value(param), result.layer)
    if param not in old.type.params:
        return Cause(f"parameter {param} is new")
    was, now = (n.value(param, result.frame, result.layer) for n in (old, node))
    if was == now or kind == "file":
        return None
    own = any(param in n.layers.get(result.layer or "", {}) for n in (old, node))
    of = f" of {result.layer}" if own else ""
    return Cause(f"{_named(param)}{of} {_short(was)} → {_short(now)}")


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else shown(value)


def _prompts(now: Any, was: Any, layer: str | None) -> Cause | None:
    other = {p for p in (*now, *was) if (p in now) != (p in was)}
    of = sorted({p.layer for p in other if layer in (None, p.layer)})
    if not of:
        return None
    return Cause(f"prompts of {', '.join(of)} at {{}}", frozenset(p.frame for p in other))


def _file(leaf: Leaf, other: Leaf, result: Result) -> Cause:
    name = Path(leaf.path).name
    match leaf.kind:
        case "mask":
            return Cause(f"the mask {name} changed")
        case "inline":
            return Cause("the mask in the prompts changed")
        case "frozen":
            return Cause("another result is approved")
    if leaf.path != other.path and leaf.index == other.index and result.frame is None:
        return Cause(f"it reads {name}")
    what = "attributes of " if leaf.kind == "attributes" else ""
    return Cause(f"{what}{result.node} frame {{}} changed", frozenset([result.frame or 0]))


def grouped(causes: Mapping[Result, Cause]) -> Iterator[tuple[str, list[Result]]]:
    """Causes of the same kind as one line, with all the frames where they lie."""
    from rotograph.frames import format_frames

    lines: dict[str, tuple[set[int], list[Result]]] = {}
    for result, cause in causes.items():
        frames, results = lines.setdefault(cause.text, (set(), []))
        frames |= cause.frames
        results.append(result)
    for text, (frames, results) in lines.items():
        yield text.replace("{}", format_frames(frames)), results

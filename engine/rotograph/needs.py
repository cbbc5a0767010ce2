"""From declared needs to keys: every result of a graph, without a model and without pixels.

Keys are computed from the leaves up and iteratively, because the state of a tracker at frame t
hangs on frame t-1, back to its anchor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rotograph import licence
from rotograph.declare import Leaf, Need, Needs, Result, Stage, Value
from rotograph.errors import GraphError, ModelError, RotographError
from rotograph.graph import Graph, Node
from rotograph.key import Recipe, digest
from rotograph.models import Models
from rotograph.shape import FrameSet, Shape


class World(Protocol):
    """What a plan asks of the outside; see environment.py."""

    models: Models

    def colour_digest(self) -> str: ...
    def open_plate(self, path: Path, start: int, **choice: Any) -> Any: ...
    def plate_space(self, plate: Any, named: str | None) -> str: ...
    def leaf_digest(self, leaf: Leaf) -> bytes | None: ...
    def has(self, key: bytes) -> bool: ...
    def small_result(self, key: bytes) -> Any | None: ...
    def written(self, path: Path, key: bytes) -> str: ...


class NotYet(Exception):
    """The shape of the graph hangs on a result that has not been computed."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


class Unread(NotYet):
    """The shape of the graph hangs on a result whose plate has not even been read."""


@dataclass(slots=True, eq=False)
class Entry:
    """One result of the graph: what it needs and, once every leaf below is known, its key.

    flat: the needs as ``flatten`` gives them, until the key is known. below: the entries of those
    that are results, in that order; None until they are looked at.
    """

    result: Result
    stage: Stage
    needs: Needs
    flat: list[tuple[str, Need]]
    below: list[Entry] | None = None
    key: bytes | None = None
    unread: Leaf | None = None

    @property
    def leaves(self) -> list[Leaf]:
        """The needs that lie outside the graph."""
        return _leaves(self.needs)


def flatten(needs: Needs) -> Iterator[tuple[str, Need]]:
    """Every need with the name it enters the key under, in a fixed order; None is no need."""
    for name, need in needs.items():
        if isinstance(need, dict):
            several = [(f"{name}.{part}", need[part]) for part in sorted(need)]
        elif isinstance(need, list):
            several = [(f"{name}.{index}", item) for index, item in enumerate(need)]
        else:
            several = [(name, need)]
        for one in several:
            if one[1] is not None:
                yield one


def _leaves(needs: Needs) -> list[Leaf]:
    return [need for _, need in flatten(needs) if type(need) is Leaf]


class At:
    """Where ``needs`` and ``describe`` stand: a node, perhaps a layer and a frame. No pixels."""

    def __init__(self, keys: Keys, node: Node) -> None:
        self._keys = keys
        self.node = node
        self.layer: str | None = None
        self.frame: int | None = None

    def value(self, param: str) -> Any:
        """A parameter, on this frame and for this layer."""
        return self.node.value(param, self.frame, self.layer)

    def wired(self, port: str) -> bool:
        return port in self.node.inputs

    def shape(self, port: str) -> Shape:
        """What is wired to a port; an empty shape when nothing is."""
        source = self.node.inputs.get(port)
        return _NOTHING if source is None else self._keys.shape(source)

    def own(self) -> Shape:
        """The shape of this node's own output."""
        return self._keys.shape(self.node.name)

    def input(
        self,
        port: str,
        frame: int | None = None,
        layer: str | None = None,
        beside: str | None = None,
    ) -> Need | None:
        """The result wired to a port, on this frame and layer unless others are named.

        None when nothing is wired or nothing is delivered there. An approved (locked) result
        stands in for the one that would be computed. beside: another stage of the same output.
        """
        source = self.node.inputs.get(port)
        if source is None:
            return None
        frame = self.frame if frame is None else frame
        return self._keys.output(source, frame, layer or self.layer, beside)

    def plate(self, port: str, stage: str) -> Result:
        """A stage, on this frame, of the Read node that a port's results belong to."""
        return Result(self.shape(port).plate, stage, None, self.frame)

    def stage(self, stage: str, frame: int | None = None, layer: str | None = None) -> Result:
        """A stage of this node, on this frame and layer unless others are named."""
        per = self.node.type.stages[stage].per
        return Result(
            self.node.name,
            stage,
            (layer or self.layer) if per == "layer" else None,
            None if per == "shot" else (self.frame if frame is None else frame),
        )

    def output(self, layer: str | None = None) -> Need | None:
        """This node's own output on this frame, the approved one if there is one."""
        return self._keys.output(self.node.name, self.frame, layer or self.layer)

    def approved(self, layer: str) -> Leaf | None:
        """The approved result of this node for a layer on this frame, if there is one."""
        return self._keys.approved(self.node.name, self.frame, layer)

    def open_plate(self, text: str, start: int, **choice: Any) -> Any:
        """The media that a path or pattern of the document names; raises MediaError."""
        return self._keys.world.open_plate(self.path(text), start, **choice)

    def plate_space(self, plate: Any, named: str | None) -> str:
        """The colour space of such a media; raises ColourError."""
        return self._keys.world.plate_space(plate, named)

    def path(self, text: str) -> Path:
        """A path of the document made absolute."""
        return self._keys.graph.resolve_path(text)

    def output_path(self, text: str) -> Path:
        """Where a file is written: below ``--output`` if given, else as the document says."""
        folder = self._keys.output_folder
        if folder is None:
            return self._keys.graph.resolve_path(text)
        path = Path(text)
        return folder / (path.name if path.is_absolute() else path)

    def small(self, port: str) -> Any:
        """The result wired to a port when it decides the shape of the graph (Detections)."""
        result = self._keys.output(self.node.inputs[port], None, None)
        return self._keys.small(result)

    def card(self, role: str, param: str = "model") -> Any:
        """The card of the model that a parameter names; raises ModelError naming the node."""
        return self._keys.world.models.card(role, self.value(param))

    def used_models(self) -> tuple[str, ...]:
        """The models behind this node, each as ``name (licence)``, for a file's metadata."""
        return self._keys.used_models(self.node.name)

    def readers(self, role: str) -> list[Any]:
        """The cards of models that can read a text prompt."""
        return self._keys.world.models.readers(role)


_NOTHING = Shape(FrameSet())


class Keys:
    """The keys of one graph in one environment, each computed once."""

    def __init__(self, graph: Graph, world: World, output_folder: Path | None = None) -> None:
        self.graph = graph
        self.world = world
        self.output_folder = output_folder
        self._shapes: dict[str, Shape | Exception] = {}
        self._entries: dict[Result, Entry] = {}
        self._recipes: dict[tuple, Recipe] = {}
        self._used: dict[str, tuple[str, ...]] = {}
        self._small: dict[bytes, Any] = {}
        self._at = {name: At(self, node) for name, node in graph.nodes.items()}

    def shape(self, name: str) -> Shape:
        """The shape of a node's output; raises NotYet while it hangs on a result."""
        known = self._shapes.get(name)
        if known is None:
            node = self.graph.nodes[name]
            at = At(self, node)
            try:
                known = node.type.describe(at)
            except NotYet as wait:
                known = wait
            except RotographError as error:
                raise error.located(node=name) from None
            self._shapes[name] = known
        if isinstance(known, Exception):
            raise known
        return known

    def output(
        self, name: str, frame: int | None, layer: str | None, beside: str | None = None
    ) -> Need | None:
        """The output of a node there, its approved stand-in, or None where it delivers nothing."""
        node = self.graph.nodes[name]
        if beside is not None and beside not in node.type.output.beside:
            raise GraphError(
                f"'{name}' ({node.type.name}) has no {beside} to give",
                hint="wire a node that has, such as Matte or Refine",
            )
        step = node.type.stages[beside or node.type.output.stage]
        if step.per == "shot":
            return Result(name, step.name, None, None)
        shape = self.shape(name)
        if shape.still:
            frame = shape.frames.frames[0]
        layer = layer if step.per == "layer" else None
        if not shape.delivers(layer, frame):
            return None
        if layer is not None and beside is None:
            approved = self.approved(name, frame, layer)
            if approved is not None:
                return approved
        return Result(name, step.name, layer, frame)

    def approved(self, name: str, frame: int, layer: str) -> Leaf | None:
        """The approved (locked) result of a node there, if there is one."""
        locked = self.graph.nodes[name].locked.get(layer, {}).get(frame)
        if locked is None:
            return None
        return Leaf("frozen", str(self.graph.frozen_folder / f"{locked}.result"))

    def small(self, result: Result) -> Any:
        entry = self.entry(result)
        if entry.key is None:
            raise Unread(result)
        if entry.key not in self._small:
            value = self.world.small_result(entry.key)
            if value is None:
                raise NotYet(result)
            self._small[entry.key] = value
        return self._small[entry.key]

    def entry(self, root: Result) -> Entry:
        """The entry of a result, with its key, after those of everything below it."""
        top = self._begun(root)
        stack = [top]
        while stack:
            entry = stack[-1]
            if entry.key is not None or entry.unread is not None:
                stack.pop()
                continue
            if entry.below is None:
                entry.below = [self._begun(n) for _, n in entry.flat if type(n) is Result]
            waiting = [e for e in entry.below if e.key is None and e.unread is None]
            if waiting:
                stack += waiting
            else:
                self._finish(entry)
                stack.pop()
        return top

    def used_models(self, name: str) -> tuple[str, ...]:
        """The models that a node and what is before it use, each as ``name (licence)``."""
        if name not in self._used:
            found = licence.used(self.graph, self.world.models, before=name)
            self._used[name] = tuple(licence.stated(found))
        return self._used[name]

    def files(self, result: Result) -> dict[str | None, Path]:
        """The files that an effect writes on its frame: by layer, or one for all under None."""
        at = self._at[result.node]
        at.layer, at.frame = None, result.frame
        try:
            return at.node.type.files(at)
        except RotographError as error:
            raise error.located(node=result.node) from None

    def reads(self) -> set[str]:
        """The real paths of all files that the results looked at so far are made from."""
        found = {leaf.path for entry in self._entries.values() for leaf in _leaves(entry.needs)}
        return {os.path.realpath(path) for path in found}

    def key_as(self, entry: Entry, below: Mapping[Result, bytes], mode: str = "") -> bytes:
        """The key that an entry has when other results stand in below it, or in a smaller way.

        below: the keys of all results that it needs. mode: see ``smaller``; "" for none.
        """
        base = entry.result.frame or 0
        children: list[tuple[str, int, bytes]] = []
        for name, need in flatten(entry.needs):
            if isinstance(need, Result):
                offset = 0 if need.frame is None else need.frame - base
                children.append((name, offset, below[need]))
            elif isinstance(need, Value):
                children.append((name, 0, digest(need.value)))
            else:
                children.append((name, 0, self.world.leaf_digest(need)))
        return self._recipe(entry, mode).key(children)

    def _begun(self, result: Result) -> Entry:
        """The result's entry, perhaps without its key yet."""
        found = self._entries.get(result)
        if found is None:
            found = self._entries[result] = self._begin(result)
        return found

    def _begin(self, result: Result) -> Entry:
        node = self.graph.nodes[result.node]
        step = node.type.stages[result.stage]
        at = self._at[result.node]
        at.layer, at.frame = result.layer, result.frame
        try:
            needs = step.needs_function(at)
        except RotographError as error:
            raise error.located(node=result.node, frame=result.frame) from None
        return Entry(result, step, needs, list(flatten(needs)))

    def _finish(self, entry: Entry) -> None:
        frame = entry.result.frame
        base = 0 if frame is None else frame
        children: list[tuple[str, int, bytes]] = []
        results = iter(entry.below)
        for name, need in entry.flat:
            kind = type(need)
            if kind is Result:
                below = next(results)
                if below.key is None:
                    entry.unread = below.unread
                    return
                at = need.frame
                children.append((name, 0 if at is None else at - base, below.key))
            elif kind is Value:
                children.append((name, 0, digest(need.value)))
            else:
                found = self.world.leaf_digest(need)
                if found is None:
                    entry.unread = need
                    return
                children.append((name, 0, found))
        entry.key = self._recipe(entry).key(children)
        entry.flat = []  # a long shot has hundreds of thousands of them

    def _recipe(self, entry: Entry, mode: str = "") -> Recipe:
        result, step = entry.result, entry.stage
        node = self.graph.nodes[result.node]
        own = result.layer if result.layer in node.layers else None
        moving = any(node.animated(p, own) for p in step.params)
        name = (result.node, step.name, own, result.frame if moving else None, mode)
        if name not in self._recipes:
            settings: dict[str, Any] = {
                "params": {
                    p: node.value(p, result.frame, own)
                    for p in step.params
                    if node.type.params[p].pixels
                }
            }
            try:
                settings["models"] = {
                    role: self.world.models.card(role, node.value(param)).identity(role)
                    for role, param in step.models.items()
                }
            except ModelError as error:
                raise error.located(node=result.node) from None
            if step.colour:
                settings["colour"] = self.world.colour_digest()
            if mode:
                settings["numeric"] = mode
                for identity in settings["models"].values():
                    identity["numeric_mode"] = mode
            self._recipes[name] = Recipe(
                step.operator or node.type.name,
                step.version or node.type.version,
                step.name,
                settings,
            )
        return self._recipes[name]

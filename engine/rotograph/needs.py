"""From declared needs to keys: every result of a graph, without a model and without pixels.

Keys are computed from the leaves up and iteratively, because the state of a tracker at frame t
hangs on frame t-1, back to its anchor.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotograph import licence
from rotograph.at import At
from rotograph.declare import Leaf, Need, Result, Value
from rotograph.entry import Entry, flatten, leaves
from rotograph.errors import GraphError, ModelError, RotographError
from rotograph.graph import Graph
from rotograph.key import Recipe, digest
from rotograph.shape import Shape
from rotograph.world import World


class NotYet(Exception):
    """The shape of the graph hangs on a result that has not been computed."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


class Unread(NotYet):
    """The shape of the graph hangs on a result whose plate has not even been read."""


class Keys:
    """The keys of one graph in one environment, each computed once."""

    def __init__(self, graph: Graph, world: World, output_folder: Path | None = None) -> None:
        self.graph = graph
        self.world = world
        self.output_folder = output_folder
        # every file that a key so far was made from, with its digest
        self.leaves: dict[Leaf, bytes] = {}
        self._shapes: dict[str, Shape | Exception] = {}
        self._opened: set[str] = set()
        self._entries: dict[Result, Entry] = {}
        self._recipes: dict[tuple, Recipe] = {}
        self._used: dict[str, tuple[str, ...]] = {}
        self._small: dict[bytes, Any] = {}
        self._at = {name: At(self, node) for name, node in graph.nodes.items()}

    def shape(self, name: str) -> Shape:
        """The shape of a node's output; raises NotYet while it hangs on a result.

        What is wired to it is described first, one after the other: a graph may be thousands of
        nodes long, and recursion is not.
        """
        stack = [name] if name not in self._shapes else []
        while stack:
            top = stack[-1]
            sources = self.graph.nodes[top].inputs.values() if top not in self._opened else ()
            self._opened.add(top)
            waiting = [s for s in sources if s not in self._shapes and s not in self._opened]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if top not in self._shapes:
                self._shapes[top] = self._described(top)
        known = self._shapes[name]
        if isinstance(known, Exception):
            raise known
        return known

    def _described(self, name: str) -> Shape | Exception:
        """The shape, or why there is none; whoever asks for it is told."""
        node = self.graph.nodes[name]
        try:
            return node.type.describe(At(self, node))
        except NotYet as wait:
            return wait
        except RotographError as error:
            return error.located(node=name)

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
        elif shape.plate is not None:
            frame = self.held(shape.plate, frame)
        layer = layer if step.per == "layer" else None
        if not shape.delivers(layer, frame):
            return None
        if layer is not None and beside is None:
            approved = self.approved(name, frame, layer)
            if approved is not None:
                return approved
        return Result(name, step.name, layer, frame)

    def held(self, plate: str, frame: int | None) -> int | None:
        """The frame that stands in for one beyond the plate's end, where the plate is held."""
        shape = self.shape(plate)
        if frame is None or not shape.holds:
            return frame
        return min(frame, shape.frames.frames[-1])

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
        found = {leaf for entry in self._entries.values() for leaf in leaves(entry.needs)}
        return {os.path.realpath(leaf.path) for leaf in found if leaf.kind != "inline"}

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
                self.leaves[need] = found
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
                    role: self.world.models.card(role, node.model(param)).identity(role)
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

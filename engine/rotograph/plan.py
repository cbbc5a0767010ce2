"""The plan: what is dirty, without a model and without pixels.

Demand starts at the outputs and stops at every key that is in the store; what it reaches beyond
that is the dirty set. A missing upstream result under a present downstream one is not dirt.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rotograph.declare import Leaf, Result
from rotograph.errors import GraphError, MissingFrame, did_you_mean
from rotograph.needs import Entry, Keys, NotYet
from rotograph.node import Node
from rotograph.shape import Shape

HELD = 1000
"""Frames beyond a plate's end that its last frame may stand in for; more is a slip of the keys."""


@dataclass
class Plan:
    """What a render would do.

    frames: what will be delivered. skipped: asked for, but missing in the plate and told to skip.
    dirty: results to compute and files to write, each after what it needs.
    reused: node -> the frames on which it computes nothing: what is asked of it is in the store, or
    its files stand.
    pending: results to compute before the rest can be known. unknown: nodes that wait for them.
    unread: plate frames whose pixels nobody has read yet, each with a result that asks for them.
    reasons: why each dirty entry is dirty, by result.
    """

    frames: tuple[int, ...]
    skipped: tuple[int, ...] = ()
    dirty: list[Entry] = field(default_factory=list)
    reused: dict[str, set[int | None]] = field(default_factory=dict)
    pending: list[Result] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    unread: dict[Leaf, Result] = field(default_factory=dict)
    reasons: dict[Result, str] = field(default_factory=dict)

    def dirty_frames(self) -> dict[str, list[int]]:
        """node -> the frames on which it has something to do, in order."""
        out: dict[str, set[int]] = {}
        for entry in self.dirty:
            frames = out.setdefault(entry.result.node, set())
            if entry.result.frame is not None:
                frames.add(entry.result.frame)
        return {node: sorted(frames) for node, frames in out.items()}


def plan(keys: Keys, frames: Sequence[int] | None = None) -> Plan:
    """The plan for the graph's Write nodes on these frames (None: all that the plate has).

    Raises GraphError when there is nothing to write or a frame lies outside the plate, MissingFrame
    when a plate's frame is missing and the node was not told to hold or skip.
    """
    with uncollected():
        return _plan(keys, frames)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, which would walk the growing entries of a long shot again
    and again (half of the time) and find nothing, for they hold no circles.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _plan(keys: Keys, frames: Sequence[int] | None) -> Plan:
    writers = keys.graph.writers()
    if not writers:
        raise GraphError("nothing is written", hint="add a Write node")
    demand = _Demand(keys)
    roots: list[Result] = []
    pending: dict[Result, None] = {}
    wanted: set[int] = set()
    skipped: set[int] = set()
    for node in writers:
        try:
            shape = keys.shape(node.name)
        except NotYet as wait:
            pending[wait.result] = None
            continue
        there = {*shape.frames.frames, *keys.shape(shape.plate).absent}
        asked = tuple(sorted(there) if frames is None else frames)
        plate = keys.shape(shape.plate)
        _inside(node, asked, shape, plate.holds)
        _whole(plate, asked, shape.plate)
        delivered = [f for f in asked if keys.held(shape.plate, f) in shape.frames]
        skipped |= set(asked) - set(delivered)
        wanted |= set(delivered)
        roots += [Result(node.name, node.type.effect.name, None, f) for f in delivered]
    _known_layers(keys)
    for result in pending:
        demand.add(result)
    for result in sorted(roots, key=lambda r: r.frame):
        demand.add(result)
    out = demand.plan
    out.frames, out.skipped = tuple(sorted(wanted)), tuple(sorted(skipped - wanted))
    out.pending = list(pending)
    out.unknown = _waiting(keys)
    for name, dirty in out.dirty_frames().items():
        out.reused.get(name, set()).difference_update(dirty)
    out.reused = {name: kept for name, kept in out.reused.items() if kept}
    _apart(keys, roots)
    return out


def _apart(keys: Keys, roots: Sequence[Result]) -> None:
    """Raise GraphError when two Write nodes would write the same file."""
    if len({root.node for root in roots}) < 2:
        return
    folders: dict[Path, str] = {}
    seen: dict[tuple[str, str], str] = {}
    for root in roots:
        for path in keys.files(root).values():
            if path.parent not in folders:  # which may have several names
                folders[path.parent] = os.path.realpath(path.parent)
            other = seen.setdefault((folders[path.parent], path.name), root.node)
            if other != root.node:
                raise GraphError(
                    f"writes the same file as '{other}'", node=root.node, file=path,
                    hint="give one of them another name",
                )  # fmt: skip


def plan_outputs(keys: Keys, node: str, layers: Sequence[str], frames: Sequence[int]) -> Plan:
    """The plan for a node's own results, for some layers and frames (those that exist)."""
    demand = _Demand(keys)
    try:
        shape = keys.shape(node)
    except NotYet as wait:
        demand.add(wait.result)
        demand.plan.pending = [wait.result]
        return demand.plan
    for frame in frames:
        for layer in layers or shape.layers or (None,):
            need = keys.output(node, frame, layer)
            if isinstance(need, Result):
                demand.add(need)
    demand.plan.frames = tuple(frames)
    return demand.plan


def missing(keys: Keys, result: Result) -> list[Entry]:
    """What must be computed to have one result, in order, the result itself last."""
    demand = _Demand(keys)
    demand.add(result)
    return [e for e in demand.plan.dirty if e.result != result] + [keys.entry(result)]


def _inside(node: Node, asked: Sequence[int], shape: Shape, holds: bool) -> None:
    if not shape.frames.frames:
        raise GraphError("the plate has no frames", node=node.name)
    first, last = shape.frames.frames[0], shape.frames.frames[-1]
    outside = [f for f in asked if not first <= f <= last + (HELD if holds else 0)]
    if outside:
        raise GraphError(
            f"was asked for, but the plate has {first}-{last}",
            node=node.name,
            frame=outside[0],
            hint="change --frames",
        )


def _known_layers(keys: Keys) -> None:
    """Raise GraphError for a layer that has parameters of its own and is not there."""
    for node in keys.graph:
        try:
            there = keys.shape(node.name).layers if node.layers else ()
        except NotYet:
            continue
        for layer in node.layers:
            if layer not in there:
                raise GraphError(
                    f"has parameters for the layer '{layer}', which is not there",
                    node=node.name,
                    hint=did_you_mean(layer, there),
                )


def _whole(plate: Shape, asked: Sequence[int], name: str) -> None:
    """Raise MissingFrame for frames that the plate lacks and must not lack."""
    lost = [f for f in asked if f in plate.absent]
    if lost:
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise MissingFrame(
            f"the frame is missing{more}",
            node=name,
            frame=lost[0],
            file=plate.absent[lost[0]],
            hint=f"render it, or set {name}.missing to hold or skip",
        )


def _waiting(keys: Keys) -> dict[str, str]:
    """Every node whose shape hangs on a result that is not there, and what it waits for."""
    waits = {}
    for node in keys.graph.order():
        try:
            keys.shape(node.name)
        except NotYet as wait:
            waits[node.name] = f"unknown until {wait.result.node} ran"
    return waits


_STATES = {
    "new": "has not been written yet",
    "unsure": "may have changed since it was written",
    "stale": "was written from another recipe, or changed since",
    "foreign": "was not written by Rotograph",
}


class _Demand:
    """Walks from the outputs down to what is there."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.plan = Plan(())
        self._seen: set[Entry] = set()
        self._keys: set[bytes] = set()

    def add(self, root: Result) -> None:
        """Add what must be computed for ``root``, each entry after what it needs."""
        stack = [(self.keys.entry(root), False)]
        while stack:
            entry, below_done = stack.pop()
            result = entry.result
            if below_done:
                self.plan.dirty.append(entry)
                continue
            if entry in self._seen:
                continue
            self._seen.add(entry)
            if entry.stage.stored:
                reason = self._why_dirty(entry)
                if reason is None:
                    self.plan.reused.setdefault(result.node, set()).add(result.frame)
                    continue
                if entry.key is not None and not entry.stage.effect:
                    if entry.key in self._keys:  # another node's, by another name
                        continue
                    self._keys.add(entry.key)
                self.plan.reasons[result] = reason
                stack.append((entry, True))
            if entry.unread is not None:
                for leaf in entry.leaves:
                    self._note_unread(leaf, result)
            stack += [(below, False) for below in reversed(entry.below)]

    def _note_unread(self, leaf: Leaf, result: Result) -> None:
        if leaf not in self.plan.unread and self.keys.world.leaf_digest(leaf) is None:
            self.plan.unread[leaf] = result

    def _why_dirty(self, entry: Entry) -> str | None:
        """None when it is not."""
        if entry.key is None:
            what = "mask" if entry.unread.kind == "mask" else "plate"
            return f"its {what} has not been read yet"
        if entry.stage.effect:
            for path in self.keys.files(entry.result).values():
                state = self.keys.world.written(path, entry.key)
                if state:
                    return _STATES[state]
            return None
        return None if self.keys.world.has(entry.key) else "not in the cache"

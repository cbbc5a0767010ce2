"""A shot that has been rendered, frame by frame as people look at it: plate, mattes, confidence.

Reports, review movies and deliveries show the same things; here is where they get them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import xxhash

from rotograph.colour import Colour
from rotograph.declare import Leaf, Result
from rotograph.environment import Environment
from rotograph.errors import GraphError
from rotograph.execution import Execution, Limits
from rotograph.graph import Graph
from rotograph.image import Box, Image
from rotograph.layer import Layer
from rotograph.matte import Foreground
from rotograph.needs import Keys
from rotograph.node import Node
from rotograph.pack import unpack
from rotograph.picture import layer_colour
from rotograph.plan import plan
from rotograph.render import known_plan


@dataclass(frozen=True, eq=False)
class Seen:
    """One layer on one frame. alpha: ``(H, W)`` float32 in [0, 1], the plate's data window.
    confidence: 0 to 1. keyed: the part of its edge, 0 to 1, that the screen keyer decided."""

    alpha: np.ndarray
    confidence: float
    keyed: float = 0.0


class Finished:
    """What one Write node of a graph delivers. ``render`` it first; nothing here writes files.

    writer: its name; by default the graph's first. frames: those of the plate that it delivers.
    """

    def __init__(
        self,
        graph: Graph,
        environment: Environment,
        writer: str | None = None,
        output: Path | None = None,
        keys: Keys | None = None,
    ) -> None:
        """Raises GraphError when nothing is written; NotYet before Detect has run."""
        self.graph, self.environment = graph, environment
        self.writer = _writer(graph, writer)
        self.source = self.writer.inputs["image"]
        self._execution = Execution(environment, Limits())
        self._execution.keys = keys or Keys(graph, environment, output)
        self.keys = self._execution.keys
        shape = self.keys.shape(self.source)
        self.frames = tuple(shape.frames.frames)
        self.plate_node = shape.plate
        self.layers = tuple(
            Layer(name, name, layer_colour(i)) for i, name in enumerate(shape.layers)
        )

    @classmethod
    def rendered(
        cls,
        graph: Graph,
        environment: Environment,
        frames: Sequence[int] | None = None,
        output: Path | None = None,
        smaller: Mapping[str, Mapping[str, Iterable[int]]] = MappingProxyType({}),
    ) -> Finished:
        """What a render left, be it of another process: plate frames that this environment has
        not read yet are read, for their digests name the results. smaller: what it made smaller,
        as its summary tells."""
        keys, _ = known_plan(
            lambda: Keys(graph, environment, output), lambda now: plan(now, frames), read=True
        )
        made = cls(graph, environment, output=output, keys=keys)
        made._execution.remember(smaller)
        return made

    @property
    def colour(self) -> Colour:
        return self.environment.colour

    def plate(self, frame: int) -> Image:
        """The plate's frame, scene-referred, its colour space in the spec. Raises MediaError."""
        return self._execution.fetch(Result(self.plate_node, "image", None, frame))

    def plate_file(self, frame: int) -> Path:
        """The plate's file, the movie's for all frames. Raises MissingFrame."""
        entry = self.keys.entry(Result(self.plate_node, "image", None, frame))
        return Path(entry.leaves[0].path)

    def digest(self, frames: Sequence[int], *told: object) -> str:
        """32 hexadecimal digits that name what is shown of these frames: the plate, every matte,
        and the way to the display. told: what else decides it. Nothing is computed; of the plate
        is read what no matte has looked at."""
        leaves = [
            leaf
            for frame in frames
            for leaf in self.keys.entry(Result(self.plate_node, "image", None, frame)).leaves
        ]
        new = [leaf for leaf in leaves if self.environment.leaf_digest(leaf) is None]
        if new:
            self.environment.learn(new, lambda *_: None, lambda *_: None, threading.Event())
        digest = xxhash.xxh3_128()
        for word in (self.colour.digest, *self.colour.viewed(), *told):
            digest.update(f"{word}\n".encode("utf-8", "replace"))
        for leaf in leaves:
            digest.update(self.environment.leaf_digest(leaf) or b"")
        for frame in frames:
            digest.update(f"{frame}\n".encode())
            for layer in self.layers:
                digest.update(f"{layer.name} {self.key(frame, layer.name)}\n".encode())
        return digest.hexdigest()

    def key(self, frame: int, layer: str) -> str:
        """Of a layer's result, as hexadecimal; of an approved one the digest that names it, and ""
        where the layer is not delivered."""
        need = self.keys.output(self.source, frame, layer)
        if isinstance(need, Result):
            found = self.keys.entry(need).key
            return found.hex() if found else ""
        return Path(need.path).stem if isinstance(need, Leaf) else ""

    def seen(
        self, frame: int, layer: str, window: Box | None = None, *, compute: bool = True
    ) -> Seen | None:
        """A layer over ``window`` (by default its own); None where it is not delivered.

        compute: make again what the store has lost; otherwise that is None too.
        """
        need = self.keys.output(self.source, frame, layer)
        if need is None:
            return None
        if compute or not isinstance(need, Result):
            value = self._execution.fetch(need)
        else:
            # not asked of the listing of what is there: another process has just made it
            key = self.keys.entry(need).key
            record = None if key is None else self.environment.store.get(key)
            if record is None:
                return None
            value = unpack(record)
        window = window or value.window
        keyed = float(getattr(value, "keyed", 0.0))
        return Seen(_alpha(value, window), float(value.confidence), keyed)

    def foreground(self, frame: int, layer: str) -> Foreground | None:
        """The layer's own colour, where the node before Write can tell it; else None."""
        if "foreground" not in self.graph.nodes[self.source].type.output.beside:
            return None
        need = self.keys.output(self.source, frame, layer, beside="foreground")
        return None if need is None else self._execution.fetch(need)


def _writer(graph: Graph, name: str | None) -> Node:
    writers = [w for w in graph.writers() if "image" in w.inputs]
    if name is not None:
        writers = [w for w in writers if w.name == name]
    if not writers:
        raise GraphError(
            "nothing is written" if name is None else f"'{name}' writes no mattes",
            hint="add a Write node",
        )
    return writers[0]


def _alpha(value: Any, window: Box) -> np.ndarray:
    """A matte's alpha, or a mask's probability."""
    if hasattr(value, "logits"):
        return 1.0 / (1.0 + np.exp(-value.at(window)))
    return value.at(window).astype(np.float32)

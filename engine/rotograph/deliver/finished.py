"""A shot that has been rendered, frame by frame as people look at it: plate, mattes, confidence.

Reports, review movies and deliveries show the same things; here is where they get them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rotograph.colour import Colour
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.errors import GraphError
from rotograph.execution import Execution, Limits
from rotograph.graph import Graph, Node
from rotograph.image import Box, Image
from rotograph.layer import Layer
from rotograph.matte import Foreground
from rotograph.needs import Keys
from rotograph.picture import layer_colour
from rotograph.plan import plan
from rotograph.render import known_plan


@dataclass(frozen=True, eq=False)
class Seen:
    """One layer on one frame. alpha: ``(H, W)`` float32 in [0, 1], the plate's data window.
    confidence: 0 to 1. key: of the result, as hexadecimal; "" of an approved one."""

    alpha: np.ndarray
    confidence: float
    key: str


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
    ) -> Finished:
        """What a render left, be it of another process: plate frames that this environment has
        not read yet are read, for their digests name the results."""
        keys, _ = known_plan(
            lambda: Keys(graph, environment, output), lambda now: plan(now, frames), read=True
        )
        return cls(graph, environment, output=output, keys=keys)

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

    def seen(
        self, frame: int, layer: str, window: Box | None = None, *, compute: bool = True
    ) -> Seen | None:
        """A layer over ``window`` (by default its own); None where it is not delivered.

        compute: make again what the store has lost; otherwise that is None too.
        """
        need = self.keys.output(self.source, frame, layer)
        if need is None:
            return None
        key = ""
        if isinstance(need, Result):
            found = self.keys.entry(need).key
            if found is None or not (compute or self.environment.has(found)):
                return None
            key = found.hex()
        value = self._execution.fetch(need)
        window = window or value.window
        return Seen(_alpha(value, window), float(value.confidence), key)

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

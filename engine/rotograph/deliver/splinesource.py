"""Mattes and pictures to make shapes of: a graph's results, or files of any origin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rotograph import media
from rotograph.correct import Present
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.errors import GraphError, MediaError, did_you_mean
from rotograph.execution import Execution, Limits
from rotograph.frames import format_frames
from rotograph.graph import Graph
from rotograph.image import ImageSpec
from rotograph.needs import Keys
from rotograph.render import Watch


@dataclass(frozen=True, eq=False)
class Source:
    """What shapes are made of.

    alpha: (layer, frame) -> ``(H, W)`` float32 in [0, 1] over ``spec.data``. picture: frame ->
    ``(H, W, 3)`` float32 of the same window, scene-linear; None when there is none. order: layers
    front to back, as far as it is known. pictures: what the pictures are called.
    """

    frames: tuple[int, ...]
    layers: tuple[str, ...]
    spec: ImageSpec
    alpha: Callable[[str, int], np.ndarray]
    picture: Callable[[int], np.ndarray] | None = None
    order: tuple[str, ...] = ()
    pictures: str = ""


def of_graph(
    graph: Graph,
    environment: Environment,
    layers: Sequence[str] = (),
    frames: Sequence[int] | None = None,
    node: str | None = None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> Source:
    """What a graph's only Write node writes (or ``node`` puts out), computed as far as needed.

    Raises GraphError and what computing raises.
    """
    name = node or _written(graph)
    if graph.node(name).type.output is None:
        raise GraphError("puts nothing out", node=name, hint="name a node with mattes")
    keys = Keys(graph, environment)
    shape = keys.shape(name)
    wanted = tuple(frames) if frames is not None else tuple(shape.frames)
    lost = [f for f in wanted if f not in shape.frames]
    if lost:
        there = format_frames(shape.frames)
        raise GraphError("has no such frame", node=name, frame=lost[0], hint=f"it has {there}")
    found = {
        (layer, frame): value
        for layer, frame, value in Present(graph, environment, watch, stop).outputs(
            name, tuple(layers), wanted
        )
    }
    execution = Execution(environment, Limits())
    execution.keys = keys
    header = execution.fetch(Result(shape.plate, "header", None, wanted[0]))

    def alpha(layer: str, frame: int) -> np.ndarray:
        value = found.get((layer, frame))
        if value is None:
            return np.zeros(header.data.shape, np.float32)
        if hasattr(value, "logits"):
            return 1.0 / (1.0 + np.exp(-value.at(header.data)))
        return value.at(header.data).astype(np.float32)

    def picture(frame: int) -> np.ndarray:
        image = execution.fetch(Result(shape.plate, "image", None, frame))
        return environment.colour.to_linear(
            image.crop(header.data)[..., :3], image.spec.colour_space
        )

    order = shape.layers if shape.overlap == "ordered" else ()
    return Source(
        wanted, tuple(layers) or shape.layers, header, alpha, picture, order, shape.plate or ""
    )


def _written(graph: Graph) -> str:
    names = list(dict.fromkeys(w.inputs["image"] for w in graph.writers() if "image" in w.inputs))
    if len(names) != 1:
        raise GraphError(
            "say which node's mattes" if names else "nothing is written",
            hint=f"--node {' or '.join(names)}" if names else "add a Write node",
        )
    return names[0]


def of_files(
    mattes: str,
    layers: Sequence[str] = (),
    frames: Sequence[int] | None = None,
    plate: str | None = None,
) -> Source:
    """A sequence of mattes: ``<layer>.A`` channels, or A alone as one layer. Raises MediaError.

    plate: the pictures that belong to them, taken to be scene-linear, so that points can follow
    what moves inside the mattes.
    """
    opened = media.open(mattes)
    wanted = tuple(frames) if frames is not None else tuple(opened.frames)
    spec = opened.spec(wanted[0])
    there = tuple(c[:-2] for c in spec.channels if c.endswith(".A"))
    chosen = tuple(layers) or there or (_stem(mattes),)
    for layer in layers:
        if there and layer not in there:
            raise MediaError(
                f"has no layer '{layer}'", file=mattes, hint=did_you_mean(layer, there)
            )
    pictures = media.open(plate) if plate is not None else None

    def alpha(layer: str, frame: int) -> np.ndarray:
        image = opened.read(frame)
        found = image.coverage(layer)[..., None]
        whole = np.zeros(spec.data.shape, np.float32)
        both = spec.data.intersect(image.spec.data)
        if both:
            whole[both.within(spec.data)] = found[both.within(image.spec.data)][..., 0]
        return np.nan_to_num(whole).clip(0.0, 1.0)

    def picture(frame: int) -> np.ndarray:
        return pictures.read(frame).crop(spec.data)[..., :3]

    seen = None if pictures is None else picture
    return Source(wanted, chosen, spec, alpha, seen, pictures=plate or "")


def _stem(pattern: str) -> str:
    name = Path(pattern).name.split(".")[0]
    return name.rstrip("#@%0123456789d_- ") or "matte"

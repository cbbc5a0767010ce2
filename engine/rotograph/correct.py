"""Corrections and approval: edits of the document that need what is on screen now.

The first prompt put on a tracked frame freezes the mask that is there into the document as a mask
prompt, so that the correction is made to what the artist saw and the anchor stands by itself.
An approved (locked) frame keeps its result whatever is edited later.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rotograph import exr, media
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.errors import GraphError, PromptError, WriteError, did_you_mean
from rotograph.execution import Execution, Limits
from rotograph.frozen import write_frozen
from rotograph.graph import Graph
from rotograph.inline import frozen_image, inline_mask, is_inline
from rotograph.mask import MaskLogits
from rotograph.needs import Keys, NotYet
from rotograph.node import Node
from rotograph.plan import plan_outputs
from rotograph.prompt import Prompt
from rotograph.render import Watch, compute


class Present:
    """The results of a graph as it stands, computed as far as they are asked for."""

    def __init__(
        self,
        graph: Graph,
        environment: Environment,
        watch: Watch | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._graph = graph
        self._environment = environment
        self._watch = watch
        self._stop = stop

    def outputs(
        self, node: str, layers: Sequence[str], frames: Sequence[int]
    ) -> Iterator[tuple[str, int, Any]]:
        """(layer, frame, result) of a node, for the layers named (none: all) that have one there.

        Raises GraphError for a layer that is not there, and what computing it raises.
        """
        execution = Execution(self._environment, Limits())
        compute(
            execution,
            lambda: Keys(self._graph, self._environment),
            lambda keys: plan_outputs(keys, node, _known(keys, node, layers), frames),
            watch=self._watch,
            stop=self._stop,
        )
        for error in execution.outcome.errors:
            raise error
        for layer in layers or execution.keys.shape(node).layers:
            for frame in frames:
                need = execution.keys.output(node, frame, layer)
                if need is not None:
                    yield layer, frame, execution.fetch(need)


def _known(keys: Keys, node: str, layers: Sequence[str]) -> Sequence[str]:
    try:
        there = keys.shape(node).layers
    except NotYet:
        return layers
    for layer in layers:
        if layer not in there:
            raise GraphError(
                f"there is no layer '{layer}'", node=node, hint=did_you_mean(layer, there)
            )
    return layers


def tracker_of(graph: Graph, name: str | None = None) -> Node:
    """The node that takes corrections: the one named, else the only one there is.

    Raises GraphError.
    """
    able = _trackers(graph)
    if name is not None:
        node = graph.node(name)
        if name not in able:
            raise GraphError("takes no corrections", node=name, hint=did_you_mean(name, able))
        return node
    if len(able) != 1:
        raise GraphError(
            "say which node to correct" if able else "no node can be corrected",
            hint=f"--node {' or '.join(able)}" if able else "add a Track node",
        )
    return graph.nodes[able[0]]


def _trackers(graph: Graph) -> list[str]:
    return [n.name for n in graph if n.type.corrects]


def correct(
    graph: Graph,
    environment: Environment,
    prompts: Sequence[Prompt],
    node: str | None = None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> list[Path]:
    """Add prompts to a tracker, freezing first what it has on frames that are no anchors yet.

    Gives back the mask files that were made. The graph is changed, not saved. Raises GraphError,
    PromptError for a locked frame, MediaError for a mask file that cannot be used, and whatever
    computing the present mask raises.
    """
    target = tracker_of(graph, node)
    present = Present(graph, environment, watch, stop)
    for prompt in prompts:
        if prompt.mask is not None and not is_inline(prompt.mask):
            media.read_spec(graph.resolve_path(prompt.mask))  # a mask that is not there
    frozen: list[Path] = []
    known = list(target.value("prompts"))
    for layer, frame in dict.fromkeys((p.layer, p.frame) for p in prompts):
        holder = next((n for n in graph if frame in n.locked.get(layer, {})), None)
        if holder is not None:
            raise PromptError(
                f"'{layer}' is locked as approved here",
                node=holder.name,
                frame=frame,
                hint="unlock the frame to correct it",
            )
        if any(p.layer == layer and p.frame == frame for p in known):
            continue
        for _, _, mask in present.outputs(target.name, (layer,), (frame,)):
            if (mask.logits > 0).any():
                path = freeze_mask(graph, mask, layer, frame)
                frozen.append(path)
                mask_file = str(path.relative_to(graph.folder))
                known.append(Prompt(frame, layer, mask=mask_file, whole=True))
    target.set("prompts", [p.to_json() for p in (*known, *prompts)])
    with contextlib.suppress(NotYet):
        Keys(graph, environment).shape(target.name)  # raises for a frame that the plate lacks
    return frozen


def freeze_mask(graph: Graph, mask: MaskLogits, layer: str, frame: int) -> Path:
    """Write a mask beside the document as an EXR of one channel, at the plate's resolution.

    Raises WriteError, GraphError while the document has no file.
    """
    image = frozen_image(mask)
    named = hashlib.blake2b(image.pixels.tobytes(), digest_size=4).hexdigest()
    folder = graph.frozen_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"the folder cannot be made: {error.strerror}", file=folder) from None
    path = folder / f"{layer}.{frame}.{named}.exr"
    exr.write(path, image)
    return path


def frozen_prompt(keys: Keys, node: str, layer: str, frame: int) -> Prompt | None:
    """What the first prompt put here would freeze, as a prompt with the mask within its text.

    For a document that has no folder, a host's. node: whose result is looked at; the correction is
    for the tracker behind it. Looked up only: None where the mask is not in the store, is empty, or
    the frame is an anchor of the layer already. Raises GraphError.
    """
    graph: Graph = keys.graph
    target = tracker_of(graph, _tracker_behind(graph, node))
    if any((p.layer, p.frame) == (layer, frame) for p in target.value("prompts")):
        return None
    try:
        there = layer in keys.shape(target.name).layers
        need = keys.output(target.name, frame, layer) if there else None
    except NotYet:
        return None
    if not isinstance(need, Result) or not keys.world.has(keys.entry(need).key):
        return None
    execution = Execution(keys.world, Limits())
    execution.keys = keys
    mask = execution.fetch(need)
    if not (mask.logits > 0).any():
        return None
    return Prompt(frame, layer, mask=inline_mask(mask), whole=True)


def _tracker_behind(graph: Graph, node: str) -> str:
    """The nearest node that takes corrections, this one or one that it is made from."""
    waiting, seen = [node], set()
    while waiting:
        name = waiting.pop(0)
        if name in _trackers(graph):
            return name
        seen.add(name)
        waiting += [n for n in graph.node(name).inputs.values() if n not in seen]
    raise GraphError("takes no corrections", node=node)


def lock(
    graph: Graph,
    environment: Environment,
    frames: Sequence[int],
    layers: Sequence[str] = (),
    node: str | None = None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Approve results: later edits never change them. Gives back how many were locked.

    layers: none for all. node: whose results; by default what each Write node writes. The graph
    is changed, not saved. Raises GraphError, WriteError, and what computing the results raises.
    """
    present = Present(graph, environment, watch, stop)
    count = 0
    for name in _lockable(graph, node):
        # locked only after the last is there: a lock changes what the others are made of
        found = [
            (layer, frame, write_frozen(graph.frozen_folder, value))
            for layer, frame, value in present.outputs(name, layers, frames)
        ]
        for layer, frame, digest in found:
            graph.nodes[name].locked.setdefault(layer, {})[frame] = digest
        count += len(found)
    if not count:
        raise GraphError("there is nothing to lock on these frames", hint="change --frames")
    return count


def unlock(
    graph: Graph,
    frames: Iterable[int],
    layers: Sequence[str] = (),
    node: str | None = None,
) -> int:
    """Take approval back. Gives back how many results were unlocked. The graph is not saved."""
    count = 0
    wanted = set(frames)
    for name in _lockable(graph, node):
        locked = graph.nodes[name].locked
        for layer in layers or list(locked):
            for frame in wanted.intersection(locked.get(layer, {})):
                del locked[layer][frame]
                count += 1
            if layer in locked and not locked[layer]:
                del locked[layer]
    return count


def _lockable(graph: Graph, node: str | None) -> list[str]:
    if node is not None:
        output = graph.node(node).type.output
        if output is None or output.wire not in ("Masks", "Mattes"):
            raise GraphError("has no masks or mattes to lock", node=node)
        return [node]
    return list(dict.fromkeys(w.inputs["image"] for w in graph.writers() if "image" in w.inputs))

"""What the worker does for each kind of request, on the same plan and execution as in-process."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rotograph import colour, render, wire
from rotograph.colour import Colour
from rotograph.commands.plan import to_json as plan_to_json
from rotograph.declare import NodeType
from rotograph.environment import Environment, pixel_digest
from rotograph.errors import (
    Cancelled,
    ComputeError,
    GraphError,
    MediaError,
    ModelError,
    RotographError,
)
from rotograph.execution import Execution, Limits
from rotograph.graph import Graph, installed_nodes
from rotograph.image import Box, Image
from rotograph.mask import MaskLogits
from rotograph.models import Models
from rotograph.needs import Entry, Keys
from rotograph.plan import plan, plan_outputs
from rotograph.scheduler import Turns
from rotograph.shared_memory import ALIGN
from rotograph.store import Store
from rotograph.wired import WiredEnvironment, wire_plates
from rotograph_host import framing

KEPT = 1 << 30
"""Bytes of results that all requests together keep in memory."""
FEW = 4
"""Requests that share them."""
FRESH = 5.0
"""Seconds for which a changed OCIO config may go unseen; with every frame it would be slow."""
NEED = 30.0
"""Seconds that a client has to send a frame it offered."""


@dataclass
class Shop:
    """What all requests share: nodes, models, stores, turns, and one lock for each result.

    careful: effects take turns too, so that a crash can only come from one result.
    """

    turns: Turns
    careful: bool = True
    nodes: dict[str, NodeType] = field(default_factory=installed_nodes)
    models: Models = field(default_factory=Models)
    colours: dict[str, tuple[float, Colour]] = field(default_factory=dict)
    stores: dict[tuple[str, int | None], Store] = field(default_factory=dict)
    locks: weakref.WeakValueDictionary = field(default_factory=weakref.WeakValueDictionary)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def store(self, folder: str, limit: int | None) -> Store:
        """The store of a folder; raises StoreError."""
        with self.guard:
            if (folder, limit) not in self.stores:
                more = {} if limit is None else {"limit_bytes": limit}
                self.stores[folder, limit] = Store(Path(folder), **more)
            return self.stores[folder, limit]

    def colour(self, source: str) -> Colour:
        """A colour configuration, at most FRESH seconds old; raises ColourError."""
        with self.guard:
            now = time.monotonic()
            loaded, known = self.colours.get(source, (0.0, None))
            if known is None or not (source == colour.BUILT_IN or now - loaded < FRESH):
                known = colour.load(source)
                self.colours[source] = (now, known)
            return known


@dataclass
class Task:
    """One request while it runs.

    watch: a ``render.Watch``. note: told a key (hex) and whether its computation began or ended.
    want: asks the client for a frame, gives back its image. result: where pixels are put.
    spoilt: told a digest whose frame has other pixels. condemned: keys (hex) that are not tried.
    busy: computations begun and not ended. hashing: seconds spent on the digests of frames.
    """

    request: Any
    client: int
    stop: threading.Event
    watch: render.Watch
    note: Callable[[str, bool], None]
    want: Callable[[str], Image]
    result: Callable[[int], tuple[int, Any]]
    spoilt: Callable[[str], None]
    condemned: frozenset[str] = frozenset()
    busy: int = 0
    hashing: float = 0.0
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def urgent(self) -> bool:
        return self.request.priority == "interactive"


class SharedExecution(Execution):
    """An execution that takes turns with those of other requests, and computes nothing twice."""

    def __init__(self, environment: Environment, limits: Limits, shop: Shop, task: Task) -> None:
        super().__init__(environment, limits)
        self._shop, self._task = shop, task
        self._here = threading.local()

    def run(self, entry: Entry) -> None:
        with self._busy():
            free = entry.stage.effect and not self._shop.careful
            if free or getattr(self._here, "inside", False):
                self._run(entry)
                return
            # a turn comes before any lock: whoever holds a lock never waits for a turn
            with self._shop.turns.turn(self._task.client, self._task.urgent, self.stop):
                self._run(entry)

    def _run(self, entry: Entry) -> None:
        key = entry.key.hex()
        if key in self._task.condemned:
            raise ComputeError(
                "crashed the engine's worker twice, in native code",
                node=entry.result.node,
                frame=entry.result.frame,
                hint="choose another model, and report it with the engine's log",
            )
        before, self._here.inside = getattr(self._here, "inside", False), True
        self._task.note(key, True)
        try:
            super().run(entry)
        finally:
            self._here.inside = before
            self._task.note(key, False)

    def _single(self, name: Any) -> threading.Lock:
        if not isinstance(name, bytes):
            return super()._single(name)
        with self._shop.guard:
            lock = self._shop.locks.get((self.environment.store, name))
            if lock is None:
                lock = self._shop.locks[self.environment.store, name] = threading.Lock()
            return lock

    @contextmanager
    def _busy(self):
        with self._task.guard:
            self._task.busy += 1
        try:
            yield
        finally:
            with self._task.guard:
                self._task.busy -= 1


def perform(shop: Shop, task: Task) -> dict[str, Any]:
    """The value of a request's result, for JSON; raises RotographError."""
    request = task.request
    graph = Graph.from_dict(request.graph, request.folder, shop.nodes)
    graph.path = Path(request.path) if request.path else None
    wire_plates(graph, request.plates)
    environment = _environment(shop, request, task)
    _allow(graph, environment, request.environment.licences)
    match request:
        case wire.Plan():
            return _plan(graph, environment, task)
        case wire.Render():
            return _render(graph, environment, shop, task)
        case wire.Track():
            return _track(graph, environment, shop, task)
        case wire.Mattes():
            return _mattes(graph, environment, shop, task)
    raise GraphError(f"a {type(request).__name__} cannot be asked for")


def _environment(shop: Shop, request: wire.Work, task: Task) -> Environment:
    told = request.environment

    def fetch(digest: str) -> Image:
        with shop.turns.aside():
            image = task.want(digest)
        began = time.monotonic()
        if pixel_digest(image).hex() != digest:
            task.spoilt(digest)
            raise MediaError("a frame sent to the engine is not what its digest says")
        task.hashing += time.monotonic() - began
        return image

    return WiredEnvironment(
        shop.store(told.store, None if told.store_limit is None else int(told.store_limit)),
        shop.models,
        shop.colour(told.ocio or colour.BUILT_IN),
        plates=request.plates,
        fetch=fetch,
    )


def _allow(graph: Graph, environment: Environment, licences: str) -> None:
    """Raise ModelError for a model that the licence policy forbids, before it is loaded."""
    if licences == "any":
        return
    for node in graph:
        for step in node.type.stages.values():
            for role, param in step.models.items():
                card = environment.models.card(role, node.value(param))
                if not card.commercial:
                    raise ModelError(
                        f"the model '{card.name}' ({card.licence}) is not for commercial work",
                        node=node.name,
                        hint="choose another model, or allow it in the licence policy",
                    )


def _limits(request: wire.Work) -> Limits:
    limits = Limits(kept=KEPT // FEW)
    memory = getattr(request, "memory", None)
    if memory is not None:
        limits = Limits(limits.jobs, int(memory) // 4, int(memory) * 3 // 4)
    jobs = getattr(request, "jobs", None) or limits.jobs
    return Limits(jobs, limits.kept, limits.working)


def _output(request: wire.Plan | wire.Render) -> Path | None:
    return Path(request.output) if request.output else None


def _plan(graph: Graph, environment: Environment, task: Task) -> dict[str, Any]:
    keys, made = render.known_plan(
        lambda: Keys(graph, environment, _output(task.request)),
        lambda keys: plan(keys, task.request.frames),
        read=task.request.read,
        watch=task.watch,
        stop=task.stop,
    )
    if task.stop.is_set():
        raise Cancelled("stopped")
    return plan_to_json(keys, made)


def _render(graph: Graph, environment: Environment, shop: Shop, task: Task) -> dict[str, Any]:
    request = task.request
    summary = render.render(
        graph,
        environment,
        request.frames,
        _output(request),
        watch=task.watch,
        stop=task.stop,
        execution=SharedExecution(environment, _limits(request), shop, task),
    )
    return {
        **summary.to_json(),
        "files": [str(path) for path in summary.files],
        "errors": [describe(error) for error in summary.errors],
    }


def _outputs(
    graph: Graph, environment: Environment, shop: Shop, task: Task, frames: list[int] | None
) -> tuple[SharedExecution, Any]:
    """Compute a node's results; what happened is in the execution's outcome."""
    request = task.request
    node = graph.node(request.node)
    execution = SharedExecution(environment, _limits(request), shop, task)

    def wanted(keys: Keys) -> Any:
        asked = keys.shape(node.name).frames.frames if frames is None else frames
        return plan_outputs(keys, node.name, request.layers, asked)

    made = render.compute(
        execution,
        lambda: Keys(graph, environment),
        wanted,
        watch=task.watch,
        stop=task.stop,
    )
    return execution, made


def _track(graph: Graph, environment: Environment, shop: Shop, task: Task) -> dict[str, Any]:
    execution, made = _outputs(graph, environment, shop, task, task.request.frames)
    outcome = execution.outcome
    return {
        "frames": len(made.frames),
        "computed": {node: len(done) for node, done in sorted(outcome.computed.items())},
        "reused": {node: len(kept) for node, kept in sorted(made.reused.items())},
        "errors": [describe(error) for error in outcome.errors],
    }


def _mattes(graph: Graph, environment: Environment, shop: Shop, task: Task) -> dict[str, Any]:
    request = task.request
    (frame,) = request.frames
    execution, _made = _outputs(graph, environment, shop, task, [frame])
    if execution.outcome.errors:
        raise execution.outcome.errors[0]
    shape = execution.keys.shape(request.node)
    views = []
    for layer in request.layers or shape.layers or (None,):
        need = execution.keys.output(request.node, frame, layer)
        if need is not None:
            window, alpha = _alpha(execution.fetch(need), layer)
            views.append((layer, window, alpha))
    item = wire.ITEM[request.format]
    offsets, size = [], 0
    for _, window, _ in views:
        offsets.append(size)
        size += -(-window.width * window.height * item // ALIGN) * ALIGN
    if not views:
        return {"mattes": [], "hashing": round(task.hashing, 6)}
    number, memory = task.result(size)
    for (_, window, alpha), offset in zip(views, offsets, strict=True):
        count = window.width * window.height
        room = np.frombuffer(memory, request.format, count, offset).reshape(window.shape)
        np.copyto(room, alpha, casting="unsafe")
    return {
        "mattes": [
            {
                "layer": layer or "",
                "window": window.to_list(),
                "format": request.format,
                "segment": number,
                "offset": offset,
                "bytes": window.width * window.height * item,
            }
            for (layer, window, _), offset in zip(views, offsets, strict=True)
        ],
        "hashing": round(task.hashing, 6),
    }


def _alpha(value: Any, layer: str | None) -> tuple[Box, np.ndarray]:
    """(window, alpha (H, W)) of a result: a matte's, a mask's decision, a plate's own A."""
    if isinstance(value, MaskLogits):
        return value.window, value.at(value.window) > 0
    if isinstance(value, Image):
        own = value.channel("A")
        return value.spec.data, value.coverage(layer) if own is None else own
    return value.window, value.alpha


def describe(error: RotographError) -> dict[str, Any]:
    """An error for JSON: the fields of ``wire.Error`` without an id."""
    return framing.plain(
        {
            "kind": type(error).__name__,
            "message": error.message,
            "node": error.node,
            "frame": error.frame,
            "file": error.file,
            "hint": error.hint,
        }
    )

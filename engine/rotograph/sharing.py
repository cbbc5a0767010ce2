"""What requests share while they run in the worker, and an execution that shares it fairly."""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotograph import colour, render, wire
from rotograph.colour import Colour
from rotograph.crew import Crew, Pool
from rotograph.declare import NodeType, Result
from rotograph.environment import Environment
from rotograph.errors import Cancelled, ComputeError
from rotograph.execution import Execution, Limits
from rotograph.graph import installed_nodes
from rotograph.image import Image
from rotograph.models import Models
from rotograph.needs import Entry
from rotograph.scheduler import Turns
from rotograph.store import Store

KEPT = 1 << 30
"""Bytes of results that all requests together keep in memory, more or less."""
FEW = 4
"""Requests that share them, unless there are more."""
FRESH = 5.0
"""Seconds for which a changed OCIO config may go unseen; with every frame it would be slow."""
SHOWS = 16
"""Stores and colour configurations that are kept, the least recently asked for let go first."""


@dataclass
class Shop:
    """What all requests share: nodes, models, stores, turns, and one lock for each result.

    Which show a request is for decides what it gets; what belongs to a show that nobody has asked
    for lately is let go. careful: effects take turns too, and one result is computed at a time, so
    that a crash can only come from that.
    """

    turns: Turns = field(default_factory=lambda: Turns(1))
    careful: bool = True
    nodes: dict[str, NodeType] = field(default_factory=installed_nodes)
    models: Models = field(default_factory=Models)
    colours: OrderedDict[Any, tuple[float, Colour]] = field(default_factory=OrderedDict)
    stores: OrderedDict[Any, Store] = field(default_factory=OrderedDict)
    locks: weakref.WeakValueDictionary = field(default_factory=weakref.WeakValueDictionary)
    guard: threading.Lock = field(default_factory=threading.Lock)
    tasks: list[Task] = field(default_factory=list)
    crew: Crew = field(default_factory=Crew)

    def pool(self, most: int, name: str) -> Pool:
        """For an environment: threads that are used again when a request is done."""
        return Pool(self.crew, most, name)

    def store(self, folder: str, limit: int | None) -> Store:
        """The store of a folder; raises StoreError."""
        with self.guard:
            known = self.stores.get((folder, limit))
            if known is None:
                known = Store(Path(folder), **({} if limit is None else {"limit_bytes": limit}))
            _note(self.stores, (folder, limit), known)
            return known

    def colour(self, source: str, variables: Mapping[str, str]) -> Colour:
        """A colour configuration, at most FRESH seconds old; raises ColourError."""
        name = source, tuple(sorted(variables.items()))
        with self.guard:
            now = time.monotonic()
            loaded, known = self.colours.get(name, (0.0, None))
            if known is None or not (source == colour.BUILT_IN or now - loaded < FRESH):
                loaded, known = now, colour.load(source, variables)
            _note(self.colours, name, (loaded, known))
            return known

    def networks(self) -> dict[str, int]:
        """The models in memory and their bytes; those without a network take none to speak of."""
        sizes = self.models.resident.sizes()
        named = {
            name if isinstance(name, str) else " ".join(map(str, name)): n
            for name, n in sizes.items()
        }
        return {**dict.fromkeys(self.models.loaded(), 0), **named}

    def limits(self, request: wire.Work) -> Limits:
        """What a request may take: what it asks for, or its share."""
        usual = Limits(kept=KEPT // max(FEW, len(self.tasks)))
        jobs = getattr(request, "jobs", None) or usual.jobs
        memory = getattr(request, "memory", None)
        if memory is None:
            return Limits(jobs, usual.kept, usual.working)
        return Limits(jobs, int(memory) // 4, int(memory) * 3 // 4)

    @contextmanager
    def serving(self, task: Task) -> Iterator[None]:
        """While a task runs, as many results are computed at a time as it asks for."""
        with self.guard:
            self.tasks.append(task)
        self.pace()
        try:
            yield
        finally:
            with self.guard:
                self.tasks.remove(task)
            self.pace()

    def pace(self, careful: bool | None = None) -> None:
        """Compute one result at a time, or as many as the tasks ask for; None: as before."""
        with self.guard:
            if careful is not None:
                self.careful = careful
            asked = [getattr(task.request, "jobs", None) or 1 for task in self.tasks]
            self.turns.limit(1 if self.careful else max(Limits().jobs, *asked, 1))


@dataclass(eq=False)
class Task:
    """One request while it runs.

    watch: a ``render.Watch``. note: told a key (hex) and whether its computation began or ended.
    want: asks the client for a frame, gives back its image. result: where pixels are put.
    spoilt: told a digest whose frame has other pixels. condemned: keys (hex) that are not tried
    again, and why.
    busy: computations begun and not ended. hashing: seconds spent on the digests of frames.
    held, hold: what was said of a result that still lies where it was put, and to note it.
    """

    request: Any
    client: int
    stop: threading.Event
    watch: render.Watch
    note: Callable[[str, bool], None]
    want: Callable[[str], Image]
    result: Callable[[int], tuple[int, Any]]
    spoilt: Callable[[str], None]
    condemned: Mapping[str, str] = field(default_factory=dict)
    busy: int = 0
    hashing: float = 0.0
    guard: threading.Lock = field(default_factory=threading.Lock)
    held: Callable[[Any], Any] = lambda what: None
    hold: Callable[[int, Any, Any], None] = lambda number, what, told: None

    @property
    def urgent(self) -> bool:
        return self.request.priority == "interactive"


class SharedExecution(Execution):
    """An execution that takes turns with those of other requests, and computes nothing twice."""

    def __init__(self, environment: Environment, limits: Limits, shop: Shop, task: Task) -> None:
        super().__init__(environment, limits)
        self._shop, self._task = shop, task
        self._here = threading.local()

    def name(self, need: Result) -> bytes:
        """The key of a result, of the recipe that really ran."""
        return self._key(self.keys.entry(need))

    def run(self, entry: Entry) -> None:
        with self._busy():
            free = entry.stage.effect and not self._shop.careful
            if free or getattr(self._here, "inside", False):
                self._run(entry)
                return
            # a turn comes before any lock: whoever holds a lock never waits for a turn
            with self._shop.turns.turn(self._task.client, self._task.urgent, self.stop):
                self._run(entry)

    def run_together(self, entries: Sequence[Entry]) -> list[Exception | None]:
        names = [entry.key.hex() for entry in entries]
        if self._shop.careful or any(name in self._task.condemned for name in names):
            return [self.attempt(entry) for entry in entries]
        with self._busy():
            try:
                turn = self._shop.turns.turn(self._task.client, self._task.urgent, self.stop)
                with turn, self._noted(names):
                    return super().run_together(entries)
            except Cancelled as stopped:
                return [stopped] * len(entries)

    def _run(self, entry: Entry) -> None:
        key = entry.key.hex()
        if key in self._task.condemned:
            raise ComputeError(
                self._task.condemned[key],
                node=entry.result.node,
                frame=entry.result.frame,
                hint="choose another model, and report it with the engine's log",
            )
        with self._noted([key]):
            super().run(entry)

    @contextmanager
    def _noted(self, names: Sequence[str]) -> Iterator[None]:
        """Within, the results of these keys are being computed, and this thread has its turn."""
        before, self._here.inside = getattr(self._here, "inside", False), True
        for name in names:
            self._task.note(name, True)
        try:
            yield
        finally:
            self._here.inside = before
            for name in names:
                self._task.note(name, False)

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


def _note(kept: OrderedDict[Any, Any], name: Any, value: Any) -> None:
    """Keep a value as the latest asked for."""
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > SHOWS:
        kept.popitem(last=False)

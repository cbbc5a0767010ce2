"""One result being fetched or computed: exactly what it needs is given to it, and nothing else.

A result is kept in memory while there is room and in the store for good, so a long shot takes no
more memory than a short one. What the store refuses (a full disk) stays in memory until its last
consumer has run: that costs memory and speed, never a result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rotograph.declare import Leaf, Need, Result, Value
from rotograph.environment import Environment
from rotograph.errors import Cancelled, OutOfMemory, RotographError
from rotograph.given import Context, context, given, located
from rotograph.kept import Kept
from rotograph.needs import Entry, Keys
from rotograph.pack import pack, unpack
from rotograph.plan import missing
from rotograph.record import Record
from rotograph.smaller import Smaller
from rotograph.together import Together

_LEAST_KEPT, _FRAMES_KEPT = 64 << 20, 10


@dataclass(frozen=True)
class Limits:
    """How much of the machine a run may take; none of it moves a pixel.

    jobs: results computed at the same time. kept: bytes of results held in memory; None for a
    few of the shot's own frames. working: bytes that computations may take together (one alone
    may always run).
    """

    jobs: int = 2
    kept: int | None = None
    working: int = 1500 << 20

    def room(self, width: int, height: int) -> int:
        """Bytes of results to hold in memory for a plate of this size."""
        if self.kept is not None:
            return self.kept
        return max(_LEAST_KEPT, _FRAMES_KEPT * width * height * 6)  # half float RGB


@dataclass
class Outcome:
    """What a run did.

    computed, reused: node -> frames. written: files. failed: frames that were not written.
    errors: each cause once. smaller: node -> mode -> the frames that were made so, or taken from a
    run that made them so, because the memory ran out (see ``smaller``). seconds: node -> how long
    it computed and read, of all threads together; what it waited for is others'. planned: seconds
    before that, of planning and of reading what was never read.
    """

    computed: dict[str, set[int | None]] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    errors: list[RotographError] = field(default_factory=list)
    smaller: dict[str, dict[str, set[int | None]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    planned: float = 0.0


class Execution:
    """One graph's results being fetched and computed; see ``execute``.

    keys: the plan's; set anew when the plan is made anew. stop: set it, and nothing more is begun.
    """

    keys: Keys
    stop: threading.Event

    def __init__(self, environment: Environment, limits: Limits) -> None:
        self.environment = environment
        self.limits = limits
        self.kept = Kept(limits.room(0, 0))
        self.outcome = Outcome()
        self.stop = threading.Event()
        self._smaller = Smaller()
        self._together = Together(self)
        self._locks: dict[Any, threading.Lock] = {}
        self._guard = threading.Lock()

    def pool(self, most: int, name: str) -> Executor:
        """Threads of this name to compute, read or write in, so many at a time."""
        return self.environment.pool(most, name)

    def remember(self, smaller: Mapping[str, Mapping[str, Iterable[int]]]) -> None:
        """What another run had to make smaller, as its summary tells: it is taken from there."""
        self._smaller.remember(self.keys, smaller)

    def fetch(self, need: Need) -> Any:
        """The value of a need: from memory, the store or the disk, or computed again.

        Raises RotographError located at the need's node and frame.
        """
        if isinstance(need, Value):
            return need.value
        name = self._name(need)
        value = self.kept.get(name)
        if value is not None:
            return value
        with self._single(name):
            value = self.kept.get(name)
            if value is None:
                value = self._load(need)
                self.kept.put(self._name(need), value)
        return value

    def _name(self, need: Result | Leaf) -> Any:
        """Results go by their keys, for two nodes may need the same one; a plate frame that no
        plan asked for has none yet."""
        key = self._key(self.keys.entry(need)) if isinstance(need, Result) else None
        return need if key is None else key

    def _key(self, entry: Entry) -> bytes:
        """Of the recipe that really ran, or is about to."""
        return self._smaller.key(self.keys, entry)

    def unpin(self, key: bytes) -> None:
        """Nobody waits for this result of the plan any more."""
        self.kept.unpin(self._smaller.kept_as(key))

    def _load(self, need: Result | Leaf) -> Any:
        if isinstance(need, Leaf):
            return self.environment.read_leaf(need)
        entry = self.keys.entry(need)
        if entry.stage.stored:
            record = self.environment.store.get(self._key(entry))
            if record is not None:
                return unpack(record)
            # Evicted or damaged since the plan was made. What it hangs on may be gone too, back
            # to an anchor a thousand frames away: in order, not by recursion.
            *below, entry = missing(self.keys, need)
            for lost in below:
                self.run(lost)
            record = self._smaller_record(entry)
            value = self.compute(entry) if record is None else unpack(record)
            self._smaller.made(self.keys, entry)
            for lost in below:
                self.unpin(lost.key)
            return value
        return self.compute(entry)

    def _single(self, name: Any) -> threading.Lock:
        """One lock for each result, so that two threads never load or compute the same one."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    def run(self, entry: Entry) -> None:
        """Make sure that an entry's result is there, or its files are written."""
        if entry.stage.effect:
            if not self._stands(entry):
                self.compute(entry)
            return
        with self._single(entry.key):
            if self._there(entry):
                self._smaller.made(self.keys, entry)
                return
            mode = self._smaller.mode(entry)
            if mode and self._there(entry):  # a run before came this far
                self._smaller.made(self.keys, entry)
                self._flag(entry, mode)
                return
            self._keep(entry, self.compute(entry))

    def attempt(self, entry: Entry) -> Exception | None:
        """``run``, and what went wrong."""
        try:
            self.run(entry)
        except Exception as error:
            return error
        return None

    def run_together(self, entries: Sequence[Entry]) -> list[Exception | None]:
        """``attempt`` for several layers of one node, stage and frame, at once if that works.

        Whatever goes wrong with all of them is tried again with each by itself.
        """
        with ExitStack() as held:
            for entry in sorted(entries, key=lambda e: e.key):  # so that nobody waits in a circle
                held.enter_context(self._single(entry.key))
            left = [e for e in entries if not self._smaller.mode(e) and not self._there(e)]
            stopped = self._together.compute(left)
        return [stopped or self.attempt(entry) for entry in entries]

    def made(self, entry: Entry, value: Any) -> None:
        """Count and keep the value of an entry that was computed beside ``compute``."""
        self._count(entry)
        self._keep(entry, value)

    def _keep(self, entry: Entry, value: Any) -> None:
        if entry.stage.per == "shot":
            self.environment.small[entry.key] = value
        key, mode = self._key(entry), self._smaller.ran(entry)
        record = replace(pack(value), flags=(mode,) if mode else ())
        self._smaller.made(self.keys, entry)
        stored = self.environment.store.put(key, record, tier=entry.stage.tier)
        self.kept.put(key, unpack(record), pin=not stored)

    def _there(self, entry: Entry) -> bool:
        key = self._key(entry)
        return self.kept.get(key) is not None or self.environment.has(key)

    def _stands(self, entry: Entry) -> bool:
        """Whether the files of what really ran are there already, though the plan has others."""
        key = self._key(entry)
        if key == entry.key:
            return False
        files = self.keys.files(entry.result).values()
        return all(self.environment.written(path, key) == "" for path in files)

    def compute(self, entry: Entry) -> Any:
        """Give the stage exactly what it needs and nothing else; in a smaller way if it must be."""
        with located(entry):
            given = self.given(entry)
        while True:
            mode = self._smaller.mode(entry)
            if mode and entry.stage.stored:
                record = self._smaller_record(entry)
                if record is not None:  # of a run that came this far
                    self._flag(entry, mode)
                    return unpack(record)
            try:
                value = self._compute(entry, given, mode)
            except OutOfMemory:
                self.environment.models.resident.drop()
                if not self._smaller.next(self.keys, entry, mode):
                    raise
                continue
            if mode:
                self._flag(entry, mode)
            return value

    def _smaller_record(self, entry: Entry) -> Record | None:
        """What is stored of an entry under another key than the plan's."""
        key = self._key(entry)
        return None if key == entry.key else self.environment.store.get(key)

    def _flag(self, entry: Entry, mode: str) -> None:
        with self._guard:
            frames = self.outcome.smaller.setdefault(entry.result.node, {}).setdefault(mode, set())
            frames.add(entry.result.frame)

    def _compute(self, entry: Entry, given: dict[str, Any], mode: str) -> Any:
        result, step = entry.result, entry.stage
        if self.stop.is_set():
            raise Cancelled("stopped")
        with located(entry, mode):
            context = self.context(entry, mode)
            with self.spent(result.node):
                value = step.compute(given, context)
        if step.effect:
            with self._guard:
                self.outcome.written += value
                for path in value:
                    self.environment.receipts.remember(path, self._key(entry).hex())
        elif step.stored:
            self._count(entry)
        return value

    def _count(self, entry: Entry) -> None:
        with self._guard:
            self.outcome.computed.setdefault(entry.result.node, set()).add(entry.result.frame)

    def given(self, entry: Entry) -> dict[str, Any]:
        """Exactly what an entry needs."""

        def fetch(need: Need) -> Any:
            if isinstance(need, Leaf):
                with self.spent(entry.result.node):
                    return self.fetch(need)
            return self.fetch(need)

        return given(entry.needs, fetch)

    def context(self, entry: Entry, mode: str) -> Context:
        """What an entry may know beside that."""
        key = self._key(entry).hex() if entry.stage.effect else ""
        return context(self.keys, self.environment, entry, mode, key)

    @contextmanager
    def spent(self, node: str) -> Iterator[None]:
        """Within, time goes by for a node."""
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            with self._guard:
                self.outcome.seconds[node] = self.outcome.seconds.get(node, 0.0) + took

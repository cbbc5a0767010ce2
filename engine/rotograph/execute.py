"""Running a plan: reading ahead, computing and writing at the same time, in bounded memory.

A result is kept in memory while there is room and in the store for good, so a long shot takes no
more memory than a short one. What the store refuses (a full disk) stays in memory until its last
consumer has run: that costs memory and speed, never a result.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rotograph.declare import Leaf, Need, Result, Value
from rotograph.environment import Environment
from rotograph.errors import (
    Cancelled,
    ComputeError,
    MediaError,
    PromptError,
    RotographError,
    WriteError,
)
from rotograph.heap import give_back_freed
from rotograph.needs import Entry, Keys
from rotograph.pack import pack, unpack
from rotograph.plan import Plan, missing

_LEAST_KEPT, _FRAMES_KEPT = 64 << 20, 10
_NOTE_EVERY = 5.0
READ_AHEAD = 3
"""How many coming results have their plate frames read before they are asked for."""


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
    errors: each cause once.
    """

    computed: dict[str, set[int | None]] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    errors: list[RotographError] = field(default_factory=list)


@dataclass(frozen=True)
class Context:
    """All that a stage may know beside what it was given.

    params: the parameters that the stage named, on this frame and layer. models: role -> adapter.
    colour: the colour configuration. frame, files, key: for effects only.
    """

    params: dict[str, Any]
    models: dict[str, Any]
    colour: Any = None
    frame: int | None = None
    files: dict[str | None, Path] = field(default_factory=dict)
    key: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.params[name]


def size_of(value: Any) -> int:
    """Bytes of the arrays in a value."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(size_of(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(size_of(v) for v in value)
    return sum(size_of(v) for v in vars(value).values()) if hasattr(value, "__dict__") else 64


class Kept:
    """Results in memory, the least recently used dropped first; pinned ones stay."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._values: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._pinned: set[Any] = set()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, name: Any) -> Any | None:
        with self._lock:
            found = self._values.get(name)
            if found is None:
                return None
            self._values.move_to_end(name)
            return found[0]

    def put(self, name: Any, value: Any, pin: bool = False) -> None:
        size = size_of(value)
        with self._lock:
            if pin:
                self._pinned.add(name)
            if name in self._values:
                return
            self._values[name] = (value, size)
            self._bytes += size
            if self._bytes <= self.limit:
                return
            for old in [n for n in self._values if n not in self._pinned and n != name]:
                self._bytes -= self._values.pop(old)[1]
                if self._bytes <= self.limit:
                    break

    def unpin(self, name: Any) -> None:
        with self._lock:
            self._pinned.discard(name)

    @property
    def room(self) -> int:
        return self.limit - self._bytes


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
        self._locks: dict[Any, threading.Lock] = {}
        self._guard = threading.Lock()

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
                self.kept.put(name, value)
        return value

    def _name(self, need: Result | Leaf) -> Any:
        """Results go by their keys, for two nodes may need the same one."""
        return self.keys.entry(need).key if isinstance(need, Result) else need

    def _load(self, need: Result | Leaf) -> Any:
        if isinstance(need, Leaf):
            return self.environment.read_leaf(need)
        entry = self.keys.entry(need)
        if entry.stage.stored:
            record = self.environment.store.get(entry.key)
            if record is not None:
                return unpack(record)
            # Evicted or damaged since the plan was made. What it hangs on may be gone too, back
            # to an anchor a thousand frames away: in order, not by recursion.
            *below, entry = missing(self.keys, need)
            for lost in below:
                self.run(lost)
            value = self.compute(entry)
            for lost in below:
                self.kept.unpin(lost.key)
            return value
        return self.compute(entry)

    def _single(self, name: Any) -> threading.Lock:
        """One lock for each result, so that two threads never load or compute the same one."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    def run(self, entry: Entry) -> None:
        """Make sure that an entry's result is there, or its files are written."""
        if entry.stage.effect:
            self.compute(entry)
            return
        with self._single(entry.key):
            if self.kept.get(entry.key) is not None or self.environment.has(entry.key):
                return
            value = self.compute(entry)
            if entry.stage.per == "shot":
                self.environment.small[entry.key] = value
            record = pack(value)
            stored = self.environment.store.put(entry.key, record, tier=entry.stage.tier)
            self.kept.put(entry.key, unpack(record), pin=not stored)

    def compute(self, entry: Entry) -> Any:
        """Give the stage exactly what it needs and nothing else."""
        result, step = entry.result, entry.stage
        if self.stop.is_set():
            raise Cancelled("stopped")
        try:
            given = {name: self._given(need) for name, need in entry.needs.items()}
            value = step.compute(given, self._context(entry))
        except RotographError as error:
            if len(entry.leaves) == 1 and isinstance(error, MediaError | PromptError):
                error.located(file=entry.leaves[0].path)
            raise error.located(node=result.node, frame=result.frame) from error.__cause__
        except MemoryError:
            raise ComputeError(
                "ran out of memory",
                node=result.node,
                frame=result.frame,
                hint="render with --jobs 1 or a smaller --memory",
            ) from None
        except Exception as error:
            raise ComputeError(
                f"failed in {step.name}: {type(error).__name__}: {error}",
                node=result.node,
                frame=result.frame,
                hint="run again with --debug and report it",
            ) from error
        if step.stored or step.effect:
            with self._guard:
                if not step.effect:
                    self.outcome.computed.setdefault(result.node, set()).add(result.frame)
                if step.effect:
                    self.outcome.written += value
                    for path in value:
                        self.environment.receipts.remember(path, entry.key.hex())
        return value

    def _given(self, need: Any) -> Any:
        if isinstance(need, dict):
            return {name: self._given(n) for name, n in need.items()}
        if isinstance(need, list):
            return [self._given(n) for n in need]
        return None if need is None else self.fetch(need)

    def _context(self, entry: Entry) -> Context:
        result, step = entry.result, entry.stage
        node = self.keys.graph.nodes[result.node]
        effect = step.effect
        return Context(
            params={p: node.value(p, result.frame, result.layer) for p in step.params},
            models={
                role: self.environment.models.load(role, node.value(param))
                for role, param in step.models.items()
            },
            colour=self.environment.colour if step.colour else None,
            frame=result.frame if effect else None,
            files=self.keys.files(result) if effect else {},
            key=entry.key.hex() if effect else "",
        )


Report = Callable[[str, int, int, int], None]


class _Schedule:
    """Which entries may run now: those whose dirty needs are done, in the plan's order."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.index = {e.key: i for i, e in enumerate(entries) if not e.stage.effect}
        self.below = [self._below(entry) for entry in entries]
        self.waits = [len(below) for below in self.below]
        self.users: list[list[int]] = [[] for _ in entries]
        for i, below in enumerate(self.below):
            for needed in below:
                self.users[needed].append(i)
        self.unfinished = [len(users) for users in self.users]
        self.ready = [i for i, count in enumerate(self.waits) if count == 0]
        heapq.heapify(self.ready)

    def _below(self, entry: Entry) -> set[int]:
        """Dirty entries that this one needs, also through stages that are not stored."""
        found: set[int] = set()
        stack = list(entry.below)
        while stack:
            needed = stack.pop()
            if needed.key in self.index:
                found.add(self.index[needed.key])
            elif not needed.stage.stored:
                stack += needed.below
        return found

    def done(self, i: int) -> list[bytes]:
        """Mark as done; gives back the keys of results that nobody waits for any more."""
        for user in self.users[i]:
            self.waits[user] -= 1
            if self.waits[user] == 0:
                heapq.heappush(self.ready, user)
        return self.release(i)

    def release(self, i: int) -> list[bytes]:
        """The keys of results that nobody waits for any more, now that ``i`` does not."""
        released = []
        for needed in self.below[i]:
            self.unfinished[needed] -= 1
            if self.unfinished[needed] == 0:
                released.append(self.entries[needed].key)
        return released

    def fail(self, i: int) -> list[int]:
        """Everything that can never run now, itself first."""
        lost, stack = [], [i]
        seen = {i}
        while stack:
            at = stack.pop()
            lost.append(at)
            new = [u for u in self.users[at] if u not in seen]
            seen.update(new)
            stack += new
        return lost


def execute(
    execution: Execution,
    plan: Plan,
    report: Report,
    stop: threading.Event,
) -> Outcome:
    """Run the plan's dirty entries.

    report: called in this thread after each entry and at least every tenth of a second, with the
    node at work, how many frames are written, how many entries are done and how many there are.
    stop: set it to end the run; frames being computed are given up, files being written finished.

    An entry that fails costs what hangs on it, and its cause is told once; the rest goes on, except
    after a file could not be written: then nothing more is begun. Raises Cancelled when stopped.
    """
    schedule = _Schedule(plan.dirty)
    execution.stop = stop
    total, finished, frames, at_work = len(plan.dirty), 0, 0, ""
    outcome = execution.outcome
    running: dict[Future, int] = {}
    lost: set[int] = set()
    told = {str(error) for error in outcome.errors}
    memory: dict[Future, int] = {}
    limits = execution.limits
    workers = ThreadPoolExecutor(limits.jobs, "compute")
    writers = ThreadPoolExecutor(1, "write")
    readers = ThreadPoolExecutor(1, "read")
    ahead: set[Any] = set()
    computing = writing = 0
    unwritten = Counter(e.result.frame for e in plan.dirty if e.stage.effect)
    done_with: set[int] = set()
    halted = False
    noted = time.monotonic()
    try:
        while running or (schedule.ready and not halted):
            if stop.is_set():
                raise Cancelled("stopped")
            held: list[int] = []
            while schedule.ready and computing < limits.jobs and not (halted or stop.is_set()):
                i = heapq.heappop(schedule.ready)
                entry = schedule.entries[i]
                if entry.stage.effect:
                    if writing > 2 * limits.jobs:
                        held.append(i)
                        break
                    writing += 1
                    future = writers.submit(execution.run, entry)
                else:
                    weight = _weight(execution.keys, entry)
                    if memory and sum(memory.values()) + weight > limits.working:
                        held.append(i)
                        break
                    computing += 1
                    future = workers.submit(execution.run, entry)
                    memory[future] = weight
                running[future] = i
            for i in held:
                heapq.heappush(schedule.ready, i)
            _read_ahead(execution, schedule, readers, ahead)
            done, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
            if not done:
                report(at_work, frames, finished, total)
            for future in done:
                i = running.pop(future)
                entry = schedule.entries[i]
                memory.pop(future, None)
                if entry.stage.effect:
                    writing -= 1
                else:
                    computing -= 1
                error = future.exception()
                if error is None:
                    finished += 1
                    done_with.add(i)
                    for key in schedule.done(i):
                        execution.kept.unpin(key)
                    if entry.stage.effect:
                        unwritten[entry.result.frame] -= 1
                        frames += unwritten[entry.result.frame] == 0
                        give_back_freed()
                        if time.monotonic() - noted > _NOTE_EVERY:
                            # a process that is killed has what it wrote noted down
                            execution.environment.receipts.flush()
                            noted = time.monotonic()
                    at_work = entry.result.node
                    report(at_work, frames, finished, total)
                elif isinstance(error, WriteError):
                    halted = True
                    outcome.errors.append(error)
                elif isinstance(error, RotographError) and not isinstance(error, Cancelled):
                    if str(error) not in told:
                        told.add(str(error))
                        outcome.errors.append(error)
                    gone = [j for j in schedule.fail(i) if j not in lost]
                    lost.update(gone)
                    for key in (key for j in gone for key in schedule.release(j)):
                        execution.kept.unpin(key)
                else:
                    raise error
    finally:
        for pool in (workers, readers):
            pool.shutdown(wait=not stop.is_set(), cancel_futures=True)
        writers.shutdown(wait=True, cancel_futures=True)
    outcome.failed |= {
        entry.result.frame
        for i, entry in enumerate(schedule.entries)
        if entry.stage.effect and i not in done_with
    }
    return outcome


def _weight(keys: Keys, entry: Entry) -> int:
    """Bytes that an entry takes while it is computed."""
    if not entry.stage.memory:
        return 0
    width, height = keys.shape(entry.result.node).size
    return entry.stage.memory * width * height


def _read_ahead(
    execution: Execution, schedule: _Schedule, readers: ThreadPoolExecutor, ahead: set[Any]
) -> None:
    """Read the plate frames of the next few entries while others compute."""
    for i in heapq.nsmallest(READ_AHEAD, schedule.ready):
        for entry in schedule.entries[i].below:
            if entry.stage.stored or entry.result in ahead or execution.kept.room < 0:
                continue
            ahead.add(entry.result)
            readers.submit(_quietly, execution, entry.result)


def _quietly(execution: Execution, need: Result) -> None:
    """Read ahead; an error is told when the frame is really asked for."""
    try:
        execution.fetch(need)
    except RotographError:
        return

"""Running a plan: reading ahead, computing and writing at the same time, in the plan's order."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from rotograph.declare import Result
from rotograph.errors import Cancelled, ModelError, RotographError, WriteError
from rotograph.execution import Execution, Outcome
from rotograph.heap import give_back_freed
from rotograph.needs import Entry, Keys
from rotograph.plan import Plan

_NOTE_EVERY = 5.0
READ_AHEAD = 3
"""How many coming results have their plate frames read before they are asked for."""

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
    after a file could not be written or a model not be used: then nothing more is begun. Raises
    Cancelled when stopped.
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
                        execution.unpin(key)
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
                elif isinstance(error, WriteError | ModelError):
                    if not (halted and isinstance(error, ModelError)):  # it is told once
                        outcome.errors.append(error)
                    halted = True
                elif isinstance(error, RotographError) and not isinstance(error, Cancelled):
                    if str(error) not in told:
                        told.add(str(error))
                        outcome.errors.append(error)
                    gone = [j for j in schedule.fail(i) if j not in lost]
                    lost.update(gone)
                    for key in (key for j in gone for key in schedule.release(j)):
                        execution.unpin(key)
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

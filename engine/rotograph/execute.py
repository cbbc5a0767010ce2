"""Running a plan: reading ahead, computing and writing at the same time, in the plan's order."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from typing import Any

from rotograph.declare import Result
from rotograph.errors import Cancelled, ModelError, RotographError, WriteError
from rotograph.execution import Execution, Outcome
from rotograph.heap import give_back_freed
from rotograph.needs import Entry, Keys
from rotograph.plan import Plan
from rotograph.schedule import Schedule
from rotograph.together import at_once

_NOTE_EVERY = 5.0
READ_AHEAD = 3
"""How many coming results have their plate frames read before they are asked for."""

Report = Callable[[str, int, int, int], None]


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
    schedule = Schedule(plan.dirty, partial(_at_once, execution))
    execution.stop = stop
    total, finished, frames, at_work = len(plan.dirty), 0, 0, ""
    outcome = execution.outcome
    running: dict[Future, tuple[int, ...]] = {}
    told = {str(error) for error in outcome.errors}
    memory: dict[Future, int] = {}
    limits = execution.limits
    workers = execution.pool(limits.jobs, "compute")
    writers = execution.pool(1, "write")
    readers = execution.pool(1, "read")
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
            while computing < limits.jobs and not (halted or stop.is_set()):
                begun = schedule.next(wait=bool(running))
                if not begun:
                    break
                entries = [schedule.entries[i] for i in begun]
                if entries[0].stage.effect:
                    if writing > 2 * limits.jobs:
                        schedule.later(begun)
                        break
                    writing += 1
                    future = writers.submit(_run, execution, entries)
                else:
                    weight = sum(_weight(execution.keys, entry) for entry in entries)
                    if memory and sum(memory.values()) + weight > limits.working:
                        schedule.later(begun)
                        break
                    computing += 1
                    future = workers.submit(_run, execution, entries)
                    memory[future] = weight
                running[future] = begun
            _read_ahead(execution, schedule, readers, ahead)
            done, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
            if not done:
                report(at_work, frames, finished, total)
            for future in done:
                if memory.pop(future, None) is None:
                    writing -= 1
                else:
                    computing -= 1
                for i, error in zip(running.pop(future), future.result(), strict=True):
                    entry = schedule.entries[i]
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
                        for key in (k for j in schedule.fail(i) for k in schedule.release(j)):
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


def _run(execution: Execution, entries: list[Entry]) -> list[Exception | None]:
    return execution.run_together(entries) if len(entries) > 1 else [execution.attempt(entries[0])]


def _at_once(execution: Execution, entry: Entry) -> int:
    """How many layers of an entry's frame are computed together, within the memory."""
    fit = execution.limits.working // (_weight(execution.keys, entry) or 1)
    return max(1, min(at_once(execution.keys, entry), fit))


def _weight(keys: Keys, entry: Entry) -> int:
    """Bytes that an entry takes while it is computed."""
    if not entry.stage.memory:
        return 0
    width, height = keys.shape(entry.result.node).size
    return entry.stage.memory * width * height


def _read_ahead(
    execution: Execution, schedule: Schedule, readers: Executor, ahead: set[Any]
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

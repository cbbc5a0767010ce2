"""The requests that wait for the worker or run in it: their order, and what a crash costs.

A crash of the worker (a segmentation fault in a native library) is put down to the results that
were being computed. Their jobs begin again, one at a time and one result at a time; a result that
crashes the worker alone is condemned: its frame fails, and the rest of the job goes on.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rotograph import wire

RUNNING = 16
"""Jobs that run in the worker at the same time; who computes is decided there, turn by turn."""
PATIENCE = 8
MAX_CONDEMNED = 16
"""Results of one job that may crash the worker before the job is given up."""
CRASHED = "crashed the engine's worker twice, in native code"


@dataclass(eq=False)
class Job:
    """One request, for everybody who made it.

    listeners: (client, request id). begun: keys (hex) being computed now, and since when. suspects:
    those that were when the worker crashed. condemned: those that are not tried again, and why.
    alone: nothing else runs beside it until the suspects are done, or
    until ``patience`` other results went well.
    """

    number: int
    client: int
    request: wire.Work
    body: bytes
    fingerprint: bytes | None
    listeners: list[tuple[int, int]]
    since: float = field(default_factory=time.monotonic)
    running: bool = False
    ended: bool = False
    progress: tuple[str, int, int, int, str] = ("waiting", 0, 0, 0, "")
    begun: dict[str, float] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)
    condemned: dict[str, str] = field(default_factory=dict)
    wants: set[str] = field(default_factory=set)
    alone: bool = False
    patience: int = 0

    @property
    def urgent(self) -> bool:
        return self.request.priority == "interactive"


def fingerprint(request: wire.Work) -> bytes | None:
    """What makes two requests the same, whoever asks. None: never (pixels go to one client)."""
    if isinstance(request, wire.Mattes):
        return None
    same = msgspec.structs.replace(request, id=0, view="", priority="batch")
    return hashlib.blake2b(msgspec.json.encode(same), digest_size=16).digest()


class Jobs:
    """The jobs of the engine, oldest first."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._count = 0
        self._written: deque[tuple[float, int]] = deque(maxlen=4096)

    def __iter__(self):
        return iter(list(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, number: int) -> Job | None:
        return self._jobs.get(number)

    def add(self, client: int, request: wire.Work, body: bytes) -> Job:
        """The job for a request: a new one, or the one that somebody has asked for already."""
        mark = fingerprint(request)
        for job in self._jobs.values():
            if mark is not None and job.fingerprint == mark and not job.ended and job.listeners:
                job.listeners.append((client, request.id))
                if request.priority == "interactive" and not job.running:
                    job.request = request
                return job
        self._count += 1
        job = Job(self._count, client, request, body, mark, [(client, request.id)])
        self._jobs[job.number] = job
        return job

    def of(self, client: int, id: int) -> Job | None:
        """The job that a client's request became, while it lasts."""
        for job in self._jobs.values():
            if not job.ended and (client, id) in job.listeners:
                return job
        return None

    def older(self, client: int, view: str, than: int) -> list[tuple[Job, int]]:
        """A client's earlier requests for the same view, with their ids."""
        return [
            (job, id)
            for job in self._jobs.values()
            for owner, id in job.listeners
            if view and owner == client and job.request.view == view and id != than
            and not job.ended
        ]  # fmt: skip

    def next(self) -> Job | None:
        """The job to begin now: an artist's first, then of the client with the fewest running."""
        running = [j for j in self._jobs.values() if j.running]
        if any(j.alone for j in running):
            return None
        waiting = [j for j in self._jobs.values() if not j.running and not j.ended]
        if not waiting or len(running) >= RUNNING + (RUNNING if waiting[0].urgent else 0):
            return None

        def order(job: Job) -> tuple[bool, bool, int, float]:
            mine = sum(1 for j in running if j.client == job.client)
            return job.alone, not job.urgent, mine, job.since

        chosen = min(waiting, key=order)
        return None if chosen.alone and running else chosen

    def moved(self, job: Job, progress: tuple[str, int, int, int, str]) -> None:
        """Note how a job goes."""
        more = progress[3] - job.progress[3]
        if more > 0:
            self._written.append((time.monotonic(), more))
        job.progress = progress

    def at(self, job: Job, key: str, began: bool) -> bool:
        """Note what is computed. True when the job has just cleared itself after a crash."""
        if began:
            job.begun[key] = time.monotonic()
        else:
            job.begun.pop(key, None)
            job.suspects.discard(key)
            job.patience -= 1
        quiet = not job.suspects and (not began or not job.condemned)
        if job.alone and (quiet or job.patience < 0):
            job.alone = False
            return True
        return False

    def crashed(self) -> list[tuple[Job, str]]:
        """Put a crash down to somebody, and let the rest begin again.

        Gives back jobs that cannot go on, with the reason.
        """
        running = [j for j in self._jobs.values() if j.running and not j.ended]
        guilty = [j for j in running if j.begun] or running
        lost = []
        for job in running:
            job.running = False
            if job in guilty and job.alone:
                if not job.begun or len(job.condemned) >= MAX_CONDEMNED:
                    lost.append((job, job.progress[0]))
                job.condemned.update(dict.fromkeys(job.begun, CRASHED))
                job.suspects.difference_update(job.begun)
            elif job in guilty:
                job.alone, job.suspects = True, set(job.begun)
                job.patience = PATIENCE
            job.begun.clear()
        self._forget_ended()
        return lost

    def hanging(self, patience: float | None, left: float) -> list[tuple[Job, str]]:
        """Results that have been computed for too long, with their jobs.

        patience: seconds, None for ever. left: seconds that one may take that nobody waits for any
        more, while others wait.
        """
        now = time.monotonic()
        waiting = any(not job.ended for job in self._jobs.values())
        found = []
        for job in self._jobs.values():
            longest = left if job.ended and waiting else patience
            if longest is not None:
                found += [(job, key) for key, at in job.begun.items() if now - at > longest]
        return found

    def hung(self, hanging: list[tuple[Job, str]], patience: float | None) -> list[tuple[Job, str]]:
        """Give these results up, and let everything else begin again.

        Gives back jobs that cannot go on, with the reason.
        """
        for job, key in hanging:
            job.condemned[key] = f"was not computed within {patience:g} s" if patience else ""
        lost = []
        for job in [j for j in self._jobs.values() if j.running and not j.ended]:
            job.running = False
            job.begun.clear()
            if len(job.condemned) > MAX_CONDEMNED:
                lost.append((job, "computing results that take too long"))
        self._forget_ended()
        return lost

    def _forget_ended(self) -> None:
        for job in [j for j in self._jobs.values() if j.ended]:
            self.remove(job)

    def remove(self, job: Job) -> None:
        self._jobs.pop(job.number, None)

    def frames_per_second(self) -> float:
        """Files written a second, over the last ten seconds."""
        now = time.monotonic()
        while self._written and now - self._written[0][0] > 10.0:
            self._written.popleft()
        return round(sum(n for _, n in self._written) / 10.0, 3)


def summary(jobs: Jobs) -> dict[str, Any]:
    """The queue, for ``status``."""
    running = [j for j in jobs if j.running and not j.ended]
    waiting = [j for j in jobs if not j.running and not j.ended]
    return {"running": len(running), "waiting": len(waiting)}

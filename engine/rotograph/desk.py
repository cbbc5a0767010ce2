"""Where requests are taken: what each message does, and what the worker's answers do.

It puts clients, queue, frames and worker together, and holds no pixel.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from rotograph import __version__, inner, jobs, wire
from rotograph.clients import Client, Clients
from rotograph.installed import Installed
from rotograph.intake import Intake
from rotograph.jobs import Job, Jobs
from rotograph.link import Link
from rotograph_host.framing import WireError

STARTS = 3
"""How often a worker may die before it is ready until the waiting requests are given up."""
LEFT = 60.0
"""Seconds that a result may go on being computed for nobody while somebody else waits."""
_log = logging.getLogger("rotograph.server")


class Desk:
    """The engine's work in hand.

    clients: set before the first message. stop: called when somebody ends the engine. budget: bytes
    of frames to keep. patience: seconds that one result may take until it is given up, or None.
    installed: asked before work is begun whether the worker is still of today.
    """

    clients: Clients

    def __init__(
        self,
        instance: str,
        link: Link,
        stop: Callable[[], None],
        budget: int,
        patience: float | None,
        installed: Installed | None,
    ) -> None:
        self._instance, self._link, self._stop = instance, link, stop
        self._patience = patience
        self._jobs = Jobs()
        self._intake = Intake(link, self._jobs, lambda *told: self.clients.tell(*told), budget)
        self._installed = installed
        self._house = inner.House({}, 0, {}, "")
        self._began = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nobody is connected and nothing is being done."""
        return not len(self._jobs) and not any(True for _ in self.clients)

    def tick(self) -> None:
        """Tell everybody how their requests go, and see that nothing goes on for ever."""
        for job in self._jobs:
            if not job.ended:
                stage, done, total, written, at = job.progress
                for number, id in job.listeners:
                    told = wire.Progress(id, stage, done, total, written, at)
                    self.clients.tell(number, told, may_wait=True)
        hanging = self._jobs.hanging(self._patience, LEFT)
        if hanging:
            _log.warning("a result takes too long; ending the worker")
            self._link.bury()
            self._begin_again(self._jobs.hung(hanging, self._patience))

    def close(self) -> None:
        """Tell everybody who waits that the engine ends."""
        for job in self._jobs:
            for number, id in job.listeners:
                told = wire.Error("Cancelled", "the engine was stopped", id)
                self.clients.tell(number, told)

    def handle(self, client: Client, message: Any, body: bytes) -> None:
        """Do what a client says; raises WireError for what cannot be."""
        number = client.peer.number
        match message:
            case wire.Status():
                self.clients.tell(number, wire.Result(message.id, self.status()))
            case wire.Stop():
                self.clients.tell(number, wire.Result(message.id, {}))
                _log.info("stopped by %s", client.name)
                self._stop()
            case wire.Offer():
                lacking = self._intake.lacking(message.digests)
                self.clients.tell(number, wire.Need(message.id, lacking))
            case wire.Segment():
                self._intake.register(client, message)
            case wire.Pixels():
                self._intake.take(client, message)
            case wire.Reclaim():
                for name in message.segments:
                    self._intake.lent.reclaim(number, name)
            case wire.Release():
                self._link.send(inner.Returned(number, message.segment))
            case wire.Cancel():
                self._cancel(number, message.id)
            case wire.Work():
                self._take_work(client, message, body)
            case _:
                raise WireError("hello may be said once only")

    def left(self, number: int) -> None:
        """A client is gone: nothing is done for it any more."""
        for job in self._jobs:
            self._leave(job, lambda listener: listener[0] == number)
        self._intake.left(number)
        self._link.send(inner.Returned(number, -1))

    def status(self) -> dict[str, Any]:
        """What ``status`` answers; bytes as text, for they may be large."""
        lent = self._intake.lent
        return {
            "version": __version__,
            "protocol": wire.PROTOCOL,
            "instance": self._instance,
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._began, 3),
            "device": self._house.device,
            "worker": {
                "pid": self._link.pid,
                "ready": self._link.ready,
                "restarts": max(0, self._link.restarts),
                "memory": str(self._house.memory),
            },
            "models": [
                {"model": model, "bytes": str(size)} for model, size in self._house.models.items()
            ],
            "clients": [{"client": c.name, "pid": c.pid} for c in self.clients],
            "queue": jobs.summary(self._jobs),
            "frames_per_second": self._jobs.frames_per_second(),
            "stores": {folder: str(size) for folder, size in self._house.stores.items()},
            "frames": {
                "held": len(lent),
                "bytes": str(lent.bytes),
                "segments": lent.segments,
            },
        }

    # -- jobs --------------------------------------------------------------------------------

    def _take_work(self, client: Client, request: wire.Work, body: bytes) -> None:
        number = client.peer.number
        if not request.environment.store or not request.folder:
            raise WireError("the environment's store and the folder must be absolute paths")
        if isinstance(request, wire.Mattes | wire.Freeze) and len(request.frames or ()) != 1:
            raise WireError("this is asked for on exactly one frame")
        for plate in request.plates.values():
            wire.picture_bytes(plate.picture, "float32")
        mine = sum(1 for job in self._jobs for owner, _ in job.listeners if owner == number)
        if mine >= wire.MAX_REQUESTS:
            raise WireError(f"a client may have {wire.MAX_REQUESTS} requests in flight")
        if self._jobs.of(number, request.id) is not None:
            raise WireError(f"request {request.id} is still in flight")
        job = self._jobs.add(number, request, body)
        for older, id in self._jobs.older(number, request.view, request.id):
            self._give_up(older, number, id, "a newer request for the same view came")
        for digest in job.wants:
            self.clients.tell(number, wire.Need(request.id, [digest]))
        if self._installed is not None and not any(job.running for job in self._jobs):
            self._keep_up()
        self._schedule()

    def _keep_up(self) -> None:
        if self._installed.changed():
            _log.info("what is installed has changed; starting another worker")
            self._link.bury()
            self._begin_again([], wanted=True)

    def _cancel(self, number: int, id: int) -> None:
        job = self._jobs.of(number, id)
        if job is not None:
            self._give_up(job, number, id, "stopped")

    def _give_up(self, job: Job, number: int, id: int, why: str) -> None:
        self.clients.tell(number, wire.Error("Cancelled", why, id))
        self._leave(job, lambda listener: listener == (number, id))

    def _leave(self, job: Job, who: Callable[[tuple[int, int]], bool]) -> None:
        """Take listeners away; a job that nobody waits for is stopped."""
        job.listeners = [listener for listener in job.listeners if not who(listener)]
        if job.listeners or job.ended:
            return
        job.ended = True
        if job.running:
            self._link.send(inner.Halt(job.number))
        else:
            self._jobs.remove(job)
        self._schedule()

    def _schedule(self) -> None:
        while self._link.ready and (job := self._jobs.next()) is not None:
            job.running = True
            if job.alone:  # an earlier suspect may have cleared itself, and all are at it again
                self._link.send(inner.Pace(careful=True))
            self._link.send(inner.Begin(job.number, job.client, inner.raw(job.body), job.condemned))

    def _ended(self, job: Job, message: inner.Ended) -> None:
        job.ended = True
        for number, id in job.listeners:
            if message.error is not None:
                told: Any = message.error
                told = wire.Error(
                    told.kind, told.message, id, told.node, told.frame, told.file, told.hint
                )
            else:
                told = wire.Result(id, message.value or {})
            self.clients.tell(number, told)
        job.listeners = []

    def _settled(self, job: Job) -> None:
        self._jobs.remove(job)
        self._intake.lent.unuse(job.number)
        if not self.clients.there(job.client):  # it left while its pixels were being put ready
            self._link.send(inner.Returned(job.client, -1))
        if job.alone:
            self._link.send(inner.Pace(careful=False))
        self._schedule()

    # -- the worker --------------------------------------------------------------------------

    def hear(self, message: Any) -> None:
        """What the worker says."""
        match message:
            case inner.Ready():
                self._link.ready, self._link.starts = True, 0
                if any(job.alone for job in self._jobs):
                    _log.info("one result at a time, until the worker's crash is explained")
                else:
                    self._link.send(inner.Pace(careful=False))
                self._schedule()
            case inner.House():
                self._house = message
            case inner.Named():
                self._intake.named(message)
            case inner.Spoilt():
                self._intake.lent.forget(message.digest)
            case inner.Made():
                descriptor = self._link.peer.descriptor()
                made = wire.Segment(message.segment, message.bytes)
                self.clients.tell(message.client, made, descriptor)
                os.close(descriptor)
            case _:
                job = self._jobs.get(message.job)
                if job is not None:
                    self._hear_of(job, message)

    def _hear_of(self, job: Job, message: Any) -> None:
        match message:
            case inner.Moved():
                now = (message.stage, message.done, message.total, message.written, message.now)
                self._jobs.moved(job, now)
            case inner.At():
                if self._jobs.at(job, message.key, message.began):
                    self._link.send(inner.Pace(careful=False))
                    self._schedule()
            case inner.Want():
                self._intake.want(job, message.digest)
            case inner.Taken():
                self._intake.lent.unuse(job.number, message.digest)
            case inner.Ended():
                self._ended(job, message)
            case inner.Settled():
                self._settled(job)

    def worker_died(self) -> None:
        """Begin again with another worker, but for what made it die."""
        status = self._link.bury()
        _log.warning("the worker ended with status %d; starting another", status)
        self._begin_again(self._jobs.crashed())

    def _begin_again(self, lost: list[tuple[Job, str]], wanted: bool = False) -> None:
        """Start another worker. lost: jobs that cannot go on, with what they were at."""
        self._intake.worker_died()
        for job, stage in lost:
            self._fail(job, f"the engine's worker crashed {'while ' + stage if stage else ''}")
        for job in self._jobs:
            job.wants.clear()
        if self._link.starts >= STARTS:
            for job in self._jobs:
                self._fail(job, "the engine's worker does not start; see the engine's log")
            self._link.starts = 0
        self._link.start(wanted)

    def _fail(self, job: Job, why: str) -> None:
        error = wire.Error("ComputeError", why, hint="see the engine's log")
        self._ended(job, inner.Ended(job.number, error=error))
        self._jobs.remove(job)

"""Where requests are taken: what each message does, and what the worker's answers do.

It puts clients, queue, lent frames and worker together, and holds no pixel.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from rotograph import __version__, inner, jobs, wire
from rotograph.clients import Client, Clients
from rotograph.jobs import Job, Jobs
from rotograph.lent import Held, Lending, Lendings
from rotograph.link import Link
from rotograph_host.framing import WireError

STARTS = 3
"""How often a worker may die before it is ready until the waiting requests are given up."""
_log = logging.getLogger("rotograph.server")


class Desk:
    """The engine's work in hand.

    clients: set before the first message. stop: called when somebody ends the engine.
    """

    clients: Clients

    def __init__(self, instance: str, link: Link, stop: Callable[[], None]) -> None:
        self._instance, self._link, self._stop = instance, link, stop
        self._jobs = Jobs()
        self._lent = Lendings(self._give_back, self._segment_closed)
        self._naming: dict[int, tuple[int, int, Held]] = {}
        self._tickets = 0
        self._mapped: set[int] = set()
        self._device = ""
        self._house = inner.House([], 0, {})
        self._began = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nobody is connected and nothing is being done."""
        return not len(self._jobs) and not any(True for _ in self.clients)

    def tick(self) -> None:
        """Tell everybody how their requests go."""
        for job in self._jobs:
            if not job.ended:
                stage, done, total, written, at = job.progress
                for number, id in job.listeners:
                    told = wire.Progress(id, stage, done, total, written, at)
                    self.clients.tell(number, told, may_wait=True)

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
                lacking = [d for d in message.digests if self._lent.find(d) is None]
                self.clients.tell(number, wire.Need(message.id, lacking))
            case wire.Segment():
                self._lent.register(
                    number, message.segment, client.peer.descriptor(), message.bytes
                )
            case wire.Pixels():
                self._take_frame(client, message)
            case wire.Reclaim():
                for name in message.segments:
                    self._lent.reclaim(number, name)
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
        for ticket in [t for t, (owner, _, _) in self._naming.items() if owner == number]:
            self._naming[ticket] = (0, 0, self._naming[ticket][2])
        self._lent.leave(number)
        self._link.send(inner.Returned(number, -1))

    def status(self) -> dict[str, Any]:
        """What ``status`` answers; bytes as text, for they may be large."""
        return {
            "version": __version__,
            "protocol": wire.PROTOCOL,
            "instance": self._instance,
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._began, 3),
            "device": self._device,
            "worker": {
                "pid": self._link.pid,
                "ready": self._link.ready,
                "restarts": max(0, self._link.restarts),
                "memory": str(self._house.memory),
            },
            "models": self._house.models,
            "clients": [{"client": c.name, "pid": c.pid} for c in self.clients],
            "queue": jobs.summary(self._jobs),
            "frames_per_second": self._jobs.frames_per_second(),
            "stores": {folder: str(size) for folder, size in self._house.stores.items()},
            "frames": {
                "held": len(self._lent),
                "bytes": str(self._lent.bytes),
                "segments": self._lent.segments,
            },
        }

    # -- frames ------------------------------------------------------------------------------

    def _take_frame(self, client: Client, message: wire.Pixels) -> None:
        number = client.peer.number
        held = self._lent.borrow(number, message)
        if message.digest:
            self._lent.keep(message.digest, held)
            self.clients.tell(number, wire.Result(message.id, {"digest": message.digest}))
            self._answer_wants(message.digest)
            return
        self._tickets += 1
        self._naming[self._tickets] = (number, message.id, held)
        held.lending.users.add(("naming", self._tickets))
        self._map(held.lending)
        self._link.send(
            inner.NameIt(self._tickets, held.lending.number, held.offset, held.picture, held.format)
        )

    def _named(self, message: inner.Named) -> None:
        number, id, held = self._naming.pop(message.ticket, (0, 0, None))
        if held is None:
            return
        if number:
            self._lent.keep(message.digest, held)
            self.clients.tell(
                number, wire.Result(id, {"digest": message.digest, "seconds": message.seconds})
            )
        self._lent.unuse("naming", message.ticket)
        self._answer_wants(message.digest)

    def _want(self, job: Job, digest: str) -> None:
        held = self._lent.find(digest)
        if held is not None:
            self._lend(job, digest)
        elif digest not in job.wants:
            job.wants.add(digest)
            for number, id in job.listeners:
                self.clients.tell(number, wire.Need(id, [digest]))

    def _answer_wants(self, digest: str) -> None:
        for job in self._jobs:
            if digest in job.wants:
                job.wants.discard(digest)
                self._lend(job, digest)

    def _lend(self, job: Job, digest: str) -> None:
        held = self._lent.find(digest)
        if held is None:
            return
        held.lending.users.add((job.number, digest))
        self._map(held.lending)
        self._link.send(
            inner.Lent(
                job.number, digest, held.lending.number, held.offset, held.picture, held.format
            )
        )

    def _map(self, lending: Lending) -> None:
        if lending.number not in self._mapped:
            self._mapped.add(lending.number)
            self._link.send(inner.Mapped(lending.number, lending.bytes), lending.descriptor)

    def _give_back(self, lending: Lending) -> None:
        self.clients.tell(lending.client, wire.Release(lending.name))

    def _segment_closed(self, lending: Lending) -> None:
        if lending.number in self._mapped:
            self._mapped.discard(lending.number)
            self._link.send(inner.Unmapped(lending.number))

    # -- jobs --------------------------------------------------------------------------------

    def _take_work(self, client: Client, request: wire.Work, body: bytes) -> None:
        number = client.peer.number
        if not request.environment.store or not request.folder:
            raise WireError("the environment's store and the folder must be absolute paths")
        if isinstance(request, wire.Mattes) and len(request.frames or ()) != 1:
            raise WireError("a matte is asked for on exactly one frame")
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
        self._schedule()

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
            self._link.send(
                inner.Begin(job.number, job.client, inner.raw(job.body), tuple(job.condemned))
            )

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
        self._lent.unuse(job.number)
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
                self._device = message.device
                if any(job.alone for job in self._jobs):
                    _log.info("one result at a time, until the worker's crash is explained")
                else:
                    self._link.send(inner.Pace(careful=False))
                self._schedule()
            case inner.House():
                self._house = message
            case inner.Named():
                self._named(message)
            case inner.Spoilt():
                self._lent.forget(message.digest)
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
                self._want(job, message.digest)
            case inner.Taken():
                self._lent.unuse(job.number, message.digest)
            case inner.Ended():
                self._ended(job, message)
            case inner.Settled():
                self._settled(job)

    def worker_died(self) -> None:
        """Begin again with another worker, but for what made it die."""
        status = self._link.bury()
        _log.warning("the worker ended with status %d; starting another", status)
        running = [job.number for job in self._jobs if job.running]
        for job, stage in self._jobs.crashed():
            self._fail(job, f"the engine's worker crashed {'while ' + stage if stage else ''}")
        for number in running:
            self._lent.unuse(number)
        for ticket, (number, id, _) in list(self._naming.items()):
            self.clients.tell(number, wire.Error("ComputeError", "the engine's worker crashed", id))
            del self._naming[ticket]
            self._lent.unuse("naming", ticket)
        for job in self._jobs:
            job.wants.clear()
        if self._link.starts >= STARTS:
            for job in self._jobs:
                self._fail(job, "the engine's worker does not start; see the engine's log")
            self._link.starts = 0
        self._mapped.clear()
        self._link.start()

    def _fail(self, job: Job, why: str) -> None:
        error = wire.Error("ComputeError", why, hint="see the engine's log")
        self._ended(job, inner.Ended(job.number, error=error))
        self._jobs.remove(job)

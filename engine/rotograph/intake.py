"""Frames on their way from clients to the worker: named, wanted by jobs, lent while they are read.

The pixels stay in the clients' segments; what passes here is who may look into which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rotograph import inner, wire
from rotograph.clients import Client
from rotograph.jobs import Job, Jobs
from rotograph.lent import Held, Lending, Lendings
from rotograph.link import Link


class Intake:
    """Every frame that the engine has or waits for.

    tell: called with (client, message) to say something. budget: bytes of frames to keep.
    """

    def __init__(
        self, link: Link, jobs: Jobs, tell: Callable[[int, Any], None], budget: int
    ) -> None:
        self._link, self._jobs, self._tell = link, jobs, tell
        self.lent = Lendings(self._give_back, self._closed, budget)
        self._naming: dict[int, tuple[int, int, Held]] = {}
        self._tickets = 0
        self._mapped: set[int] = set()

    def lacking(self, digests: list[str]) -> list[str]:
        """Which of these frames the engine lacks."""
        return [digest for digest in digests if self.lent.find(digest) is None]

    def register(self, client: Client, message: wire.Segment) -> None:
        """A client's new segment; raises WireError."""
        descriptor = client.peer.descriptor()
        self.lent.register(client.peer.number, message.segment, descriptor, message.bytes)

    def take(self, client: Client, message: wire.Pixels) -> None:
        """A frame in a client's segment; raises WireError."""
        number = client.peer.number
        held = self.lent.borrow(number, message)
        if message.digest:
            self.lent.keep(message.digest, held)
            self._tell(number, wire.Result(message.id, {"digest": message.digest}))
            self._answer(message.digest)
            return
        self._tickets += 1
        self._naming[self._tickets] = (number, message.id, held)
        held.lending.users.add(("naming", self._tickets))
        self._map(held.lending)
        self._link.send(
            inner.NameIt(self._tickets, held.lending.number, held.offset, held.picture, held.format)
        )

    def named(self, message: inner.Named) -> None:
        """The worker has hashed a frame that came without a digest."""
        number, id, held = self._naming.pop(message.ticket, (0, 0, None))
        if held is None:
            return
        if number:
            self.lent.keep(message.digest, held)
            value = {"digest": message.digest, "seconds": message.seconds}
            self._tell(number, wire.Result(id, value))
        self.lent.unuse("naming", message.ticket)
        self._answer(message.digest)

    def want(self, job: Job, digest: str) -> None:
        """A job cannot go on without a frame: lend it, or ask for it."""
        if self.lent.find(digest) is not None:
            self._lend(job, digest)
        elif digest not in job.wants:
            job.wants.add(digest)
            for number, id in job.listeners:
                self._tell(number, wire.Need(id, [digest]))

    def left(self, number: int) -> None:
        """A client is gone."""
        for ticket in [t for t, (owner, _, _) in self._naming.items() if owner == number]:
            self._naming[ticket] = (0, 0, self._naming[ticket][2])
        self.lent.leave(number)

    def worker_died(self) -> None:
        """Nothing is read any more, and what was to be named is not."""
        for number, id, _ in self._naming.values():
            self._tell(number, wire.Error("ComputeError", "the engine's worker crashed", id))
        self._naming.clear()
        self._mapped.clear()
        self.lent.unread()

    def _answer(self, digest: str) -> None:
        for job in self._jobs:
            if digest in job.wants:
                job.wants.discard(digest)
                self._lend(job, digest)

    def _lend(self, job: Job, digest: str) -> None:
        held = self.lent.find(digest)
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
        self._tell(lending.client, wire.Release(lending.name))

    def _closed(self, lending: Lending) -> None:
        if lending.number in self._mapped:
            self._mapped.discard(lending.number)
            self._link.send(inner.Unmapped(lending.number))

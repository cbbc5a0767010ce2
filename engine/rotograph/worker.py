"""The process that computes for the engine, so that the engine outlives whatever a model does.

Started by server.py as ``python -m rotograph.worker FD [BYTES]``, with one end of a socket pair.
It ends when the other end does.
"""

from __future__ import annotations

import faulthandler
import functools
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import psutil

from rotograph import device, inner, wire
from rotograph.declare import NodeType
from rotograph.environment import pixel_digest
from rotograph.errors import Cancelled, MediaError, RotographError
from rotograph.image import Image
from rotograph.listing import entries
from rotograph.shared_memory import Lent, Results
from rotograph.sharing import Shop, Task
from rotograph.work import NEED, describe, perform
from rotograph_host import framing

GRACE = 2.0
"""Seconds that files being written get when the engine ends."""
OFTEN = 0.1
"""Seconds between two notes on how a job goes."""
IN_PLACE = 3
"""Frames that a request for a matte reads where the client put them; further ones are copied."""
LOOK = 10.0
"""Seconds between two looks at how large the stores are."""
_log = logging.getLogger("rotograph.worker")
_REQUEST = msgspec.json.Decoder(wire.Plan | wire.Render | wire.Track | wire.Mattes | wire.Freeze)


class Job:
    """A request that runs in a thread, and what it waits for. Also its ``render.Watch``."""

    def __init__(self, number: int, send: Callable[..., None]) -> None:
        self.number = number
        self.in_place = 0
        self.stop = threading.Event()
        self.frames: dict[str, Image] = {}
        self.came = threading.Condition()
        self._send = send
        self._last = ("", 0.0)

    def reading(self, done: int, total: int) -> None:
        self._moved("reading", done, total, 0, "")

    def rendering(self, what: str, frames: int, done: int, total: int) -> None:
        self._moved("rendering", done, total, frames, what)

    def _moved(self, stage: str, done: int, total: int, written: int, now: str) -> None:
        if stage == self._last[0] and done < total and time.monotonic() - self._last[1] < OFTEN:
            return
        self._last = stage, time.monotonic()
        self._send(inner.Moved(self.number, stage, done, total, written, now[:200]))

    def note(self, key: str, began: bool) -> None:
        self._send(inner.At(self.number, key, began))

    def want(self, digest: str) -> Image:
        """The image of a frame that the client offered; raises MediaError, Cancelled."""
        deadline = time.monotonic() + NEED
        with self.came:
            if digest not in self.frames:
                self._send(inner.Want(self.number, digest))
            while digest not in self.frames:
                if self.stop.is_set():
                    raise Cancelled("stopped")
                if time.monotonic() > deadline:
                    raise MediaError(
                        "the host did not send a frame that it offered", hint="render again"
                    )
                self.came.wait(0.1)
            image = self.frames[digest]
            if self.in_place > 0:
                self.in_place -= 1
                return image
            del self.frames[digest]
        image = Image(image.spec, image.pixels.copy())
        self._send(inner.Taken(self.number, digest))
        return image

    def lend(self, digest: str, image: Image) -> None:
        with self.came:
            self.frames[digest] = image
            self.came.notify_all()


class Worker:
    """Everything of the process: the link to the engine, and the jobs."""

    def __init__(
        self, link: socket.socket, more: Mapping[str, NodeType], models: int | None
    ) -> None:
        self._link = link
        self._sending = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._lent = Lent()
        self._results = Results(self._made, os.getpid() % 1000 * 1_000_000)
        # until the engine says otherwise, for a result before may have crashed the worker
        self._shop = Shop()
        self._shop.models.resident.budget = models
        self._shop.nodes.update(more)
        self._inbox = framing.Inbox(inner.LIMIT)
        self._came: list[int] = []
        self._worked = threading.Event()
        self._stores: dict[str, int] = {}

    def run(self) -> None:
        """Serve until the engine ends."""
        self._send(inner.Ready())
        threading.Thread(target=self._look, name="look", daemon=True).start()
        while True:
            try:
                data, descriptors = framing.receive(self._link)
            except OSError:
                data, descriptors = b"", []
            self._came += descriptors
            if not data:
                self._leave()
            for body in self._inbox.feed(data):
                self._receive(inner.to_worker(body))

    def _leave(self) -> None:
        jobs = list(self._jobs.values())
        for job in jobs:
            job.stop.set()
        deadline = time.monotonic() + GRACE
        while self._writing() and time.monotonic() < deadline:
            time.sleep(0.01)
        os._exit(0)

    @staticmethod
    def _writing() -> bool:
        others = (t for t in threading.enumerate() if t is not threading.current_thread())
        return any(thread.name.startswith("write") for thread in others)

    def _receive(self, message: Any) -> None:
        match message:
            case inner.Begin():
                job = self._jobs[message.job] = Job(message.job, self._send)
                run = functools.partial(self._job, job, message)
                self._shop.crew.start(run, f"job {job.number}")
            case inner.Halt():
                if message.job in self._jobs:
                    self._jobs[message.job].stop.set()
            case inner.Pace():
                self._shop.pace(message.careful)
            case inner.Mapped():
                self._lent.add(message.number, self._came.pop(0), message.bytes)
            case inner.Unmapped():
                self._lent.drop(message.number)
            case inner.Lent():
                job = self._jobs.get(message.job)
                if job is not None:
                    image = self._lent.image(
                        message.number, message.offset, message.picture, message.format
                    )
                    job.lend(message.digest, image)
            case inner.NameIt():
                self._shop.crew.start(functools.partial(self._name, message), "name")
            case inner.Returned():
                self._results.release(message.client, message.segment)

    def _job(self, job: Job, begin: inner.Begin) -> None:
        task = None
        try:
            request = _REQUEST.decode(begin.request)
            # a long shot must not keep the client's memory; for a picture or two, a copy is slow
            job.in_place = IN_PLACE if isinstance(request, wire.Mattes) else 0
            task = Task(
                request,
                begin.client,
                job.stop,
                job,
                job.note,
                job.want,
                lambda size: self._results.take(begin.client, size),
                lambda digest: self._send(inner.Spoilt(digest)),
                begin.condemned,
                held=lambda what: self._results.held(begin.client, what),
                hold=lambda *told: self._results.hold(begin.client, *told),
            )
            with self._shop.serving(task):
                value = framing.plain(perform(self._shop, task))
            self._tell_house()
            self._send(inner.Ended(job.number, value=value))
        except RotographError as error:
            self._send(inner.Ended(job.number, error=wire.Error(**describe(error))))
        except Exception as error:
            _log.exception("request %d failed", job.number)
            said = f"something went wrong inside Rotograph: {type(error).__name__}: {error}"
            told = wire.Error("ComputeError", " ".join(said.split()), hint="see the engine's log")
            self._send(inner.Ended(job.number, error=told))
        # what was begun before a cancel may still read the client's pixels
        while task is not None and task.busy:
            time.sleep(0.02)
        self._jobs.pop(job.number, None)
        self._worked.set()
        self._send(inner.Settled(job.number))

    def _name(self, message: inner.NameIt) -> None:
        began = time.monotonic()
        image = self._lent.image(message.number, message.offset, message.picture, message.format)
        digest = pixel_digest(image).hex()
        self._send(inner.Named(message.ticket, digest, round(time.monotonic() - began, 6)))

    def _made(self, client: int, number: int, descriptor: int, size: int) -> None:
        self._send(inner.Made(client, number, size), descriptor)

    def _send(self, message: Any, *descriptors: int) -> None:
        data = memoryview(inner.encode(message))
        try:
            with self._sending:
                while data:
                    sent = framing.send(self._link, data, descriptors)
                    data, descriptors = data[sent:], ()
        except OSError:
            self._leave()

    def _look(self) -> None:
        """Look, now and then, how large the stores are, and let go what is in circles."""
        while True:
            gc.collect()  # what is in a circle would keep clients' segments mapped
            self._stores = {
                str(store.folder): sum(e.bytes for e in entries(str(store.folder)))
                for store in list(self._shop.stores.values())
            }
            self._tell_house()
            time.sleep(LOOK if self._stores else 1.0)
            self._worked.wait()
            self._worked.clear()

    def _tell_house(self) -> None:
        memory = psutil.Process().memory_info().rss
        self._send(inner.House(self._shop.networks(), memory, self._stores, computes_on()))


def computes_on() -> str:
    """What computes; a network's device is told once there is one, for to look takes seconds."""
    if "torch" in sys.modules:
        return str(device.pick("auto"))  # what is asked for comes with each request
    return f"cpu ({os.cpu_count()} cores)"


def main(more: Mapping[str, NodeType] | None = None) -> None:
    """Serve on the descriptor that the command line names, with the bytes that networks may take
    after it, if there is a limit. more: nodes beside those installed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine hears it, and ends this process
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    descriptor, *models = map(int, sys.argv[1:])
    Worker(socket.socket(fileno=descriptor), more or {}, models[0] if models else None).run()


if __name__ == "__main__":
    main()

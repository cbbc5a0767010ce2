"""The engine's client: synchronous, for hosts, the command line and tests (docs/wire.md).

    with Client() as engine:
        engine.render(document, folder="/shows/x", environment={"store": "/cache"})

It starts the engine when none runs. Should the engine die, that is seen at once, and a request is
repeated on a new one: nothing that was finished is computed again.
"""

import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time

from rotograph_host import VERSION, framing, place, segment
from rotograph_host.framing import WireError

PROTOCOL = 1
PATIENCE = 30.0
"""Seconds that an engine has to start."""
REPEATS = 3
"""How often a request is repeated on a new engine."""


class EngineError(Exception):
    """The engine could not do it. ``kind`` and the rest: as in an ``error`` message."""

    def __init__(self, kind, message, node=None, frame=None, file=None, hint=None):
        where = [node, None if frame is None else f"frame {frame}", file]
        line = ": ".join([s for s in (", ".join(w for w in where if w), message) if s])
        super().__init__(line + ("; " + hint if hint else ""))
        self.kind, self.message, self.hint = kind, message, hint
        self.node, self.frame, self.file = node, frame, file


class NoEngine(EngineError):
    """No engine could be reached or started."""

    def __init__(self, message, hint=None):
        super().__init__("NoEngine", message, hint=hint)


class Lost(Exception):
    """The engine ended while it was talked to."""


class Client:
    """One connection. Threads may share it; their requests go one after the other.

    name: who is calling, for ``rotograph status``. address: the socket; by default that of the
    shared engine. start: start an engine when none runs, with ``command`` (a list; by default
    ``$ROTOGRAPH_ENGINE`` or ``rotograph`` on the path).
    """

    def __init__(self, name="python", address=None, start=True, command=None):
        self.name, self.start, self.command = name, start, command
        self.address = address or place.address()
        self.instance = None
        self._sock = None
        self._inbox = framing.Inbox()
        self._bodies, self._held, self._came = [], [], []
        self._count = 0
        self._lock, self._sending = threading.RLock(), threading.Lock()
        self._results = {}
        self._pool = _Pool()

    def __enter__(self):
        return self.connect()

    def __exit__(self, *error):
        self.close()

    # -- connecting --------------------------------------------------------------------------

    def connect(self):
        """Connect unless connected, starting an engine if need be; raises EngineError."""
        with self._lock:
            if self._sock is not None:
                return self
            deadline, pause = time.time() + PATIENCE, 0.005
            while True:
                try:
                    self._hello()
                    return self
                except (OSError, Lost) as error:
                    self.close()
                    if not self.start:
                        raise NoEngine(
                            "no engine is running", "start one with: rotograph serve"
                        ) from None
                    if time.time() > deadline:
                        raise NoEngine(
                            f"the engine does not start: {error}",
                            f"look into {os.path.join(place.folder(), place.LOG)}",
                        ) from None
                _launch(self.command)
                time.sleep(pause)
                pause = min(0.1, pause * 1.5)

    def close(self):
        """Leave the engine; what it still does for this client is given up."""
        with self._lock:
            if self._sock is not None:
                self._sock.close()
            self._sock, self._inbox = None, framing.Inbox()
            self._bodies, self._held = [], []
            framing.close(self._came)
            self._came = []
            self._results.clear()
            self._pool.forget()

    def _hello(self):
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.connect(self.address)
        if framing.peer(self._sock)[1] != os.getuid():
            raise NoEngine(f"{self.address} belongs to another user")
        self._send({"type": "hello", "protocol": PROTOCOL, "version": VERSION, "client": self.name})
        answer = self._receive(time.time() + 10.0)
        if answer is None:
            raise Lost("the engine says nothing")
        if answer["type"] == "error":
            self.close()
            raise _error(answer)
        self.instance = answer["instance"]

    # -- requests ----------------------------------------------------------------------------

    def status(self):
        """How the engine is: a dictionary as docs/wire.md has it."""
        return self._request({"type": "status"})

    def stop(self):
        """End the engine; what is finished is kept."""
        with self._lock:
            self._request({"type": "stop"})
            self.close()

    def plan(self, graph, folder, environment, **more):
        """What a render would do. For ``more`` see ``render``; read: read frames never read."""
        return self._work("plan", graph, folder, environment, more)

    def render(self, graph, folder, environment, **more):
        """Make a graph's files; gives back the summary.

        graph: the document. folder: what its relative paths are relative to. environment: "store"
        (a folder) and perhaps "ocio", "store_limit", "licences". more: path, frames, output, jobs,
        memory, priority ("interactive" or "batch"), view, plates; and for this side
        progress: called with each progress message; when it gives back True the request is
        cancelled. stop: a ``threading.Event`` that cancels. pixels: see ``matte``.
        Raises EngineError, of kind "Cancelled" when stopped.
        """
        return self._work("render", graph, folder, environment, more)

    def track(self, graph, folder, environment, node, frames=None, layers=(), **more):
        """Compute a node's results on a range and keep them in the store."""
        more.update(node=node, layers=list(layers), frames=frames)
        return self._work("track", graph, folder, environment, more)

    def matte(self, graph, folder, environment, node, frame, layers=(), **more):
        """A node's alpha on one frame: a list of ``Matte``, whose memory ``free`` gives back.

        plates: Read node -> {"picture": …, "frames": {"1001": digest}}, for plates in no file.
        pixels: called with a digest that the engine lacks; gives back (picture, buffer, format).
        ahead: digests that the engine surely lacks, sent without waiting to be asked.
        told: called with the result's value, for what else it says.
        """
        more.update(node=node, layers=list(layers), frames=[frame])
        told = more.pop("told", None)
        value = self._work("matte", graph, folder, environment, more)
        if told is not None:
            told(value)
        return [Matte(self, entry) for entry in value["mattes"]]

    def lacking(self, digests):
        """Which of these frames the engine lacks."""
        return self._request({"type": "offer", "digests": list(digests)})

    def send_frame(self, picture, pixels, digest="", format="float32"):
        """Lend a frame to the engine; gives back its digest.

        pixels: a bytes-like object, or a function that fills the memoryview it is given.
        """
        with self._lock:
            self.connect()
            return self._request(self._lend(picture, pixels, digest, format))["digest"]

    def cancel(self, id):
        """Give up a request, from another thread; its caller gets the error Cancelled."""
        self._send({"type": "cancel", "id": id})

    def _work(self, kind, graph, folder, environment, more):
        mine = {n: more.pop(n, None) for n in ("progress", "stop", "pixels", "ahead")}
        message = {"type": kind, "graph": graph, "folder": os.path.abspath(str(folder))}
        message["environment"] = environment
        message.update({name: value for name, value in more.items() if value is not None})
        return self._request(message, **mine)

    def _request(self, message, progress=None, stop=None, pixels=None, ahead=None):
        with self._lock:
            for attempt in range(REPEATS + 1):
                self.connect()
                try:
                    return self._ask(dict(message), progress, stop, pixels, ahead or ())
                except (Lost, OSError):
                    self.close()
                    if message["type"] in ("stop", "frame") or attempt == REPEATS:
                        break
        if message["type"] == "stop":
            return {}
        raise EngineError("Lost", "the engine ended, again and again", hint="see its log")

    def _ask(self, message, progress, stop, pixels, ahead):
        self._count += 1
        message["id"] = own = self._count
        self._send(message)
        cancelled = False
        sent = {}  # frames on their way, by the id of their message: these need no second sending
        try:
            for digest in ahead:
                sent[self._send_needed(digest, pixels)] = digest
            while True:
                answer = self._receive(None if stop is None else time.time() + 0.1)
                if stop is not None and stop.is_set() and not cancelled:
                    cancelled = True
                    self.cancel(own)
                if answer is None or answer.get("id") != own:
                    if answer is not None and answer["type"] in ("result", "error"):
                        sent.pop(answer.get("id"), None)
                    continue
                kind = answer["type"]
                if kind == "result":
                    return answer["value"]
                if kind == "error":
                    raise _error(answer)
                if kind == "need":
                    if message["type"] == "offer":
                        return answer["digests"]
                    for digest in answer["digests"]:
                        if digest not in sent.values():
                            sent[self._send_needed(digest, pixels)] = digest
                told = kind == "progress" and progress is not None and progress(answer)
                if told is True and not cancelled:
                    cancelled = True
                    self.cancel(own)
        except (KeyboardInterrupt, SystemExit):
            self.close()  # the engine gives up what nobody waits for
            raise

    def _send_needed(self, digest, pixels):
        """Lend a frame that a request is about; gives back the id of the message."""
        if pixels is None:
            raise EngineError("MediaError", "the engine lacks a frame and nobody can send it")
        picture, buffer, format = pixels(digest)
        self._count += 1
        own = self._count
        self._send(dict(self._lend(picture, buffer, digest, format), id=own))
        return own

    def _lend(self, picture, pixels, digest, format):
        x0, y0, x1, y1 = picture["data"]
        size = (x1 - x0) * (y1 - y0) * len(picture["channels"]) * (4 if format == "float32" else 2)
        found = self._pool.take(size)
        while found is None:
            self._send({"type": "reclaim", "segments": [self._pool.oldest()]})
            waiting = self._next(time.time() + 1.0)
            if waiting is not None:
                self._held.append(waiting)
            found = self._pool.take(size)
        number, memory, descriptor = found
        if descriptor is not None:
            self._send({"type": "segment", "segment": number, "bytes": len(memory)}, (descriptor,))
            os.close(descriptor)
        view = memoryview(memory)[:size]
        if callable(pixels):
            pixels(view)
        else:
            view[:] = memoryview(pixels).cast("B")
        return {
            "type": "frame",
            "picture": picture,
            "segment": number,
            "format": format,
            "digest": digest,
        }

    # -- the stream --------------------------------------------------------------------------

    def _send(self, message, descriptors=()):
        data = memoryview(framing.pack(message))
        with self._sending:
            if self._sock is None:
                raise Lost("not connected")
            while data:
                sent = framing.send(self._sock, data, descriptors)
                data, descriptors = data[sent:], ()

    def _receive(self, deadline=None):
        """The next message that is not about segments; None at the deadline. Raises Lost."""
        return self._held.pop(0) if self._held else self._next(deadline)

    def _next(self, deadline):
        """As ``_receive``, and None when a segment came back before the deadline."""
        while True:
            while not self._bodies:
                if deadline is not None:
                    left = max(0.0, deadline - time.time())
                    if not select.select([self._sock], [], [], left)[0]:
                        return None
                data, came = framing.receive(self._sock)
                self._came += came
                if not data:
                    raise Lost("the engine ended")
                self._bodies += self._inbox.feed(data)
            message = framing.unpack(self._bodies.pop(0))
            if message["type"] == "segment":
                if not self._came:
                    raise WireError("a segment came without a descriptor")
                descriptor = self._came.pop(0)
                try:
                    number, size = message["segment"], message["bytes"]
                    self._results[number] = segment.read_only(descriptor, size)
                finally:
                    os.close(descriptor)
            elif message["type"] == "release":
                self._pool.release(message["segment"])
                if deadline is not None:
                    return None
            else:
                return message

    def _free(self, number):
        if number in self._results:
            self._send({"type": "release", "segment": number})


class Matte:
    """Alpha of one layer on one frame, in the engine's memory until ``free``.

    window: (x0, y0, x1, y1), half-open, y down. pixels: a memoryview of rows from the top, without
    padding, numbers of ``format``.
    """

    def __init__(self, client, entry):
        self.layer, self.window, self.format = entry["layer"], entry["window"], entry["format"]
        self._client, self._segment = client, entry["segment"]
        memory = memoryview(client._results[self._segment])
        self.pixels = memory[entry["offset"] : entry["offset"] + entry["bytes"]]

    def free(self):
        """Give the memory back; of several mattes of one request, once is enough."""
        self.pixels = None
        self._client._free(self._segment)


class _Pool:
    """Segments that are lent to the engine and come back."""

    LIMIT = 1 << 30

    def __init__(self):
        self._order = []
        self._segments = {}
        self._free = set()
        self._count = 0

    def take(self, size):
        """(number, map, descriptor if it is new) with room for size bytes; None: wait for one."""
        fitting = [n for n in self._free if len(self._segments[n]) >= size]
        if fitting:
            number = min(fitting, key=lambda n: len(self._segments[n]))
            descriptor = None
        else:
            held = sum(len(m) for m in self._segments.values())
            full = len(self._segments) >= 64 or held + size > self.LIMIT
            if self._segments and full and not self._free:
                return None
            if full and self._free:
                number = next(iter(self._free))  # too small: the engine takes a new one by its name
            else:
                number, self._count = self._count, self._count + 1
            descriptor, self._segments[number] = segment.create(-(-size // 4096) * 4096)
        self._free.discard(number)
        self._order = [n for n in self._order if n != number] + [number]
        return number, self._segments[number], descriptor

    def oldest(self):
        """The number of the segment that the engine has had for longest."""
        return next(n for n in self._order if n not in self._free)

    def release(self, number):
        if number in self._segments:
            self._free.add(number)

    def forget(self):
        self._segments.clear()
        self._order = []
        self._free.clear()
        self._count = 0


def _error(answer):
    names = ("kind", "message", "node", "frame", "file", "hint")
    return EngineError(*[answer.get(name) for name in names])


def _launch(command):
    """Start the shared engine unless one runs; it outlives this process. Raises NoEngine."""
    if command is None:
        named = os.environ.get("ROTOGRAPH_ENGINE") or shutil.which("rotograph")
        if not named:
            raise NoEngine(
                "the engine is not installed here",
                "install Rotograph, or name it in $ROTOGRAPH_ENGINE",
            )
        command = [named]
    log = os.path.join(place.folder(), place.LOG)
    with open(log, "ab" if _small(log) else "wb") as errors:
        status = subprocess.call(
            [*command, "serve", "--detach"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            close_fds=True,
            cwd="/",
        )
    if status:
        raise NoEngine(f"the engine ended with status {status}", f"look into {log}")


def _small(path):
    return os.path.exists(path) and os.path.getsize(path) < 1 << 20


def private(command=None):
    """Start an engine of one's own: (process, address). It ends when the process's stdin does."""
    told = list(command or [os.environ.get("ROTOGRAPH_ENGINE") or "rotograph"])
    process = subprocess.Popen(
        [*told, "serve", "--private"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        close_fds=True,
    )
    line = process.stdout.readline().decode().strip()
    if not line:
        raise NoEngine(f"the private engine ended with status {process.wait()}")
    return process, line

"""The engine's client: synchronous, for hosts, the command line and tests (docs/wire.md).

    with Client() as engine:
        engine.render(document, folder="/shows/x", environment=surroundings.environment())

It starts the engine when none runs. Should the engine die, that is seen at once, and a request is
repeated on a new one: nothing that was finished is computed again.
"""

import json
import os
import threading
import time

from rotograph_host import faults, place, starting
from rotograph_host.connection import PROTOCOL, Connection
from rotograph_host.faults import EngineError, Lost, NoEngine
from rotograph_host.framing import WireError

__all__ = ["PROTOCOL", "Client", "EngineError", "Lost", "Matte", "NoEngine"]

PATIENCE = 30.0
"""Seconds that an engine has to start."""
REPEATS = 3
"""How often a request is repeated on a new engine."""
ITEM = {"float16": 2, "float32": 4}
"""Bytes of one number of a pixel."""


class Client:
    """One connection at a time. Threads may share it; their requests go one after the other.

    name: who is calling, for ``rotograph status``. address: the socket; by default
    ``$ROTOGRAPH_SOCKET`` (a private engine), else that of the shared engine. start: start the
    shared engine when it does not run, with ``command`` (a list; by default
    ``$ROTOGRAPH_ENGINE`` or ``rotograph`` on the path).
    """

    def __init__(self, name="python", address=None, start=True, command=None):
        named = address or os.environ.get("ROTOGRAPH_SOCKET")
        self.name, self.command = name, command
        self.start = start and not named
        try:
            self.address = named or place.address()
        except place.PlaceError as error:
            raise EngineError("PlaceError", str(error)) from None
        self._link = None
        self._count = 0
        self._lock = threading.RLock()

    def __enter__(self):
        return self.connect()

    def __exit__(self, *error):
        self.close()

    @property
    def instance(self):
        """What the engine calls itself; differs for every engine process. None: not connected."""
        return None if self._link is None else self._link.instance

    def connect(self):
        """Connect unless connected, starting an engine if need be; raises EngineError."""
        with self._lock:
            if self._link is not None:
                return self
            deadline, pause = time.time() + PATIENCE, 0.005
            while True:
                try:
                    self._link = Connection(self.address, self.name)
                    return self
                except (OSError, Lost) as error:
                    if not self.start:
                        raise NoEngine(
                            "no engine is running", "start one with: rotograph serve"
                        ) from None
                    if time.time() > deadline:
                        raise NoEngine(
                            f"the engine does not start: {error}",
                            f"look into {os.path.join(place.folder(), place.LOG)}",
                        ) from None
                starting.launch(self.command)
                time.sleep(pause)
                pause = min(0.1, pause * 1.5)

    def close(self):
        """Leave the engine; what it still does for this client is given up."""
        with self._lock:
            if self._link is not None:
                self._link.close()
            self._link = None

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

        graph: the document. folder: what its relative paths are relative to. environment: what
        ``surroundings.environment`` gives. more: path, frames, output, jobs,
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
        return [Matte(self._link, entry) for entry in value["mattes"]]

    def freeze(self, graph, folder, environment, node, layer, frame, **more):
        """What the first correction of a layer on a frame would freeze there: a prompt, or None."""
        more.update(node=node, layer=layer, frames=[frame])
        found = self._work("freeze", graph, folder, environment, more)["prompt"]
        return json.loads(found) if found else None

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
        link = self._link
        if link is not None:
            link.send({"type": "cancel", "id": id})

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
                except WireError as error:  # too large to be sent, or nonsense that came
                    self.close()
                    raise EngineError("WireError", str(error)) from None
        if message["type"] == "stop":
            return {}
        raise EngineError("Lost", "the engine ended, again and again", hint="see its log")

    def _ask(self, message, progress, stop, pixels, ahead):
        link = self._link
        self._count += 1
        message["id"] = own = self._count
        link.send(message)
        cancelled = False
        sent = {}  # frames on their way, by the id of their message: these need no second sending
        try:
            for digest in ahead:
                sent[self._send_needed(digest, pixels)] = digest
            while True:
                answer = link.receive(None if stop is None else time.time() + 0.1)
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
                    raise faults.from_message(answer)
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
        self._link.send(dict(self._lend(picture, buffer, digest, format), id=own))
        return own

    def _lend(self, picture, pixels, digest, format):
        x0, y0, x1, y1 = picture["data"]
        size = (x1 - x0) * (y1 - y0) * len(picture["channels"]) * ITEM[format]
        number, view = self._link.room(size)
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


class Matte:
    """Alpha of one layer on one frame, in the engine's memory until ``free``.

    window: (x0, y0, x1, y1), half-open, y down. pixels: a memoryview of rows from the top, without
    padding, numbers of ``format``.
    """

    def __init__(self, link, entry):
        self.layer, self.window, self.format = entry["layer"], entry["window"], entry["format"]
        self._link, self._segment = link, entry["segment"]
        memory = memoryview(link.results[self._segment])
        self.pixels = memory[entry["offset"] : entry["offset"] + entry["bytes"]]

    def free(self):
        """Give the memory back; of several mattes of one request, once is enough.

        An engine that ended since takes nothing back, and nothing is lost by that.
        """
        self.pixels = None
        try:
            self._link.send({"type": "release", "segment": self._segment})
        except OSError:
            return

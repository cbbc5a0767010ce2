"""One connection to the engine: what is said goes out whole, what comes in is put together."""

import os
import select
import socket
import threading
import time

from rotograph_host import VERSION, faults, framing, segment
from rotograph_host.faults import Lost, NoEngine
from rotograph_host.framing import WireError
from rotograph_host.pool import Pool

PROTOCOL = 1
GREETING = 10.0
"""Seconds that the engine has to answer hello."""


class Connection:
    """A connection that has said hello; raises OSError, Lost or EngineError when it cannot be.

    instance: of the engine. pool: the segments lent to it. results: its segments, by number.
    Several threads may send; one at a time may receive.
    """

    def __init__(self, address, name):
        self.pool = Pool()
        self.results = {}
        self._inbox = framing.Inbox()
        self._bodies, self._held, self._came = [], [], []
        self._sending = threading.Lock()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.connect(address)
            if framing.peer(self._sock)[1] != os.getuid():
                raise NoEngine(f"{address} belongs to another user")
            self.send({"type": "hello", "protocol": PROTOCOL, "version": VERSION, "client": name})
            answer = self.receive(time.time() + GREETING)
            if answer is None:
                raise Lost("the engine says nothing")
            if answer["type"] == "error":
                raise faults.from_message(answer)
            self.instance = answer["instance"]
        except BaseException:
            self.close()
            raise

    def close(self):
        self._sock.close()
        framing.close(self._came)
        self._came = []

    def send(self, message, descriptors=()):
        """Send a message; the descriptors stay the caller's."""
        data = memoryview(framing.pack(message))
        with self._sending:
            while data:
                sent = framing.send(self._sock, data, descriptors)
                data, descriptors = data[sent:], ()

    def receive(self, deadline=None):
        """The next message that is not about segments; None at the deadline. Raises Lost."""
        return self._held.pop(0) if self._held else self._next(deadline)

    def room(self, size):
        """(number, memoryview) of a segment to be written, at least ``size`` bytes long."""
        found = self.pool.take(size)
        while found is None:
            self.send({"type": "reclaim", "segments": [self.pool.oldest()]})
            waiting = self._next(time.time() + 1.0)
            if waiting is not None:
                self._held.append(waiting)
            found = self.pool.take(size)
        number, memory, descriptor = found
        if descriptor is not None:
            self.send({"type": "segment", "segment": number, "bytes": len(memory)}, (descriptor,))
            os.close(descriptor)
        return number, memoryview(memory)[:size]

    def _next(self, deadline):
        """As ``receive``, and None when a segment came back before the deadline."""
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
                self._take(message)
            elif message["type"] == "release":
                self.pool.release(message["segment"])
                if deadline is not None:
                    return None
            else:
                return message

    def _take(self, message):
        if not self._came:
            raise WireError("a segment came without a descriptor")
        descriptor = self._came.pop(0)
        try:
            number, size = message["segment"], message["bytes"]
            self.results[number] = segment.read_only(descriptor, size)
        finally:
            os.close(descriptor)

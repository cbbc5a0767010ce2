"""Messages on a stream: a length, then JSON, with file descriptors beside it (docs/wire.md).

Everything here holds for both ends; what the messages mean is not its business.
"""

import contextlib
import json
import math
import os
import re
import socket
import struct
from array import array

HEADER = struct.Struct("<I")
MAX_MESSAGE = 16 << 20
"""Bytes of JSON in one message."""
MAX_DEPTH = 64
"""How deep objects and arrays may lie in each other."""
MAX_PARTS = 1 << 20
"""Objects and arrays in one message (opening brackets, those within strings too)."""
MAX_DESCRIPTORS = 4
"""Descriptors that may have come and not been claimed by a message yet."""
MAX_WHOLE = (1 << 53) - 1
"""The largest integer that is a JSON number; larger ones are strings of decimal digits."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_SQUARE = bytes.maketrans(b"{}", b"[]")
_REST = bytes(set(range(256)) - set(b"[]{}"))
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class WireError(Exception):
    """The other side sent something that is no message, or that is not allowed."""


def plain(value):
    """The value with what JSON cannot hold as text: NaN, infinities, integers beyond 2**53 - 1."""
    if isinstance(value, dict):
        return {str(name): plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_WHOLE:
        return str(value)
    return value


def number(value):
    """A number of a message: as it is, or from its text; raises WireError."""
    if isinstance(value, str):
        if value in _NON_FINITE:
            return _NON_FINITE[value]
        if re.match(r"-?\d{1,20}\Z", value, re.ASCII):
            return int(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise WireError(f"{value!r:.40} is not a number")


def pack(message):
    """The bytes of a message: header and JSON; raises WireError when it is too large."""
    try:
        body = json.dumps(
            plain(message), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode("utf-8")
    except (ValueError, TypeError, RecursionError) as error:
        raise WireError(f"cannot be sent: {error}") from None
    return frame(body)


def frame(body):
    """JSON bytes with their header; raises WireError when they are too many or nested too deep."""
    if len(body) > MAX_MESSAGE:
        raise WireError(f"a message of {len(body)} bytes is over the limit of {MAX_MESSAGE}")
    check_depth(body)
    return HEADER.pack(len(body)) + body


def unpack(body):
    """The object in a message's JSON bytes; raises WireError."""
    check_depth(body)
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise WireError(f"is not JSON: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise WireError('is not an object with a "type"')
    return value


def check_depth(body):
    """Raise WireError for more objects and arrays than MAX_PARTS, or deeper ones than MAX_DEPTH."""
    count = body.count(b"[") + body.count(b"{")
    if count <= MAX_DEPTH:
        return
    if count > MAX_PARTS:
        raise WireError(f"has more than {MAX_PARTS} objects and arrays")
    signs = _STRING.sub(b"", body).translate(_SQUARE, _REST)
    for _ in range(MAX_DEPTH):
        signs = signs.replace(b"[]", b"")  # the innermost ones, all at once
    if signs:
        raise WireError(f"is nested deeper than {MAX_DEPTH}, or its brackets do not match")


def _refuse(name):
    raise ValueError(f"{name} must be written as a string")


class Inbox:
    """Puts together what comes in pieces. Nothing is kept for a length that is not allowed."""

    def __init__(self, limit=MAX_MESSAGE):
        self._data = bytearray()
        self._limit = limit

    def __len__(self):
        return len(self._data)

    def feed(self, data):
        """The JSON bytes of every message that is whole now; raises WireError."""
        self._data += data
        found, start = [], 0
        while len(self._data) - start >= HEADER.size:
            (length,) = HEADER.unpack_from(self._data, start)
            if not 0 < length <= self._limit:
                raise WireError(f"a message of {length} bytes is not allowed")
            end = start + HEADER.size + length
            if len(self._data) < end:
                break
            found.append(bytes(self._data[start + HEADER.size : end]))
            start = end
        if start:
            del self._data[:start]
        return found


def receive(sock, size=1 << 18):
    """(bytes, descriptors) of one read; b"" at the end. Raises WireError, OSError.

    The descriptors are the caller's to close, and closed already when this raises.
    """
    room = socket.CMSG_SPACE(MAX_DESCRIPTORS * array("i").itemsize)
    data, beside, flags, _ = sock.recvmsg(size, room, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    came = array("i")
    for level, kind, payload in beside:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            came.frombytes(payload[: len(payload) - len(payload) % came.itemsize])
    if flags & socket.MSG_CTRUNC:
        close(came)
        raise WireError(f"more than {MAX_DESCRIPTORS} descriptors came at once")
    return data, list(came)


def send(sock, data, descriptors=()):
    """Send some of the data; the descriptors travel with its first byte. How many bytes went."""
    if not descriptors:
        return sock.send(data)
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))]
    return sock.sendmsg([data], beside)


def close(descriptors):
    """Close descriptors that nobody claimed."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def peer(sock):
    """(process, user) at the other end of a Unix socket, as the kernel says."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", raw)[:2]

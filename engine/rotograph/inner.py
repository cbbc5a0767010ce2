"""The messages between the engine and its worker, on the same framing as the wire outside.

The engine (server.py) holds the sockets and never touches a pixel; the worker (worker.py)
computes, and may die of it. Neither unpickles anything.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from rotograph.wire import Error, Format, Message, Picture
from rotograph_host.framing import HEADER, MAX_MESSAGE

# -- to the worker -----------------------------------------------------------------------------


class Begin(Message, tag="begin"):
    """Start a request. condemned: keys (hex) that are not tried again, and why.

    client: whose turn it is, for fairness. alone: compute one result at a time.
    """

    job: int
    client: int
    request: Raw
    condemned: dict[str, str]


class Halt(Message, tag="halt"):
    """Cancel a job."""

    job: int


class Pace(Message, tag="pace"):
    """Compute one result at a time, to find what crashes, or as many as the device takes."""

    careful: bool


class Mapped(Message, tag="mapped"):
    """A client's segment, with its descriptor. number: the engine's own name for it."""

    number: int
    bytes: int


class Lent(Message, tag="lent"):
    """A frame that a job asked for (``want``)."""

    job: int
    digest: str
    number: int
    offset: int
    picture: Picture
    format: Format


class NameIt(Message, tag="name"):
    """Hash a frame that came without a digest; answered by ``named``."""

    ticket: int
    number: int
    offset: int
    picture: Picture
    format: Format


class Unmapped(Message, tag="unmapped"):
    """A segment is not to be used any more."""

    number: int


class Returned(Message, tag="returned"):
    """A client is done with a segment of results; with segment -1, the client is gone."""

    client: int
    segment: int


# -- from the worker ---------------------------------------------------------------------------


class Ready(Message, tag="ready"):
    """The worker can begin."""


class At(Message, tag="at"):
    """A result's computation began or ended, so that a crash can be put down to it."""

    job: int
    key: str
    began: bool


class Moved(Message, tag="moved"):
    """How a job goes."""

    job: int
    stage: str
    done: int
    total: int
    written: int
    now: str


class Want(Message, tag="want"):
    """A job cannot go on without this frame."""

    job: int
    digest: str


class Taken(Message, tag="taken"):
    """A job has copied a frame, and reads the segment no more."""

    job: int
    digest: str


class Spoilt(Message, tag="spoilt"):
    """A frame that does not have the pixels its digest names."""

    digest: str


class Named(Message, tag="named"):
    """The digest of a frame that came without one."""

    ticket: int
    digest: str
    seconds: float


class Made(Message, tag="made"):
    """A new segment of results for a client, with its descriptor."""

    client: int
    segment: int
    bytes: int


class Ended(Message, tag="ended"):
    """A job's value or error; exactly one is set."""

    job: int
    value: dict[str, Any] | None = None
    error: Error | None = None


class Settled(Message, tag="settled"):
    """Nothing of a job runs or reads any more."""

    job: int


class House(Message, tag="house"):
    """What the worker holds, for ``status``. models, stores: name -> bytes."""

    models: dict[str, int]
    memory: int
    stores: dict[str, int]
    device: str


ToWorker = Begin | Halt | Pace | Mapped | Lent | NameIt | Unmapped | Returned
FromWorker = Ready | At | Moved | Want | Taken | Spoilt | Named | Made | Ended | Settled | House

to_worker = msgspec.json.Decoder(ToWorker).decode
from_worker = msgspec.json.Decoder(FromWorker).decode
LIMIT = MAX_MESSAGE + (1 << 20)
"""Bytes of one message: a request and what is said about it."""


def encode(message: Message) -> bytes:
    """Header and JSON of a message."""
    body = msgspec.json.encode(message)
    return HEADER.pack(len(body)) + body


def raw(body: bytes) -> Raw:
    """JSON to be put into a message as it is."""
    return Raw(body)

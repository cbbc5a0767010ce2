"""The engine's client for its own tools: the one of the hosts, started with this Python."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from rotograph_host.client import Client, EngineError, Lost, Matte, NoEngine
from rotograph_host.starting import Private

__all__ = [
    "COMMAND",
    "Client",
    "EngineError",
    "Lost",
    "Matte",
    "NoEngine",
    "Private",
    "connect",
    "private",
]

COMMAND = [sys.executable, "-P", "-m", "rotograph.cli"]
"""How this installation's engine is started."""


def connect(name: str = "rotograph", *, start: bool = True, address: str | None = None) -> Client:
    """A connected client of this installation's engine; raises EngineError."""
    return Client(name, address, start, COMMAND).connect()


@contextlib.contextmanager
def private(name: str = "rotograph") -> Iterator[Client]:
    """A connected client of an engine of its own, which ends with it; raises EngineError."""
    with Private(COMMAND) as engine, Client(name, engine.address) as client:
        yield client

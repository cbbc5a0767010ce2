"""The engine's client for its own tools: the one of the hosts, started with this Python."""

from __future__ import annotations

import sys

from rotograph_host.client import Client, EngineError, Lost, Matte, NoEngine, private

__all__ = [
    "COMMAND",
    "Client",
    "EngineError",
    "Lost",
    "Matte",
    "NoEngine",
    "connect",
    "private",
]

COMMAND = [sys.executable, "-P", "-m", "rotograph.cli"]
"""How this installation's engine is started."""


def connect(name: str = "rotograph", *, start: bool = True, address: str | None = None) -> Client:
    """A connected client of this installation's engine; raises EngineError."""
    return Client(name, address, start, COMMAND).connect()

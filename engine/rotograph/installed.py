"""Whether what is installed has changed: an engine must not compute with yesterday's nodes."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from importlib.metadata import entry_points

GROUPS = ("rotograph.nodes", "rotograph.models")
KINDS = (".py", ".toml", ".json")
LOOK = 2.0
"""Seconds between two looks."""


class Installed:
    """The code of Rotograph and of every package that adds nodes or models to it."""

    def __init__(self) -> None:
        self._folders = sorted(_folders())
        self._seen = self._stamp()
        self._looked = time.monotonic()

    def changed(self) -> bool:
        """Whether a file has changed, or a package came or went, since this last said so."""
        if time.monotonic() - self._looked < LOOK:
            return False
        self._looked = time.monotonic()
        now = self._stamp()
        if now == self._seen:
            return False
        self._folders = sorted(_folders())
        self._seen = self._stamp()
        return True

    def _stamp(self) -> frozenset[tuple[str, int]]:
        found = {(path, _modified(path)) for folder in self._folders for path in _files(folder)}
        # where packages lie, these folders change when one is installed or removed
        return frozenset(found | {(path, _modified(path)) for path in sys.path if path})


def _folders() -> Iterator[str]:
    importlib.invalidate_caches()
    added = {entry.value.split(":")[0] for group in GROUPS for entry in entry_points(group=group)}
    for name in {"rotograph", "rotograph_host", *(module.split(".")[0] for module in added)}:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            yield from spec.submodule_search_locations


def _files(folder: str) -> Iterator[str]:
    for base, _, names in os.walk(folder):
        yield from (os.path.join(base, name) for name in names if name.endswith(KINDS))


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0

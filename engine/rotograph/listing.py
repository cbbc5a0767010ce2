"""What is in a store's folder: names for planning, sizes and last uses for eviction."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

TIERS = ("features", "results", "mattes", "recipes")
"""In the order in which they are evicted."""
RECIPES = TIERS[-1]
"""What made which picture: texts of the plugin (plugin/ofx/recipe.h), which are no records."""

FORGOTTEN = 30 * 86400.0
"""Seconds unused after which an entry (recipes apart) goes first, whatever its tier."""
REFRESH = 0.5
"""Seconds for which a listing is taken for the truth."""
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
KEY = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """One file of the store. used: seconds since the epoch. readings: 0, 1 or 2 (or more)."""

    path: str
    tier: str
    bytes: int
    used: float
    readings: int

    def order(self, now: float) -> tuple[int, int, float]:
        """What is evicted first sorts first."""
        if self.tier != RECIPES and now - self.used > FORGOTTEN:
            return (-1, 0, self.used)
        return (TIERS.index(self.tier), self.readings // 2, self.used)


def entries(root: str) -> Iterator[Entry]:
    """Every entry under ``root``; what vanishes meanwhile is left out."""
    for tier in TIERS:
        for shard in scan(f"{root}/{tier}"):
            for item in _keys(shard.path):
                try:
                    status = item.stat(follow_symlinks=False)
                except OSError:
                    continue
                used, rest = divmod(status.st_mtime_ns, SECOND)
                readings = min(2, rest // MILLISECOND)
                yield Entry(item.path, tier, status.st_size, float(used), readings)


class Listing:
    """Which keys are there: names only, folder by folder, read again when a folder changed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._tiers: dict[str, str] = {}
        self._shards: dict[str, tuple[int | None, set[str]]] = {}
        self._due = 0.0
        self._lock = threading.Lock()

    def fresh(self, key: str) -> bool:
        if time.monotonic() > self._due:
            self.refresh()
        return key in self._tiers

    def tier(self, key: str) -> str | None:
        """Where the key was when last seen."""
        return self._tiers.get(key)

    def add(self, key: str, tier: str) -> None:
        self._tiers[key] = tier
        shard = self._shards.get(f"{self._root}/{tier}/{key[:2]}")
        if shard:
            shard[1].add(key)

    def forget(self, key: str) -> None:
        self._tiers.pop(key, None)

    def refresh(self) -> None:
        with self._lock:
            start = time.monotonic()
            for tier in TIERS:
                for shard in scan(f"{self._root}/{tier}"):
                    self._refresh_shard(tier, shard.path)
            # on a slow file server, looking must not become the work
            now = time.monotonic()
            self._due = now + max(REFRESH, 20 * (now - start))

    def _refresh_shard(self, tier: str, path: str) -> None:
        try:
            modified = os.stat(path).st_mtime_ns
        except OSError:
            modified = 0
        before, names = self._shards.get(path, (None, set()))
        if modified == before:
            return
        found = {item.name for item in _keys(path)}
        for name in list(names - found):
            if self._tiers.get(name) == tier:
                del self._tiers[name]
        for name in found:
            self._tiers.setdefault(name, tier)
        # a folder changed within the clock's last ticks may change again unnoticed
        settled = time.time_ns() - modified > 2 * SECOND
        self._shards[path] = (modified if settled else None, found)


def scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except OSError:
        return []


def _keys(shard: str) -> list[os.DirEntry[str]]:
    """The entries of a shard, and nothing else that may lie in the folder somebody named."""
    digits = os.path.basename(shard)
    return [i for i in scan(shard) if i.name[:2] == digits and KEY.fullmatch(i.name)]

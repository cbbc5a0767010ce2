"""Where results live between runs: one checked file per key, shared by every process.

    <folder>/<tier>/<first two digits of the key>/<key>      one record
    <folder>/.writing/                                       files being written
    <folder>/evictor.lease                                   who is making room just now

Nothing but the file system is needed: an entry appears by a link from a temporary name, so it
is whole or not there; what a reader finds damaged, stale or gone is a miss. An entry's
modification time is the time of its last use, in whole seconds, plus one millisecond for each
reading that was not part of the same burst as the one before, up to two: on this eviction stands
(the idea of 2Q, Johnson and Shasha 1994: what was needed once is not yet worth keeping).
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psutil

from rotograph import digests
from rotograph.errors import StoreError
from rotograph.lease import Lease, publish, unlink
from rotograph.listing import (
    KEY,
    MILLISECOND,
    RECIPES,
    SECOND,
    TIERS,
    Listing,
    entries,
    scan,
)
from rotograph.record import MAX_BYTES, BadRecord, Record, decode, encode

DEFAULT_LIMIT = 50 << 30
DEFAULT_RESERVE = 256 << 20
MOST_RECIPES = 256 << 20
"""Bytes of recipes, of which no other use makes room."""
BURST = 60.0
"""Seconds within which several readings count as one: a frame and its neighbours' needs."""
SWEEP_EVERY = 600.0
WRITING = ".writing"
TEMPORARY = re.compile(r"(.+)-(\d+)-[0-9a-f]{16}")


def default_folder() -> Path:
    """``$ROTOGRAPH_CACHE``, else the platform's cache folder."""
    named = os.environ.get("ROTOGRAPH_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("rotograph", False))


@dataclass(frozen=True)
class Verified:
    """What reading every entry found; damaged ones were removed."""

    entries: int
    bytes: int
    damaged: int


class Store:
    """A folder of records. Threads may share one; processes and hosts may share the folder.

    limit_bytes: eviction keeps the entries below this. reserve_bytes: the store never takes the
    last of a disk, so that the mattes themselves can still be written.
    Raises StoreError when the folder is not there and cannot be made.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        limit_bytes: int = DEFAULT_LIMIT,
        *,
        reserve_bytes: int = DEFAULT_RESERVE,
        burst_seconds: float = BURST,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()
        self.limit_bytes = limit_bytes
        self._reserve = reserve_bytes
        self._burst = burst_seconds
        self._clock = clock
        self._root = os.fspath(self.folder)
        self._listing = Listing(self._root)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._unswept = 0
        self._swept = -SWEEP_EVERY
        self._cleaned = False
        try:
            os.makedirs(self._root, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the cache folder cannot be used: {error.strerror}",
                file=self.folder,
                hint="name another one with --cache or $ROTOGRAPH_CACHE",
            ) from error

    def has(self, key: bytes | str) -> bool:
        """Whether the key's entry is there, by a listing at most half a second old.

        An answer for planning: another process may evict it before it is read.
        """
        return self._listing.fresh(key.hex() if isinstance(key, bytes) else key)

    def get(self, key: bytes | str, touch: bool = True) -> Record | None:
        """The record, or None when there is none that is whole.

        touch: this reading counts for eviction. Arrays of the record are read-only.
        """
        key = _hex(key)
        listed = self._listing.tier(key)
        for tier in (listed, *TIERS) if listed else TIERS:
            path = self._path(tier, key)
            try:
                record = self._read(path, key, touch)
            except BadRecord:
                self._remove(path)
                self._counts["damaged"] += 1
                continue
            except OSError:  # not there, evicted meanwhile, a stale handle, no permission
                continue
            self._counts["hits"] += 1
            return record
        self._listing.forget(key)
        self._counts["misses"] += 1
        return None

    def put(self, key: bytes | str, record: Record, *, tier: str) -> bool:
        """Keep a record; the first writer wins. False when the disk would not take it.

        Raises ValueError or TypeError for a record that cannot be encoded.
        """
        if tier not in TIERS:
            raise ValueError(f"unknown tier {tier!r}")
        key = _hex(key)
        path = self._path(tier, key)
        chunks = encode(record, key)
        size = sum(map(len, chunks))
        try:
            kept = size <= min(self.limit_bytes, MAX_BYTES) and self._room(size)
            if kept:
                self._write(path, chunks)
        except OSError:
            kept = False
        if not kept:
            self._counts["refused"] += 1
            return False
        self._listing.add(key, tier)
        self._counts["puts"] += 1
        with self._lock:
            self._unswept += size
            due = self._unswept > self.limit_bytes // 64
        if due or time.monotonic() - self._swept > SWEEP_EVERY:
            self._sweep()
        return True

    def refresh(self) -> None:
        """Look at the folder now, not with the next half second."""
        self._listing.refresh()

    def stats(self) -> dict[str, object]:
        """The folder, its entries and bytes by tier, the limit, and what this process did."""
        tiers = {tier: {"entries": 0, "bytes": 0} for tier in TIERS}
        for entry in entries(self._root):
            tiers[entry.tier]["entries"] += 1
            tiers[entry.tier]["bytes"] += entry.bytes
        return {
            "folder": self._root,
            "entries": sum(t["entries"] for t in tiers.values()),
            "bytes": sum(t["bytes"] for t in tiers.values()),
            "limit_bytes": self.limit_bytes,
            "tiers": tiers,
            **{n: self._counts[n] for n in ("hits", "misses", "puts", "refused", "damaged")},
        }

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verified:
        """Read every entry and remove what is damaged. progress: (entries done, of how many)."""
        found = [entry for entry in entries(self._root) if entry.tier != RECIPES]
        size = damaged = 0
        for done, entry in enumerate(found):
            if progress:
                progress(done, len(found))
            try:
                self._read(entry.path, os.path.basename(entry.path), touch=False)
                size += entry.bytes
            except BadRecord:
                self._remove(entry.path)
                damaged += 1
            except OSError:
                continue
        if progress:
            progress(len(found), len(found))
        return Verified(len(found) - damaged, size, damaged)

    def prune(self, to_bytes: int = 0) -> int:
        """Evict until at most ``to_bytes`` are left (0: everything). Returns the bytes freed."""
        self._clean()
        self._bound_notes()
        return self._evict(to_bytes)

    def _write(self, path: str, chunks: list[bytes | memoryview]) -> None:
        temporary = self._temporary()
        try:
            with open(temporary, "xb") as file:
                for chunk in chunks:
                    file.write(chunk)
            now = int(self._clock()) * SECOND
            os.utime(temporary, ns=(now, now))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            publish(temporary, path)
        finally:
            unlink(temporary)

    def _path(self, tier: str, key: str) -> str:
        return f"{self._root}/{tier}/{key[:2]}/{key}"

    def _temporary(self) -> str:
        folder = f"{self._root}/{WRITING}"
        os.makedirs(folder, exist_ok=True)
        if not self._cleaned:
            self._cleaned = True
            self._clean()
        return f"{folder}/{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}"

    def _clean(self) -> None:
        """Remove what processes that died left half written."""
        host = socket.gethostname()
        for item in scan(f"{self._root}/{WRITING}"):
            named = TEMPORARY.fullmatch(item.name)
            if not named:
                continue
            dead = named[1] == host and not psutil.pid_exists(int(named[2]))
            try:
                age = time.time() - item.stat(follow_symlinks=False).st_mtime
                if dead or age > 86400:
                    os.unlink(item.path)
            except OSError:
                continue

    def _read(self, path: str, key: str, touch: bool) -> Record:
        # no link is followed and no pipe waited for, whatever lies in a shared folder
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(path, flags), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
                raise BadRecord("not a record's file")
            data = bytearray(status.st_size)
            view, got = memoryview(data), 0
            while got < len(data):
                count = file.readinto(view[got:])
                if not count:
                    raise BadRecord("truncated")
                got += count
            record = decode(data, key)
            if touch:
                self._touch(file.fileno(), status.st_mtime_ns)
        return record

    def _touch(self, descriptor: int, modified: int) -> None:
        now = self._clock()
        if abs(now - modified // SECOND) < self._burst:
            return
        readings = min(2, modified % SECOND // MILLISECOND + 1)
        stamp = int(now) * SECOND + readings * MILLISECOND
        try:
            os.utime(descriptor, ns=(stamp, stamp))
        except OSError:
            self._counts["untouched"] += 1  # a read-only store is still read

    def _remove(self, path: str) -> None:
        self._listing.forget(os.path.basename(path))
        unlink(path)

    def _room(self, size: int) -> bool:
        """Whether the disk has space for ``size`` and the reserve, evicting if it must."""
        if _free(self._root) >= size + self._reserve:
            return True
        if time.monotonic() - self._swept > 10.0:
            self._sweep(size + self._reserve * 5 // 4)
        return _free(self._root) >= size + self._reserve

    def _sweep(self, room: int = 0) -> None:
        """Evict if the limit is passed, or until the disk has ``room``; one process at a time."""
        with self._lock:
            self._unswept = 0
            self._swept = time.monotonic()
        try:
            lease = Lease(self._root, self._temporary())
        except OSError:
            return
        if not lease.take():
            return
        try:
            short = max(0, room - _free(self._root))
            # a tenth more than needed, so as not to come back for every entry
            self._evict(self.limit_bytes, self.limit_bytes * 9 // 10, short, lease)
            self._bound_notes()
        finally:
            lease.release()

    def _bound_notes(self) -> None:
        digests.bound(self._root, max(digests.LEAST, self.limit_bytes // 256), self._clock())

    def _evict(
        self, limit: int, target: int | None = None, short: int = 0, lease: Lease | None = None
    ) -> int:
        """Remove entries when over ``limit`` down to ``target``, or until ``short`` is freed."""
        target = limit if target is None else target
        found = list(entries(self._root))
        total = sum(entry.bytes for entry in found)
        wanted = max(short, total - target if total > limit else 0)
        now, freed = self._clock(), 0
        ordered = sorted(found, key=lambda entry: entry.order(now))
        recipes = [entry for entry in ordered if entry.tier == RECIPES]
        crowd = sum(entry.bytes for entry in recipes) - MOST_RECIPES
        if crowd > 0:
            # these go whatever room there is, and a tenth more so as not to come back for each
            while recipes and crowd > -MOST_RECIPES // 10:
                entry = recipes.pop(0)
                self._remove(entry.path)
                freed += entry.bytes
                crowd -= entry.bytes
            ordered = [entry for entry in ordered if entry.tier != RECIPES] + recipes
        for entry in ordered:
            if freed >= wanted:
                break
            if lease is not None and not lease.keep():
                break
            self._remove(entry.path)
            freed += entry.bytes
        return freed


def _hex(key: bytes | str) -> str:
    text = key.hex() if isinstance(key, bytes) else key
    if not KEY.fullmatch(text):
        raise ValueError(f"a key is 16 bytes or 32 hexadecimal digits, not {key!r}")
    return text


def _free(folder: str) -> int:
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize

"""What is known of files outside: the digest of a plate's pixels, the key of a written matte.

    <store>/<digests or receipts>/<folder's name, hashed>/<random>.notes

It only spares work: whoever finds nothing here reads the file again. A notes file is written once
and never changed, so writers cannot harm each other; readers merge what is there, the latest
note winning, and whoever finds many files leaves one in their place. No lock, no database.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from rotograph.lease import unlink
from rotograph.listing import KEY

State = Literal["known", "moved", "new", "gone"]
RUNS = "runs"
"""The folder of notes on runs; see ``lastrun``."""
MANY = 8
"""Notes files in one folder from which on they are made one."""
MAX_BYTES = 256 << 20
OLD = 180 * 86400.0
"""Seconds after which a notes file that nobody wrote anew is forgotten."""
LEAST = 64 << 20
"""Bytes that all notes together may always have."""
LOOK = 0.5
"""Seconds for which what other processes noted may go unseen."""


@dataclass(frozen=True)
class Stamp:
    """What the file system says of a file, without opening it."""

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int


@dataclass(frozen=True)
class Found:
    """What is noted of a file.

    state: ``known`` (value holds), ``moved`` (it was known, and its stamp is another one now: value
    is what it was), ``new`` (never seen) or ``gone`` (no such file).
    """

    state: State
    value: str | None = None


class Note(msgspec.Struct, array_like=True):
    """One line of a notes file: name in its folder, selection, stamp, value, when (ns)."""

    name: str
    selection: str
    stamp: tuple[int, int, int, int]
    value: str
    when: int


Notes = dict[tuple[str, str], Note]


def stamp(path: str | Path) -> Stamp | None:
    """The file's stamp, or None when it is not there. Take it *before* reading the file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


class _FileNotes:
    """Notes on files by absolute path and selection. Threads may share one."""

    kind: str

    def __init__(self, folder: Path | str) -> None:
        self._root = Path(folder) / self.kind
        self._known: dict[str, tuple[float, int, Notes]] = {}
        self._unsaved: dict[str, Notes] = {}
        self._lock = threading.Lock()

    def look(self, path: str | Path, selection: str = "") -> Found:
        """What is noted of ``path``, held against the file as it is now."""
        folder, name = os.path.split(os.path.abspath(path))
        now = stamp(path)
        if now is None:
            return Found("gone")
        note = self._note(folder, (name, selection))
        if note is None:
            return Found("new")
        return Found("known" if note.stamp == self._kept(now) else "moved", note.value)

    def lookup(self, path: str | Path, selection: str = "") -> str | None:
        """The value noted of ``path``, or None unless the file is as it was."""
        found = self.look(path, selection)
        return found.value if found.state == "known" else None

    def flush(self) -> bool:
        """Leave what was remembered for other processes and runs. False when that failed."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        done = True
        for folder, notes in unsaved.items():
            saved = self._save(folder, notes)
            done &= saved
            if not saved:
                with self._lock:
                    self._unsaved[folder] = {**notes, **self._unsaved.get(folder, {})}
        return done

    def _kept(self, now: Stamp) -> tuple[int, int, int, int]:
        """The part of a stamp that must not move."""
        return (now.size, now.mtime_ns, now.inode, now.ctime_ns)

    def _set(self, path: str | Path, selection: str, value: str, at: Stamp) -> None:
        folder, name = os.path.split(os.path.abspath(path))
        note = Note(name, selection, self._kept(at), value, time.time_ns())
        with self._lock:
            self._unsaved.setdefault(folder, {})[name, selection] = note

    def _note(self, folder: str, name: tuple[str, str]) -> Note | None:
        with self._lock:
            note = self._unsaved.get(folder, {}).get(name)
            if note is not None:
                return note
            looked, modified, notes = self._known.get(folder, (-LOOK, -1, {}))
            if time.monotonic() - looked >= LOOK:
                place = self._place(folder)
                now = stamp(place)
                if now is not None and now.mtime_ns != modified:
                    notes = _merge(_load(place).values())
                # a folder changed just now may change again within the same tick
                settled = now is not None and time.time_ns() - now.mtime_ns > 2_000_000_000
                modified = now.mtime_ns if settled else -1
                self._known[folder] = (time.monotonic(), modified, notes)
            return notes.get(name)

    def _place(self, folder: str) -> Path:
        hashed = hashlib.blake2b(os.fsencode(folder), digest_size=16).hexdigest()
        return self._root / hashed

    def _save(self, folder: str, notes: Notes) -> bool:
        place = self._place(folder)
        before = _load(place)
        crowded = len(before) >= MANY
        if crowded:
            notes = _merge([*before.values(), notes])
        path = place / f"{secrets.token_hex(8)}.notes"
        temporary = path.with_suffix(".part")
        try:
            place.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.msgpack.encode(list(notes.values())))
            os.replace(temporary, path)
        except OSError:
            unlink(temporary)
            return False
        with self._lock:
            self._known.pop(folder, None)
        if crowded:
            for old in (*before, *_abandoned(place)):
                unlink(old)
        return True


class DigestIndex(_FileNotes):
    """The digest of a plate file's pixels, for a part, layer and view of it (``selection``)."""

    kind = "digests"

    def remember(self, path: str | Path, selection: str, digest: str, at: Stamp) -> None:
        """Note the digest of pixels read after the stamp ``at`` was taken.

        A file changed so lately that its time could not tell a second change apart is left out.
        """
        tick = 20_000_000 if at.mtime_ns % 1_000_000_000 else 2_000_000_000
        if time.time_ns() - at.mtime_ns > tick:
            self._set(path, selection, digest, at)


class Receipts(_FileNotes):
    """What Write wrote where: the key of each file, as long as nobody changed it."""

    kind = "receipts"

    def remember(self, path: str | Path, key: str) -> None:
        """Note that ``path``, just written, holds the result of ``key`` (hexadecimal)."""
        now = stamp(path)
        if now is not None:
            self._set(path, "", key, now)

    def _kept(self, now: Stamp) -> tuple[int, int, int, int]:
        # moving a delivery to another disk and back changes nothing in it
        return (now.size, now.mtime_ns, 0, 0)


def bound(root: Path | str, limit: int, now: float) -> int:
    """Forget notes that are old, and the oldest while all together are over ``limit`` bytes.

    Notes only spare reading files again. Returns the bytes freed.
    """
    found = []
    for folder in (DigestIndex.kind, Receipts.kind, RUNS):
        for path in Path(root, folder).rglob("*"):
            status = stamp(path)
            if status is not None and path.suffix in (".notes", ".run"):
                found.append((status.mtime_ns / 1e9, status.size, path))
    left = total = sum(size for _, size, _ in found)
    for written, size, path in sorted(found):
        if now - written < OLD and left <= limit:
            break
        unlink(path)
        left -= size
    return total - left


def _load(place: Path) -> dict[Path, Notes]:
    """Every notes file that can be read; a damaged one counts as empty."""
    found: dict[Path, Notes] = {}
    decoder = msgspec.msgpack.Decoder(list[Note])
    try:
        paths = sorted(place.glob("*.notes"))
    except OSError:
        return found
    for path in paths:
        try:
            if path.stat().st_size <= MAX_BYTES:
                notes = decoder.decode(path.read_bytes())
                found[path] = {(n.name, n.selection): n for n in notes if KEY.fullmatch(n.value)}
        except (OSError, ValueError, msgspec.MsgspecError):  # ValueError: text that is not UTF-8
            found[path] = {}
    return found


def _merge(several: Iterable[Notes]) -> Notes:
    merged: Notes = {}
    for notes in several:
        for name, note in notes.items():
            if name not in merged or merged[name].when < note.when:
                merged[name] = note
    return merged


def _abandoned(place: Path) -> list[Path]:
    """Half-written notes of processes that died."""
    old = time.time_ns() - 3600 * 1_000_000_000
    return [p for p in place.glob("*.part") if (at := stamp(p)) and at.mtime_ns < old]

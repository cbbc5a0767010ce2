"""From what is wanted and what is there to the steps in between; nothing is done yet.

What was there before us is kept, and put back when we go. What somebody changed since is theirs:
it is kept too, and said.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rotograph.errors import MediaError
from rotograph.install import lines
from rotograph.install.record import Edited, File, Kept, Record, digest
from rotograph.install.wanted import Wanted


@dataclass(frozen=True)
class Step:
    """One thing to do.

    kind: "write" (content), "save" (a copy of what was there, content), "remove", "touch", or
    "clear" (a host's cache folder). said: what to show; lines: of a file, those that come or go.
    """

    kind: Literal["write", "save", "remove", "touch", "clear", "keep"]
    path: Path
    content: bytes = b""
    said: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Steps:
    """What to do, in order, and the record that is right afterwards."""

    steps: tuple[Step, ...]
    record: Record


def install(wanted: Wanted, kept: Kept) -> Steps:
    """The steps to a wanted installation. Raises MediaError for what cannot be read."""
    record = kept.record
    files, edited = dict(record.files), dict(record.edited)
    steps: list[Step] = []
    for path, content in wanted.files.items():
        steps += _put(path, content, wanted.host, kept, files)
    for path in wanted.lines:
        steps += _edit(path, wanted.lines[path], wanted.host, kept, edited)
    stale = [p for p, f in files.items() if wanted.host in f.hosts and Path(p) not in wanted.files]
    for name in stale:
        steps += _leave(Path(name), wanted.host, kept, files)
    steps += _renewed(wanted, steps)
    folders = sorted({*record.folders, *_new_folders([*wanted.files, *wanted.lines])})
    return Steps(tuple(steps), Record(files, edited, folders))


def uninstall(host: str, kept: Kept, caches: Iterable[Path] = ()) -> Steps:
    """The steps back to what was there before."""
    files, edited = dict(kept.record.files), dict(kept.record.edited)
    steps: list[Step] = []
    for name in [p for p, f in files.items() if host in f.hosts]:
        steps += _leave(Path(name), host, kept, files)
    for name in [p for p, e in edited.items() if e.host == host]:
        steps += _take_out(Path(name), edited.pop(name))
    if steps:
        steps += [Step("clear", path) for path in caches if path.is_dir()]
    pending = [Path(name) for name in kept.record.pending]
    steps += [Step("remove", p, said="of an installation that broke off") for p in pending]
    return Steps(tuple(steps), Record(files, edited, list(kept.record.folders)))


def _put(path: Path, content: bytes, host: str, kept: Kept, files: dict[str, File]) -> list[Step]:
    there, known = read(path), files.get(str(path))
    hosts = tuple(sorted({*(known.hosts if known else ()), host}))
    ours = known is not None and there is not None and digest(there) == known.digest
    saved, steps = known.saved if known else "", []
    if there is not None and not ours and there != content:
        copy = kept.saved(path)
        if known is None:
            saved = str(copy)
            steps.append(Step("save", copy, there, f"what is at {path}"))
        else:
            copy = copy.with_name(f"changed-{copy.name}")
            steps.append(Step("save", copy, there, f"{path}, which was changed by hand"))
    elif there is not None and known is None:
        saved = str(kept.saved(path))
        steps.append(Step("save", Path(saved), there, f"what is at {path}"))
    files[str(path)] = File(digest(content), hosts, saved)
    if there != content:
        setting = content.decode().splitlines() if path.suffix == ".conf" else []
        steps.append(Step("write", path, content, lines=tuple(f"+ {line}" for line in setting)))
    return steps


def _leave(path: Path, host: str, kept: Kept, files: dict[str, File]) -> list[Step]:
    """A host no longer needs a file: put back what was there, unless another host needs it."""
    known = files.pop(str(path))
    others = tuple(h for h in known.hosts if h != host)
    if others:
        files[str(path)] = File(known.digest, others, known.saved)
        return []
    there = read(path)
    before = read(Path(known.saved)) if known.saved else None
    if there is not None and digest(there) != known.digest and there != before:
        more = f"; what was there before is {known.saved}" if known.saved else ""
        return [Step("keep", path, said=f"changed by hand, so it stays{more}")]
    if before is not None:
        back = [Step("write", path, before, "as it was before")] if there != before else []
        return [*back, Step("remove", Path(known.saved), said="no longer needed")]
    return [Step("remove", path)] if there is not None else []


def _edit(
    path: Path, wanted: tuple[str, ...], host: str, kept: Kept, edited: dict[str, Edited]
) -> list[Step]:
    there, known = read(path), edited.get(str(path))
    old = known.block.encode("latin-1") if known else b""
    before = lines.without(there or b"", old)
    block = lines.block(wanted, before)
    if known and there and old.split() == block.split() and old in there:
        return []  # right as they are, even if somebody wrote something around them
    after = before + block
    steps = []
    saved = known.saved if known else ""
    untouched = known is not None and there is not None and digest(there) == known.digest
    if not untouched:
        saved = str(kept.saved(path)) if before else ""
        if saved and read(Path(saved)) != before:
            steps.append(Step("save", Path(saved), before, f"{path} as it is without our lines"))
    edited[str(path)] = Edited(digest(after), host, block.decode("latin-1"), saved)
    if after != there:
        shown = tuple(f"+ {line}" for line in block.decode().strip().splitlines())
        steps.append(Step("write", path, after, "adds at its end", shown))
    return steps


def _take_out(path: Path, known: Edited) -> list[Step]:
    there = read(path)
    saved = [Step("remove", Path(known.saved), said="no longer needed")] if known.saved else []
    if there is None:
        return saved
    block = known.block.encode("latin-1")
    if digest(there) == known.digest:
        before = read(Path(known.saved)) if known.saved else None
        if before is None and not lines.without(there, block):
            return [Step("remove", path, said="was not there before"), *saved]
        after = lines.without(there, block) if before is None else before
    else:
        after = lines.without(there, block)
        if after == there:
            return [Step("keep", path, said="has none of our lines any more"), *saved]
    shown = tuple(f"- {line}" for line in block.decode().strip().splitlines())
    return [Step("write", path, after, "loses", shown), *saved]


def _renewed(wanted: Wanted, steps: list[Step]) -> list[Step]:
    """A changed bundle counts for a host only when its binary is new and its cache is gone."""
    written = {step.path for step in steps if step.kind == "write"}
    bundles = [b for b in wanted.binaries if any(b.parents[2] in p.parents for p in written)]
    if not bundles and not any(p in wanted.files for p in written):
        return []
    return [
        *(Step("touch", b) for b in bundles),
        *(Step("clear", path) for path in wanted.caches if path.is_dir()),
    ]


def _new_folders(paths: Iterable[Path]) -> set[str]:
    found = set()
    for path in paths:
        for folder in path.parents:
            if folder.exists():
                break
            found.add(str(folder))
    return found


def read(path: Path) -> bytes | None:
    """A file's content, None where there is no file. Raises MediaError."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MediaError(
            f"cannot be read: {error.strerror}",
            file=path,
            hint="move it away or ask for its rights",
        ) from error


def resolved(wanted: Wanted) -> Wanted:
    """With links followed: a file of the artist's own may be a link into a folder of settings."""
    found = {Path(os.path.realpath(path)): text for path, text in wanted.lines.items()}
    return replace(wanted, lines=found)

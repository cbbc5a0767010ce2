"""Doing the steps of an installation: files whole, the record first, so that all can be undone."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

import msgspec

from rotograph.errors import WriteError
from rotograph.install.record import SAVED, Kept, Record
from rotograph.install.steps import Step, Steps
from rotograph.whole import write_whole


def carry_out(found: Steps, kept: Kept) -> None:
    """Do the steps and leave the record, or none when nothing is installed any more.

    Interrupted between two files, it can be done again or undone: the record names all that may
    have been written. Raises WriteError.
    """
    lasting = bool(found.record.files or found.record.edited)
    copies = [str(step.path) for step in found.steps if step.kind == "save"]
    if lasting and copies:
        old = kept.record
        _keep_record(kept, Record(old.files, old.edited, found.record.folders, copies))
    for step in found.steps:
        if step.kind == "save":
            _write(step.path, step.content)
    if lasting:
        _keep_record(kept, found.record)
    for step in found.steps:
        _do(step)
    if not lasting:
        with contextlib.suppress(FileNotFoundError):
            kept.path.unlink()
    _prune(found.record, kept, found)


def _do(step: Step) -> None:
    if step.kind == "write":
        _write(step.path, step.content)
    elif step.kind == "remove":
        with contextlib.suppress(FileNotFoundError):
            _ours(step.path, os.unlink)
    elif step.kind == "touch":
        _ours(step.path, os.utime)
    elif step.kind == "clear" and not step.path.is_symlink():
        _ours(step.path, shutil.rmtree)


def _write(path: Path, content: bytes) -> None:
    """With the rights that the file has; its folders are made."""
    mode = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise _failed(path, error) from error
    write_whole(path, content)
    if mode is not None:
        path.chmod(mode)


def _ours(path: Path, function) -> None:
    try:
        function(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"cannot be changed: {error.strerror}", file=path, hint="ask for its rights and try again"
    )


def _keep_record(kept: Kept, record: Record) -> None:
    content = msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
    if not kept.path.exists() or kept.path.read_bytes() != content:
        _write(kept.path, content)


def _prune(record: Record, kept: Kept, found: Steps) -> None:
    """Remove the folders that were made for us and are empty, the deepest first."""
    removed = {p for step in found.steps if step.kind == "remove" for p in step.path.parents}
    made = [Path(folder) for folder in record.folders]
    for folder in sorted({*made, kept.root / SAVED}, key=lambda p: -len(p.parts)):
        if folder in removed or not (record.files or record.edited):
            # what the host's Python compiled of our files
            shutil.rmtree(folder / "__pycache__", ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.rmdir()

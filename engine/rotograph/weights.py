"""Where weights are, and whether they are what their card says, before anything opens them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from rotograph.card import CHECKPOINTS, Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.whole import write_whole

RECEIPT = "rotograph.json"
"""Beside a model's files: what was put there, and its digest as published and as stored."""
OPENED = (".safetensors", ".onnx", ".json", ".txt", ".model")
"""The kinds of file that are ever opened; none of them can hold a program."""


@dataclass(frozen=True)
class Folders:
    """Where weights are looked for, in this order, and where new ones go.

    mirror: a folder that a studio shares, never written to; None if there is none.
    own: the user's.
    """

    mirror: Path | None
    own: Path

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.own,) if self.mirror is None else (self.mirror, self.own)


def folders() -> Folders:
    """``$ROTOGRAPH_MODELS``, the studio's, first; then the user's own data folder."""
    mirror = os.environ.get("ROTOGRAPH_MODELS")
    own = Path(platformdirs.user_data_dir("rotograph", appauthor=False)) / "models"
    return Folders(Path(mirror) if mirror else None, own)


def find(card: Card, where: Folders) -> Path | None:
    """The card's weights, with all that belongs to them beside; None when they are not here.

    In a folder named like the model, or, as studios keep them, directly in the mirror; there only
    files whose card states their size, for many models call theirs ``model.onnx``.
    """
    if not card.files:
        return None
    for folder in where.all:
        if all((folder / card.name / file.stored).is_file() for file in card.files):
            return folder / card.name / card.files[0].stored
        if folder == where.mirror and all(_fits(folder / f.stored, f) for f in card.files):
            return folder / card.files[0].stored
    return None


def _fits(path: Path, file: WeightsFile) -> bool:
    try:
        return path.suffix == Path(file.name).suffix and path.stat().st_size == file.size > 0
    except OSError:
        return False


def pinned(card: Card, where: Folders) -> Card:
    """The card with the digests of the files that are here, where it does not state them itself."""
    if not card.files or card.weights:
        return card
    found = find(card, where)
    if found is None:
        return card
    files = tuple(
        file if file.sha256 else replace(file, sha256=_known(found.parent, file))
        for file in card.files
    )
    return replace(card, files=files)


def _known(folder: Path, file: WeightsFile) -> str:
    """A file's digest as published where a receipt tells it, else as it lies here."""
    receipt = read_receipt(folder).get(file.name, {})
    return receipt.get("published") or digest_of(folder / file.stored)


def verify(card: Card, path: Path) -> None:
    """Raise ModelError unless every file of the card beside ``path`` is what it should be."""
    receipts = read_receipt(path.parent)
    for file in card.files:
        stored = path.parent / file.stored
        if stored.suffix not in OPENED:
            raise ModelError(
                f"'{stored.suffix}' files are not opened, for they can hold a program",
                file=stored,
                hint=f"rotograph models add {card.name} FILE converts a checkpoint",
            )
        receipt = receipts.get(file.name, {})
        converted = file.stored != file.name
        wanted = receipt.get("stored") if converted else file.sha256 or receipt.get("stored")
        if converted and file.sha256 and receipt.get("published") != file.sha256:
            wanted = None
        if wanted is None and converted:
            raise ModelError(
                f"is not known to be the weights of '{card.name}'",
                file=stored,
                hint=f"rotograph models add {card.name} {file.name}",
            )
        if wanted and digest_of(stored) != wanted:
            raise ModelError(
                f"is not what the card of '{card.name}' says: its digest differs",
                file=stored,
                hint=f"rotograph models remove {card.name}, then pull or add it again",
            )


def read_receipt(folder: Path) -> dict[str, dict[str, str]]:
    """File name as published -> its digests ``published`` and ``stored``; {} without a receipt."""
    try:
        told = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        return {str(n): dict(of) for n, of in told["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_receipt(folder: Path, file: WeightsFile, published: str) -> None:
    """Note what was put into ``folder``; raises WriteError."""
    told = read_receipt(folder)
    stored = published if file.stored == file.name else digest_of(folder / file.stored)
    told[file.name] = {"published": published, "stored": stored}
    write_whole(folder / RECEIPT, json.dumps({"files": told}, indent=1).encode())


def digest_of(path: Path) -> str:
    """The sha256 of a file in hex, read again only when it has changed. Raises ModelError."""
    try:
        at = path.stat()
        return _digest(str(path), at.st_size, at.st_mtime_ns, at.st_ino)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", file=path) from None


@functools.lru_cache(maxsize=256)
def _digest(path: str, size: int, changed: int, inode: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def add(card: Card, given: Path, where: Folders, name: str = "") -> Path:
    """Put a file that somebody downloaded among the user's weights; returns where it now is.

    name: which of the card's files it is; found by the file's own name, else the only one.
    A checkpoint is read with nothing but tensors allowed and kept as safetensors.
    Raises ModelError (wrong digest, a pickle with a program in it, no PyTorch), WriteError.
    """
    file = _which(card, given, name)
    _compare(card, file, given, digest_of(given))
    folder = where.own / card.name
    target = folder / file.stored
    if target.suffix not in OPENED:
        raise ModelError(f"'{target.suffix}' files cannot be added", file=given)
    copied = folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(given, copied)
        # of the copy, which nobody else writes to
        published = digest_of(copied)
        _compare(card, file, given, published)
        take(file, copied, published, named=given)
    except OSError as error:
        why = error.strerror or error
        raise ModelError(f"cannot be added: {why}", file=error.filename or target) from None
    finally:
        with contextlib.suppress(OSError):
            copied.unlink()
    return target


def take(file: WeightsFile, whole: Path, published: str, named: Path | None = None) -> Path:
    """Put a file that is whole in its place beside it, a checkpoint as safetensors.

    published: its digest. named: what it is called in messages. Raises ModelError, WriteError,
    OSError.
    """
    target = whole.with_name(file.stored)
    if is_checkpoint(file):
        convert(whole, target, named or whole)
    else:
        os.replace(whole, target)
    write_receipt(target.parent, file, published)
    return target


def _compare(card: Card, file: WeightsFile, given: Path, digest: str) -> None:
    if file.sha256 and digest != file.sha256:
        raise ModelError(
            f"is not {file.name} of '{card.name}': its sha256 is {digest[:12]}…, and the card says "
            f"{file.sha256[:12]}…",
            file=given,
            hint="download it again",
        )


def _which(card: Card, given: Path, name: str) -> WeightsFile:
    if not card.files:
        raise ModelError(f"the model '{card.name}' has no weights", hint="it is ready as it is")
    names = {f.name: f for f in card.files}
    found = names.get(name or given.name)
    if found is None and len(names) == 1 and not name:
        found = card.files[0]
        if Path(found.name).suffix != given.suffix:
            found = None
    if found is None:
        raise ModelError(
            f"is not a file of '{card.name}'", file=given, hint=f"it needs {', '.join(names)}"
        )
    return found


def convert(checkpoint: Path, target: Path, named: Path) -> None:
    """A PyTorch checkpoint as safetensors, read with nothing but tensors allowed.

    named: what it is called in messages. Weights that a checkpoint keeps under "model" or
    "state_dict" come out of there. Raises ModelError when it holds anything but tensors in plain
    containers, or PyTorch is missing.
    """
    try:
        import torch
        from safetensors.torch import save
    except ImportError as error:
        raise ModelError(
            f"a checkpoint can only be converted with the package '{error.name}'",
            file=named,
            hint="python install/bootstrap.py install --networks",
        ) from None
    try:
        held = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile file makes of the reader
        said = str(error)
        code = re.search(r"GLOBAL (\S+)|Unsupported (?:class|operand) (\S+)", said)
        what = f" ({code[1] or code[2]})" if code else ""
        refused = code or "weights_only" in said or "Weights only" in said
        raise ModelError(
            f"holds a program{what}, not weights alone: refused, nothing of it was run"
            if refused
            else f"is not a checkpoint: {said.splitlines()[0][:120] if said else 'unreadable'}",
            file=named,
            hint="get the model as safetensors or ONNX" if refused else "download it again",
        ) from None
    for inner in ("model", "state_dict", "ema_model"):
        if isinstance(held, dict) and isinstance(held.get(inner), dict):
            held = held[inner]
    if not isinstance(held, dict) or not all(isinstance(v, torch.Tensor) for v in held.values()):
        raise ModelError("holds other things than weights", file=named)
    # safetensors keeps no two names of one memory
    write_whole(target, save({str(k): v.detach().clone().contiguous() for k, v in held.items()}))


def remove(card: Card, where: Folders) -> list[Path]:
    """Delete the user's files of a model; returns them. The studio's mirror is never touched.

    Raises ModelError.
    """
    folder = where.own / card.name
    names = {f.stored for f in card.files} | {RECEIPT}
    gone = []
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name in names or path.name.endswith((".part", ".part.json")):
                path.unlink()
                gone.append(path)
        if gone and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise ModelError(f"cannot be removed: {error.strerror}", file=error.filename) from None
    return gone


def is_checkpoint(file: WeightsFile) -> bool:
    return Path(file.name).suffix in CHECKPOINTS

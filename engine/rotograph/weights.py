"""Where weights are, and whether they are what their card says, before anything opens them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from rotograph import checkpoint, kind
from rotograph.alone import alone
from rotograph.card import CHECKPOINTS, RECEIPT, Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.whole import write_whole

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
    return next(places(card, where), None)


def places(card: Card, where: Folders) -> Iterator[Path]:
    """Wherever the card's weights are, whole or not, the place that comes first first."""
    for folder in where.all if card.files else ():
        if all((folder / card.name / file.stored).is_file() for file in card.files):
            yield folder / card.name / card.files[0].stored
        elif folder == where.mirror and all(_fits(folder / f.stored, f) for f in card.files):
            yield folder / card.files[0].stored


def sound(card: Card, where: Folders) -> Path | None:
    """The first place where the card's weights are what they should be; None if they are nowhere.

    So a user's own copy stands in for a damaged one of the studio's. card: with its digests
    (``pinned``), for only they make the two the same. Raises ModelError, of the first place, when
    they are damaged wherever they are.
    """
    failed = None
    for path in places(card, where):
        try:
            verify(card, path, where.mirror)
        except ModelError as error:
            failed = failed or error
        else:
            return path
    if failed is not None:
        raise failed
    return None


def _fits(path: Path, file: WeightsFile) -> bool:
    try:
        return path.suffix == Path(file.name).suffix and path.stat().st_size == file.size > 0
    except OSError:
        return False


def pinned(card: Card, where: Folders) -> Card:
    """The card with the digests of the files that are here, where it does not state them itself.

    Raises ModelError for a file that is none of its kind.
    """
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
    told = read_receipt(folder).get(file.name, {}).get("published")
    if not told:  # nobody looked at it when it was put here
        stored = folder / file.stored
        _check_kind(file, stored, stored, "put the file there again")
    return told or digest_of(folder / file.stored)


def verify(card: Card, path: Path, mirror: Path | None = None) -> None:
    """Raise ModelError unless every file of the card beside ``path`` is what it should be.

    mirror: the studio's folder, where only others can mend anything.
    """
    receipts = read_receipt(path.parent)
    mend = f"rotograph models remove {card.name}, then pull or add it again"
    if mirror is not None and path.is_relative_to(mirror):
        mend = f"tell who keeps this folder; until then, rotograph models pull {card.name}, or add"
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
                hint=mend,
            )
        if not file.sha256:
            _check_kind(file, stored, stored, mend)


def read_receipt(folder: Path) -> dict[str, dict[str, str]]:
    """File name as published -> its digests ``published`` and ``stored``; {} without a receipt."""
    try:
        told = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        return {str(n): dict(of) for n, of in told["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_receipt(folder: Path, file: WeightsFile, published: str) -> None:
    """Note what was put into ``folder``; raises WriteError, OSError."""
    stored = published if file.stored == file.name else digest_of(folder / file.stored)
    with alone(folder / RECEIPT):
        told = read_receipt(folder)
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
    Raises ModelError (wrong digest or size, not of its kind, a pickle with a program in it, no
    PyTorch), WriteError.
    """
    file = _which(card, given, name)
    _compare(card, file, given, digest_of(given))
    folder = where.own / card.name
    target = folder / file.stored
    if target.suffix not in OPENED:
        raise ModelError(f"'{target.suffix}' files cannot be added", file=given)
    # not the name under which a download keeps what came of it
    copied = folder / f".{secrets.token_hex(4)}.{file.name}.part"
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
        with contextlib.suppress(OSError):  # others' files keep it
            folder.rmdir()
    return target


def take(file: WeightsFile, whole: Path, published: str, named: Path | None = None) -> Path:
    """Put a file that is whole in its place beside it, a checkpoint as safetensors.

    published: its digest. named: what it is called in messages. A file whose digest nobody stated
    has to be of its kind at least. Raises ModelError, WriteError, OSError.
    """
    target = whole.with_name(file.stored)
    if not file.sha256:
        _check_kind(file, whole, named or whole, "download it again", Path(file.name).suffix)
    if is_checkpoint(file):
        checkpoint.convert(whole, target, named or whole)
    else:
        os.replace(whole, target)
    write_receipt(target.parent, file, published)
    return target


def _check_kind(
    file: WeightsFile, whole: Path, named: Path, hint: str, published: str = ""
) -> None:
    """Raise ModelError for a page of a website, or half a file, under the name of another.

    published: the suffix while the file is still as published; "" for one as it is stored.
    """
    suffix = published or Path(file.stored).suffix
    as_published = bool(published) or file.stored == file.name
    if as_published and file.size and whole.stat().st_size != file.size:
        raise ModelError(
            f"is not {file.name}: it has {whole.stat().st_size} bytes, and the card says "
            f"{file.size}",
            file=named,
            hint=hint,
        )
    try:
        kind.check(whole, suffix)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:120]
        raise ModelError(f"is not a {suffix[1:]} file: {why}", file=named, hint=hint) from None


def _compare(card: Card, file: WeightsFile, given: Path, digest: str) -> None:
    if file.sha256 and digest != file.sha256:
        size = given.stat().st_size
        hint = "download it again"
        if file.size not in (0, size):
            hint = f"it is another file or version, of {size} bytes instead of {file.size}"
        raise ModelError(
            f"is not {file.name} of '{card.name}': its sha256 is {digest[:12]}…, and the card says "
            f"{file.sha256[:12]}…",
            file=given,
            hint=hint,
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


def discard(card: Card, path: Path) -> None:
    """Take one of the user's files away again, such as one that proved wrong; raises ModelError."""
    receipt = path.with_name(RECEIPT)
    try:
        with alone(receipt):
            told = read_receipt(path.parent)
            for file in card.files:
                if file.stored == path.name:
                    told.pop(file.name, None)
            path.unlink(missing_ok=True)
            if told:
                write_whole(receipt, json.dumps({"files": told}, indent=1).encode())
            else:
                receipt.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files keep it
            path.parent.rmdir()
    except OSError as error:
        raise ModelError(f"cannot be removed: {error.strerror}", file=path) from None


def remove(card: Card, where: Folders) -> list[Path]:
    """Delete the user's files of a model; returns them. The studio's mirror is never touched.

    Raises ModelError.
    """
    folder = where.own / card.name
    names = {f.stored for f in card.files} | {RECEIPT}
    gone = []
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name in names or path.name.endswith((".part", ".part.json", ".lock")):
                path.unlink()
                gone.append(path)
        if gone and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise ModelError(f"cannot be removed: {error.strerror}", file=error.filename) from None
    return gone


def is_checkpoint(file: WeightsFile) -> bool:
    return Path(file.name).suffix in CHECKPOINTS

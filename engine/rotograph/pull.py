"""Download a model's files: go on where an earlier try stopped, trust nothing but the digest.

Two that ask for the same file at once take turns: the second finds what the first brought.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests

from rotograph import weights
from rotograph.alone import alone
from rotograph.byte_size import human_size
from rotograph.card import HUB, Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.weights import Folders

_CHUNK = 1 << 16
"""Bytes at a time, and at most so many are lost where it is cut off."""
_PATIENCE = (10, 60)
"""Seconds to connect, and between two pieces."""

Report = Callable[[str, int, int], None]


def endpoint() -> str:
    """Hugging Face, or the mirror of it that ``$HF_ENDPOINT`` names; raises ModelError."""
    asked = os.environ.get("HF_ENDPOINT", "").strip() or HUB
    try:
        parts = urlsplit(asked)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise ModelError(
            f"$HF_ENDPOINT is '{asked}', which is no address of a server",
            hint="write it as https://name, or unset it",
        )
    return asked.rstrip("/")


def pull(card: Card, where: Folders, report: Report = lambda name, done, total: None) -> Path:
    """Fetch what is not here yet of a model; returns its weights, verified.

    report: told a file's name, its bytes so far, and all its bytes (0 when nobody knows). Proxies
    are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``), ``HF_TOKEN`` opens a repository
    that asks for one. What was fetched of a file that is not whole stays, and the next try goes on
    there. Where the studio's are damaged, this brings a copy of the user's own. Raises ModelError
    with one line for no network, a file cut off, a wrong digest or size, no space, no permission,
    and a model that has to be fetched by hand.
    """
    try:
        found = weights.sound(weights.pinned(card, where), where)
    except ModelError:
        if weights.find(card, Folders(None, where.own)) is not None:
            raise
        found = None
    if found is None:
        for file in card.files:
            if not (where.own / card.name / file.stored).is_file():
                _one(card, file, where, report)
        found = weights.sound(card, where)
    if found is None:
        raise ModelError(f"the model '{card.name}' has no weights", hint="it is ready as it is")
    return found


def _one(card: Card, file: WeightsFile, where: Folders, report: Report) -> None:
    url = card.url(file, endpoint())
    by_hand = f"rotograph models add {card.name} FILE takes a copy that you fetched otherwise"
    if not url:
        raise ModelError(
            f"{file.name} of '{card.name}' has no address to download it from",
            hint=f"get it from {card.source}; {by_hand}",
        )
    folder = where.own / card.name
    part = folder / f"{file.name}.part"
    try:
        with alone(part, lambda: report(file.name, _size(part), file.size)):
            if (folder / file.stored).is_file():  # whoever was before us brought it
                return
            _room(part, file)
            _fetch(url, part, file, report)
            try:
                _accept(card, file, part)
            finally:
                for left in (part, _note(part)):
                    left.unlink(missing_ok=True)
    except requests.RequestException as error:
        raise _unreachable(url, error, by_hand) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(part, file) from None
        raise ModelError(
            f"cannot be written: {error.strerror or error}",
            file=error.filename or part,
            hint="ask for permission to write there",
        ) from None
    finally:
        with contextlib.suppress(OSError):  # what came of it, or other files, keep it
            folder.rmdir()


def _accept(card: Card, file: WeightsFile, part: Path) -> None:
    """Take a whole download for what the card says it is; raises ModelError."""
    got = weights.digest_of(part)
    if file.sha256 and got != file.sha256:
        raise ModelError(
            f"what came as {file.name} of '{card.name}' is not what the card says: its sha256 is "
            f"{got[:12]}…, not {file.sha256[:12]}…; it was thrown away",
            hint="try again; if it stays so, somebody changed the file or the proxy answers for it",
        )
    weights.take(file, part, got, named=Path(file.name))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _room(part: Path, file: WeightsFile) -> None:
    if file.size - _size(part) > shutil.disk_usage(part.parent).free:
        raise _full(part, file)


def _full(part: Path, file: WeightsFile) -> ModelError:
    have, free = _size(part), shutil.disk_usage(part.parent).free
    told = f"{human_size(have)} came" if have else "nothing came yet"
    if file.size:
        told = f"{human_size(file.size - have)} are still needed"
    return ModelError(
        f"the disk is full: {told}, and {human_size(free)} are free",
        file=part,
        hint="free some space there; the same command goes on where it stopped",
    )


def _fetch(url: str, part: Path, file: WeightsFile, report: Report) -> None:
    """The whole file into ``part``, from where an earlier try of the same file stopped."""
    note = _note(part)
    tag = _tag(note, url)
    have = _size(part) if tag or file.sha256 else 0
    headers = {"User-Agent": "rotograph", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag:
            headers["If-Range"] = tag
    token = os.environ.get("HF_TOKEN")
    if token and urlsplit(url).netloc == urlsplit(endpoint()).netloc:
        headers["Authorization"] = f"Bearer {token}"  # requests drops it when sent elsewhere
    with _asked(url, headers) as answer:
        if answer.status_code == 416 and have:  # nothing is left to send
            whole = answer.headers.get("Content-Range", "").rpartition("*/")[2]
            if whole.isdigit() and int(whole) != have:
                part.unlink()
                raise requests.ConnectionError("cut off: what came was of another file")
            return
        answer.raise_for_status()
        resumed = answer.status_code == 206
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise requests.ConnectionError("the server sent another part than was asked for")
        have = have if resumed else 0
        length = int(answer.headers.get("Content-Length") or 0)
        total = have + length if length else file.size
        if file.size and length and total != file.size:
            raise ModelError(
                f"{file.name} has {total} bytes at {urlsplit(url).netloc}, and its card says "
                f"{file.size}",
                hint="the file was changed, or a proxy answers for it",
            )
        strong = answer.headers.get("ETag", "")
        told = {"url": url, "tag": strong if not strong.startswith("W/") else ""}
        note.write_text(json.dumps(told), encoding="utf-8")
        with open(part, "ab" if resumed else "wb") as out:
            report(file.name, have, total)
            for piece in answer.iter_content(_CHUNK):
                out.write(piece)
                have += len(piece)
                report(file.name, have, total)
        if total and _size(part) != total:
            raise requests.ConnectionError(f"cut off after {have} of {total} bytes")


def _asked(url: str, headers: dict[str, str]) -> requests.Response:
    """The answer's beginning. Raises RequestException, and ModelError for certificates that the
    environment names and that are not there."""
    try:
        return requests.get(url, headers=headers, stream=True, timeout=_PATIENCE)
    except requests.RequestException:
        raise
    except OSError as error:
        raise ModelError(
            f"nothing can be downloaded: {error}",
            hint="correct REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, or unset it",
        ) from None


def _note(part: Path) -> Path:
    """Beside a part: which version of which file it is of."""
    return part.with_name(part.name + ".json")


def _tag(note: Path, url: str) -> str:
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return str(told["tag"]) if told["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _unreachable(url: str, error: requests.RequestException, by_hand: str) -> ModelError:
    """One line for what the network did."""
    host = urlsplit(url).netloc
    answer = getattr(error, "response", None)
    if answer is not None:
        code = answer.status_code
        if code in (401, 403):
            return ModelError(
                f"{host} does not hand out {url}: it answers {code}",
                hint=f"accept the model's terms there and set HF_TOKEN; or {by_hand}",
            )
        return ModelError(f"{host} answers {code} for {url}", hint=by_hand)
    cut = isinstance(error, requests.exceptions.ChunkedEncodingError) or "cut off" in str(error)
    if cut or "IncompleteRead" in str(error):
        return ModelError(
            f"the download from {host} was cut off",
            hint="what came is kept: the same command goes on from there",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        why = "the proxy does not answer"
    elif isinstance(error, requests.exceptions.SSLError):
        why = "its certificate is not trusted (REQUESTS_CA_BUNDLE names a studio's own)"
    elif isinstance(error, requests.Timeout):
        why = "it does not answer in time"
    else:
        why = _why(error)
    return ModelError(f"cannot reach {host}: {why}", hint=by_hand)


def _why(error: requests.RequestException) -> str:
    """What kept the connection from being made."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = getattr(reason, "__cause__", None)
    if isinstance(cause, ConnectionRefusedError):
        return "it refuses the connection; nobody serves at that address now"
    if isinstance(cause, socket.gaierror):
        return "no network, or the name is not known"
    said = getattr(cause, "strerror", None) or reason or error
    return " ".join(str(said).split())[:120] or "no network"

"""Download a model's files: go on where an earlier try stopped, trust nothing but the digest."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests

from rotograph import weights
from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.weights import Folders

ENDPOINT = "https://huggingface.co"
_CHUNK = 1 << 16
"""Bytes at a time, and at most so many are lost where it is cut off."""
_PATIENCE = (10, 60)
"""Seconds to connect, and between two pieces."""

Report = Callable[[str, int, int], None]


def endpoint() -> str:
    """Hugging Face, or the mirror of it that ``$HF_ENDPOINT`` names."""
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def pull(card: Card, where: Folders, report: Report = lambda name, done, total: None) -> Path:
    """Fetch what is not here yet of a model; returns its weights, verified.

    report: told a file's name, its bytes so far, and all its bytes (0 when nobody knows). Proxies
    are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``), ``HF_TOKEN`` opens a repository
    that asks for one. What was fetched of a file that is not whole stays, and the next try goes on
    there. Raises ModelError with one line for no network, a file cut off, a wrong digest or size,
    no space, no permission, and a model that has to be fetched by hand.
    """
    found = weights.find(card, where)
    if found is None:
        for file in card.files:
            if not (where.own / card.name / file.stored).is_file():
                _one(card, file, where, report)
        found = weights.find(card, where)
    if found is None:
        raise ModelError(f"the model '{card.name}' has no weights", hint="it is ready as it is")
    weights.verify(card, found)
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
        folder.mkdir(parents=True, exist_ok=True)
        _room(part, file)
        _fetch(url, part, file, report)
    except requests.RequestException as error:
        raise _unreachable(url, error, by_hand) from None
    except OSError as error:
        what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise ModelError(
            f"cannot be written: {what}",
            file=part,
            hint="free some space; the same command goes on where it stopped",
        ) from None
    try:
        _accept(card, file, part, where)
    finally:
        for left in (part, _note(part)):
            with contextlib.suppress(OSError):
                left.unlink()


def _accept(card: Card, file: WeightsFile, part: Path, where: Folders) -> None:
    """Take a whole download for what the card says it is; raises ModelError."""
    got = weights.digest_of(part)
    if file.sha256 and got != file.sha256:
        raise ModelError(
            f"what came as {file.name} of '{card.name}' is not what the card says: its sha256 is "
            f"{got[:12]}…, not {file.sha256[:12]}…; it was thrown away",
            hint="try again; if it stays so, somebody changed the file or the proxy answers for it",
        )
    weights.take(file, part, got, named=Path(file.name))


def _room(part: Path, file: WeightsFile) -> None:
    have = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(part.parent).free
    if file.size - have > free:
        raise OSError(errno.ENOSPC, "no space", str(part))


def _fetch(url: str, part: Path, file: WeightsFile, report: Report) -> None:
    """The whole file into ``part``, from where an earlier try of the same file stopped."""
    note, have = _note(part), 0
    tag = _tag(note, url)
    if part.exists():
        have = part.stat().st_size if tag or file.sha256 else 0
    headers = {"User-Agent": "rotograph", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag:
            headers["If-Range"] = tag
    token = os.environ.get("HF_TOKEN")
    if token and urlsplit(url).netloc == urlsplit(endpoint()).netloc:
        headers["Authorization"] = f"Bearer {token}"  # requests drops it when sent elsewhere
    with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE) as answer:
        if answer.status_code == 416 and have:  # nothing is left to send
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
        if total and have != total:
            raise requests.ConnectionError(f"cut off after {have} of {total} bytes")


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
        why = "no network, or the name is not known"
    return ModelError(f"cannot reach {host}: {why}", hint=by_hand)

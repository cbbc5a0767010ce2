"""A graph's file: JSON, read strictly and written whole."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotograph.errors import GraphError

MAX_BYTES = 64 << 20


def read(path: Path) -> Any:
    """What the file says; raises GraphError that names it."""
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)  # and no more of what has no end
        if len(text) > MAX_BYTES:
            raise GraphError(f"is larger than {MAX_BYTES >> 20} MB", hint="is it a graph file?")
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_unique)
    except OSError as error:
        raise GraphError(f"cannot be read: {error.strerror}", file=path) from None
    except (ValueError, RecursionError) as error:
        raise GraphError(f"is not a graph file: {error}", file=path) from None
    except GraphError as error:
        raise error.located(file=path) from None


def write(path: Path, data: Mapping[str, Any]) -> None:
    """Write it to a temporary name and then rename; raises GraphError."""
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise GraphError(f"cannot be saved: {error.strerror}", file=path) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise GraphError(f"'{twice}' is there twice in one object", hint="rename or remove one")
    return out

"""Whether weights that no digest vouches for are a model's own: it is shown a grey picture."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rotograph.card import RECEIPT, Card
from rotograph.errors import ModelError, RotographError
from rotograph.models import Models
from rotograph.weights import Folders

_SIZE = (96, 160)
_ROLES = ("segment", "track", "detect", "matte")


def look(models: Models, card: Card) -> str:
    """Load a model whose files are all here, and let it look at a picture; returns what came of it.

    That its names and shapes are the network's is seen so, not that the weights are good. Whether
    the licence policy lets it work does not matter here. Raises ModelError when the files do not
    make the card's network.
    """
    role = next((r for r in _ROLES if card.adapters.get(r)), None)
    if role is None or card.missing:
        lacks = f"it needs {', '.join(card.missing)}" if card.missing else "nothing can run it"
        return f"not tried: {lacks}"
    try:
        # whatever device was asked for: the processor is there, and it is the file that is tried
        _show(models.under("any", device="cpu").load(role, card.name), role, card)
    except MemoryError:
        return "not tried: there is not enough memory"
    except RotographError:
        raise
    except Exception as error:  # of whatever package runs it
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise ModelError(
            f"the model '{card.name}' fails with these files: {why}",
            hint="they may be another model's, or of another version",
        ) from None
    return "its network was made of it and looked at a grey picture"


@contextlib.contextmanager
def on_trial(card: Card, where: Folders) -> Iterator[None]:
    """If what is done meanwhile fails, the user's files of a model are again what they were.

    Raises ModelError when they cannot be kept for so long.
    """
    folder = where.own / card.name
    names = [*(file.stored for file in card.files), RECEIPT]
    old = [name for name in names if (folder / name).is_file()]
    with contextlib.ExitStack() as stack:
        kept = folder
        if old:
            try:
                made = tempfile.TemporaryDirectory(prefix=".before.", dir=where.own)
                kept = Path(stack.enter_context(made))
                for name in old:
                    _keep(folder / name, kept / name)
            except OSError as error:
                why = f"cannot be written: {error.strerror}"
                raise ModelError(why, file=error.filename) from None
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                for name in names:
                    if name in old:
                        os.replace(kept / name, folder / name)
                    else:
                        (folder / name).unlink(missing_ok=True)
                folder.rmdir()  # not where other files keep it
            raise


def _keep(path: Path, kept: Path) -> None:
    try:
        os.link(path, kept)  # files are replaced, never written into
    except OSError:
        shutil.copy2(path, kept)


def _show(adapter: Any, role: str, card: Card) -> None:
    grey = np.full((*_SIZE, 3), 0.5, np.float32)
    if role == "detect":
        adapter.detect(grey, "person" if card.needs_text else "")
    elif hasattr(adapter, "look"):
        adapter.look(grey)
    elif role != "matte":
        adapter.encode(grey)
    else:
        band = np.tile(np.repeat(np.float32([0.0, 0.5, 0.5, 1.0]), _SIZE[1] // 4), (_SIZE[0], 1))
        adapter.estimate_alpha(grey, band)

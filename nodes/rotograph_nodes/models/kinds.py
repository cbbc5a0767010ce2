"""The kinds of things that a text names, for detectors that read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rotograph.errors import PromptError, did_you_mean


def kinds(text: str, model: str) -> tuple[str, ...]:
    """The kinds in a text such as ``person, red car``, in small letters, each once.

    model: its name, for the message. Raises PromptError for a text that names none.
    """
    found = _parts(text)
    if not found:
        raise PromptError(
            f"the model '{model}' has to be told what to look for",
            hint="set 'text', such as 'person, car'",
        )
    return found


def known(text: str, names: Sequence[str], model: str) -> list[int]:
    """The numbers of the kinds that a text names, of those that a model knows; all for none.

    Raises PromptError for a kind that is not among ``names``.
    """
    asked = _parts(text)
    for kind in asked:
        if kind not in names:
            raise PromptError(
                f"the model '{model}' knows no '{kind}'", hint=did_you_mean(kind, names)
            )
    return [list(names).index(kind) for kind in asked] or list(range(len(names)))


def _parts(text: str) -> tuple[str, ...]:
    parts = (re.sub(r"\s+", " ", part).strip().lower() for part in re.split(r"[,.;\n]", text))
    return tuple(dict.fromkeys(part for part in parts if part))

"""One thing that a check has to say."""

from __future__ import annotations

from dataclasses import dataclass

from rotograph.errors import RotographError


@dataclass(frozen=True)
class Finding:
    """A rule that is broken or, where ``fault`` is false, one that could not be tried.

    subject: the node or the model. rule: in a word, as in docs/adding-a-node.md. message: what was
    seen. hint: what to do.
    """

    subject: str
    rule: str
    message: str
    hint: str
    fault: bool = True

    def __str__(self) -> str:
        return " ".join(f"{self.subject}: {self.rule}: {self.message}; {self.hint}".split())

    def to_json(self) -> dict[str, str]:
        return {
            "subject": self.subject,
            "rule": self.rule,
            "message": self.message,
            "hint": self.hint,
        }


def said(error: RotographError) -> str:
    """An error without the name that the node has while it is checked, and without its hint."""
    return error.message if error.frame is None else f"frame {error.frame}: {error.message}"

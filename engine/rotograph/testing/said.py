"""Whether a node or a model's card says what people need to know of it."""

from __future__ import annotations

from collections.abc import Iterator

from rotograph.card import Card
from rotograph.declare import NodeType
from rotograph.errors import GraphError
from rotograph.parameter import parse_value
from rotograph.testing.finding import Finding


def check_said(declared: NodeType) -> Iterator[Finding]:
    """Help for the node, its inputs and parameters; defaults that the parameters take."""
    name = declared.name
    if not _sentence(declared.help):
        yield Finding(
            name, "documented", "its docstring is no sentence", "say what it does, to an artist"
        )
    for port, given in declared.inputs.items():
        if not _sentence(given.help):
            yield Finding(
                name,
                "documented",
                f"the input '{port}' has no help",
                "say in a sentence what to wire to it",
            )
    for label, param in declared.params.items():
        if not param.label.strip() or not _sentence(param.help):
            missing = "label" if not param.label.strip() else "help"
            yield Finding(
                name,
                "documented",
                f"the parameter '{label}' has no {missing}",
                "give it a label, and a help text that is a sentence",
            )
        try:
            parse_value(param, label, param.default)
        except GraphError as error:
            yield Finding(
                name,
                "default",
                f"the parameter '{label}' does not take its own default: {error}",
                "change the default or the range",
            )
    if declared.output is None and declared.effect is None:
        yield Finding(
            name,
            "output",
            "it gives nothing and writes nothing",
            "give it an output, or a stage with effect=True",
        )


def check_card(card: Card) -> Iterator[Finding]:
    """What a studio must know of a model before it may use it."""
    for field in ("label", "source", "licence"):
        if not getattr(card, field).strip():
            yield Finding(
                card.name, "documented", f"its card has no {field}", f"state '{field}' in its TOML"
            )


def _sentence(text: str) -> bool:
    return len(text.split()) > 1 and text.strip()[-1] in ".?!"

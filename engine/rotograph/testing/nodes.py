"""All that is checked of one node."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rotograph.card import Card
from rotograph.declare import NodeType
from rotograph.errors import RotographError
from rotograph.testing.cases import Workshop, usable
from rotograph.testing.finding import Finding, said
from rotograph.testing.keyrules import check_keys
from rotograph.testing.pixelrules import check_pixels
from rotograph.testing.said import check_said


def check_node(
    declared: NodeType,
    example: Mapping[str, Any] | None = None,
    *,
    cards: Sequence[Card] | None = None,
) -> Iterator[Finding]:
    """What a node does against the rules (docs/adding-a-node.md), and what could not be tried.

    It is wired to made-up plates, masks, mattes and boxes in every way that its inputs allow, and
    its parameters are changed one by one. example: parameters without which it does nothing.
    cards: the models it may use; by default those installed. No weights are needed or fetched.
    """
    yield from check_said(declared)
    if declared.output is None and declared.effect is None:
        return
    with tempfile.TemporaryDirectory(prefix="rotograph-check-") as folder:
        workshop = Workshop(Path(folder), cards)
        try:
            yield from _tried(workshop, declared, dict(example or {}))
        except (Exception, SystemExit) as error:  # of its own code, such as describe
            yield _failed(declared, error)


def _tried(workshop: Workshop, declared: NodeType, example: Mapping[str, Any]) -> Iterator[Finding]:
    found, error = usable(workshop, declared, example)
    if not found:
        yield Finding(
            declared.name,
            "runs",
            f"could not be tried in any way: {said(error)}",
            "give the parameters that it needs in EXAMPLES, beside the entry point's nodes",
        )
        return
    yield from check_keys(workshop, declared, found)
    yield from check_pixels(workshop, declared, found)


def _failed(declared: NodeType, error: Exception | SystemExit) -> Finding:
    last = traceback.extract_tb(error.__traceback__)[-1]
    told = said(error) if isinstance(error, RotographError) else f"{type(error).__name__}: {error}"
    return Finding(
        declared.name,
        "runs",
        f"{declared.name} cannot be checked further, it fails in {Path(last.filename).name}, "
        f"line {last.lineno}: {told}",
        "mend its describe, its needs or what they call",
    )

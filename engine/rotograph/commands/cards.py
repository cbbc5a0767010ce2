"""What `rotograph models` tells of a card, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from rotograph import weights
from rotograph.card import HUB, Card
from rotograph.models import Models


def told(known: Models, card: Card) -> dict[str, object]:
    """All that is known of a model, for JSON."""
    found = weights.find(card, known.folders)
    return {
        "name": card.name,
        "label": card.label,
        "version": card.version,
        "quality": card.quality,
        "family": card.family,
        "roles": [role for role, adapter in card.adapters.items() if adapter],
        "here": str(found) if found else "" if card.files else "built in",
        "licence": card.licence,
        "commercial": card.commercial,
        "research": card.commercial or card.research,
        "terms": card.terms,
        "training_data": card.training_data,
        "gated": card.gated,
        "source": card.source,
        "repository": card.repository,
        "revision": card.revision,
        "files": [
            {"name": f.name, "size": f.size, "sha256": f.sha256, "url": card.url(f, HUB)}
            for f in card.files
        ],
        "packages": list(card.packages),
        "missing": card.missing,
        "input_space": card.input_space,
        "working_size": card.working_size,
        "stride": card.stride,
        "precision": card.numeric_mode,
        "finds": card.finds,
        "reads_text": card.reads_text,
        "needs_text": card.needs_text,
        "network": dict(card.network),
        "citation": card.citation,
    }


def way(card: Card) -> str:
    """The command that brings the weights."""
    if all(card.url(file, HUB) for file in card.files):
        return f"rotograph models pull {card.name}"
    return f"rotograph models add {card.name} FILE, from {card.source}"


def licence_line(card: Card) -> str:
    may = "allows commercial work" if card.commercial else "does not allow commercial work"
    return f"licence: {card.licence}, which {may}" + (f"; {card.terms}" if card.terms else "")


def vouched(card: Card, path: Path) -> str:
    """Who says that verified files are the model's."""
    unstated = [file.name for file in card.files if not file.sha256]
    if not unstated:
        return "as its card says"
    noted = weights.read_receipt(path.parent)
    since = "as first added" if all(name in noted for name in unstated) else "as it lies there"
    which = "" if len(unstated) == len(card.files) else f" of {', '.join(unstated)}"
    return f"no digest{which} stated; {since}"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """One line for each row, however long, so that it can be searched and cut."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        return "  ".join(cells).rstrip()

    click.echo(click.style(line(heading), bold=True))
    for row in rows:
        click.echo(line(row))

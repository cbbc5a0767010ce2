"""models: which there are, what they may be used for, and getting their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options
from rotograph.errors import ModelError, did_you_mean

_name = click.argument("name", metavar="NAME")


@click.group(
    epilog="""\b
Examples:
  rotograph models list
  rotograph models pull u2netp                       download, and check the digest
  rotograph models add u2netp ~/Downloads/u2netp.onnx
  rotograph render shot.json --set segment.model=u2netp

A graph names a model, or says "auto": the best that is here and that the licence policy allows.
"""
)
def models() -> None:
    """List models, get their weights, and see what their licences allow."""


@models.command("list")
@options.as_json
@options.debug
def list_models(as_json: bool) -> None:
    """Show every model: what it does, whether it is here, and its licence."""
    known = _known()
    if as_json:
        click.echo(json.dumps([_told(known, card) for card in known.cards.values()]))
        return
    heading = f"{'model':22}{'here':10}{'size':>10}  {'licence':20}what it is"
    click.echo(click.style(heading, bold=True))
    for card in known.cards.values():
        able = any(card.adapters.values())
        here = "yes" if known.installed(card) else "no"
        if not card.files:
            here = "built in" if able and not card.missing else "-"
        size = options.human_size(card.size) if card.size else "?" if card.files else "-"
        licence = card.licence if card.commercial else f"{card.licence} (nc)"
        roles = ", ".join(role for role, adapter in card.adapters.items() if adapter)
        lacks = f"; needs {', '.join(card.missing)}" if card.missing else ""
        what = f"{card.label} [{roles or '-'}{lacks}]"
        click.echo(f"{card.name:22}{here:10}{size:>10}  {licence:20}{what}")
    click.echo("nc: not for commercial work; in brackets, what it does in a graph")


@models.command()
@_name
@options.as_json
@options.debug
def show(name: str, as_json: bool) -> None:
    """Show all that a model's card says."""
    known = _known()
    told = _told(known, _card(known, name))
    if as_json:
        click.echo(json.dumps(told))
        return
    for key, value in told.items():
        if value not in ("", [], {}, None):
            shown = value if isinstance(value, str) else json.dumps(value)
            click.echo(f"{key:16}{shown}")


@models.command()
@_name
@options.debug
def pull(name: str) -> None:
    """Download a model's weights. A download that was cut off goes on where it stopped.

    The digest on the card is checked. $HF_ENDPOINT names a mirror of Hugging Face, HTTPS_PROXY a
    proxy; what is in $ROTOGRAPH_MODELS is not downloaded.
    """
    from rotograph import pull as puller
    from rotograph.commands.progress import Bar

    known = _known()
    card = _card(known, name)
    with Bar() as bar:

        def report(file: str, done: int, total: int) -> None:
            now = f"{options.human_size(done)}" + (
                f" of {options.human_size(total)}" if total else ""
            )
            bar.show(file, done, total, now=now)

        path = puller.pull(card, known.folders, report)
    click.echo(f"'{card.name}' is here: {path}")
    click.echo(_licence_line(card))


@models.command()
@_name
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--as", "which", default="", metavar="FILE", help="Which of the model's files it is.")
@options.debug
def add(name: str, file: Path, which: str) -> None:
    """Take a file that you downloaded. Its digest is checked; a checkpoint becomes safetensors."""
    from rotograph import weights

    known = _known()
    card = _card(known, name)
    path = weights.add(card, file, known.folders, which)
    stated = next(f for f in card.files if f.stored == path.name).sha256
    click.echo(f"added as {path}")
    if not stated:
        click.echo("its card states no digest: from now on, this file is what counts")
    missing = [f.name for f in card.files if not (path.parent / f.stored).is_file()]
    if missing:
        click.echo(f"still missing: {', '.join(missing)}")
    click.echo(_licence_line(card))


@models.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@options.debug
def verify(names: tuple[str, ...]) -> None:
    """Check the digests of all weights that are here, or of some."""
    known = _known()
    cards = [_card(known, n) for n in names] or [c for c in known.cards.values() if c.files]
    bad = 0
    for card in cards:
        if not known.installed(card):
            if names:
                click.echo(f"{card.name}: not here")
                bad += 1
            continue
        try:
            path = known.weights(card)
            click.echo(f"{card.name}: as its card says ({path})")
        except ModelError as error:
            bad += 1
            click.echo(f"{card.name}: {error}")
    if bad:
        click.get_current_context().exit(1)


@models.command()
@_name
@options.debug
def remove(name: str) -> None:
    """Delete the weights that you pulled or added. A studio's mirror is never touched."""
    from rotograph import weights

    known = _known()
    card = _card(known, name)
    gone = weights.remove(card, known.folders)
    click.echo("\n".join(f"removed {path}" for path in gone) or f"'{name}' has no files of yours")
    left = weights.find(card, known.folders)
    if left is not None:
        click.echo(f"the studio's are still here: {left}")


@models.command()
@options.licence_policy
@options.as_json
@options.debug
def licences(as_json: bool) -> None:
    """Show what each licence allows, and whether the policy lets the model run."""
    from rotograph import licence

    known = _known()
    policy = options.policy()
    rows = [
        {
            "model": card.name,
            "licence": card.licence,
            "allowed": licence.allows(policy, card),
            "commercial": card.commercial,
            "research": card.commercial or card.research,
            "terms": card.terms,
            "training_data": card.training_data,
        }
        for card in known.cards.values()
    ]
    if as_json:
        click.echo(json.dumps({"policy": policy, "models": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "licence", f"under '{policy}'", "terms", "trained on"):
        table.add_column(title)
    for row in rows:
        allowed = "allowed" if row["allowed"] else "forbidden"
        table.add_row(row["model"], row["licence"], allowed, row["terms"], row["training_data"])
    Console(highlight=False).print(table)


@models.command()
@_name
@click.option("--role", help="Which of its jobs.  [default: the first]")
@click.option("--size", default="1920x1080", metavar="WxH", help="Of the plate.  [default: HD]")
@click.option("--frames", type=click.IntRange(1, 1000), default=10, help="How many.  [default: 10]")
@options.licence_policy
@options.as_json
@options.debug
def bench(name: str, role: str | None, size: str, frames: int, as_json: bool) -> None:
    """Measure a model on this machine: frames per second, memory, and where the time goes."""
    from rotograph import bench as meter
    from rotograph.colour import load

    known = _known()
    card = _card(known, name)
    width, by, height = size.partition("x")
    if not (by and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise click.BadParameter(f"'{size}' is not a size; write such as 1920x1080")
    found = meter.bench(known, card, load(), role, (int(width), int(height)), frames)
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{card.name}, {found['role']}, {size}, {frames} frames on {found['device']}")
    click.echo(f"  {found['frames_per_second']:.2f} frames per second after loading")
    click.echo(f"  {found['load_seconds']:.2f} s to load")
    click.echo(f"  {options.human_size(found['memory_bytes'])} more memory than before it")
    for stage, share in found["share"].items():
        click.echo(f"  {share:6.1%} {stage}")


def _known() -> Any:
    from rotograph.models import Models

    return Models(policy=options.policy())


def _card(known: Any, name: str) -> Any:
    card = known.cards.get(name)
    if card is None:
        raise ModelError(f"there is no model '{name}'", hint=did_you_mean(name, known.cards))
    return card


def _licence_line(card: Any) -> str:
    may = "allows commercial work" if card.commercial else "does not allow commercial work"
    return f"licence: {card.licence}, which {may}" + (f"; {card.terms}" if card.terms else "")


def _told(known: Any, card: Any) -> dict[str, Any]:
    from rotograph import weights

    found = weights.find(card, known.folders)
    return {
        "name": card.name,
        "label": card.label,
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
        "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in card.files],
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

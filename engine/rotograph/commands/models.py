"""models: which there are, what they may be used for, and getting their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rotograph.byte_size import human_size
from rotograph.commands import cards, options
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
@options.licence_policy
@options.as_json
@options.debug
def list_models(as_json: bool) -> None:
    """Show every model: what it does, whether it is here, and its licence."""
    from rotograph import licence

    known = _known()
    if as_json:
        click.echo(json.dumps([cards.told(known, card) for card in known.cards.values()]))
        return
    rows = []
    for card in known.cards.values():
        able = any(card.adapters.values())
        here = "yes" if known.installed(card) else "no"
        if not card.files:
            here = "built in" if able and not card.missing else "-"
        size = human_size(card.size) if card.size else "?" if card.files else "-"
        forbidden = not licence.allows(known.policy, card)
        mark = " (forbidden)" if forbidden else "" if card.commercial else " (nc)"
        roles = ", ".join(role for role, adapter in card.adapters.items() if adapter)
        lacks = f"; needs {', '.join(card.missing)}" if card.missing else ""
        what = f"{card.label} [{roles or '-'}{lacks}]"
        rows.append((card.name, here, size, card.licence + mark, what))
    cards.table(("model", "here", "size", "licence", "what it is"), rows)
    click.echo("in square brackets: what it does in a graph; nc: not for commercial work")
    click.echo(f"forbidden: under the licence policy '{known.policy}'")


@models.command()
@_name
@options.as_json
@options.debug
def show(name: str, as_json: bool) -> None:
    """Show all that a model's card says."""
    known = _known()
    card = _card(known, name)
    told = cards.told(known, card)
    if as_json:
        click.echo(json.dumps(told))
        return
    told["here"] = told["here"] or f"no; {cards.way(card)}"
    files = [" ".join(str(v) for v in file.values() if v) for file in told.pop("files")]
    told |= {f"file {number}": line for number, line in enumerate(files, 1)}
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
    from rotograph import tried, weights
    from rotograph.commands.progress import Bar

    known = _known()
    card = _card(known, name)
    with Bar() as bar:

        def report(file: str, done: int, total: int) -> None:
            now = f"{human_size(done)}" + (f" of {human_size(total)}" if total else "")
            bar.show(file, done, total, now=now)

        own = known.folders.own / card.name
        fetched = [f for f in card.files if not f.sha256 and not (own / f.stored).is_file()]
        path = puller.pull(card, known.folders, report)
    seen = ""
    if not card.files[0].sha256 and path.is_relative_to(own):
        try:
            seen = tried.look(known, card)
        except ModelError:
            for file in fetched:
                weights.discard(card, own / file.stored)
            raise
    click.echo(f"'{card.name}' is here: {path}" + (f"; {seen}" if seen else ""))
    click.echo(cards.licence_line(card))


@models.command()
@_name
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--as", "which", default="", metavar="FILE", help="Which of the model's files it is.")
@options.debug
def add(name: str, file: Path, which: str) -> None:
    """Take a file that you downloaded. Its digest is checked; a checkpoint becomes safetensors.

    Where the card states none for the weights, the network is tried on a grey picture.
    """
    from rotograph import tried, weights

    known = _known()
    card = _card(known, name)
    seen = ""
    with tried.on_trial(card, known.folders):
        path = weights.add(card, file, known.folders, which)
        missing = [f.name for f in card.files if not (path.parent / f.stored).is_file()]
        if not missing and not card.files[0].sha256:
            seen = tried.look(known, card)
    stated = next(f for f in card.files if f.stored == path.name).sha256
    click.echo(f"added as {path}" + (f"; {seen}" if seen else ""))
    if missing:
        click.echo(f"still missing: {', '.join(missing)}")
    if not stated:
        click.echo("its card states no digest: from now on, this file is what counts")
    click.echo(cards.licence_line(card))


@models.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@options.debug
def verify(names: tuple[str, ...]) -> None:
    """Check the digests of all weights that are here, or of some."""
    from rotograph import weights

    known = _known()
    wanted = [_card(known, n) for n in names] or [c for c in known.cards.values() if c.files]
    bad = 0
    for card in wanted:
        if not known.installed(card):
            if names:
                click.echo(f"{card.name}: not here")
                bad += 1
            continue
        for path in weights.places(card, known.folders):
            try:
                weights.verify(card, path, known.folders.mirror)
                click.echo(f"{card.name}: {cards.vouched(card, path)} ({path})")
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
    lines = []
    for row in rows:
        data = f"trained on: {row['training_data']}" if row["training_data"] else ""
        more = "; ".join(filter(None, (row["terms"], data)))
        allowed = "allowed" if row["allowed"] else "forbidden"
        lines.append((row["model"], row["licence"], allowed, more))
    cards.table(("model", "licence", f"under '{policy}'", "terms, and training data"), lines)


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
    click.echo(f"  computed in {found['precision']}")
    click.echo(f"  {found['frames_per_second']:.2f} frames per second after loading")
    click.echo(f"  {found['load_seconds']:.2f} s to load")
    click.echo(f"  {human_size(found['memory_bytes'])} more memory than before it")
    for stage, share in found["share"].items():
        click.echo(f"  {share:6.1%} {stage}")


def _known() -> Any:
    from rotograph.models import at_hand

    return at_hand(options.policy())


def _card(known: Any, name: str) -> Any:
    card = known.cards.get(name)
    if card is None:
        raise ModelError(f"there is no model '{name}'", hint=did_you_mean(name, known.cards))
    return card

"""install: the nodes into Nuke or Natron, or out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rotograph.commands import options


@click.command(
    epilog="""\b
Examples:
  rotograph install nuke --dry-run            show what would be written, write nothing
  rotograph install nuke                      for you, in this Nuke and the next
  rotograph install natron --studio /apps/rotograph
  rotograph install nuke --uninstall          put everything back as it was
"""
)
@click.argument("host", type=click.Choice(["nuke", "natron"]))
@click.option("--user", is_flag=True, help="For you alone.  [default]")
@click.option(
    "--studio",
    type=options.Folder(),
    metavar="DIR",
    help="For everybody: into this folder only; environment variables lead there.",
)
@click.option("--uninstall", is_flag=True, help="Put everything back as it was before.")
@click.option("--dry-run", is_flag=True, help="Show every file and line; change nothing.")
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The built plugin, if it is not where the build leaves it.",
)
@options.debug
def install(
    host: str,
    user: bool,
    studio: Path | None,
    uninstall: bool,
    dry_run: bool,
    bundle: Path | None,
) -> None:
    """Put the nodes into Nuke or Natron: plugin, gizmos, menus and paths.

    Every file and line is shown. What was there before is kept and comes back with --uninstall.
    Running it again changes nothing that is right already.
    """
    from rotograph.install import record, sources, steps, wanted
    from rotograph.install.carry_out import carry_out

    if user and studio is not None:
        raise click.UsageError("--user and --studio exclude each other")
    pieces = sources.find(bundle)
    if studio is None:
        goal = steps.resolved(wanted.for_user(host, pieces))
    else:
        goal = wanted.for_studio(host, pieces, studio)
    kept = record.load(goal.root)
    found = steps.uninstall(host, kept, goal.caches) if uninstall else steps.install(goal, kept)
    for step in found.steps:
        _show(step)
    if found.steps:
        kept_on = found.record.files or found.record.edited
        click.echo(f"{'record':16}{kept.path}{'' if kept_on else '  (goes)'}")
    if not dry_run:
        carry_out(found, kept)
    _end(found, dry_run, () if uninstall else goal.told)


_WORDS = {
    "write": "write",
    "save": "keep a copy",
    "remove": "remove",
    "touch": "touch",
    "clear": "clear the cache",
    "keep": "leave",
}


def _show(step: Any) -> None:
    said = f"  ({step.said})" if step.said else ""
    click.echo(f"{_WORDS[step.kind]:16}{step.path}{said}")
    for line in step.lines:
        click.echo(f"{'':16}  {line}")


def _end(found: Any, dry_run: bool, told: tuple[str, ...]) -> None:
    changes = sum(step.kind not in ("keep",) for step in found.steps)
    if not changes:
        click.echo("nothing to do: everything is as it should be")
    elif dry_run:
        click.echo(f"{changes} steps; nothing was changed")
    else:
        click.echo(f"done: {changes} steps")
    for line in told:
        click.echo(line)

"""doctor: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

from pathlib import Path

import click

from rotograph.commands import options


@click.command()
@options.cache
@options.debug
def doctor(cache: Path | None) -> None:
    """Check this machine: versions, devices, colour, cache and models.

    Ends with status 1 when something is missing without which no matte can be made.
    """
    from rotograph.doctor import examine

    marks = {"ok": "  ", "note": "- ", "bad": "! "}
    section, bad = "", 0
    for finding in examine(cache):
        if finding.section != section:
            section = finding.section
            click.echo(click.style(section, bold=True))
        bad += finding.state == "bad"
        click.echo(f"  {marks[finding.state]}{finding.name:22}{finding.value}")
        if finding.hint:
            click.echo(f"  {'':24}-> {finding.hint}")
    if bad:
        click.echo(f"\n{bad} thing{'' if bad == 1 else 's'} to put right, marked with !")
        click.get_current_context().exit(1)
    click.echo("\neverything that is needed is there")

"""cache: look at, check and empty the folder where results are kept."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rotograph.byte_size import human_size
from rotograph.commands import options


@click.group()
def cache() -> None:
    """Look at, check or empty the folder where results are kept.

    Emptying it costs time, never work: whatever is needed is computed again.
    """


@cache.command()
@options.cache
@options.as_json
@options.debug
def stats(cache: Path | None, as_json: bool) -> None:
    """Show how much is kept, and where."""
    from rotograph.store import Store

    found = Store(cache).stats()
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{found['folder']}")
    for tier, of in found["tiers"].items():
        click.echo(f"  {tier:10}{of['entries']:>8} results{human_size(of['bytes']):>12}")
    total, limit = (human_size(found[n]) for n in ("bytes", "limit_bytes"))
    click.echo(f"  {'together':10}{found['entries']:>8} results{total:>12} of at most {limit}")


@cache.command()
@options.cache
@options.as_json
@options.debug
def verify(cache: Path | None, as_json: bool) -> None:
    """Read everything that is kept, and take away what is damaged."""
    from rotograph.commands.progress import Bar
    from rotograph.store import Store

    with Bar() as bar:
        found = Store(cache).verify(lambda done, total: bar.show("checking", done, total))
    if as_json:
        click.echo(json.dumps(vars(found)))
        return
    size = human_size(found.bytes)
    click.echo(f"{found.entries} results ({size}) are whole; {found.damaged} damaged and removed")


@cache.command()
@options.cache
@click.option(
    "--to",
    type=options.Size(),
    default=0,
    metavar="SIZE",
    help="How much to leave, as 20G; what was used last stays.  [default: nothing]",
)
@options.as_json
@options.debug
def prune(cache: Path | None, to: int, as_json: bool) -> None:
    """Make room: remove results until only --to is left."""
    from rotograph.store import Store

    store = Store(cache)
    freed = store.prune(to)
    left = store.stats()["bytes"]
    if as_json:
        click.echo(json.dumps({"freed": freed, "bytes": left}))
        return
    click.echo(f"{human_size(freed)} freed, {human_size(left)} left")

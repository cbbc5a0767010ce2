"""serve: be the engine that hosts and commands share."""

from __future__ import annotations

import logging

import click

from rotograph.commands import options


@click.command()
@click.option(
    "--idle",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="End after so long without a client; 0: never.",
)
@click.option(
    "--private",
    is_flag=True,
    help="Be an engine of one's own, for a farm job: print the socket's path, and end when "
    "standard input ends. Clients find it through $ROTOGRAPH_SOCKET.",
)
@click.option(
    "--detach", is_flag=True, help="Go on in the background as soon as clients can connect."
)
@options.debug
def serve(idle: float, private: bool, detach: bool) -> None:
    """Run the engine in the foreground; it logs to standard error.

    Hosts and commands start one themselves when none runs, so this is for watching it, and for
    machines where something else starts what runs.
    """
    from rotograph import serving

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if private:
        serving.serve_private(click.echo)
    elif not serving.serve_shared(idle or None, detach):
        click.echo("rotograph: an engine is running already; see rotograph status", err=True)

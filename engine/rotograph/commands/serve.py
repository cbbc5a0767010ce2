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
@click.option(
    "--frame-memory",
    type=options.Size(),
    default="2G",
    show_default=True,
    metavar="SIZE",
    help="How much of hosts' frames to keep on the chance that they are asked for again.",
)
@click.option(
    "--model-memory",
    type=options.Size(),
    metavar="SIZE",
    help="How much networks may take; the least recently used go first.  [default: what the device "
    "has, or half of what is free]",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="Give a result up that takes longer, for its model hangs; 0: never.",
)
@options.debug
def serve(
    idle: float,
    private: bool,
    detach: bool,
    frame_memory: int,
    model_memory: int | None,
    patience: float,
) -> None:
    """Run the engine in the foreground; it logs to standard error.

    Hosts and commands start one themselves when none runs, so this is for watching it, and for
    machines where something else starts what runs.
    """
    from rotograph import serving

    # what a private engine says lands between what the job that started it says
    level = logging.WARNING if private else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(message)s")
    limits = {"frames": frame_memory, "models": model_memory, "patience": patience or None}
    if private:
        serving.serve_private(click.echo, **limits)
    elif not serving.serve_shared(idle or None, detach, **limits):
        click.echo("rotograph: an engine is running already; see rotograph status", err=True)

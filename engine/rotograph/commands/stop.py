"""stop: end the engine."""

from __future__ import annotations

import click

from rotograph.commands import options
from rotograph.errors import RotographError


@click.command()
@options.debug
def stop() -> None:
    """End the engine, whatever it is doing. What is finished is kept.

    It ends by itself when nobody has used it for a while.
    """
    from rotograph.client import EngineError, NoEngine, connect

    try:
        connect("rotograph stop", start=False).stop()
    except NoEngine:
        click.echo("no engine is running", err=True)
    except EngineError as error:
        raise RotographError(str(error)) from None

"""status: how the engine is."""

from __future__ import annotations

import json
from typing import Any

import click

from rotograph.byte_size import human_size
from rotograph.commands import options
from rotograph.errors import RotographError


@click.command()
@options.as_json
@options.debug
def status(as_json: bool) -> None:
    """Show whether the engine runs, and what it is doing.

    Ends with status 1 when none runs.
    """
    from rotograph.client import EngineError, NoEngine, connect

    try:
        with connect("rotograph status", start=False) as engine:
            found = engine.status()
    except NoEngine:
        if as_json:
            click.echo(json.dumps(None))
        else:
            click.echo("no engine is running; a host or a command starts one when it needs it")
        click.get_current_context().exit(1)
    except EngineError as error:
        raise RotographError(str(error)) from None
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in _rows(found):
        click.echo(f"{name:10}{value}")


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    worker, queue, frames = found["worker"], found["queue"], found["frames"]
    clients = ", ".join(f"{c['client']} ({c['pid']})" for c in found["clients"])
    size = human_size
    models = [
        m["model"] + (f" ({size(int(m['bytes']))})" if m["bytes"] != "0" else "")
        for m in found["models"]
    ]
    state = "ready" if worker["ready"] else "starting"
    restarts = f", restarted {worker['restarts']} times" if worker["restarts"] else ""
    return [
        ("version", f"{found['version']}, protocol {found['protocol']}, process {found['pid']}"),
        ("up for", f"{found['uptime']:.0f} s"),
        ("device", found["device"] or "not known yet"),
        ("worker", f"{state}, {size(int(worker['memory']))}{restarts}"),
        ("models", ", ".join(models) or "none loaded"),
        ("clients", clients),
        ("queue", f"{queue['running']} running, {queue['waiting']} waiting"),
        ("speed", f"{found['frames_per_second']:.2f} frames/s over the last ten seconds"),
        *(("store", f"{f}: {size(int(b))}") for f, b in found["stores"].items()),
        ("frames", f"{frames['held']} held, {size(int(frames['bytes']))}"),
    ]

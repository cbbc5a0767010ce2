"""plan: what a render would do, and why."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options


@click.command(
    epilog="""\b
Examples:
  rotograph plan shot.json --frames 1001-1024
  rotograph plan shot.json --set refine.feather=3     what would this change cost?
"""
)
@options.common
@click.option(
    "--read",
    is_flag=True,
    help="Read the plate frames that were never read before, to know for certain.",
)
def plan(
    graph_file: Path,
    frames: tuple[int, ...] | None,
    settings: tuple[str, ...],
    output: Path | None,
    cache: Path | None,
    as_json: bool,
    read: bool,
) -> None:
    """Show what a render would compute and write, and why. Computes nothing.

    A frame of the plate counts as changed when its pixels did, not when its file was touched.
    Frames that were never read are listed; what hangs on them may turn out to be there already.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.running import stoppable
    from rotograph.needs import Keys
    from rotograph.plan import plan as make_plan
    from rotograph.render import known_plan

    try:
        graph = options.load_graph(graph_file, settings)
        environment = options.environment(cache)
        with Bar() as bar:

            def work(stop: threading.Event) -> Any:
                folder = output.absolute() if output else None
                return known_plan(
                    lambda: Keys(graph, environment, folder),
                    lambda keys: make_plan(keys, frames),
                    read=read,
                    watch=bar,
                    stop=stop,
                )

            def on_stop() -> str:
                bar.close()
                line = "stopped: what was read is remembered"
                if as_json:
                    click.echo(json.dumps({"dirty": {}, "reused": {}, "errors": [line]}))
                return f"rotograph: {line}"

            keys, made = stoppable(work, on_stop)
    except Exception as error:
        if as_json:
            told = {"dirty": {}, "reused": {}, "errors": [str(error)]}
            options.tell_failure(json.dumps(told))
        raise
    told = to_json(keys, made)
    if as_json:
        click.echo(json.dumps(told))
    else:
        _show(graph, made, told)


def to_json(keys: Any, made: Any) -> dict[str, Any]:
    """frames and skipped: what is asked for. dirty: node -> frames with something to do.

    reused: node -> how many frames come from the cache or stand on disk. unread: node -> frames
    never read. unknown: node -> what it waits for. reasons: node -> reason -> frames.
    """
    from rotograph import lastrun
    from rotograph.explain import explain

    before = lastrun.recall(keys.world.store.folder, keys)
    unread: dict[str, set[int]] = {}
    for result in made.unread.values():
        unread.setdefault(result.node, set()).add(result.frame)
    return {
        "frames": list(made.frames),
        "skipped": list(made.skipped),
        "dirty": made.dirty_frames(),
        "reused": {node: len(frames) for node, frames in made.reused.items()},
        "unread": {node: sorted(f for f in s if f is not None) for node, s in unread.items()},
        "unknown": made.unknown,
        "reasons": explain(keys, made, before),
    }


def _show(graph: Any, made: Any, told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from rotograph.frames import format_frames

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, side in (("node", "left"), ("dirty", "right"), ("frames", "left")):
        table.add_column(title, justify=side)
    table.add_column("from the cache", justify="right")
    table.add_column("why")
    for node in graph.order():
        dirty = told["dirty"].get(node.name, ())
        reused = str(len(made.reused.get(node.name, set()).difference(dirty)) or "-")
        reasons = told["reasons"].get(node.name, {})
        if not reasons and (reused != "-" or node.name in told["unknown"]):
            why = told["unknown"].get(node.name, "nothing to do")
            table.add_row(node.name, "-", "", reused, why)
        for index, (reason, frames) in enumerate(reasons.items()):
            first = index == 0
            table.add_row(
                node.name if first else "",
                str(len(frames)) if frames else "shot",
                format_frames(frames),
                reused if first else "",
                reason,
            )
    Console(highlight=False).print(table)
    if told["skipped"]:
        click.echo(f"skipped, missing in the plate: {format_frames(told['skipped'])}")
    for node, frames in told["unread"].items():
        click.echo(
            f"{node}: files of frames {format_frames(frames)} were never read; with --read they "
            "are, and this says for certain what is dirty"
        )
    if not told["dirty"]:
        click.echo("nothing to do: every file is there and as the graph says")

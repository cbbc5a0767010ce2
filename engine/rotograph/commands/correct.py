"""correct, lock, unlock: what an artist says about frames that are tracked already."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options

graph_file, cache, debug = options.graph_file, options.cache, options.debug
node = click.option("--node", metavar="NODE", help="Which node.  [default: the only one it can be]")
layers = click.option(
    "--layer", "layers", multiple=True, metavar="NAME", help="Which layer; may be repeated."
)
frames = click.option(
    "--frames", "-f", type=options.Frames(), required=True, metavar="RANGE", help="Which frames."
)


class Numbers(click.ParamType):
    """``480,300``: so many numbers."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.name = "x,y" if count == 2 else "x0,y0,x1,y1"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[float]:
        if isinstance(value, list):
            return value
        try:
            numbers = [float(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != self.count:
            self.fail(f"'{value}' is not {self.name}", param, ctx)
        return numbers


@click.command(
    epilog="""\b
Examples:
  rotograph correct shot.json --frame 1010 --layer hero --inside 480,300
  rotograph correct shot.json --frame 1010 --layer hero --outside 610,88 --outside 620,92
"""
)
@debug
@graph_file
@click.option("--frame", type=int, required=True, help="The frame that you look at.")
@click.option("--layer", required=True, metavar="NAME", help="Which layer.")
@click.option("--inside", multiple=True, type=Numbers(2), help="A point that belongs to it.")
@click.option("--outside", multiple=True, type=Numbers(2), help="A point that does not.")
@click.option("--box", multiple=True, type=Numbers(4), help="A box around it.")
@click.option(
    "--mask", multiple=True, type=click.Path(path_type=Path), help="A drawn mask: alpha over 0.5."
)
@node
@cache
def correct(
    graph_file: Path,
    frame: int,
    layer: str,
    inside: tuple[list[float], ...],
    outside: tuple[list[float], ...],
    box: tuple[list[float], ...],
    mask: tuple[Path, ...],
    node: str | None,
    cache: Path | None,
) -> None:
    """Correct a tracked frame: it becomes an anchor, and what is right on it stays.

    The first correction of a frame keeps the mask that is there beside the graph file, and is made
    to that mask; frames around it then follow. Pixels count in the plate, from its top left.
    """
    from rotograph import correct as edit
    from rotograph.prompt import parse_prompt

    said = [{"point": p} for p in inside]
    said += [{"point": p, "positive": False} for p in outside]
    said += [{"box": b} for b in box] + [{"mask": str(m.absolute())} for m in mask]
    if not said:
        raise click.UsageError("say what is wrong with --inside, --outside, --box or --mask")
    prompts = [parse_prompt({"frame": frame, "layer": layer, **one}) for one in said]
    graph = options.load_graph(graph_file, ())
    environment = options.environment(cache)
    frozen = _watched(
        lambda watch, stop: edit.correct(graph, environment, prompts, node, watch, stop)
    )
    graph.save()
    kept = f"; kept its mask as {frozen[0].name}" if frozen else ""
    click.echo(f"{layer} on frame {frame}: {len(prompts)} said{kept}; render to see it", err=True)


@click.command(
    epilog="""\b
Example:
  rotograph lock shot.json --frames 1001-1010 --layer hero
"""
)
@debug
@graph_file
@frames
@layers
@node
@cache
def lock(
    graph_file: Path,
    frames: tuple[int, ...],
    layers: tuple[str, ...],
    node: str | None,
    cache: Path | None,
) -> None:
    """Approve frames: whatever is edited later, their mattes stay as they are.

    The approved results are kept in a folder beside the graph file; keep the two together. By
    default what the Write nodes write is approved; with --node, that node's results.
    """
    from rotograph import correct as edit

    graph = options.load_graph(graph_file, ())
    environment = options.environment(cache)
    count = _watched(
        lambda watch, stop: edit.lock(graph, environment, frames, layers, node, watch, stop)
    )
    graph.save()
    click.echo(f"locked {count} result{'' if count == 1 else 's'}", err=True)


@click.command()
@debug
@graph_file
@frames
@layers
@node
def unlock(
    graph_file: Path, frames: tuple[int, ...], layers: tuple[str, ...], node: str | None
) -> None:
    """Take approval back: these frames follow the graph again."""
    from rotograph import correct as edit

    graph = options.load_graph(graph_file, ())
    count = edit.unlock(graph, frames, layers, node)
    graph.save()
    click.echo(f"unlocked {count} result{'' if count == 1 else 's'}", err=True)


def _watched(work: Callable[[Any, threading.Event], Any]) -> Any:
    """Run with a progress bar and Ctrl-C; the graph file is untouched when stopped."""
    from rotograph.commands.progress import Bar
    from rotograph.commands.running import stoppable

    with Bar() as bar:

        def on_stop() -> str:
            bar.close()
            return "rotograph: stopped: the graph file is as it was; what was computed is kept"

        return stoppable(lambda stop: work(bar, stop), on_stop)

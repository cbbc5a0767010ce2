"""render: make the mattes of a graph."""

from __future__ import annotations

import json
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotograph.commands import options

if TYPE_CHECKING:
    from rotograph.commands.progress import Bar


@click.command(
    epilog="""\b
Examples:
  rotograph render shot.json
  rotograph render shot.json --frames 1001-1024 --output /shows/x/mattes
  rotograph render shot.json --set refine.feather=3 --set matte.hero.outside=20

Nothing that was computed before is computed again, whatever the graph was called. Ctrl-C keeps
what is finished: the same command goes on from there.
"""
)
@options.common
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1, 256),
    help="Results computed at the same time. More is faster until memory or cores run out; the "
    "pixels are the same.  [default: 2]",
)
@click.option(
    "--memory",
    type=options.Size(),
    metavar="SIZE",
    help="How much memory to aim for, as 2G; the pixels are the same.",
)
def render(
    graph_file: Path,
    frames: tuple[int, ...] | None,
    settings: tuple[str, ...],
    output: Path | None,
    cache: Path | None,
    as_json: bool,
    jobs: int | None,
    memory: int | None,
) -> None:
    """Make the mattes: run a graph and write its files.

    Only what is not there yet is computed. Frames that fail are named, and the others are written
    all the same.
    """
    from rotograph.commands.progress import Bar

    bar = Bar(len(frames) if frames else None)
    try:
        graph = options.load_graph(graph_file, settings)
        environment = options.environment(cache)
        summary = run(graph, environment, bar, frames, output, jobs, memory, as_json)
    except Exception as error:
        if as_json:
            options.tell_failure(_failed(bar, frames, str(error)))
        raise
    report(summary)
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    if not summary.complete:
        click.get_current_context().exit(1)


def run(
    graph: Any,
    environment: Any,
    bar: Bar,
    frames: tuple[int, ...] | None = None,
    output: Path | None = None,
    jobs: int | None = None,
    memory: int | None = None,
    as_json: bool = False,
) -> Any:
    """Render with a progress bar and Ctrl-C; returns the ``render.Summary``.

    memory: bytes, of which a quarter keeps results and the rest is for computing.
    Raises what ``render.render`` raises, but ends the process when the user stops it.
    """
    from rotograph import render as engine
    from rotograph.commands.running import stoppable
    from rotograph.execution import Limits

    limits = Limits()
    if memory is not None:
        limits = Limits(limits.jobs, memory // 4, memory - memory // 4)
    if jobs is not None:
        limits = Limits(jobs, limits.kept, limits.working)
    with bar:

        def work(stop: threading.Event) -> Any:
            return engine.render(
                graph,
                environment,
                frames,
                output.absolute() if output else None,
                limits=limits,
                watch=bar,
                stop=stop,
            )

        def on_stop() -> str:
            bar.close()
            count = f"{bar.written} frame{'' if bar.written == 1 else 's'} written"
            line = f"stopped: {count}, nothing finished is lost"
            if as_json:
                click.echo(_failed(bar, frames, line))
            return f"rotograph: {line}; to go on, run the same command again"

        return stoppable(work, on_stop)


def report(summary: Any) -> None:
    """Say on standard error what a render did."""
    from rotograph.frames import format_frames

    debug = click.get_current_context().meta.get("rotograph.debug")
    for error in summary.errors:
        if debug:
            traceback.print_exception(error)
        click.echo(f"rotograph: {error}", err=True)
    if summary.skipped:
        text = format_frames(summary.skipped)
        click.echo(f"skipped {text}: missing in the plate", err=True)
    computed, reused = (sum(d.values()) for d in (summary.computed, summary.reused))
    now = len(summary.files)
    told = [f"{summary.written} of {summary.frames} frames are there"]
    if now:
        told.append(f"{now} file{'' if now == 1 else 's'} written now")
    told.append(
        "nothing computed"
        if not computed
        else "computed " + ", ".join(f"{n} {c}" for n, c in summary.computed.items())
    )
    if reused:
        told.append("from the cache " + ", ".join(f"{n} {c}" for n, c in summary.reused.items()))
    click.echo(f"{'; '.join(told)}; {summary.seconds:.1f} s", err=True)


def _failed(bar: Bar, frames: tuple[int, ...] | None, line: str) -> str:
    """The line of JSON of a run that came to no summary."""
    return json.dumps(
        {
            "frames": len(frames) if frames else 0,
            "written": bar.written,
            "computed": {},
            "reused": {},
            "skipped": [],
            "errors": [line],
            "seconds": round(bar.seconds, 3),
        }
    )

"""render: make the mattes of a graph."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rotograph.commands import options
from rotograph.errors import RotographError

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

The work is done by the engine, which is started when none runs, is shared with hosts and other
commands, keeps models loaded, and ends by itself some minutes after its last client left. A farm
job takes --private instead.
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
@click.option(
    "--no-engine",
    is_flag=True,
    envvar="ROTOGRAPH_NO_ENGINE",
    show_envvar=True,
    help="Compute in this process; the pixels are the same. So does --debug.",
)
@click.option(
    "--private",
    is_flag=True,
    help="Compute in an engine of this render's own, which ends with it: for farm jobs.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PAGE.html",
    help="Write a page about the mattes too, as the report command does.",
)
@click.pass_context
def render(
    ctx: click.Context,
    graph_file: Path,
    frames: tuple[int, ...] | None,
    settings: tuple[str, ...],
    output: Path | None,
    cache: Path | None,
    as_json: bool,
    jobs: int | None,
    memory: int | None,
    no_engine: bool,
    private: bool,
    page: Path | None,
) -> None:
    """Make the mattes: run a graph and write its files.

    Only what is not there yet is computed. Frames that fail are named, and the others are written
    all the same.
    """
    from rotograph.commands.progress import Bar

    if private and ctx.get_parameter_source("no_engine") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--private is an engine, and --no-engine is none")
    here = (no_engine and not private) or bool(ctx.meta.get("rotograph.debug"))
    bar = Bar(len(frames) if frames else None)
    try:
        graph = options.load_graph(graph_file, settings)
        asked = (bar, frames, output, jobs, memory, as_json)
        if here:
            summary = run(graph, options.environment(cache), *asked)
        else:
            summary = run_in_engine(graph, cache, *asked, private=private)
    except Exception as error:
        if as_json:
            options.tell_failure(_failed(bar, frames, str(error)))
        raise
    report(summary)
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    if not summary.complete:
        ctx.exit(1)
    if page is not None:
        from rotograph.commands.report import tell

        environment = options.environment(cache)
        tell(page, graph, environment, frames, output, summary, graph_file.stem, quiet=as_json)


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
    """Render in this process with a progress bar and Ctrl-C; returns the ``render.Summary``.

    memory: bytes, of which a quarter keeps results and the rest is for computing.
    Raises what ``render.render`` raises, but ends the process when the user stops it.
    """
    from rotograph import render as engine
    from rotograph.execution import Limits

    limits = Limits()
    if memory is not None:
        limits = Limits(limits.jobs, memory // 4, memory - memory // 4)
    if jobs is not None:
        limits = Limits(jobs, limits.kept, limits.working)

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

    return _watched(work, bar, frames, as_json)


def run_in_engine(
    graph: Any,
    cache: Path | None,
    bar: Bar,
    frames: tuple[int, ...] | None = None,
    output: Path | None = None,
    jobs: int | None = None,
    memory: int | None = None,
    as_json: bool = False,
    *,
    private: bool = False,
) -> Any:
    """As ``run``, through the shared engine or a private one.

    Where the shared engine cannot be had (a container without Unix sockets, say), it is said and
    the work is done in this process. Raises RotographError when a private one cannot be had.
    """
    from rotograph import client, remote
    from rotograph.store import default_folder

    licences = options.policy()

    def work(stop: threading.Event) -> Any:
        try:
            with client.private() if private else client.connect() as engine:
                return remote.render(
                    graph,
                    engine,
                    cache or default_folder(),
                    frames,
                    output,
                    jobs=jobs,
                    memory=memory,
                    licences=licences,
                    watch=bar,
                    stop=stop,
                )
        except client.EngineError as error:  # of starting; what a render meets is ours already
            return error

    done = _watched(work, bar, frames, as_json)
    if not isinstance(done, client.EngineError):
        return done
    if private or not isinstance(done, client.NoEngine):
        raise RotographError(done.message, hint=done.hint)
    click.echo(f"rotograph: {done}; computing in this process", err=True)
    return run(graph, options.environment(cache), bar, frames, output, jobs, memory, as_json)


def _watched(
    work: Callable[[threading.Event], Any], bar: Bar, frames: tuple[int, ...] | None, as_json: bool
) -> Any:
    """The result of ``work(stop)`` with its progress shown, or the end of the process by Ctrl-C."""
    from rotograph.commands.running import stoppable

    def on_stop() -> str:
        bar.close()
        count = f"{bar.written} frame{'' if bar.written == 1 else 's'} written"
        line = f"stopped: {count}, nothing finished is lost"
        if as_json:
            click.echo(_failed(bar, frames, line))
        return f"rotograph: {line}; to go on, run the same command again"

    with bar:
        return stoppable(work, on_stop)


def report(summary: Any) -> None:
    """Say on standard error what a render did."""
    from rotograph.frames import format_frames
    from rotograph.smaller import SAID

    debug = click.get_current_context().meta.get("rotograph.debug")
    for error in summary.errors:
        if debug:
            traceback.print_exception(error)
        click.echo(f"rotograph: {error}", err=True)
    if summary.skipped:
        text = format_frames(summary.skipped)
        click.echo(f"skipped {text}: missing in the plate", err=True)
    for node, modes in summary.smaller.items():
        for mode, made in modes.items():
            where = f", frames {format_frames(made)}" if made else ""
            click.echo(
                f"rotograph: {node}{where}: ran out of memory and was computed {SAID[mode]}; what "
                "follows from it may differ a little, and is made anew where there is more memory",
                err=True,
            )
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

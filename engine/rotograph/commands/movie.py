"""movie: a shot's mattes as a movie, for the edit or to look at."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options


class Rate(click.ParamType):
    """``24``, ``23.976`` or ``24000/1001`` as an exact rate."""

    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            rate = Fraction(value)
        except (ValueError, ZeroDivisionError):
            self.fail(f"'{value}' is no rate; write such as 25 or 24000/1001", param, ctx)
        # 23.976 and 29.97 stand for thousandths of 1001
        exact = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
        rate = exact if rate.denominator > 1 and abs(rate - exact) < Fraction(1, 100) else rate
        if not 1 <= rate <= 240:
            self.fail(f"{value} frames a second cannot be", param, ctx)
        return rate


@click.command(
    epilog="""\b
Examples:
  rotograph movie shot.json shot.mov                         ProRes 4444 with alpha, straight
  rotograph movie shot.json shot.mov --alpha premultiplied
  rotograph movie shot.json review.mp4 --name sc010_0010     H.264 with overlay and burn-in

Beside a .mov stands a .mov.json that says how its alpha and colour are meant.
"""
)
@options.graph_file
@click.argument("movie_file", metavar="MOVIE", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--alpha",
    type=click.Choice(("straight", "premultiplied")),
    default="straight",
    show_default=True,
    help="How the colour of a .mov relates to its alpha.",
)
@click.option("--rate", type=Rate(), help="Frames per second.  [default: the plate's, else 24]")
@click.option("--name", help="The shot's name, burnt into a .mp4.  [default: the graph's]")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Only this layer (.mov).")
@click.option("--overwrite", is_flag=True, help="Write over a movie that is there.")
@options.frames
@options.settings
@options.cache
@options.how
@options.licence_policy
@options.debug
def movie(
    graph_file: Path,
    movie_file: Path,
    alpha: str,
    rate: Fraction | None,
    name: str | None,
    layers: tuple[str, ...],
    overwrite: bool,
    frames: tuple[int, ...] | None,
    settings: tuple[str, ...],
    cache: Path | None,
    how: options.How,
) -> None:
    """Render a graph and make a movie of it: .mov is ProRes 4444 with alpha, .mp4 for review.

    The graph's own files are written too, as by render; what is there already is not made again,
    and neither is the movie.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.render import rendered, report
    from rotograph.commands.running import stoppable
    from rotograph.deliver.encode import check_movie
    from rotograph.deliver.finished import Finished
    from rotograph.deliver.movie import write_prores, write_review

    suffix = movie_file.suffix.lower()
    if suffix not in (".mov", ".mp4"):
        raise click.UsageError(f"'{movie_file}' is no .mov and no .mp4")
    check_movie(movie_file, overwrite)
    graph = options.load_graph(graph_file, settings)
    summary = rendered(graph, cache, how, Bar(len(frames) if frames else None), frames)
    report(summary)
    if not summary.complete:
        click.get_current_context().exit(1)
    environment = options.environment(cache)
    with Bar() as bar:

        def show(done: int, total: int) -> None:
            bar.show("encoding", done, total, frames=done)

        def work(stop: threading.Event) -> bool:
            shot = Finished.rendered(graph, environment, frames, smaller=summary.smaller)
            wanted = [f for f in frames or shot.frames if f not in summary.skipped]
            asked: dict[str, Any] = {"rate": rate, "overwrite": overwrite, "progress": show}
            if suffix == ".mp4":
                return write_review(movie_file, shot, wanted, name or graph_file.stem, **asked)
            return write_prores(movie_file, shot, wanted, alpha=alpha, layers=layers, **asked)

        made = stoppable(work, lambda: "rotograph: stopped; no movie was written")
    if not made:
        click.echo("the movie is there already", err=True)
    click.echo(movie_file)

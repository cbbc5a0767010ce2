"""splines: mattes as editable shapes, for the programs that artists correct them in."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options

_FORMATS = ("nuke", "natron", "ae", "silhouette", "svg", "json")


@click.command(
    epilog="""\b
Examples:
  rotograph splines shot.json --layer hero --format nuke --output shapes
  rotograph splines mattes/matte.####.exr --plate plate.####.exr --format ae --output shapes

Every shape has the same points on all frames and few keyframes. What shapes cannot carry, such as
hair, is written beside them: shape.A + A of the residual is the matte.
"""
)
@options.debug
@click.argument("source", metavar="GRAPH.json|MATTES")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Which layer; repeatable.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(_FORMATS),
    help="For which program; repeatable.  [default: json]",
)
@click.option(
    "--output", "-o", type=options.Folder(), required=True, metavar="DIR", help="Where to."
)
@options.frames
@click.option(
    "--plate", metavar="FILES", help="The pictures of MATTES, so that points follow them."
)
@click.option("--node", metavar="NODE", help="Whose mattes.  [default: what is written]")
@click.option("--order", metavar="A,B", help="Layers from front to back.  [default: found out]")
@click.option("--fps", type=click.FloatRange(1, 1000), default=24.0, show_default=True)
@click.option("--no-residual", is_flag=True, help="Write the shapes alone.")
@click.option("--overwrite", is_flag=True, help="Write over an earlier delivery.")
@options.cache
@options.as_json
def splines(
    source: str,
    layers: tuple[str, ...],
    formats: tuple[str, ...],
    output: Path,
    frames: tuple[int, ...] | None,
    plate: str | None,
    node: str | None,
    order: str | None,
    fps: float,
    no_residual: bool,
    overwrite: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Turn mattes into editable shapes for Nuke, Natron, After Effects or Silhouette.

    SOURCE is a graph file, whose mattes are computed as far as they are not there, or a sequence of
    mattes. The residual mattes go beside the shapes. A delivery that was broken off, or lacks a
    format, is completed; what is there stays as it is.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.running import stoppable
    from rotograph.deliver import splinefiles, splinesource

    formats = formats or ("json",)
    if not overwrite:  # before anything is computed
        splinefiles.claim(output, formats, residual=not no_residual)
    graph = environment = None
    if source.lower().endswith(".json"):
        graph = options.load_graph(Path(source), ())
        environment = options.environment(cache)
    with Bar() as bar:

        def work(stop: threading.Event) -> Any:
            if graph is None:
                made = splinesource.of_files(source, layers, frames, plate)
            else:
                made = splinesource.of_graph(graph, environment, layers, frames, node, bar, stop)
            return _deliver(made, formats, output, order, fps, no_residual, overwrite)

        def on_stop() -> str:
            bar.close()
            return "rotograph: stopped: the shapes were not written; what was computed is kept"

        shot, files = stoppable(work, on_stop)
    shapes = [shape for layer in shot.layers for shape in layer.shapes]
    points = max((len(shape.keys[0].points) for shape in shapes), default=0)
    keys = max((len(shape.keys) for shape in shapes), default=0)
    click.echo(
        f"{len(shapes)} shapes of at most {points} points, keyframes on at most {keys} of "
        f"{len(shot.frames)} frames; {len(files)} files written",
        err=True,
    )
    if as_json:
        click.echo(json.dumps({"shapes": len(shapes), "files": [str(f) for f in files]}))


def _deliver(made, formats, output, order, fps, no_residual, overwrite) -> tuple[Any, list[Path]]:
    from rotograph.deliver import splinefiles

    front = tuple(order.split(",")) if order else made.order
    source = splinefiles.source_digest(
        made.frames,
        made.layers,
        made.alpha,
        [list(front), fps, made.pictures, made.spec.pixel_aspect],
    )
    shot = None if overwrite else splinefiles.recorded(output, source)
    keep = shot is not None
    if shot is None:
        shot = _fit(made, front, fps)
        splinefiles.record(output, source, shot, overwrite=overwrite)
    files = splinefiles.write(output, shot, formats, overwrite=overwrite, keep=keep)
    if not no_residual:
        files += splinefiles.write_residual(
            output, shot, made.alpha, made.spec, overwrite=overwrite, keep=keep
        )
    return shot, files


def _fit(made, front, fps) -> Any:
    from rotograph.deliver import splinefiles
    from rotograph.deliver import splines as fitting
    from rotograph.deliver.spline import SplineShot
    from rotograph.picture import layer_colour

    window = splinefiles.placed(made.spec)
    flows = fitting.motions(made.picture, made.frames, window) if made.picture else None
    followed = fitting.take(made.frames, made.layers, made.alpha, window, flows)
    colours = {name: layer_colour(i) for i, name in enumerate(made.layers)}
    return SplineShot(
        made.frames,
        made.spec.display.size,
        fitting.build(followed, colours, front),
        made.spec.pixel_aspect,
        fps,
    )

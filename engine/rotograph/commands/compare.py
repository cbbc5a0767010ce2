"""compare: how far mattes are from a reference."""

from __future__ import annotations

import json
from typing import Any

import click

from rotograph.commands import options

_MEANING = {
    "mad": "mean difference of alpha over the frame",
    "band": "the same where the edge is soft",
    "grad": "how sharp the edges are, against the reference's",
    "dtSSD": "flicker from frame to frame",
    "IoU": "overlap of the shapes, all frames together (1 is best)",
    "J": "overlap of the shapes, mean of the frames (1 is best)",
    "F": "outlines that agree (1 is best)",
}


@click.command(
    epilog="""\b
Examples:
  rotograph compare mattes/matte.####.exr truth/alpha.####.exr
  rotograph compare mattes/ truth/ --layer hero --json
"""
)
@click.argument("mattes")
@click.argument("reference")
@click.option("--layer", metavar="NAME", help="Compare this layer's channel (NAME.A).")
@options.frames
@options.as_json
@options.debug
def compare(
    mattes: str, reference: str, layer: str | None, frames: tuple[int, ...] | None, as_json: bool
) -> None:
    """Say how far MATTES are from REFERENCE, frame by frame and as one figure each.

    Both are a sequence (matte.####.exr), a folder that holds one sequence, a single picture or a
    movie. What counts is A, else the only channel, over the reference's data window.
    """
    from rotograph import metrics
    from rotograph.commands.progress import Bar
    from rotograph.compare import Pair
    from rotograph.frames import format_frames

    pair = Pair.open(mattes, reference, layer=layer, frames=frames)
    with Bar(len(pair.frames)) as bar:

        def watched() -> Any:
            for done, frame in enumerate(pair.read()):
                bar.show("comparing", done, len(pair.frames), frames=done)
                yield frame

        score = metrics.compare(watched())
    if as_json:
        click.echo(json.dumps({**score.as_dict(), "missing": list(pair.missing)}))
        return
    figures = score.as_dict()
    for name, meaning in _MEANING.items():
        value = figures[name]
        click.echo(f"{name:6}{'-' if value is None else f'{value:.4f}':>9}  {meaning}")
    click.echo(f"worst frame: {score.worst_frame}, mad {score.worst_mad:.4f}")
    click.echo(f"{len(score.frames)} frames compared: {format_frames(pair.frames)}")
    if pair.missing:
        click.echo(f"no matte for {format_frames(pair.missing)}")

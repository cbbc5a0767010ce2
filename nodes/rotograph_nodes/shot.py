"""shot: the command that finds who is in a plate, follows them and makes their mattes.

It writes a graph that an artist can go on with: a layer for each object, with boxes on the frames
where it was found, and the mattes of that graph. All it looks at goes through the engine's own
nodes and store, so that running it again costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rotograph import licence
from rotograph.commands import options

GRAPH = "shot.json"
MATTES = "mattes/matte.####.exr"
ABSENT = "absent.exr"
FOUND = "found/{layer}.{frame}.exr"


ALOUD = 20.0
"""Seconds between lines that say how far the work is, where nobody sees a bar."""

_SHARE = click.FloatRange(0, 1)
_RULES = (
    ("window", click.IntRange(1), 20, "Frames an object is followed without being found again."),
    ("refresh", click.IntRange(1), 5, "Frames from one telling of where it is to the next."),
    ("sightings", click.IntRange(1), 2, "Frames in a row that something is found to be an object."),
    ("drop", _SHARE, 0.1, "What lies in two others or more by this share is left out."),
    ("merge", _SHARE, 0.6, "What lies in one other by this share is part of it."),
    ("same", _SHARE, 0.9, "Intersection over union of two masks of one object."),
    ("part", _SHARE, 0.4, "The same with a track, at which what is found brings it back."),
    ("least", click.FloatRange(0, 100), 0.2, "Per cent of the picture that an object fills."),
    (
        "threshold",
        _SHARE,
        0.0,
        "Least score of what is found. 0: what the detector's card says; of what moves 0.3.",
    ),
    ("agree", _SHARE, 0.97, "Without --text: share of a box's mask that moves, to be believed."),
    ("trust", _SHARE, 0.1, "Least confidence of a track; with less the object is lost."),
    ("alike", _SHARE, 0.6, "Likeness of colour of what is the same object."),
    ("leap", click.FloatRange(0), 1.0, "How far from its way, in its own size, the same."),
    ("layers", click.IntRange(1), 8, "At most so many objects, those that are there longest."),
)
"""Every constant of the pipeline: its option, its range, its default, its help."""


_MOVES = 0.3
"""Share of what moves that has to be plainly in front."""


def _rules(command: Any) -> Any:
    """Decorator: an option for each of them."""
    for name, kind, default, said in reversed(_RULES):
        option = click.option(f"--{name}", type=kind, default=default, show_default=True, help=said)
        command = option(command)
    return command


@click.command(
    epilog="""\b
Examples:
  rotograph shot plate.####.exr --text "person, dog" --output shot
  rotograph shot plate.####.exr --output shot              whatever moves, without any weights
  rotograph shot plate.####.exr --set matte.outside=20     the same with a wider band

Then correct the layers in the graph it wrote, or with: rotograph correct DIR/shot.json
"""
)
@click.argument("plate", type=click.Path(path_type=Path))
@click.option("--text", default="", help="What to look for, such as 'person, car'.")
@click.option(
    "--output",
    "-o",
    type=options.Folder(),
    default=Path("shot"),
    metavar="DIR",
    help="Where the graph and the mattes go.  [default: shot]",
)
@click.option("--detector", default="", help="The model that finds.  [default: the best there is]")
@click.option("--model", default="auto", show_default=True, help="It segments and follows.")
@click.option("--matting", default="auto", show_default=True, help="It solves for alpha.")
@_rules
@click.option("--graph-only", is_flag=True, help="Write the graph and make no mattes.")
@options.settings
@options.cache
@options.licence_policy
@options.debug
@click.pass_context
def shot(
    ctx: click.Context,
    plate: Path,
    text: str,
    output: Path,
    detector: str,
    model: str,
    matting: str,
    settings: tuple[str, ...],
    cache: Path | None,
    graph_only: bool,
    layers: int,
    threshold: float,
    agree: float,
    trust: float,
    least: float,
    **rules: Any,
) -> None:
    """Find what is in PLATE, follow it through the shot, and make a matte of each.

    What is found on every frame is segmented, overlaps are dropped or merged, and objects are
    followed in windows, forward and then backward, so that names stay the same.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.render import report, run
    from rotograph.graph import Graph
    from rotograph_nodes import objects
    from rotograph_nodes.detect import least_score
    from rotograph_nodes.look import Look
    from rotograph_nodes.pieces import Rules

    environment = options.environment(cache)
    output = output.absolute()
    base = _base(plate.absolute(), text, environment, detector, model, matting)
    graph = Graph.from_dict(base, output)
    for assignment in settings:
        graph.set(assignment)
    finder = graph.nodes["detect"]
    card = environment.models.card("detect", finder.model("model"))
    finder.set("model", card.name)  # it stays in the graph, to say who found the layers
    least_sure = threshold or (least_score(card) if card.per_frame else _MOVES)
    with Bar(aloud=ALOUD) as bar:
        look = Look(graph, environment, least_sure, agree, trust, bar)
        found = objects.follow(look.frames, *_told(look, bar), Rules(**rules, least=least / 100.0))
    longest = sorted(found, key=lambda o: -len(o.masks))[:layers]
    found = [o for o in found if o in longest]
    if not found:
        click.echo("nothing was found; lower --threshold or --least, or say more in --text")
        ctx.exit(1)
    document = _write(graph, found, look, output)
    for o in found:
        first = min(o.masks) if o.before is not None else look.frames[0]
        last = max(o.masks) if o.after is not None else look.frames[-1]
        anchors = ",".join(map(str, sorted(o.anchors)))
        click.echo(f"{o.name:12}  {first}-{last}  found on {anchors}")
    click.echo(f"graph   {document}")
    if graph_only:
        return
    summary = run(Graph.load(document), environment, Bar(len(look.frames), aloud=ALOUD))
    report(summary)
    click.echo(f"mattes  {output / MATTES}")
    if not summary.complete:
        ctx.exit(1)


def _told(look: Any, bar: Any) -> tuple[Any, Any]:
    """What ``objects.follow`` asks for, with the bar told which frames that is."""

    def found(frame: int) -> Any:
        bar.where = f"on frame {frame}"
        return look.found(frame)

    def tracked(told: Any, frames: Sequence[int]) -> Any:
        bar.where = f"on frames {min(frames)}-{max(frames)}"
        return look.tracked(told, frames)

    return found, tracked


def _base(
    plate: Path, text: str, environment: Any, detector: str, model: str, matting: str
) -> dict[str, Any]:
    """The graph's document, with no layers yet."""
    detector = detector or (_reader(environment.models) if text else "auto")
    return {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": str(plate)},
            "detect": {
                "type": "Detect",
                "inputs": {"plate": "plate"},
                "model": detector,
                "text": text,
            },
            "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "model": model},
            "track": {
                "type": "Track",
                "inputs": {"plate": "plate", "masks": "segment"},
                "model": model,
            },
            "matte": {
                "type": "Matte",
                "inputs": {"plate": "plate", "logits": "track"},
                "model": matting,
            },
            "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
            "out": {"type": "Write", "inputs": {"image": "refine"}, "file": MATTES},
        },
    }


def _reader(models: Any) -> str:
    """The best model that can be told what to look for; of those to be had, if none is ready."""
    best = models.best("detect", ["text"])
    if best.reads_text:
        return best.name
    allowed = [c for c in models.readers("detect") if licence.allows(models.policy, c)]
    allowed.sort(key=lambda c: (models.installed(c), not c.gated, c.quality))
    return allowed[-1].name if allowed else "auto"


def _write(graph: Any, found: Sequence[Any], look: Any, output: Path) -> Path:
    """The graph with its layers, beside it the empty mask of who is not there."""
    output.mkdir(parents=True, exist_ok=True)
    prompts = []
    for o in found:
        for frame, piece in sorted(o.anchors.items()):
            name = FOUND.format(layer=o.name, frame=frame)
            prompts += look.prompts(frame, o.name, piece, name)
            if piece.drawn:
                _write_found(look, piece, output / name)
    gone = [
        {"frame": frame, "layer": o.name, "mask": ABSENT, "whole": True}
        for o in found
        for frame in (o.before, o.after)
        if frame is not None
    ]
    if gone:
        _write_absent(look, output / ABSENT)
    graph.nodes["segment"].set("prompts", prompts)
    graph.nodes["track"].set("prompts", gone)
    return graph.save(output / GRAPH)


def _write_found(look: Any, piece: Any, path: Path) -> None:
    """The mask of what was found, for the graph to name."""
    from rotograph import exr
    from rotograph.inline import frozen_image

    path.parent.mkdir(parents=True, exist_ok=True)
    exr.write(path, frozen_image(look.logits(piece)))


def _write_absent(look: Any, path: Path) -> None:
    """A mask of the plate's format with nothing in it."""
    import numpy as np

    from rotograph import exr
    from rotograph.image import Image, ImageSpec

    display = look.display
    pixels = np.zeros((*display.shape, 1), np.float16)
    exr.write(path, Image(ImageSpec(display, display, ("A",), alpha="straight"), pixels))

"""A page about a shot that a supervisor opens in any browser: one file, with everything in it.

What needs a look comes first, then how sure the models were, pictures, and what it was made with.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
import xxhash

from rotograph.deliver.finished import Finished
from rotograph.deliver.flags import LOW_CONFIDENCE, Flag, flags, glance, runs
from rotograph.deliver.movie import drawn
from rotograph.frames import format_frames
from rotograph.layer import Layer
from rotograph.render import Summary
from rotograph.whole import write_whole

PICTURES = 48
"""Frames without a flag that are shown, at most, spread over the shot."""
FLAGGED = 240
"""Frames with a flag that are shown, at most."""
LISTED = 400
"""Reasons to look that are listed, at most."""
WIDTH = 460
"""Of a picture, in pixels."""
_PLOT = {"width": 1200, "height": 150, "left": 44, "top": 8, "across": 1140, "down": 112}


@dataclass(frozen=True)
class _Row:
    """One frame as the page needs it. layers: name -> (confidence, key)."""

    frame: int
    layers: Mapping[str, tuple[float, str]]


def write_report(
    path: Path,
    shot: Finished,
    frames: Sequence[int],
    title: str,
    summary: Summary | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Flag]:
    """Write the page, about 30 KB a picture, and give back what needs a look.

    shot: rendered before, in the same environment. summary: of that render, for what it cost.
    Raises WriteError, MediaError.
    """
    total = len(frames)
    rows: list[_Row] = []

    def looked() -> Iterable[tuple[int, dict[str, Any]]]:
        for frame in frames:
            progress(len(rows), total)
            seen = {n.name: shot.seen(frame, n.name) for n in shot.layers}
            there = {name: one for name, one in seen.items() if one is not None}
            rows.append(_Row(frame, {n: (o.confidence, o.key) for n, o in there.items()}))
            yield frame, {n: glance(o.alpha, o.confidence) for n, o in there.items()}

    found = flags(looked())
    chosen = _chosen(frames, found)
    pictures = []
    for done, row in enumerate(r for r in rows if r.frame in chosen):
        progress(done, len(chosen))
        own = [str(flag) for flag in found if flag.frame == row.frame]
        told = [(name, _percent(c)) for name, (c, _) in row.layers.items()]
        jpeg = _jpeg(drawn(shot, shot.plate(row.frame), row.frame, WIDTH)[0])
        pictures.append({"frame": row.frame, "jpeg": jpeg, "confidence": told, "flags": own})
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    page = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    ).get_template("report.html.jinja")
    together = runs(found)
    text = page.render(
        title=title,
        version=version("rotograph"),
        shot={
            "span": format_frames(frames),
            "count": total,
            "digest": _digest(rows),
            "plate": str(shot.plate_file(frames[0])),
        },
        layers=[
            {"name": layer.label or layer.name, "paint": _paint(layer)} for layer in shot.layers
        ],
        flags=together[:LISTED],
        flagged=len({f.frame for f in found}),
        more_flags=max(0, len(together) - LISTED),
        curves=[_curve(layer, rows, found, chosen) for layer in shot.layers],
        plot=_plot(frames),
        pictures=pictures,
        work=_work(shot, summary),
        seconds=_seconds(summary, total),
        models=_models(shot),
        colour=_colour(shot, frames[0]),
        keys=[
            {"frame": r.frame, "digests": [r.layers.get(n.name, (0, ""))[1] for n in shot.layers]}
            for r in rows
        ],
    )
    write_whole(path, text.encode("utf-8", "replace"))
    return found


def _chosen(frames: Sequence[int], found: Sequence[Flag]) -> set[int]:
    # of a run the worst frame, whatever else is shown: the list leads there
    worst = [run.worst.frame for run in runs(found)[:LISTED]]
    flagged = list(dict.fromkeys([*worst, *(f.frame for f in found)]))[: max(FLAGGED, len(worst))]
    spread = np.linspace(0, len(frames) - 1, min(PICTURES, len(frames)))
    return {*flagged, *(frames[round(i)] for i in spread)}


def _jpeg(picture: np.ndarray) -> str:
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return base64.b64encode(data.tobytes()).decode()


def _paint(layer: Layer) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in layer.colour)


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.0f} %"


# -- curves --------------------------------------------------------------------------------------


def _x(frame: int, frames: tuple[int, int]) -> float:
    first, last = frames
    share = 0.5 if first == last else (frame - first) / (last - first)
    return round(_PLOT["left"] + share * _PLOT["across"], 1)


def _y(confidence: float) -> float:
    return round(_PLOT["top"] + (1 - min(max(confidence, 0.0), 1.0)) * _PLOT["down"], 1)


def _plot(frames: Sequence[int]) -> dict[str, Any]:
    span = frames[0], frames[-1]
    steps = (s * 10**n for n in range(9) for s in (1, 2, 5))
    step = next(s for s in steps if 12 * s > span[1] - span[0])
    marks = range(-(-span[0] // step) * step, span[1] + 1, step)
    return {
        **_PLOT,
        "low": _y(LOW_CONFIDENCE),
        "ticks": [{"y": _y(v), "label": _percent(v)} for v in (0, 0.5, 1)],
        "frames": [{"x": _x(f, span), "label": f} for f in marks],
    }


def _curve(
    layer: Layer, rows: Sequence[_Row], found: Sequence[Flag], chosen: set[int]
) -> dict[str, Any]:
    """A line, broken where the layer is not delivered, and a dot at each flag that is shown."""
    span = rows[0].frame, rows[-1].frame
    values = {r.frame: r.layers[layer.name][0] for r in rows if layer.name in r.layers}
    pieces: list[list[str]] = [[]]
    for row in rows:
        if row.frame in values:
            point = f"{_x(row.frame, span)},{_y(values[row.frame])}"
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    # a line of one point would not be seen
    lines = [" ".join(p if len(p) > 1 else p * 2) for p in pieces if p]
    dots = [
        {"frame": f.frame, "x": _x(f.frame, span), "y": _y(values[f.frame]), "kind": f.kind}
        for f in found
        if f.layer == layer.name and f.frame in values and f.frame in chosen
    ]
    told = list(values.values())
    return {
        "name": layer.label or layer.name,
        "paint": _paint(layer),
        "pieces": lines,
        "dots": dots,
        "lowest": _percent(min(told)) if told else "-",
        "mean": _percent(sum(told) / len(told)) if told else "-",
    }


# -- what it was made with -----------------------------------------------------------------------


def _work(shot: Finished, summary: Summary | None) -> list[dict[str, Any]]:
    computed = summary.computed if summary else {}
    reused = summary.reused if summary else {}
    return [
        {
            "node": node.name,
            "type": node.type.name,
            "computed": computed.get(node.name, 0) if summary else "-",
            "reused": reused.get(node.name, 0) if summary else "-",
        }
        for node in shot.graph.order()
    ]


def _seconds(summary: Summary | None, frames: int) -> str:
    if summary is None:
        return ""
    each = summary.seconds / max(1, frames)
    return f"This render took {summary.seconds:.1f} s, {each:.2f} s a frame."


def _models(shot: Finished) -> list[dict[str, Any]]:
    """Every model that a stage of the graph uses, once for each node and role."""
    out: dict[tuple[str, str], dict[str, Any]] = {}
    for node in shot.graph.order():
        for stage in node.type.stages.values():
            for role, parameter in stage.models.items():
                card = shot.environment.models.card(role, node.value(parameter))
                out[node.name, role] = {
                    "node": node.name,
                    "role": role,
                    "label": card.label,
                    "licence": card.licence,
                    "commercial": card.commercial,
                    "space": f"{card.input_space}, {card.working_size} pixels",
                    "weights": card.weights[:16] or "none",
                }
    return list(out.values())


def _colour(shot: Finished, frame: int) -> list[tuple[str, str]]:
    colour = shot.colour
    display, view = colour.viewed()
    space = shot.plate(frame).spec.colour_space
    return [
        ("OCIO configuration", f"{colour.source} ({colour.digest[:16]})"),
        ("plate", str(space)),
        ("alpha is solved in", colour.scene_linear),
        ("pictures on this page", f"{display}, {view}"),
    ]


def _digest(rows: Sequence[_Row]) -> str:
    """One for the whole shot: of every result's key."""
    digest = xxhash.xxh3_128()
    for row in rows:
        for name, (_, key) in sorted(row.layers.items()):
            digest.update(f"{row.frame} {name} {key}\n".encode())
    return digest.hexdigest()

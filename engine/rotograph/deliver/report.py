"""A page about a shot that a supervisor opens in any browser: one file, with everything in it.

What needs a look comes first, then how sure the models were, pictures, and what it was made with.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from rotograph.deliver import curves
from rotograph.deliver.finished import Finished
from rotograph.deliver.flags import Flag, flags, glance, runs
from rotograph.deliver.movie import drawn
from rotograph.errors import WriteError
from rotograph.frames import format_frames
from rotograph.picture import hexadecimal
from rotograph.render import Summary
from rotograph.whole import write_whole

PICTURES = 48
"""Frames without a flag that are shown, at most, spread over the shot."""
FLAGGED = 160
"""Frames with a flag that are shown, at most."""
LISTED = 200
"""Reasons to look that are listed, at most; the worst frame of each is shown."""
TOLD = 4
"""Layers whose confidence is told below a picture, at most."""
WIDTH = 480
"""Of a picture, in pixels."""
QUALITY = 78
"""Of a picture, as WebP counts."""
_OURS = re.compile(rb'<meta name="rotograph" content="([0-9a-f]{32})">')


@dataclass(frozen=True)
class Row:
    """One frame as the page needs it. confidence: of each layer that is delivered there."""

    frame: int
    confidence: Mapping[str, float]


def noted(path: Path) -> str | None:
    """The digest of the report that is at this place, "" for another file, None for none."""
    try:
        with path.open("rb") as file:
            found = _OURS.search(file.read(4096))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WriteError(
            f"cannot be looked at: {error.strerror}", file=path, hint="choose another name"
        ) from None
    return found[1].decode() if found else ""


def check_page(path: Path, overwrite: bool = False) -> None:
    """Raise WriteError, before anything is computed, when the page has no place there."""
    if noted(path) == "" and not overwrite:
        raise WriteError(
            "is there, and no report of Rotograph's",
            file=path,
            hint="choose another name, or take it away",
        )
    if not path.absolute().parent.is_dir():
        raise WriteError("its folder is not there", file=path, hint="make the folder first")


def digest(shot: Finished, frames: Sequence[int], title: str) -> str:
    """Of all that a page shows, but what its making cost."""
    return shot.digest(frames, "report", version("rotograph"), title)


def write_report(
    path: Path,
    shot: Finished,
    frames: Sequence[int],
    title: str,
    summary: Summary | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Flag]:
    """Write the page, about 20 KB a picture, and give back what needs a look.

    shot: rendered before, in the same environment. summary: of that render, for what it cost.
    Raises WriteError, MediaError.
    """
    total = len(frames)
    rows: list[Row] = []
    keyed: list[int] = []

    def looked() -> Iterable[tuple[int, dict[str, Any]]]:
        for frame in frames:
            progress(len(rows), total)
            seen = {n.name: shot.seen(frame, n.name) for n in shot.layers}
            there = {name: one for name, one in seen.items() if one is not None}
            rows.append(Row(frame, {name: one.confidence for name, one in there.items()}))
            if any(one.keyed for one in there.values()):
                keyed.append(frame)
            yield frame, {n: glance(o.alpha, o.confidence) for n, o in there.items()}

    found = flags(looked())
    chosen = _chosen(frames, found)
    pictures = []
    for done, row in enumerate(r for r in rows if r.frame in chosen):
        progress(done, len(chosen))
        own = [str(flag) for flag in found if flag.frame == row.frame]
        pictures.append(
            {
                "frame": row.frame,
                **_picture(drawn(shot, shot.plate(row.frame), row.frame, WIDTH)[0]),
                "confidence": _least_sure(row.confidence),
                "others": max(0, len(row.confidence) - TOLD),
                "flags": own,
            }
        )
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
            "digest": digest(shot, frames, title),
            "plate": str(shot.plate_file(frames[0])),
        },
        layers=[
            {"name": layer.label or layer.name, "paint": hexadecimal(layer.colour)}
            for layer in shot.layers
        ],
        flags=together[:LISTED],
        flagged=len({f.frame for f in found}),
        more_flags=max(0, len(together) - LISTED),
        curves=[
            curves.curve(
                layer, [(r.frame, r.confidence.get(layer.name)) for r in rows], found, chosen
            )
            for layer in shot.layers
        ],
        plot=curves.plot(frames),
        pictures=pictures,
        work=_work(shot, summary),
        seconds=_seconds(summary, total),
        models=_models(shot),
        keyed=format_frames(keyed) if keyed else "",
        colour=_colour(shot, frames[0]),
        keys=[{"frame": f, "digests": [shot.key(f, n.name) for n in shot.layers]} for f in frames],
    )
    write_whole(path, text.encode("utf-8", "replace"))
    return found


def _chosen(frames: Sequence[int], found: Sequence[Flag]) -> set[int]:
    # of a run the worst frame, whatever else is shown: the list leads there
    worst = [run.worst.frame for run in runs(found)[:LISTED]]
    flagged = list(dict.fromkeys([*worst, *(f.frame for f in found)]))[: max(FLAGGED, len(worst))]
    spread = np.linspace(0, len(frames) - 1, min(PICTURES, len(frames)))
    return {*flagged, *(frames[round(i)] for i in spread)}


def _picture(picture: np.ndarray) -> dict[str, Any]:
    """As WebP, and its size, without which a page would jump as pictures come in."""
    _, data = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    height, width = picture.shape[:2]
    return {
        "webp": base64.b64encode(data.tobytes()).decode(),
        "width": width,
        "height": height,
    }


def _least_sure(confidence: Mapping[str, float]) -> list[tuple[str, str]]:
    """Layers and their confidence: all of a few, of many those that are the least sure."""
    named = list(confidence.items())
    if len(named) > TOLD:
        named = sorted(named, key=lambda one: one[1])[:TOLD]
    return [(name, curves.percent(value)) for name, value in named]


# -- what it was made with -----------------------------------------------------------------------


def _work(shot: Finished, summary: Summary | None) -> list[dict[str, Any]]:
    """What each node did in this run. share: of the time that was spent, for a bar; 0 to 100."""
    made = summary or Summary(0)
    whole = sum(made.spent.values()) or 1.0
    rows = []
    for node in shot.graph.order():
        count, spent = made.computed.get(node.name, 0), made.spent.get(node.name, 0.0)
        reused = made.reused.get(node.name, 0)
        rows.append(
            {
                "node": node.name,
                "type": node.type.name,
                "computed": str(count) if count or reused else "-",
                "reused": str(reused) if count or reused else "-",
                "seconds": f"{spent:.1f} s" if spent else "-",
                "each": f"{spent / count:.3g} s" if count and spent else "",
                "share": round(100 * spent / whole, 1),
            }
        )
    return rows


def _seconds(summary: Summary | None, frames: int) -> str:
    if summary is None:
        return ""
    if not summary.computed:
        return "Nothing was computed for this page: all of it was there, from earlier runs."
    each = summary.seconds / max(1, frames)
    return (
        f"This render took {summary.seconds:.1f} s, {each:.2f} s a frame; planning, and reading "
        f"what was never read, {summary.planned:.1f} s of it. The seconds of a node are those of "
        "all that worked at the same time."
    )


def _models(shot: Finished) -> list[dict[str, Any]]:
    """Every model that a stage of the graph uses, once for each node and role."""
    out: dict[tuple[str, str], dict[str, Any]] = {}
    for node in shot.graph.order():
        for stage in node.type.stages.values():
            for role, parameter in stage.models.items():
                card = shot.environment.models.card(role, node.model(parameter))
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

"""Confidence over time as the lines of a report's plots: coordinates of SVG, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rotograph.deliver.flags import LOW_CONFIDENCE, Flag
from rotograph.layer import Layer
from rotograph.picture import hexadecimal

_PLOT = {"width": 1200, "height": 150, "left": 44, "top": 8, "across": 1140, "down": 112}
APART = 9.0
"""Between dots, in the plot's units: those closer would hide each other."""


def percent(confidence: float) -> str:
    return f"{100 * confidence:.0f} %"


def plot(frames: Sequence[int]) -> dict[str, Any]:
    """The frame around the curves, with marks at about ten round frame numbers."""
    span = frames[0], frames[-1]
    steps = (s * 10**n for n in range(9) for s in (1, 2, 5))
    step = next(s for s in steps if 12 * s > span[1] - span[0])
    marks = range(-(-span[0] // step) * step, span[1] + 1, step)
    return {
        **_PLOT,
        "low": _y(LOW_CONFIDENCE),
        "ticks": [{"y": _y(v), "label": percent(v)} for v in (0, 0.5, 1)],
        "frames": [{"x": _x(f, span), "label": f} for f in marks],
    }


def curve(
    layer: Layer,
    values: Sequence[tuple[int, float | None]],
    found: Sequence[Flag],
    shown: set[int],
) -> dict[str, Any]:
    """A line, broken where the layer is not delivered, and a dot at each flag that has a picture.

    values: (frame, confidence) in rising order; None where the layer is not delivered. found: the
    flags of all layers. shown: the frames that have a picture.
    """
    span = values[0][0], values[-1][0]
    pieces: list[list[str]] = [[]]
    for frame, value in values:
        if value is not None:
            pieces[-1].append(f"{_x(frame, span):g},{_y(value):g}")
        elif pieces[-1]:
            pieces.append([])
    there = {frame: value for frame, value in values if value is not None}
    dots: list[dict[str, Any]] = []
    for flag in found:
        if flag.layer == layer.name and flag.frame in there and flag.frame in shown:
            dot = {"frame": flag.frame, "x": _x(flag.frame, span), "y": _y(there[flag.frame])}
            last = dots[-1] if dots else None
            if last is None or dot["x"] - last["x"] >= APART or flag.kind not in last["kind"]:
                dots.append({**dot, "kind": flag.kind})
    told = list(there.values())
    return {
        "name": layer.label or layer.name,
        "paint": hexadecimal(layer.colour),
        # a line of one point would not be seen
        "pieces": [" ".join(p if len(p) > 1 else p * 2) for p in pieces if p],
        "dots": dots,
        "lowest": percent(min(told)) if told else "-",
        "mean": percent(sum(told) / len(told)) if told else "-",
        "flags": sum(flag.layer == layer.name for flag in found),
    }


def _x(frame: int, span: tuple[int, int]) -> float:
    first, last = span
    share = 0.5 if first == last else (frame - first) / (last - first)
    return round(_PLOT["left"] + share * _PLOT["across"], 1)


def _y(confidence: float) -> float:
    return round(_PLOT["top"] + (1 - min(max(confidence, 0.0), 1.0)) * _PLOT["down"], 1)

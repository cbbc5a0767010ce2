"""Which frames of a shot need a look: where a layer drops out, swaps, flickers or is not trusted.

Everything is judged on mattes of about 192 pixels, three frames at a time, so that a long shot
costs no more memory than a short one. These are hints for people, not measurements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Kind = Literal["drop-out", "swap", "flicker", "low confidence"]
SIDE = 192
LOW_CONFIDENCE = 0.5
FLICKER = 0.06
"""By how much the frames before and after agree more with each other than with this one."""
GONE = 0.1
"""A layer whose area falls below this share of what it was has dropped out."""
SMALLEST = 12.0
"""Of an area that counts, in pixels of the small mattes."""


@dataclass(frozen=True)
class Flag:
    """One reason to look at a frame. value: confidence, share of the area, or disagreement."""

    frame: int
    layer: str
    kind: Kind
    value: float
    note: str = ""

    def __str__(self) -> str:
        return f"{self.layer}: {self.kind}{f', {self.note}' if self.note else ''}"


@dataclass(frozen=True)
class Run:
    """Flags of one kind and layer on frames that follow each other. worst: the one to look at."""

    first: int
    last: int
    worst: Flag

    @property
    def frames(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def runs(found: Iterable[Flag]) -> list[Run]:
    """Flags put together where they follow each other, by first frame and layer."""
    out: list[Run] = []
    for flag in sorted(found, key=lambda f: (f.layer, f.kind, f.frame)):
        before = out[-1] if out else None
        same = before and (before.worst.layer, before.worst.kind) == (flag.layer, flag.kind)
        if same and before.last == flag.frame - 1:
            low = flag.kind in ("drop-out", "low confidence")
            worse = flag.value < before.worst.value if low else flag.value > before.worst.value
            out[-1] = Run(before.first, flag.frame, flag if worse else before.worst)
        else:
            out.append(Run(flag.frame, flag.frame, flag))
    return sorted(out, key=lambda r: (r.first, r.worst.layer, r.worst.kind))


@dataclass(frozen=True, eq=False)
class Glance:
    """A layer on a frame: a small ``(h, w)`` float32 matte, and how far to trust it."""

    alpha: np.ndarray
    confidence: float | None


def glance(alpha: np.ndarray, confidence: float | None) -> Glance:
    """A full matte made small. alpha: ``(H, W)``, 0 to 1."""
    height, width = alpha.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(np.asarray(alpha, np.float32), size, interpolation=cv2.INTER_AREA)
    return Glance(small, confidence)


def flags(frames: Iterable[tuple[int, Mapping[str, Glance]]]) -> list[Flag]:
    """Frames in rising order, each layer that is delivered there; sorted by frame and layer."""
    found: list[Flag] = []
    window: list[tuple[int, Mapping[str, Glance]]] = []
    sizes: dict[str, tuple[float, float]] = {}  # (area when last seen, the most since it came)
    for frame, layers in frames:
        if window and any(
            layers[n].alpha.shape != window[-1][1][n].alpha.shape
            for n in layers.keys() & window[-1][1].keys()
        ):
            window.clear()
        window.append((frame, layers))
        found += _trust(frame, layers)
        found += _gone(frame, layers, sizes)
        if len(window) > 1 and window[-2][0] == frame - 1:
            found += _swapped(frame, window[-2][1], layers)
        if len(window) == 3:
            if window[0][0] + 1 == window[1][0] == frame - 1:
                found += _flickers(window)
            window.pop(0)
    # a layer that is gone or elsewhere is unlike its neighbours, too
    worse = {(f.frame, f.layer) for f in found if f.kind in ("drop-out", "swap")}
    found = [f for f in found if f.kind != "flicker" or (f.frame, f.layer) not in worse]
    return sorted(found, key=lambda f: (f.frame, f.layer, f.kind))


def _trust(frame: int, layers: Mapping[str, Glance]) -> list[Flag]:
    return [
        Flag(frame, name, "low confidence", one.confidence, f"{one.confidence:.2f}")
        for name, one in layers.items()
        if one.confidence is not None and one.confidence < LOW_CONFIDENCE
    ]


def _gone(
    frame: int, layers: Mapping[str, Glance], sizes: dict[str, tuple[float, float]]
) -> list[Flag]:
    """Frames from which a layer is gone though it did not leave by the picture's edge."""
    out = []
    for name, one in layers.items():
        alpha, area = one.alpha, float(one.alpha.sum())
        before, most = sizes.get(name, (0.0, 0.0))
        if before > SMALLEST and area < GONE * before:
            out.append(Flag(frame, name, "drop-out", area / before, "nothing is left of it"))
            continue
        most = max(most, area)
        rim = max(e.max() for e in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
        leaving = rim > 0.5 and area < most / 2
        sizes[name] = (0.0, most) if leaving or area <= SMALLEST else (area, most)
    return out


def _swapped(frame: int, before: Mapping[str, Glance], now: Mapping[str, Glance]) -> list[Flag]:
    """Layers that lie where another one was a frame ago, and no more where they were."""
    out = []
    names = [n for n in now if n in before and now[n].alpha.sum() > SMALLEST]
    for name in names:
        own = agreement(before[name].alpha, now[name].alpha)
        for other in names:
            if other != name and before[other].alpha.sum() > SMALLEST:
                theirs = agreement(before[other].alpha, now[name].alpha)
                if theirs > 0.5 and own < 0.5 * theirs:
                    out.append(Flag(frame, name, "swap", theirs, f"it lies where {other} was"))
    return out


def _flickers(window: list[tuple[int, Mapping[str, Glance]]]) -> list[Flag]:
    (_, before), (frame, now), (_, after) = window
    out = []
    for name in before.keys() & now.keys() & after.keys():
        a, b, c = (w[name].alpha for w in (before, now, after))
        if min(a.sum(), c.sum()) <= SMALLEST or not b.any():
            continue
        off = agreement(a, c) - (agreement(a, b) + agreement(b, c)) / 2
        if off > FLICKER:
            out.append(Flag(frame, name, "flicker", off, "unlike both its neighbours"))
    return out


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Soft intersection over union of two mattes, 0 to 1."""
    either = float(np.maximum(a, b).sum())
    return float(np.minimum(a, b).sum()) / either if either else 1.0

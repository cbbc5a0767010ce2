"""One short trial for each role of a model, on two pictures made up here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rotograph import record
from rotograph.card import Card
from rotograph.image import Box
from rotograph.layer import Detections
from rotograph.pack import pack
from rotograph.testing import probes

NEAR = "take and return what the classic model of the role does"
FAR = 0.02
"""Mean difference of alpha that a plate that is moved or brighter may make."""
_SHIFT = (4, 8)
_MARGIN = 24

Arrays = list[np.ndarray]


class Wrong(Exception):
    """An adapter breaks a rule; hint says what to do."""

    def __init__(self, rule: str, message: str, hint: str = NEAR) -> None:
        super().__init__(message)
        self.rule = rule
        self.hint = hint


@dataclass(frozen=True, eq=False)
class Asked:
    """Prompts in pixels of a picture, as segmenters are asked (docs/models.md)."""

    boxes: tuple[tuple[float, float, float, float], ...] = ()
    inside: tuple[tuple[float, float], ...] = ()
    outside: tuple[tuple[float, float], ...] = ()
    masks: tuple[np.ndarray, ...] = ()
    erasures: tuple[np.ndarray, ...] = ()


def _picture(which: int) -> np.ndarray:
    """``(64, 96, 3)`` float32 in [0, 1]."""
    frame = probes.FRAMES[2 * which]
    small = np.clip(probes.pixels("plain", frame).astype(np.float32), 0, 1)
    return small.repeat(2, axis=0).repeat(2, axis=1)


def _truth(which: int) -> np.ndarray:
    """``(64, 96)`` float32 in [0, 1]: the disc in the picture."""
    small = probes.alpha("plain", probes.FRAMES[2 * which], "a")
    return small.repeat(2, axis=0).repeat(2, axis=1)


def _still(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """The motion between two frames of which nothing moves."""
    flow, error = np.zeros((*shape, 2), np.float16), np.zeros(shape, np.float16)
    return {"forward": flow, "backward": flow, "forward_error": error, "backward_error": error}


def _asked(which: int) -> Asked:
    x0, y0, x1, y1 = (2 * v for v in probes.box("plain", probes.FRAMES[2 * which]))
    return Asked(boxes=((x0, y0, x1, y1),), inside=(((x0 + x1) / 2, (y0 + y1) / 2),))


def _segment(adapter: Any, card: Card, which: int) -> Arrays:
    features = _called(adapter.encode, _picture(which))
    _kept(features, "what encode gives")
    found = _called(adapter.segment, features, _asked(which), None)
    return [_plane(found, "logits", (64, 96))]


def _track(adapter: Any, card: Card, which: int) -> Arrays:
    here = _called(adapter.encode, _picture(which))
    there = _called(adapter.encode, _picture(1 - which))
    logits = (16 * _truth(which) - 8).astype(np.float32)
    begun = _called(adapter.start, here, logits, None)
    arrays = [*_kept(here, "what encode gives"), *_kept(begun, "the state that start gives")]
    anchors = [(begun, here)]
    if card.network.get("look_back", 1) > 1:
        step = adapter.step(begun, None, there, None, [(begun, None)], [])
    else:
        step = _called(adapter.step, begun, here, there, _still((64, 96)), anchors, [])
    arrays += _kept(step, "the state that step gives")
    fused, confidence = adapter.fuse(step, None, 1, None, there)
    if not 0.0 <= float(confidence) <= 1.0:
        raise Wrong("values", f"the confidence is {float(confidence):g}, not from 0 to 1")
    return [*arrays, _plane(fused, "logits", (64, 96))]


def _motion(adapter: Any, card: Card, which: int) -> Arrays:
    pair = [{"picture": _picture(w).astype(np.float16)} for w in (which, 1 - which)]
    found = _called(adapter.motion, *pair)
    for name in ("forward", "backward"):
        if name not in found or found[name].shape != (64, 96, 2):
            raise Wrong("interface", f"'{name}' is not there, or not (h, w, 2)")
        _plane(found.get(f"{name}_error"), f"{name}_error", (64, 96), exact=False)
    return _kept(found, "the motion")


def _matte(adapter: Any, card: Card, which: int) -> Arrays:
    linear = probes.pixels("plain", probes.FRAMES[2 * which]).astype(np.float32)
    linear = np.pad(linear, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="edge")
    truth = np.pad(probes.alpha("plain", probes.FRAMES[2 * which], "a"), _MARGIN)
    trimap = _trimap(truth)
    alpha = _alpha(_called(adapter.estimate_alpha, linear, trimap, None), trimap)
    wild = linear.copy()
    wild[_MARGIN + 3, _MARGIN + 20] = np.nan, np.inf, -np.inf
    _alpha(adapter.estimate_alpha(wild, trimap, None), trimap)
    moved, drawn = (np.roll(a, _SHIFT, axis=(0, 1)) for a in (linear, trimap))
    back = np.roll(adapter.estimate_alpha(moved, drawn, None), (-_SHIFT[0], -_SHIFT[1]), (0, 1))
    _same(alpha, back, trimap, "is moved by a few pixels")
    if not getattr(adapter, "input_space", ""):
        _same(alpha, adapter.estimate_alpha(linear * 4, trimap, None), trimap, "is brighter")
    return [alpha]


def _trimap(truth: np.ndarray) -> np.ndarray:
    """0, 0.5, 1: unknown for some pixels around the edge."""
    height, width = truth.shape
    y, x = np.mgrid[:height, :width]
    cy, cx = (np.average(a, weights=truth) for a in (y, x))
    far = np.hypot(x - cx, y - cy)
    return np.select([far < 5, far > 12], [1.0, 0.0], 0.5).astype(np.float32)


def _alpha(alpha: Any, trimap: np.ndarray) -> np.ndarray:
    _plane(alpha, "alpha", trimap.shape)
    if alpha.min() < 0 or alpha.max() > 1:
        raise Wrong("values", f"alpha is from {alpha.min():g} to {alpha.max():g}, not 0 to 1")
    known = trimap != 0.5
    if not np.array_equal(alpha[known], trimap[known]):
        raise Wrong("trimap", "alpha differs from the trimap where that is 0 or 1")
    return alpha


def _same(first: np.ndarray, second: np.ndarray, trimap: np.ndarray, when: str) -> None:
    apart = float(np.abs(first - second)[trimap == 0.5].mean())
    if apart > FAR:
        raise Wrong(
            "plate",
            f"alpha changes by {apart:.2g} when the plate {when}",
            "depend on colours beside each other, not on where or how bright they are",
        )


def _refine(adapter: Any, card: Card, which: int) -> Arrays:
    linear = probes.pixels("plain", probes.FRAMES[2 * which]).astype(np.float32)
    truth = probes.alpha("plain", probes.FRAMES[2 * which], "a")
    settings = adapter.Refinement()
    found = _called(adapter.refine, truth, linear, [None, None], settings, 1.0)
    _plane(found, "alpha", truth.shape)
    if found.min() < 0 or found.max() > 1:
        raise Wrong("values", f"alpha is from {found.min():g} to {found.max():g}, not 0 to 1")
    return [found]


def _detect(adapter: Any, card: Card, which: int) -> Arrays:
    if card.per_frame:
        text = "person" if card.reads_text else ""
        found = _called(adapter.detect, _picture(which), text)
        arrays = _kept(found, "what detect gives")
        for name in ("boxes", "scores", "classes"):
            if name not in found or len(found[name]) != len(found["boxes"]):
                raise Wrong("interface", f"detect gives no '{name}', or not one for each box")
        if not list(adapter.names(text)):
            raise Wrong("interface", "names gives no name")
        return arrays
    pair = [{"picture": _picture(w).astype(np.float16)} for w in (which, 1 - which)]
    found = _called(adapter.evidence, *pair, _still((64, 96)))
    arrays = _kept(found, "what evidence gives")
    made = adapter.propose({1: found}, Box(0, 0, 96, 64), max_layers=2, min_area=0.0, threshold=0.0)
    if not isinstance(made, Detections):
        raise Wrong("interface", f"propose gives a {type(made).__name__}, not Detections")
    return arrays


TRIALS: dict[str, Callable[[Any, Card, int], Arrays]] = {
    "detect": _detect,
    "segment": _segment,
    "track": _track,
    "motion": _motion,
    "matte": _matte,
    "refine": _refine,
}
"""Role -> a trial: (adapter, card, which of two pictures) -> the arrays it gave. Raises Wrong."""


def _plane(found: Any, what: str, shape: tuple[int, ...], exact: bool = True) -> np.ndarray:
    """A float plane of this shape, finite; float32 if it must be exact."""
    if not isinstance(found, np.ndarray) or found.shape != shape:
        size = getattr(found, "shape", type(found).__name__)
        raise Wrong("interface", f"{what} is {size}, not {shape}")
    if exact and found.dtype != np.float32:
        raise Wrong("interface", f"{what} is {found.dtype}, not float32")
    if not np.isfinite(found).all():
        raise Wrong("values", f"{what} is not all finite")
    return found


def _kept(value: Any, what: str) -> Arrays:
    """The arrays of what the store is to keep."""
    try:
        record.encode(pack(value))
    except (TypeError, ValueError) as error:
        raise Wrong("interface", f"{what} cannot be kept: {error}") from None
    if not isinstance(value, dict):
        raise Wrong("interface", f"{what} is a {type(value).__name__}, not a dict of arrays")
    return list(value.values())


def _called(function: Callable[..., Any], *given: Any) -> Any:
    """What a function gives, which must leave alone what it was given."""
    before = _digest(given)
    value = function(*given)
    if _digest(given) != before:
        raise Wrong("given", "it writes into what it is given", "work on a copy")
    return value


def _digest(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return hashlib.blake2b(np.ascontiguousarray(value).tobytes()).digest()
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        return b"".join(map(_digest, value))
    return b""

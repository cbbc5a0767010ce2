"""Any ONNX network as its card says: a picture in, its outputs out, mapped back to the picture.

The card's ``[network]`` table (docs/models.md) is all that a network needs; no code of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from rotograph.errors import ModelError
from rotograph.models import Supply
from rotograph_nodes.models.onnx_file import opened
from rotograph_nodes.models.placing import Place, inside, resized

CERTAIN = 8.0
"""Logits of what a network is sure of."""


@dataclass(frozen=True)
class Facts:
    """The card's ``[network]`` table.

    size: ``(height, width)`` of the input, None when any multiple of the card's stride will do.
    layout: NCHW, NHWC, or HWC: one picture, no larger than it is in ``size``, which the network
    fills by itself. channels: RGB or BGR; a fourth, M, is a mask from before, which is empty
    here. fit: ``stretch`` to the size, or ``letterbox``: keep the aspect, and ``pad`` the rest with
    a value, or with one of each channel. scale, mean, std: a channel c of the picture goes in as
    (c * scale - mean) / std.
    output: number or name of the output. output_layout: NCHW, NHWC, or ``flat`` for rows one after
    the other. values: what they are: ``probability``, ``logits``, or ``classes``, a score for each.
    channel: which of them is meant. threshold: the probability that is the mask's boundary.
    trimap: False for a network of the role matte that makes alpha without one. state: of a network
    that remembers, pairs of an input's name and the output that it is given of the frame before.
    ratio: the name of an input that takes how much smaller the network may make the picture for
    itself, and the long side that it is to work at. decode, classes, nms: of detectors
    (onnx_detect.py); score: the least that Detect takes, if it is not told another. decoder: of a
    network in two files, the second's inputs and outputs (onnx_sam.py). stretch: the plate itself
    is scaled to a square of the card's working size, so that a network that sees squares gets all
    rows of a wide plate, and its answer keeps them.
    """

    size: tuple[int, int] | None = None
    layout: str = "NCHW"
    channels: str = "RGB"
    fit: str = "stretch"
    pad: float | tuple[float, ...] = 0.0
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    output: int | str = 0
    output_layout: str = "NCHW"
    values: str = "probability"
    channel: int = 0
    threshold: float = 0.5
    trimap: bool = True
    state: tuple[tuple[str, str], ...] = ()
    ratio: tuple[str, int] = ()
    decode: str = ""
    classes: tuple[str, ...] = ()
    nms: float = 0.45
    score: float = 0.0
    decoder: Mapping[str, str] = field(default_factory=dict)
    stretch: bool = False


_ALLOWED = {
    "layout": ("NCHW", "NHWC", "HWC"),
    "channels": ("RGB", "BGR", "RGBM"),
    "fit": ("stretch", "letterbox"),
    "output_layout": ("NCHW", "NHWC", "flat"),
    "values": ("probability", "logits", "classes"),
}


def read_facts(name: str, table: Mapping[str, Any]) -> Facts:
    """The facts of a card; raises ModelError naming the model."""
    lists = {k: _frozen(v) for k, v in table.items()}
    try:
        facts = Facts(**lists)
    except TypeError as error:
        raise ModelError(f"the card of '{name}' is wrong in [network]: {error}") from None
    for key, allowed in _ALLOWED.items():
        if getattr(facts, key) not in allowed:
            raise ModelError(
                f"the card of '{name}' says {key} = {getattr(facts, key)!r} in [network]",
                hint=f"one of {', '.join(allowed)}",
            )
    return facts


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@dataclass
class Network:
    """One ONNX file, loaded when it is first run."""

    supply: Supply
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        self.facts = read_facts(self.supply.card.name, self.supply.card.network)

    def run(
        self, picture: np.ndarray, more: Mapping[str, np.ndarray] | None = None
    ) -> tuple[list[np.ndarray], Place]:
        """All outputs, in the file's order, and where the picture is in them.

        picture: ``(h, w, 3)`` float32, the card's input space. more: what the other inputs take.
        Raises ModelError when the file does not fit its card, cannot be run, or would not run on
        the device that was asked for.
        """
        ready, place = self._prepare(picture)
        with opened(self.supply) as session:
            first, wanted = next(iter(session.inputs.items()))
            if len(wanted) != ready.ndim or any(
                isinstance(n, int) and n != have
                for n, have in zip(wanted, ready.shape, strict=True)
            ):
                raise ModelError(
                    f"the network '{self.supply.card.name}' takes {list(wanted)}, and its card "
                    f"makes {list(ready.shape)}",
                    file=self.supply.weights,
                    hint="correct size and layout on the card",
                )
            return session.run({first: ready, **(more or {})}), place

    def names(self) -> list[str]:
        """The outputs' names, in the file's order; raises ModelError as ``run``."""
        with opened(self.supply) as session:
            return list(session.outputs)

    def output(self, outputs: list[np.ndarray]) -> np.ndarray:
        """The output that the card means; raises ModelError when there is none such."""
        which = self.facts.output
        if isinstance(which, int) and 0 <= which < len(outputs):
            return outputs[which]
        raise ModelError(
            f"the network '{self.supply.card.name}' has no output {which!r}, only {len(outputs)}",
            file=self.supply.weights,
            hint="correct 'output' on the card: its number, from 0",
        )

    def _prepare(self, picture: np.ndarray) -> tuple[np.ndarray, Place]:
        """The input, float32, of a picture ``(h, w, 3)`` float32."""
        facts, (height, width) = self.facts, picture.shape[:2]
        used = size = facts.size or _multiple((height, width), self.supply.card.stride)
        if facts.size is None:
            used = (height, width)
        elif facts.fit == "letterbox":
            used = inside((height, width), size)
        seen = resized(np.clip(picture, 0.0, 1.0), used)
        if used != tuple(size) and facts.layout != "HWC":
            mode, more = cv2.BORDER_CONSTANT, (size[0] - used[0], size[1] - used[1])
            if facts.size is None:
                mode = cv2.BORDER_REPLICATE
            pad = np.broadcast_to(facts.pad, 3).tolist()
            seen = cv2.copyMakeBorder(seen, 0, more[0], 0, more[1], mode, value=pad)
        if facts.channels == "BGR":
            seen = seen[..., ::-1]
        ready = (seen * np.float32(facts.scale) - np.float32(facts.mean)) / np.float32(facts.std)
        if facts.channels == "RGBM":
            ready = np.concatenate([ready, np.zeros_like(ready[..., :1])], axis=-1)
        if facts.layout == "NCHW":
            ready = ready.transpose(2, 0, 1)
        if facts.layout != "HWC":
            ready = ready[None]
        return np.ascontiguousarray(ready, np.float32), Place((height, width), used, size)


def _multiple(shape: tuple[int, int], stride: int) -> tuple[int, int]:
    return tuple(-(-n // stride) * stride for n in shape)

"""Any ONNX network as its card says: a picture in, its outputs out, mapped back to the picture.

The card's ``[network]`` table (docs/models.md) is all that a network needs; no code of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from rotograph import device
from rotograph.errors import ModelError
from rotograph.models import Supply

CERTAIN = 8.0
"""Logits of what a network is sure of."""


@dataclass(frozen=True)
class Facts:
    """The card's ``[network]`` table.

    size: ``(height, width)`` of the input, None when any multiple of the card's stride will do.
    layout: NCHW or NHWC. channels: RGB or BGR; a fourth, M, is a mask from before, which is empty
    here. fit: ``stretch`` to the size, or ``letterbox``: keep the aspect, and ``pad`` the rest with
    a value. scale, mean, std: a channel c of the picture goes in as (c * scale - mean) / std.
    output: number or name of the output. output_layout: NCHW, NHWC, or ``flat`` for rows one after
    the other. values: what they are: ``probability``, ``logits``, or ``classes``, a score for each.
    channel: which of them is meant. threshold: the probability that is the mask's boundary.
    trimap: False for a network of the role matte that makes alpha without one. state: of a network
    that remembers, pairs of an input's name and the output that it is given of the frame before.
    ratio: the name of an input that takes how much smaller the network may make the picture for
    itself, and the long side that it is to work at. decode, classes, nms: of detectors
    (onnx_detect.py).
    """

    size: tuple[int, int] | None = None
    layout: str = "NCHW"
    channels: str = "RGB"
    fit: str = "stretch"
    pad: float = 0.0
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


_ALLOWED = {
    "layout": ("NCHW", "NHWC"),
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


@dataclass(frozen=True)
class Place:
    """Where the picture lies in the network's input: at its top left, ``used`` of ``size``.

    picture, used, size: ``(height, width)``.
    """

    picture: tuple[int, int]
    used: tuple[int, int]
    size: tuple[int, int]

    def back(self, output: np.ndarray) -> np.ndarray:
        """A grid ``(h, w)`` float32 over the whole input as one over the picture alone."""
        (height, width), (used_h, used_w), (in_h, in_w) = self.picture, self.used, self.size
        out_h, out_w = output.shape
        # what lies over the padding must not reach into the picture's border
        inside_h = max(1, int(used_h * out_h / in_h + 0.5))
        inside_w = max(1, int(used_w * out_w / in_w + 0.5))
        # the centre x + 0.5 of a picture's pixel is at (x + 0.5) * step in the output
        step_x = used_w / in_w * out_w / width
        step_y = used_h / in_h * out_h / height
        matrix = np.array([[step_x, 0, step_x / 2 - 0.5], [0, step_y, step_y / 2 - 0.5]])
        return cv2.warpAffine(
            np.ascontiguousarray(output[:inside_h, :inside_w], np.float32),
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


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
        card = self.supply.card
        ready, place = self._prepare(picture)
        with self._session() as session:
            wanted = session.get_inputs()[0]
            if len(wanted.shape) != ready.ndim or any(
                isinstance(n, int) and n != have
                for n, have in zip(wanted.shape, ready.shape, strict=True)
            ):
                raise ModelError(
                    f"the network '{card.name}' takes {wanted.shape}, and its card makes "
                    f"{list(ready.shape)}",
                    file=self.supply.weights,
                    hint="correct size and layout on the card",
                )
            try:
                return session.run(None, {wanted.name: ready, **(more or {})}), place
            except Exception as error:  # ONNX Runtime has no error class of its own
                raise ModelError(
                    f"the network '{card.name}' failed: {str(error)[:200]}",
                    file=self.supply.weights,
                ) from None

    def names(self) -> list[str]:
        """The outputs' names, in the file's order; raises ModelError as ``run``."""
        with self._session() as session:
            return [output.name for output in session.get_outputs()]

    def _session(self) -> AbstractContextManager[Any]:
        card = self.supply.card
        name = (card.name, card.weights, self.supply.device)
        return self.supply.resident.use(name, self._load, expected=card.size)

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

    def _load(self) -> tuple[Any, int]:
        import onnxruntime

        card = self.supply.card
        chosen, providers = device.onnx_providers(self.supply.device)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of every weight of some old files
        options.use_deterministic_compute = True
        try:
            session = onnxruntime.InferenceSession(
                str(self.supply.weights),
                options,
                providers=providers,
            )
        except Exception as error:
            raise ModelError(
                f"is not a network that ONNX Runtime can run: {str(error)[:200]}",
                file=self.supply.weights,
                hint=f"rotograph models verify {card.name}",
            ) from None
        device.check_providers(session, chosen, card.name)
        return session, self.supply.weights.stat().st_size

    def _prepare(self, picture: np.ndarray) -> tuple[np.ndarray, Place]:
        """The input ``(1, …)`` float32 of a picture ``(h, w, 3)`` float32."""
        facts, (height, width) = self.facts, picture.shape[:2]
        used = size = facts.size or _multiple((height, width), self.supply.card.stride)
        if facts.size is None:
            used = (height, width)
        elif facts.fit == "letterbox":
            step = min(size[0] / height, size[1] / width)
            used = tuple(
                min(n, max(1, round(have * step)))
                for n, have in zip(size, (height, width), strict=True)
            )
        seen = _resized(np.clip(picture, 0.0, 1.0), used)
        if used != tuple(size):
            mode, more = cv2.BORDER_CONSTANT, (size[0] - used[0], size[1] - used[1])
            if facts.size is None:
                mode = cv2.BORDER_REPLICATE
            seen = cv2.copyMakeBorder(seen, 0, more[0], 0, more[1], mode, value=(facts.pad,) * 3)
        if facts.channels == "BGR":
            seen = seen[..., ::-1]
        ready = (seen * np.float32(facts.scale) - np.float32(facts.mean)) / np.float32(facts.std)
        if facts.channels == "RGBM":
            ready = np.concatenate([ready, np.zeros_like(ready[..., :1])], axis=-1)
        if facts.layout == "NCHW":
            ready = ready.transpose(2, 0, 1)
        return np.ascontiguousarray(ready[None], np.float32), Place((height, width), used, size)


def _multiple(shape: tuple[int, int], stride: int) -> tuple[int, int]:
    return tuple(-(-n // stride) * stride for n in shape)


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """To ``(height, width)``: averaged where it gets smaller, interpolated where it gets larger."""
    height, width = picture.shape[:2]
    smaller = min(height, size[0]), min(width, size[1])
    if smaller != (height, width):
        picture = cv2.resize(picture, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != tuple(size):
        picture = cv2.resize(picture, tuple(size)[::-1], interpolation=cv2.INTER_LINEAR)
    return picture

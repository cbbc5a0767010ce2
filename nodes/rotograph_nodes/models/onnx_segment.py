"""Segment with an ONNX network that finds one kind of thing by itself, such as people or hair."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from rotograph.errors import ModelError
from rotograph.models import Supply
from rotograph_nodes.models.onnx import CERTAIN, Facts, Network
from rotograph_nodes.models.prompts import GridPrompts


class Segmenter:
    """The role's interface over one network. It keeps nothing from frame to frame."""

    def __init__(self, supply: Supply) -> None:
        self.network = Network(supply)

    def encode(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """``{"logits": (h, w) float16}`` of all that the network finds; prompts take no part.

        picture: ``(h, w, 3)`` float32, the card's input space. Raises ModelError.
        """
        outputs, place = self.network.run(picture)
        found = scores(self.network.output(outputs), self.network.facts, self.network.supply)
        return {"logits": place.back(found).astype(np.float16)}

    def segment(
        self,
        features: Mapping[str, np.ndarray],
        prompts: GridPrompts,
        prior: np.ndarray | None = None,
    ) -> np.ndarray:
        """Logits of one layer: ``(h, w)`` float32, positive inside, ±8 is certain.

        What the network found, or ``prior``; prompts choose from it. Boxes: only what is in one of
        them. Points: only the pieces under points inside, none of those under points outside; a
        drawn mask is the layer, a drawn erasure is not.
        """
        logits = (features["logits"] if prior is None else prior).astype(np.float32)
        if prompts.boxes:
            logits = np.where(_in_boxes(prompts.boxes, logits.shape), logits, -CERTAIN)
        _, pieces = cv2.connectedComponents((logits > 0).astype(np.uint8))
        if prompts.inside and not prompts.boxes:
            kept = _under(prompts.inside, pieces)
            logits = np.where((pieces == 0) | np.isin(pieces, list(kept)), logits, -CERTAIN)
        if gone := _under(prompts.outside, pieces):
            logits = np.where(np.isin(pieces, list(gone)), -CERTAIN, logits)
        for mask in prompts.masks:
            logits = np.where(mask > 0.5, CERTAIN, logits)
        for mask in prompts.erasures:
            logits = np.where(mask > 0.5, -CERTAIN, logits)
        return logits.astype(np.float32)


def scores(output: np.ndarray, facts: Facts, supply: Supply) -> np.ndarray:
    """An output as logits ``(h, w)`` float32 within ±8, as its card says; raises ModelError."""
    values = np.asarray(output, np.float32)
    try:
        if facts.output_layout == "flat":
            planes = values.reshape(facts.size)[None]
        else:
            values = values.reshape(values.shape[-3:]) if values.ndim >= 3 else values[None]
            planes = values.transpose(2, 0, 1) if facts.output_layout == "NHWC" else values
        own = planes[facts.channel]
    except (ValueError, IndexError, TypeError):
        raise ModelError(
            f"an output {list(output.shape)} of '{supply.card.name}' is not what its card says",
            file=supply.weights,
            hint="correct 'output', 'output_layout' and 'channel' on the card",
        ) from None
    if facts.values == "probability":
        sure = np.clip(own, 1e-4, 1.0 - 1e-4)
        logits = np.log(sure / (1.0 - sure))
    elif facts.values == "classes":
        others = np.delete(planes, facts.channel, axis=0)
        top = others.max(axis=0)
        logits = own - (top + np.log(np.exp(others - top).sum(axis=0)))
    else:
        logits = own
    logits = logits - np.float32(np.log(facts.threshold / (1.0 - facts.threshold)))
    return np.clip(np.nan_to_num(logits, nan=-CERTAIN), -CERTAIN, CERTAIN).astype(np.float32)


def _in_boxes(boxes: tuple[tuple[float, ...], ...], shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.any([(x >= a) & (y >= b) & (x <= c) & (y <= d) for a, b, c, d in boxes], axis=0)


def _under(points: tuple[tuple[float, float], ...], pieces: np.ndarray) -> set[int]:
    """The numbers of the pieces that the points are on; 0 is none."""
    height, width = pieces.shape
    inside = [(int(x), int(y)) for x, y in points if 0 <= x < width and 0 <= y < height]
    return {int(pieces[y, x]) for x, y in inside} - {0}

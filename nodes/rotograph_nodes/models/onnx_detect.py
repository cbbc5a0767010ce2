"""Detect with an ONNX network: what things look like, frame by frame, as boxes with a kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rotograph.errors import ModelError
from rotograph.models import Supply
from rotograph_nodes.models.kinds import known
from rotograph_nodes.models.onnx import Network
from rotograph_nodes.naming import distinct

LEAST = 0.1
"""Boxes that are less sure than this are not kept; Detect's threshold asks for more."""


class Detector:
    """The role's interface over one network; the card says how its outputs become boxes."""

    def __init__(self, supply: Supply) -> None:
        self.network = Network(supply)
        decode = self.network.facts.decode
        if decode not in DECODERS:
            raise ModelError(
                f"the card of '{supply.card.name}' says decode = {decode!r} in [network]",
                hint=f"one of {', '.join(DECODERS)}",
            )
        self._decode: Callable = DECODERS[decode]

    def names(self, text: str) -> tuple[str, ...]:
        """What the kinds of ``detect`` are called; always all that the network knows."""
        return self.network.facts.classes

    def detect(self, picture: np.ndarray, text: str) -> dict[str, np.ndarray]:
        """What is on one frame, the surest first.

        picture: ``(h, w, 3)`` float32, the card's input space. text: kinds of things, such as
        "person, car"; empty for all that it knows. Returns ``boxes`` ``(n, 4)`` float32 x0, y0, x1,
        y1 in the picture's pixels, inside it; ``scores`` ``(n,)`` float32 in [0, 1]; ``classes``
        ``(n,)`` int32, numbers in ``names``. Raises PromptError for a kind that it does not know,
        ModelError when the network cannot be run.
        """
        wanted = known(text, self.network.facts.classes, self.network.supply.card.name)
        outputs, place = self.network.run(picture)
        boxes, scores, classes = self._decode(outputs)
        height, width = picture.shape[:2]
        # shares of the whole input to pixels of the picture, which fills "used" of it
        step = [
            n * size / used
            for n, size, used in zip((height, width), place.size, place.used, strict=True)
        ]
        boxes = boxes * np.float32([step[1], step[0]] * 2)
        boxes = np.clip(boxes, 0, np.float32([width, height] * 2)).astype(np.float32)
        there = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & (scores >= LEAST)
        there &= np.isin(classes, wanted)
        boxes, scores, classes = boxes[there], scores[there], classes[there]
        kept = distinct(boxes, scores, classes, self.network.facts.nms)
        return {
            "boxes": boxes[kept].reshape(-1, 4),
            "scores": scores[kept].astype(np.float32),
            "classes": classes[kept].astype(np.int32),
        }


def _fastestdet(outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FastestDet (dog-qiuqiu, 2022): of each cell score, box and classes, ``(1, 5 + k, h, w)``."""
    found = outputs[0][0].astype(np.float32)
    _, height, width = found.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    kind = found[5:].argmax(axis=0)
    scores = found[0] ** 0.6 * found[5:].max(axis=0) ** 0.4
    x, y = (columns + np.tanh(found[1])) / width, (rows + np.tanh(found[2])) / height
    across, down = _sigmoid(found[3]) / 2, _sigmoid(found[4]) / 2
    boxes = np.stack([x - across, y - down, x + across, y + down], axis=-1)
    return boxes.reshape(-1, 4), scores.ravel(), kind.ravel()


def _faces(outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ultra-Light-Fast-Generic-Face-Detector (Linzaer, 2019): ``(1, n, 2)`` and ``(1, n, 4)``."""
    scores, boxes = outputs[0][0].astype(np.float32), outputs[1][0].astype(np.float32)
    return boxes, scores[:, 1], np.zeros(len(boxes), int)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60, 60)))


DECODERS = {"fastestdet": _fastestdet, "faces": _faces}

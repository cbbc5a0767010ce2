"""Grounding DINO for the role ``detect``: boxes of what a text names, frame by frame.

Liu et al., "Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set Object
Detection", 2023, in the classes of transformers; the picture and the text are prepared here,
because that package's own preparation asks for torchvision.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from rotograph.errors import PromptError
from rotograph.models import Supply
from rotograph_nodes.models import hugging_face
from rotograph_nodes.models.held import held
from rotograph_nodes.models.kinds import kinds
from rotograph_nodes.naming import distinct

SHORT, LONG = 800, 1333
"""Pixels of the picture's sides, as the authors evaluate it."""
LEAST = 0.1
"""Boxes that are less sure than this are not kept; Detect's threshold asks for more."""
ALIKE = 0.7
"""Of two boxes of one kind that overlap by more (intersection over union), one is kept."""


class Adapter:
    """The role's interface over one network."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._tokens = hugging_face.tokenizer(supply)

    def names(self, text: str) -> tuple[str, ...]:
        """The kinds that a text such as ``person, red car`` names; raises PromptError for none."""
        return kinds(text, self._supply.card.name)

    def detect(self, picture: np.ndarray, text: str) -> dict[str, np.ndarray]:
        """What of the text is on one frame, the surest first.

        picture: ``(h, w, 3)`` float32, display-referred in [0, 1]. Returns ``boxes`` ``(n, 4)``
        float32 x0, y0, x1, y1 in the picture's pixels, inside it; ``scores`` ``(n,)`` float32 in
        [0, 1], of the word of the kind that the box answers to most; ``classes`` ``(n,)`` int32,
        numbers in ``names``. Raises PromptError and ModelError.
        """
        said = self._caption(self.names(text))
        with self._network() as network:
            logits, boxes = self.answer(network, picture, said["ids"])
        # a kind is as sure as the surest of its words
        sureness = np.stack([logits[:, places].max(axis=1) for places in said["places"]], axis=1)
        classes = sureness.argmax(axis=1)
        scores = 1.0 / (1.0 + np.exp(-np.clip(sureness.max(axis=1), -60.0, 60.0)))
        height, width = picture.shape[:2]
        middle, half = boxes[:, :2], boxes[:, 2:] / 2
        corners = np.concatenate([middle - half, middle + half], axis=1).clip(0.0, 1.0)
        corners = (corners * np.float32([width, height] * 2)).astype(np.float32)
        sure = (scores >= LEAST) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
        corners, scores, classes = corners[sure], scores[sure], classes[sure]
        kept = distinct(corners, scores, classes, ALIKE)
        return {
            "boxes": corners[kept].reshape(-1, 4),
            "scores": scores[kept].astype(np.float32),
            "classes": classes[kept].astype(np.int32),
        }

    @staticmethod
    @torch.inference_mode()
    def answer(network: Any, picture: np.ndarray, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Logits ``(queries, tokens)`` and boxes ``(queries, 4)``, middle and size, in shares."""
        device = network.device
        size = _size(*picture.shape[:2])
        seen = torch.tensor(np.clip(picture, 0.0, 1.0), device=device)
        image = hugging_face.normalised(seen)[None]
        if tuple(image.shape[-2:]) != size:
            image = functional.interpolate(image, size, mode="bilinear", antialias=True)
        words = torch.tensor([ids], device=device)
        out = network(
            pixel_values=image,
            input_ids=words,
            token_type_ids=torch.zeros_like(words),
            attention_mask=torch.ones_like(words),
        )
        logits = out.logits[0, :, : len(ids)]
        return logits.float().cpu().numpy(), out.pred_boxes[0].float().cpu().numpy()

    def _caption(self, named: tuple[str, ...]) -> dict[str, Any]:
        """Token numbers of "person. red car." and, of each kind, the places of its tokens."""
        caption = " ".join(f"{kind}." for kind in named)
        told = self._tokens.encode(caption)
        places, start = [], 0
        for kind in named:
            end = start + len(kind)
            own = [
                i
                for i, (a, b) in enumerate(told.offsets)
                if not told.special_tokens_mask[i] and a < end and b > start
            ]
            if not own:
                raise PromptError(f"the model knows no word of '{kind}'", hint="change 'text'")
            places.append(own)
            start = end + 2
        return {"ids": told.ids, "places": places}

    def _network(self) -> AbstractContextManager[Any]:
        def make() -> torch.nn.Module:
            names = ("GroundingDinoForObjectDetection", "GroundingDinoConfig")
            return hugging_face.load(*hugging_face.classes(self._supply, *names), self._supply)

        return held(self._supply, make, lambda network: network)


def _size(height: int, width: int) -> tuple[int, int]:
    """Height and width of what the network sees, to the pixel as its own preparation rounds."""
    short, long = min(height, width), max(height, width)
    least = min(float(SHORT), LONG * short / long)
    sides = max(1, round(least)), max(1, int(least * long / short))
    return sides if height <= width else sides[::-1]

"""SAM 3 for the role ``detect``: boxes of what a text names, frame by frame.

Carion et al., "SAM 3: Segment Anything with Concepts", 2025, in the classes of transformers; the
picture and the text are prepared here, because that package's own preparation asks for torchvision.
Segment makes masks of the boxes with the tracker of the same checkpoint (sam3_tracker.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from rotograph.errors import PromptError
from rotograph.models import Supply
from rotograph_nodes.models import half, hugging_face
from rotograph_nodes.models.held import held
from rotograph_nodes.models.kinds import kinds
from rotograph_nodes.naming import distinct

MEAN = DEVIATION = (0.5, 0.5, 0.5)
"""Of SAM 3's pictures, unlike ImageNet's."""
LEAST = 0.1
"""Boxes that are less sure than this are not kept; Detect's threshold asks for more."""
ALIKE = 0.7
"""Of two boxes of one kind that overlap by more (intersection over union), one is kept."""


class Detector:
    """The role's interface over one network."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._tokens = hugging_face.tokenizer(supply)

    @property
    def precision(self) -> str:
        """See ``half.precision``."""
        return half.precision(self._supply)

    def names(self, text: str) -> tuple[str, ...]:
        """The kinds that a text such as ``person, red car`` names; raises PromptError for none."""
        return kinds(text, self._supply.card.name)

    def detect(self, picture: np.ndarray, text: str) -> dict[str, np.ndarray]:
        """What of the text is on one frame, the surest first.

        picture: ``(h, w, 3)`` float32, display-referred in [0, 1], stretched to the network's
        square. Returns ``boxes`` ``(n, 4)`` float32 x0, y0, x1, y1 in the picture's pixels, inside
        it; ``scores`` ``(n,)`` float32 in [0, 1]: that the kind is there at all, times that this
        box is of it; ``classes`` ``(n,)`` int32, numbers in ``names``. Raises PromptError and
        ModelError.
        """
        height, width = picture.shape[:2]
        found = []
        with self._network() as network:
            seen = self.look(network, picture)
            for number, kind in enumerate(self.names(text)):
                scores, boxes = self.answer(network, seen, self._ids(network, kind))
                found.append((scores, boxes, np.full(len(scores), number, np.int32)))
        scores, shares, classes = (np.concatenate(part) for part in zip(*found, strict=True))
        boxes = (shares.clip(0.0, 1.0) * np.float32([width, height] * 2)).astype(np.float32)
        sure = (scores >= LEAST) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        boxes, scores, classes = boxes[sure], scores[sure], classes[sure]
        kept = distinct(boxes, scores, classes, ALIKE)
        return {
            "boxes": boxes[kept].reshape(-1, 4),
            "scores": scores[kept].astype(np.float32),
            "classes": classes[kept],
        }

    @torch.inference_mode()
    def look(self, network: Any, picture: np.ndarray) -> Any:
        """What the network sees of a picture, before it is told what to look for."""
        size = network.config.image_size
        image = torch.tensor(np.clip(picture, 0.0, 1.0), device=network.device)
        image = hugging_face.normalised(image, MEAN, DEVIATION)[None]
        if image.shape[-2:] != (size, size):
            image = functional.interpolate(image, (size, size), mode="bilinear", antialias=True)
        with self._precision(network):
            return network.get_vision_features(image)

    @torch.inference_mode()
    def answer(self, network: Any, seen: Any, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Scores ``(queries,)`` and boxes ``(queries, 4)``, corners in shares of the picture."""
        words = torch.tensor([ids], device=network.device)
        with self._precision(network):
            out = network(
                vision_embeds=seen, input_ids=words, attention_mask=torch.ones_like(words)
            )
        scores = out.pred_logits.float().sigmoid() * out.presence_logits.float().sigmoid()
        return scores[0].cpu().numpy(), out.pred_boxes[0].float().cpu().numpy()

    def _ids(self, network: Any, kind: str) -> list[int]:
        ids = self._tokens.encode(kind).ids
        most = network.config.text_config.max_position_embeddings
        if len(ids) > most:
            raise PromptError(
                f"'{kind}' is too long for the model '{self._supply.card.name}', which reads "
                f"{most} pieces of words at once",
                hint="say it in fewer words, or part it with commas",
            )
        return ids

    def _precision(self, network: Any) -> Any:
        rounds = self.precision == "bfloat16"
        return torch.autocast(network.device.type, dtype=torch.bfloat16, enabled=rounds)

    def _network(self) -> AbstractContextManager[Any]:
        def make() -> torch.nn.Module:
            found = hugging_face.classes(self._supply, "Sam3Model", "Sam3Config")
            return hugging_face.load(*found, self._supply)

        return held(self._supply, make, lambda network: network, part="detector")

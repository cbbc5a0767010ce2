"""Mask R-CNN for the role ``detect``: boxes of the kinds of things in COCO, frame by frame.

He et al., "Mask R-CNN", 2017, in the classes of torchvision (the second version of its ResNet-50).
What Detect hands on are boxes, so that the network's own masks are not computed: the model that
segments makes them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from rotograph.errors import ModelError
from rotograph.models import Supply
from rotograph_nodes.models.held import held, read_state
from rotograph_nodes.models.kinds import known
from rotograph_nodes.naming import distinct

LEAST = 0.1
"""Boxes that are less sure than this are not kept; Detect's threshold asks for more."""
ALIKE = 0.7
"""Of two boxes of one kind that overlap by more (intersection over union), one is kept."""


class Adapter:
    """The role's interface over one network."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        try:
            from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights as Published
        except (ImportError, RuntimeError) as error:
            raise ModelError(
                f"what the model '{supply.card.name}' needs cannot be imported: {error}",
                hint="install a torchvision that fits your PyTorch",
            ) from None
        self._labels: list[str] = Published.DEFAULT.meta["categories"]
        self._kinds = tuple(n for n in self._labels if n not in ("__background__", "N/A"))

    def names(self, text: str) -> tuple[str, ...]:
        """What the kinds of ``detect`` are called; always all that the network knows."""
        del text
        return self._kinds

    def detect(self, picture: np.ndarray, text: str) -> dict[str, np.ndarray]:
        """What is on one frame, the surest first.

        picture: ``(h, w, 3)`` float32, display-referred in [0, 1]. text: kinds of things, such as
        "person, car"; empty for all that it knows. Returns ``boxes`` ``(n, 4)`` float32 x0, y0, x1,
        y1 in the picture's pixels, inside it; ``scores`` ``(n,)`` float32 in [0, 1]; ``classes``
        ``(n,)`` int32, numbers in ``names``. Raises PromptError for a kind that it does not know,
        and ModelError.
        """
        wanted = known(text, self._kinds, self._supply.card.name)
        with self._network() as network:
            boxes, scores, labels = self.answer(network, picture)
        number = {
            label: self._kinds.index(n) for label, n in enumerate(self._labels) if n in self._kinds
        }
        classes = np.array([number.get(int(label), -1) for label in labels], np.int32)
        height, width = picture.shape[:2]
        boxes = boxes.clip(0.0, np.float32([width, height] * 2)).astype(np.float32)
        there = (scores >= LEAST) & np.isin(classes, wanted)
        there &= (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        boxes, scores, classes = boxes[there], scores[there], classes[there]
        kept = distinct(boxes, scores, classes, ALIKE)
        return {
            "boxes": boxes[kept].reshape(-1, 4),
            "scores": scores[kept].astype(np.float32),
            "classes": classes[kept],
        }

    @staticmethod
    @torch.inference_mode()
    def answer(network: Any, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes ``(n, 4)`` in pixels, scores and labels ``(n,)`` as the network says them."""
        device = next(network.parameters()).device
        seen = torch.tensor(np.clip(picture, 0.0, 1.0), device=device).permute(2, 0, 1)
        found = network([seen])[0]
        return tuple(found[part].cpu().numpy() for part in ("boxes", "scores", "labels"))

    def _network(self) -> AbstractContextManager[Any]:
        return held(self._supply, self._make, lambda network: network)

    def _make(self) -> torch.nn.Module:
        from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

        network = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
        try:
            network.load_state_dict(read_state(self._supply))
        except RuntimeError as error:
            raise ModelError(
                f"the weights are not this network's: {' '.join(str(error).split())[:160]}",
                file=self._supply.weights,
                hint=f"rotograph models remove {self._supply.card.name}, then pull it again",
            ) from None
        network.roi_heads.mask_roi_pool = None  # boxes are all that is asked for
        return network

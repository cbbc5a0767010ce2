"""SAM for the role ``segment``: boxes, points and masks on a frame, its features seen once.

Kirillov et al., "Segment Anything", 2023, in the class of transformers; networks that were pruned
from it and kept its classes, such as SlimSAM, too. It is SAM 2 without memory: ``Network`` asks of
it what ``Sam2`` asks of a ``SAM2Base`` on a single frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from rotograph.models import Supply
from rotograph_nodes.models import half, hugging_face
from rotograph_nodes.models.held import held
from rotograph_nodes.models.placing import inside, resized
from rotograph_nodes.models.prompts import CORNER, GridPrompts
from rotograph_nodes.models.sam2_tracker import Features, Sam2
from rotograph_nodes.models.sam_square import cut, squared


class Adapter:
    """The role's interface over one network.

    The network was taught with pictures that keep their aspect in a square, at the top left: so
    they are shown to it, and what it says of the rest of the square is cut off.
    """

    def __init__(self, supply: Supply) -> None:
        self._supply = supply

    @property
    def precision(self) -> str:
        """See ``half.precision``."""
        return half.precision(self._supply)

    def encode(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """``coarse`` ``(c, s/16, s/16)`` and ``grid`` ``(2,)`` int32, the picture's height, width.

        picture: ``(h, w, 3)`` float32, display-referred in [0, 1].
        """
        shape = picture.shape[:2]
        with self._network() as sam:
            side = sam.network.image_size
            height, width = inside(shape, (side, side))
            square = np.empty((side, side, 3), np.float32)
            square[:] = hugging_face.MEAN  # which is 0 to the network
            square[:height, :width] = resized(picture, (height, width))
            seen = sam.encode(square)
        return {**seen, "grid": np.array(shape, np.int32)}

    def segment(
        self, features: Features, prompts: GridPrompts, prior: np.ndarray | None = None
    ) -> np.ndarray:
        """As ``Sam2.segment``: logits float32 over the picture, as fine as the picture is."""
        height, width = (int(n) for n in features["grid"])
        side = max(height, width)
        asked = replace(
            prompts,
            masks=tuple(squared(m, (height, width), 0.0) for m in prompts.masks),
            erasures=tuple(squared(m, (height, width), 0.0) for m in prompts.erasures),
        )
        before = None if prior is None else squared(prior, (height, width), -8.0)
        seen = {**features, "grid": np.array([side, side], np.int32)}
        with self._network() as sam:
            logits = sam.segment(seen, asked, before)
        return cut(logits, (height, width))

    def _network(self) -> Any:
        def make() -> torch.nn.Module:
            found = hugging_face.classes(self._supply, "SamModel", "SamConfig")
            return hugging_face.load(*found, self._supply)

        may_round = self._supply.card.numeric_mode == "bfloat16"
        return held(self._supply, make, lambda network: Sam2(Network(network), half=may_round))


class Network:
    """A ``SamModel`` with so much of a ``SAM2Base``'s interface as single frames need."""

    num_feature_levels = 1

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self.image_size: int = model.config.vision_config.image_size
        # it knows its places itself, and has no memory
        none = SimpleNamespace(position_encoding=torch.zeros_like)
        self.image_encoder, self.memory_encoder = SimpleNamespace(neck=none), none

    @property
    def device(self) -> torch.device:
        return self._model.device

    def forward_image(self, image: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        """``backbone_fpn``: one map ``(1, c, s/16, s/16)`` of a normalised ``(1, 3, s, s)``."""
        return {"backbone_fpn": [self._model.get_image_embeddings(image)]}

    def track_step(
        self,
        current_vision_feats: Sequence[torch.Tensor],
        feat_sizes: Sequence[tuple[int, int]],
        point_inputs: Mapping[str, torch.Tensor],
        prev_sam_mask_logits: torch.Tensor | None = None,
        **unused: Any,
    ) -> dict[str, torch.Tensor]:
        """``pred_masks`` ``(1, 1, s/4, s/4)``: of three guesses the best where one point is all."""
        del unused
        seen = current_vision_feats[0].permute(1, 2, 0).unflatten(-1, feat_sizes[0])
        points, labels = (
            point_inputs["point_coords"][:, None],
            point_inputs["point_labels"][:, None],
        )
        boxed = 2 if (labels == CORNER).any() else 0  # corners come first
        alone = labels.shape[-1] == 1 and prev_sam_mask_logits is None
        out = self._model(
            image_embeddings=seen,
            input_points=points[:, :, boxed:] if points.shape[2] > boxed else None,
            input_labels=labels[:, :, boxed:] if points.shape[2] > boxed else None,
            input_boxes=points[:, :, :2].flatten(2) if boxed else None,
            input_masks=prev_sam_mask_logits,
            multimask_output=alone,
        )
        best = int(out.iou_scores[0, 0].argmax())
        return {"pred_masks": out.pred_masks[:, :, best]}

"""Networks of SAM 2's kind in transformers, as the tracker in sam2_tracker drives them.

EdgeTAM and SAM 3's tracker are the same idea as SAM 2: image features, a prompt encoder, a mask
decoder, a bank of memories and object pointers. transformers drives them through a session that
keeps a whole film; ``Network`` asks of them what ``Sam2`` asks of a ``SAM2Base``, so that the bank,
its bounds and its storage are in one place. A session is made for each step and thrown away.

Two of the methods are the classes' own affair (transformers 5.23); a test compares what comes of
them with the public session, and would notice a change.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional

Tensors = Sequence[torch.Tensor]


class Network:
    """An ``EdgeTamVideoModel`` or ``Sam3TrackerVideoModel`` with a ``SAM2Base``'s interface.

    session: the class of its inference session. What the attributes mean is what they mean in
    the sam2 package; a memory is ``(n, tokens, c)`` here, not ``(n, c, h, w)``.
    """

    num_feature_levels = 3

    def __init__(self, model: torch.nn.Module, session: type) -> None:
        self._model, self._session = model, session
        self._told = {}
        if "run_mem_encoder" in inspect.signature(model._run_single_frame_inference).parameters:
            self._told["run_mem_encoder"] = False  # done below, once for all
        self.image_size: int = model.image_size
        self.max_obj_ptrs_in_encoder: int = model.config.max_object_pointers_in_encoder
        table, kept = model.vision_encoder.neck.position_encoding, self._places()
        seen = SimpleNamespace(position_encoding=lambda m: table(m.shape, m.device, m.dtype))
        self.image_encoder = SimpleNamespace(neck=seen)
        self.memory_encoder = SimpleNamespace(
            position_encoding=lambda memory: kept.expand(len(memory), -1, -1)
        )

    @property
    def device(self) -> torch.device:
        return self._model.device

    def forward_image(self, image: torch.Tensor) -> dict[str, Any]:
        """``backbone_fpn``: maps ``(1, c, h, w)`` of a picture ``(1, 3, s, s)``, finest first."""
        found = self._model.get_image_features(image, return_dict=True).fpn_hidden_states
        sizes = self._model.backbone_feature_sizes
        return {
            "backbone_fpn": [
                m.permute(1, 2, 0).unflatten(-1, tuple(size))
                for m, size in zip(found, sizes, strict=True)
            ]
        }

    def track_step(
        self,
        frame_idx: int,
        is_init_cond_frame: bool,
        current_vision_feats: Tensors,
        current_vision_pos_embeds: Tensors,
        feat_sizes: Sequence[tuple[int, int]],
        point_inputs: Mapping[str, torch.Tensor] | None,
        mask_inputs: torch.Tensor | None,
        output_dict: Mapping[str, Mapping[int, Mapping[str, Any]]],
        num_frames: int,
        run_mem_encoder: bool = True,
        prev_sam_mask_logits: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """As ``SAM2Base.track_step``; the layers one after another, which is how these run."""
        del num_frames  # told by ``streaming``: as many pointers as the network takes
        session = self._session(
            inference_device=self.device, inference_state_device=self.device, dtype=torch.float32
        )
        own = {
            "vision_feats": [m[:, :1] for m in current_vision_feats],
            "vision_pos_embeds": [m[:, :1] for m in current_vision_pos_embeds],
        }
        session.cache.cache_vision_features(frame_idx, own)
        points = point_inputs and {name: value[:, None] for name, value in point_inputs.items()}
        said = []
        for layer in range(current_vision_feats[-1].shape[1]):
            number = session.obj_id_to_idx(layer)
            session.output_dict_per_obj[number] = {
                kind: {t: self._of_one(kept, layer) for t, kept in frames.items()}
                for kind, frames in output_dict.items()
            }
            out = self._model._run_single_frame_inference(
                inference_session=session,
                frame_idx=frame_idx,
                obj_idx=number,
                batch_size=1,
                is_init_cond_frame=is_init_cond_frame,
                point_inputs=points,
                mask_inputs=mask_inputs,
                reverse=False,
                prev_sam_mask_logits=prev_sam_mask_logits,
                streaming=True,
                **self._told,
            )
            said.append(
                {
                    "pred_masks": out["pred_masks"].reshape(1, 1, *out["pred_masks"].shape[-2:]),
                    "obj_ptr": out["object_pointer"].reshape(1, -1),
                    "object_score_logits": out["object_score_logits"].reshape(1, 1),
                }
            )
        together = {name: torch.cat([s[name] for s in said]) for name in said[0]}
        if run_mem_encoder:
            together["maskmem_features"], _ = self._encode_new_memory(
                current_vision_feats,
                feat_sizes,
                self._large(together["pred_masks"]),
                together["object_score_logits"],
                is_mask_from_pts=False,
            )
        return together

    def _encode_new_memory(
        self,
        current_vision_feats: Tensors,
        feat_sizes: Sequence[tuple[int, int]],
        pred_masks_high_res: torch.Tensor,
        object_score_logits: torch.Tensor,
        is_mask_from_pts: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Memories ``(n, tokens, c)`` of masks ``(n, 1, s, s)``, and their places, the same."""
        del feat_sizes
        found = [
            self._model._encode_new_memory(
                current_vision_feats=current_vision_feats[-1][:, n : n + 1],
                pred_masks_high_res=pred_masks_high_res[n : n + 1],
                object_score_logits=object_score_logits[n].reshape(1, 1, 1),
                is_mask_from_pts=is_mask_from_pts,
            )
            for n in range(len(pred_masks_high_res))
        ]
        along = 1 if self._along_first else 0
        memory, places = (torch.cat(part, dim=along) for part in zip(*found, strict=True))
        if self._along_first:
            return memory.permute(1, 0, 2), places.permute(1, 0, 2)
        return memory, places

    def _of_one(self, kept: Mapping[str, Any], layer: int) -> dict[str, torch.Tensor]:
        """What is kept of one layer on a frame, under the names that a session gives it."""
        own = {"object_pointer": kept["obj_ptr"][layer : layer + 1]}
        if "maskmem_features" in kept:
            memory = kept["maskmem_features"][layer : layer + 1]
            places = kept["maskmem_pos_enc"][-1][layer : layer + 1]
            if self._along_first:
                memory, places = memory.permute(1, 0, 2), places.permute(1, 0, 2)
            own |= {"maskmem_features": memory, "maskmem_pos_enc": places}
        return own

    @property
    def _along_first(self) -> bool:
        """Whether this network keeps a memory as ``(tokens, n, c)`` and not ``(n, tokens, c)``."""
        return not hasattr(self._model, "spatial_perceiver")

    def _large(self, masks: torch.Tensor) -> torch.Tensor:
        size = (self.image_size,) * 2
        return functional.interpolate(masks.float(), size, mode="bilinear", align_corners=False)

    @torch.inference_mode()
    def _places(self) -> torch.Tensor:
        """Where the tokens of a memory are, ``(1, tokens, c)``; the same for every memory."""
        height, width = self._model.backbone_feature_sizes[-1]
        nothing = torch.zeros(height * width, 1, self._model.hidden_dim, device=self.device)
        masks = torch.zeros(1, 1, self.image_size, self.image_size, device=self.device)
        sure = torch.ones(1, 1, device=self.device)
        return self._encode_new_memory([nothing], (), masks, sure, False)[1].float()

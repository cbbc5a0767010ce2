"""SAM 2 as a segmenter and a tracker whose memory lies with the caller, bounded and storable.

The network (Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024) is driven at the
level of ``SAM2Base.forward_image`` and ``track_step``. Its own video predictor keeps every frame
of every layer in one growing session; here the features of a frame are a result that all layers
share, and a layer's state on a frame is a result that holds what the next frames look back at.

A layer's memory begins anew on its anchor: a step sees the anchors on both sides and the frames
since the one that it comes from, so that a correction changes nothing beyond the next anchor.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from rotograph_nodes.models import half as half_precision
from rotograph_nodes.models.prompts import GridPrompts, drawn, questions
from rotograph_nodes.models.sam2_state import CERTAIN, State, pointers_of, state_of

Features = Mapping[str, np.ndarray]
Anchor = tuple[State, Features | None]

_ERASED = -10.0  # logits where the artist said "not this"
_LEVELS = ("fine", "middle", "coarse")
_SMALL = 256  # pixels; measured: at 512 a processor is as busy with one layer as with three
_NOW = 1 << 20  # the frame that is being tracked, in a step's own numbering


@dataclass(frozen=True)
class Step:
    """One layer's step to the next frame; see ``Sam2.step``."""

    state: State
    anchors: Sequence[Anchor]
    earlier: Sequence[State] = ()


class Sam2:
    """What the roles ``segment`` and ``track`` ask of the network.

    network: a ``SAM2Base`` for inference. mean, deviation: of the three channels, for values in
    [0, 1]. half: whether features are kept as float16, and the network runs in bfloat16 where that
    is faster (``half.pays``); elsewhere it runs in float32.
    """

    def __init__(
        self,
        network: Any,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        deviation: Sequence[float] = (0.229, 0.224, 0.225),
        half: bool = False,
    ) -> None:
        self.network = network
        self._mean, self._deviation = mean, deviation
        self._kept = np.float16 if half else np.float32
        self._half = half and half_precision.pays(network.device.type)
        self._lock = threading.Lock()  # the network keeps position tables as it goes
        self._asked: tuple[Any, Any, list[Any]] = (None, None, [])

    @torch.inference_mode()
    def encode(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """Features of one frame, shared by all layers.

        picture: ``(h, w, 3)`` float32, display-referred in [0, 1]; stretched to the network's
        square. Returns ``fine`` ``(c, s/4, s/4)``, ``middle`` ``(c, s/8, s/8)`` and ``coarse``
        ``(c, s/16, s/16)``, float32 (float16 with ``half``), and ``grid`` ``(2,)`` int32, the
        picture's height and width, in which prompts and priors are given.
        """
        size = self.network.image_size
        image = self._tensor(np.clip(picture, 0.0, 1.0)).permute(2, 0, 1)[None]
        if image.shape[-2:] != (size, size):
            image = functional.interpolate(image, (size, size), mode="bilinear", antialias=True)
        mean, deviation = (
            self._tensor(np.array(v, np.float32))[:, None, None]
            for v in (self._mean, self._deviation)
        )
        with self._lock, self._precision():
            out = self.network.forward_image((image - mean) / deviation)
        maps = out["backbone_fpn"][-self.network.num_feature_levels :]
        names = _LEVELS[-len(maps) :]
        return {
            **{
                n: m[0].float().cpu().numpy().astype(self._kept)
                for n, m in zip(names, maps, strict=True)
            },
            "grid": np.array(picture.shape[:2], np.int32),
        }

    @torch.inference_mode()
    def segment(
        self, features: Features, prompts: GridPrompts, prior: np.ndarray | None = None
    ) -> np.ndarray:
        """Logits of one layer on one frame, float32 over the whole picture.

        prior: logits ``(h, w)`` of any grid over the picture that points then correct, or None.
        Several boxes give the union of what is in each. With nothing positive and no prior, all
        is outside. Returns ``(s/4, s/4)``; a mask that stands alone is taken as it is, in its own
        grid, for the network would only blur it.
        """
        known = drawn(prompts, prior)
        said = self._said(features, prompts, known)
        if known is None:
            self._asked = features, prompts, said
        found = [out["pred_masks"] for out in said]
        if found:
            logits = torch.cat(found).amax(dim=0)[0].float().cpu().numpy()
        elif known is not None:
            logits = known
        else:
            logits = np.full((self.network.image_size // 4,) * 2, -CERTAIN, np.float32)
        logits = np.clip(logits, -CERTAIN, CERTAIN).astype(np.float32)
        for erased in prompts.erasures:
            where = self._resized(self._tensor(erased), logits.shape).cpu().numpy() > 0.5
            logits = np.where(where, np.minimum(logits, np.float32(_ERASED)), logits)
        return logits

    @torch.inference_mode()
    def start(
        self, features: Features, logits: np.ndarray, asked: GridPrompts | None = None
    ) -> State:
        """The state on an anchor.

        logits: ``(h, w)`` float32 over the picture, positive inside. asked: the prompts, when they
        alone made the logits: the network then remembers the object that it found for them
        rather than a mask from elsewhere.
        """
        out = None
        if asked is not None and not (asked.masks or asked.erasures):
            known_features, known_prompts, said = self._asked  # by ``segment``, a moment ago
            if known_features is not features or known_prompts is not asked:
                said = self._said(features, asked, None)
            out = said[0] if len(said) == 1 else None
        if out is None:
            out = self._heads(features, mask=self._as_mask(logits))
        high = functional.interpolate(
            out["pred_masks"], (self.network.image_size,) * 2, mode="bilinear", align_corners=False
        )
        with self._lock, self._precision():
            current, _, sizes = self._flat(features, 1)
            memory, _ = self.network._encode_new_memory(
                current_vision_feats=current,
                feat_sizes=sizes,
                pred_masks_high_res=high,
                object_score_logits=out["object_score_logits"],
                is_mask_from_pts=True,
            )
        return state_of(out, memory, 0, age=0, pointers=np.zeros((0, out["obj_ptr"].shape[-1])))

    def step(
        self,
        state: State,
        features_from: Features | None,
        features_to: Features,
        between: Mapping[str, np.ndarray] | None,
        anchors: Sequence[Anchor],
        earlier: Sequence[State] = (),
    ) -> State:
        """The state one frame on, in either direction.

        state: of the frame before. anchors: (state, features) of the anchor that the track comes
        from, first, and of the one ahead if there is one. earlier: the states before ``state``,
        latest first, back to the anchor's successor, as many as the network looks back at; of those
        further back only the object pointers count, and ``state`` carries them. The motion
        ``between`` and the features of other frames are not looked at.
        """
        del features_from, between
        return self._step_alike(features_to, [Step(state, anchors, earlier)])[0]

    def step_layers(self, features: Features, steps: Sequence[Step]) -> Iterator[State]:
        """``step`` for several layers on one frame, in the order of ``steps``.

        In one run of the network where one layer leaves the device idle: on an accelerator, and on
        small pictures. There the others that are with it move a layer's logits by what the order of
        additions does, by less than 2e-5 in float32. Else one by one, bit for bit as alone.
        """
        if self.network.device.type == "cpu" and self.network.image_size > _SMALL:
            for step in steps:
                yield self._step_alike(features, [step])[0]
            return
        alike: dict[tuple[int, ...], list[int]] = {}
        for number, step in enumerate(steps):
            age = int(step.state["age"][0])  # how far the anchor is counts, too
            alike.setdefault((age, len(step.anchors), len(step.earlier)), []).append(number)
        done: dict[int, State] = {}
        for numbers in alike.values():
            together = [steps[n] for n in numbers]
            done |= zip(numbers, self._step_alike(features, together), strict=True)
        yield from (done[n] for n in range(len(steps)))

    # -- the network ------------------------------------------------------------------------

    @torch.inference_mode()
    def _step_alike(self, features: Features, steps: Sequence[Step]) -> list[State]:
        """Steps whose memories hold equally much and are as old, as one batch."""
        count, age = len(steps), int(steps[0].state["age"][0])
        recent = [[s.state, *s.earlier] if age else [] for s in steps]
        pointers = [pointers_of(s.state) if age else [] for s in steps]
        known = {
            # where the track comes from, and the anchor ahead, whose pointer is not looked at
            time: {
                **self._memory([s.anchors[side][0]["memory"] for s in steps]),
                "obj_ptr": self._stack([s.anchors[side][0]["pointer"] for s in steps]),
            }
            for side, time in enumerate((_NOW - 1 - age, _NOW + 1))
            if side < len(steps[0].anchors)
        }
        past: dict[int, dict[str, Any]] = {}
        for back in range(len(pointers[0])):
            past[_NOW - 1 - back] = {"obj_ptr": self._stack([p[back] for p in pointers])}
        for back in range(len(recent[0])):
            past[_NOW - 1 - back] |= self._memory([r[back]["memory"] for r in recent])
        with self._lock, self._precision():
            current, positions, sizes = self._flat(features, count)
            out = self.network.track_step(
                frame_idx=_NOW,
                is_init_cond_frame=False,
                current_vision_feats=current,
                current_vision_pos_embeds=positions,
                feat_sizes=sizes,
                point_inputs=None,
                mask_inputs=None,
                output_dict={"cond_frame_outputs": known, "non_cond_frame_outputs": past},
                num_frames=2 * _NOW,
            )
        most = self.network.max_obj_ptrs_in_encoder - 2  # besides this frame's own
        return [
            state_of(
                out,
                out["maskmem_features"],
                number,
                age=age + 1,
                pointers=np.stack(pointers[number][:most])
                if pointers[number]
                else step.state["pointers"][:0],
            )
            for number, step in enumerate(steps)
        ]

    def _said(
        self, features: Features, prompts: GridPrompts, known: np.ndarray | None
    ) -> list[dict[str, torch.Tensor]]:
        """The network's answers to boxes and points, one, or one for each of several boxes."""
        scale = self.network.image_size / features["grid"][::-1].astype(np.float64)
        answers = []
        for points, labels in questions(prompts, known):
            said = {
                "point_coords": self._tensor((points * scale).astype(np.float32))[None],
                "point_labels": self._tensor(labels)[None],
            }
            before = None
            if known is not None:
                side = self.network.image_size // 4
                before = self._resized(self._tensor(known), (side, side)).clamp(-32.0, 32.0)
                before = before[None, None]
            answers.append(self._heads(features, points=said, before=before))
        return answers

    def _heads(
        self,
        features: Features,
        points: dict[str, torch.Tensor] | None = None,
        mask: torch.Tensor | None = None,
        before: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """The network's answer on a frame without any memory."""
        with self._lock, self._precision():
            current, positions, sizes = self._flat(features, 1)
            return self.network.track_step(
                frame_idx=0,
                is_init_cond_frame=True,
                current_vision_feats=current,
                current_vision_pos_embeds=positions,
                feat_sizes=sizes,
                point_inputs=points,
                mask_inputs=mask,
                output_dict={"cond_frame_outputs": {}, "non_cond_frame_outputs": {}},
                num_frames=1,
                run_mem_encoder=False,
                prev_sam_mask_logits=before,
            )

    def _flat(self, features: Features, count: int) -> tuple[list[Any], list[Any], list[Any]]:
        """Features, their positions and sizes as ``track_step`` takes them, for some layers."""
        maps = [self._tensor(features[n]).float() for n in _LEVELS if n in features]
        flat = [m.flatten(1).T for m in maps]
        flat[-1] = flat[-1].contiguous()  # else all that is made of it would lie across
        flat = [m[:, None].expand(-1, count, -1) for m in flat]
        # only those of the coarsest level are ever looked at
        place = self.network.image_encoder.neck.position_encoding(maps[-1][None])
        places = place[0].flatten(1).T[:, None].expand(-1, count, -1)
        return flat, [places], [tuple(m.shape[-2:]) for m in maps]

    def _memory(self, kept: Sequence[np.ndarray]) -> dict[str, Any]:
        bits = torch.from_numpy(np.stack(kept)).to(self.network.device)
        memory = bits.view(torch.bfloat16).float()
        return {
            "maskmem_features": memory,
            "maskmem_pos_enc": [self.network.memory_encoder.position_encoding(memory)],
        }

    def _stack(self, arrays: Sequence[np.ndarray]) -> torch.Tensor:
        return self._tensor(np.stack(arrays))

    def _as_mask(self, logits: np.ndarray) -> torch.Tensor:
        """``(1, 1, s, s)`` of 0 and 1."""
        size = self.network.image_size
        return (self._resized(self._tensor(logits), (size, size)) > 0).float()[None, None]

    def _resized(self, plane: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        if tuple(plane.shape) == tuple(shape):
            return plane
        return functional.interpolate(
            plane.float()[None, None], tuple(shape), mode="bilinear", antialias=True
        )[0, 0]

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(array), device=self.network.device)

    def _precision(self) -> Any:
        kind = self.network.device.type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self._half)

"""What SAM 2 keeps of a layer on a frame: all that later frames look back at, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from rotograph_nodes.models.both_ways import blend

State = dict[str, np.ndarray]

CERTAIN = 16.0  # fused logits are kept within this; the network says -1024 where nothing is


def state_of(
    out: Mapping[str, Any], memory: torch.Tensor, number: int, *, age: int, pointers: np.ndarray
) -> State:
    """What is kept of a layer on a frame.

    logits: ``(s/4, s/4)`` float32. memory: ``(c, s/16, s/16)`` int16, the bits of bfloat16.
    pointer: ``(d,)`` float32, this frame's. pointers: ``(n, d)`` float32, those of the frames
    before it since the anchor, latest first. score: ``(1,)`` float32, logit of the object being
    in the frame. age: ``(1,)`` int32, frames since the anchor, 0 on it.
    """
    return {
        "logits": out["pred_masks"][number, 0].float().cpu().numpy(),
        "memory": memory[number].to(torch.bfloat16).view(torch.int16).cpu().numpy(),
        "pointer": out["obj_ptr"][number].float().cpu().numpy(),
        "pointers": pointers.astype(np.float32),
        "score": out["object_score_logits"][number].float().cpu().numpy().reshape(1),
        "age": np.array([age], np.int32),
    }


def believed(sides: Sequence[tuple[State, int]]) -> tuple[np.ndarray, float]:
    """Logits float32 within ±16 and confidence 0 to 1 of one frame; see ``blend``.

    sides: (state, frames from its anchor) of each direction that there is. A direction is trusted
    as much as the network believes that the object is there, or that it is not.
    """
    return blend([(np.clip(s["logits"], -CERTAIN, CERTAIN), _trust(s), far) for s, far in sides])


def pointers_of(state: State) -> list[np.ndarray]:
    """Object pointers of a state's frame and of those before it, latest first."""
    return [state["pointer"], *state["pointers"]]


def _trust(state: State) -> float:
    score = abs(float(state["score"][0]))
    return 1.0 if state["age"][0] == 0 else float(1.0 / (1.0 + np.exp(-score)))

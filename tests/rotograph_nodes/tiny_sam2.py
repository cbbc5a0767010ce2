"""SAM 2's real classes at 256 pixels with fewer than a million random weights."""

from __future__ import annotations

from typing import Any

CONFIG = "sam2.1/sam2.1_hiera_t"
WIDTH, MEMORY = 64, 32
CHANGES: dict[str, Any] = {
    "image_size": 256,
    "max_obj_ptrs_in_encoder": 8,
    "image_encoder": {
        "trunk": {"embed_dim": 16, "stages": [1, 1, 2, 1], "global_att_blocks": [3]},
        "neck": {
            "position_encoding": {"num_pos_feats": WIDTH},
            "d_model": WIDTH,
            "backbone_channel_list": [128, 64, 32, 16],
        },
    },
    "memory_attention": {
        "d_model": WIDTH,
        "num_layers": 2,
        "layer": {
            "dim_feedforward": 128,
            "d_model": WIDTH,
            "self_attention": {"feat_sizes": [16, 16], "embedding_dim": WIDTH},
            "cross_attention": {
                "feat_sizes": [16, 16],
                "embedding_dim": WIDTH,
                "kv_in_dim": MEMORY,
            },
        },
    },
    "memory_encoder": {
        "in_dim": WIDTH,
        "out_dim": MEMORY,
        "position_encoding": {"num_pos_feats": MEMORY},
        "mask_downsampler": {"embed_dim": WIDTH},
        "fuser": {"layer": {"dim": WIDTH}},
    },
}


def random_state(model: Any, seed: int = 0) -> dict[str, Any]:
    """Random weights for ``settings``: the classes' own start, made lively.

    The start of some layers is zero, which would hide whether they are fed rightly; and the network
    should believe that its objects are there, or every mask would be the same.
    """
    import torch
    from hydra.utils import instantiate

    torch.manual_seed(seed)
    network = instantiate(model, _recursive_=True)
    state = network.state_dict()
    for name, value in state.items():
        if (
            value.dtype == torch.float32
            and name.rpartition(".")[2] != "positional_encoding_gaussian_matrix"
        ):
            state[name] = value + 0.05 * torch.randn_like(value)
    state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"] += 3.0
    return state

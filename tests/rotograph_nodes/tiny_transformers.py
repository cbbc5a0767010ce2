"""Small networks of transformers with random weights: the real classes, a million weights or so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = ["<|endoftext|>", "<|startoftext|>", "person</w>", "red</w>", "car</w>"]
LETTERS = [
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz"),
]
_HEAD = {"mlp_dim": 64, "iou_head_hidden_dim": 32, "num_attention_heads": 4}


def edgetam(backbone: Any = None) -> Any:
    """EdgeTAM at 256 pixels. backbone: its image encoder's; when None SAM 2's, without timm."""
    import transformers as t

    if backbone is None:
        vision = t.Sam2VisionConfig(
            backbone_config=t.Sam2HieraDetConfig(
                hidden_size=16,
                num_attention_heads=1,
                image_size=[256, 256],
                embed_dim_per_stage=[16, 32, 64, 128],
                num_attention_heads_per_stage=[1, 2, 4, 8],
                blocks_per_stage=[1, 1, 2, 1],
                window_size_per_stage=[8, 4, 8, 4],
                global_attention_blocks=[3],
            ),
            backbone_channel_list=[128, 64, 32, 16],
            backbone_feature_sizes=[[64, 64], [32, 32], [16, 16]],
            fpn_hidden_size=128,
        )
    else:
        vision = t.EdgeTamVisionConfig(
            backbone_config=backbone,
            backbone_feature_sizes=[[64, 64], [32, 32], [16, 16]],
            fpn_hidden_size=128,
        )
    config = t.EdgeTamVideoConfig(
        vision_config=vision,
        image_size=256,
        prompt_encoder_config={"hidden_size": 128, "image_size": 256},
        mask_decoder_config={"hidden_size": 128, **_HEAD},
        memory_attention_hidden_size=128,
        memory_attention_mlp_hidden_size=64,
        memory_attention_rope_feat_sizes=[16, 16],
        memory_attention_rope_k_sizes=[8, 8],
        memory_encoder_hidden_size=128,
        perceiver_resampler_num_latents=32,
        perceiver_resampler_num_latents_2d=64,
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=64,
        max_object_pointers_in_encoder=8,
    )
    return lively(lambda: t.EdgeTamVideoModel(config))


def sam3() -> Any:
    """SAM 3 at 224 pixels, detector and tracker, as its authors publish it: one checkpoint."""
    import transformers as t

    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 224,
            "window_size": 4,
            "global_attn_indexes": [1],
            "pretrain_image_size": 112,
        },
        "fpn_hidden_size": 128,
        "backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]],
    }
    part = {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 64}
    detector = t.Sam3Config(
        vision_config=vision,
        text_config={
            "model_type": "clip_text_model",
            "vocab_size": 96,
            "hidden_size": 32,
            "intermediate_size": 64,
            "projection_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "bos_token_id": 1,
            "eos_token_id": 0,
        },
        geometry_encoder_config={**part, "num_layers": 1},
        detr_encoder_config={**part, "num_layers": 1},
        detr_decoder_config={**part, "num_layers": 2, "num_queries": 12},
        mask_decoder_config={"hidden_size": 128, "num_attention_heads": 2},
    )
    tracker = t.Sam3TrackerVideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 128, "image_size": 224},
        mask_decoder_config={"hidden_size": 128, **_HEAD},
        image_size=224,
        memory_attention_hidden_size=128,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_encoder_hidden_size=128,
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=64,
        max_object_pointers_in_encoder=8,
    )
    config = t.Sam3VideoConfig(detector_config=detector.to_dict(), tracker_config=tracker.to_dict())
    return lively(lambda: t.Sam3VideoModel(config))


def sam() -> Any:
    """SAM at 256 pixels."""
    import transformers as t

    config = t.SamConfig(
        vision_config={
            "hidden_size": 32,
            "output_channels": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 256,
            "window_size": 4,
            "global_attn_indexes": [1],
            "num_pos_feats": 32,
            "mlp_dim": 64,
        },
        prompt_encoder_config={"hidden_size": 64, "image_size": 256},
        mask_decoder_config={"hidden_size": 64, **_HEAD},
    )
    return lively(lambda: t.SamModel(config))


def publish(network: Any, folder: Path) -> None:
    """SAM 3's files as its authors publish them: under the network's own names, which are not those
    that ``save_pretrained`` gives it."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: weight.clone() for name, weight in network.state_dict().items()}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    network.config.save_pretrained(folder)


def lively(make: Callable[[], Any], seed: int = 0) -> Any:
    """A network with weights of which none is zero, always the same; it believes in its objects."""
    import torch

    torch.manual_seed(seed)
    network = make()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "positional_embedding" not in name:
                weight.copy_(0.05 * torch.randn_like(weight) + (weight if weight.ndim > 1 else 0))
                if "norm" in name and name.endswith("weight"):
                    weight.add_(1.0)
            if name.endswith("pred_obj_score_head.proj_out.bias"):
                weight.add_(3.0)
    return network.eval().requires_grad_(False)


def vocabulary(folder: Path) -> None:
    """A ``tokenizer.json`` of CLIP's kind that knows a few words and single letters."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    known = {word: number for number, word in enumerate([*WORDS, *LETTERS])}
    merges = []
    for word in ("person", "red", "car"):
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            joined = "".join(parts[:2])
            known.setdefault(joined, len(known))
            merges.append((parts[0], parts[1]))
            parts = [joined, *parts[2:]]
    tokens = Tokenizer(
        BPE(
            known,
            merges,
            unk_token=WORDS[0],
            end_of_word_suffix="</w>",
            continuing_subword_prefix="",
        )
    )
    tokens.normalizer, tokens.pre_tokenizer = Lowercase(), Whitespace()
    tokens.post_processor = TemplateProcessing(
        single=f"{WORDS[1]} $A {WORDS[0]}", special_tokens=[(WORDS[1], 1), (WORDS[0], 0)]
    )
    tokens.save(str(folder / "tokenizer.json"))

"""The cards' files against the networks that we build for them, without the files themselves.

A safetensors file is its tensors and their names, so that how long the published one is tells
whether a network has the same: on no device, with the configuration and the names as published.
"""

from __future__ import annotations

import json
import re

import pytest

from rotograph.card import installed_cards

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
transformers = pytest.importorskip("transformers", reason="needs transformers: install --networks")

TYPES = {"float32": ("F32", 4), "int64": ("I64", 8)}
CARDS = {card.name: card for card in installed_cards()}


def vitmatte():
    t = transformers
    backbone = t.VitDetConfig(
        hidden_size=384,
        num_attention_heads=6,
        num_channels=4,
        image_size=512,
        use_relative_position_embeddings=True,
        window_size=14,
        window_block_indices=[0, 1, 3, 4, 6, 7, 9, 10],
        residual_block_indices=[2, 5, 8, 11],
        out_features=["stage12"],
    )
    sizes = {"convstream_hidden_sizes": [48, 96, 192], "fusion_hidden_sizes": [256, 128, 64, 32]}
    return t.VitMatteForImageMatting(
        t.VitMatteConfig(backbone_config=backbone, hidden_size=384, **sizes)
    )


def grounding_dino():
    t = transformers
    backbone = t.SwinConfig(depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], out_indices=[2, 3, 4])
    return t.GroundingDinoForObjectDetection(
        t.GroundingDinoConfig(backbone_config=backbone, text_config=t.BertConfig())
    )


def edgetam():
    pytest.importorskip("timm", reason="needs timm and a torchvision that fits PyTorch")
    t = transformers
    backbone = t.TimmWrapperConfig(
        architecture="repvit_m1",
        do_pooling=True,
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    return t.EdgeTamVideoModel(
        t.EdgeTamVideoConfig(
            vision_config=t.EdgeTamVisionConfig(backbone_config=backbone),
            enable_temporal_pos_encoding_for_object_pointers=False,
            enable_occlusion_spatial_embedding=False,
        )
    )


def published(network, leave_out="$^", renamed=True):
    """Name -> shape and type, in the names that transformers gives to files."""
    from transformers.core_model_loading import revert_weight_conversion

    state = dict(network.state_dict())
    if renamed:
        state = revert_weight_conversion(network, state)
    told = {n: (list(w.shape), str(w.dtype).split(".")[-1]) for n, w in state.items()}
    return {n: of for n, of in told.items() if not re.search(leave_out, n)}


def length(tensors, also=None):
    """Bytes of the safetensors file. also: what its head says beside the tensors."""
    head, at = {"__metadata__": {"format": "pt", **(also or {})}}, 0
    for name, (shape, kind) in sorted(
        tensors.items(), key=lambda item: (-TYPES[item[1][1]][1], item[0])
    ):
        letters, size = TYPES[kind]
        for side in shape:
            size *= side
        head[name] = {"dtype": letters, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = len(json.dumps(head, separators=(",", ":")))
    return 8 + -(-text // 8) * 8 + at


def built(make):
    with torch.device("meta"):
        return make()


@pytest.mark.slow
def test_vitmatte():
    network = built(vitmatte)
    assert length(published(network)) == CARDS["vitmatte-small"].files[0].size


@pytest.mark.slow
def test_grounding_dino():
    """It was published with tables that transformers now makes itself, and each box head once."""
    same = r"^model\.decoder\.bbox_embed|^bbox_embed\.[1-9]|conv_encoder\.model\.swin\.layernorm\."
    tensors = published(built(grounding_dino), same)
    for stage, blocks in enumerate([2, 2, 6, 2]):
        for block in range(blocks):
            of = f"model.backbone.conv_encoder.model.encoder.layers.{stage}.blocks.{block}"
            tensors[f"{of}.attention.self.relative_position_index"] = [49, 49], "int64"
    assert length(tensors) == CARDS["grounding-dino"].files[0].size


@pytest.mark.slow
def test_edgetam():
    assert length(published(built(edgetam))) == CARDS["edgetam"].files[0].size


@pytest.mark.slow
def test_sam():
    network = built(lambda: transformers.SamModel(transformers.SamConfig()))
    twice = "prompt_encoder.shared_embedding.positional_embedding"
    once = {twice: "shared_image_embedding.positional_embedding"}
    assert length(published(network, f"^{twice}$"), once) == CARDS["sam-vit-b"].files[0].size


@pytest.mark.slow
def test_sam3():
    network = built(lambda: transformers.Sam3VideoModel(transformers.Sam3VideoConfig()))
    assert length(published(network, renamed=False)) == CARDS["sam3"].files[0].size


def test_every_downloaded_network_has_a_digest_and_a_revision_on_its_card():
    """Else anybody who answers in the place of its source, or changes it, hands out another."""
    open_ended = {
        card.name
        for card in CARDS.values()
        if card.files and (card.repository or card.files[0].url) and not card.files[0].sha256
    }
    assert open_ended == set()
    for card in CARDS.values():
        if card.repository:
            assert re.fullmatch("[0-9a-f]{40}", card.revision), card.name

"""The same SAM 2 with less to do: what the package copies, or works out for every frame anew.

Its answers are the same up to the order of additions (tests/rotograph_nodes/test_sam2.py); its
speed is measured against the package's own predictor (tests/bench/remembering.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from rotograph_nodes.models.sam2_attention import MemoryAttention


def lighten(network: Any, half: bool = False) -> Any:
    """A ``SAM2Base`` changed in place, for inference; half: it will run in bfloat16 alone."""
    trunk, neck = network.image_encoder.trunk, network.image_encoder.neck
    for holder in (neck, network.memory_encoder):
        holder.position_encoding = _Places(holder.position_encoding)
    trunk._get_pos_embed = _said_once(trunk._get_pos_embed)
    trunk.patch_embed.proj.to(memory_format=torch.channels_last)  # what follows is in this order
    _join_maps(network)
    for layer in network.memory_attention.layers:
        layer.self_attn.__class__ = layer.cross_attn_image.__class__ = MemoryAttention
        layer.activation = torch.relu_
    # several layers in rows, as one is: a multiplication of another kind would be slower, and in
    # half precision round otherwise
    for part in (network.memory_attention, network.memory_encoder.fuser):
        for module in _linears(part):
            module.register_forward_pre_hook(_in_rows)
    if half:
        for module in _linears(network, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            module.to(torch.bfloat16)  # as autocast would for every frame
    return network


def _linears(part: Any, besides: tuple[type, ...] = ()) -> list[Any]:
    return [m for m in part.modules() if isinstance(m, (torch.nn.Linear, *besides))]


def _in_rows(module: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    del module
    return tuple(rows.contiguous() for rows in given)


def _join_maps(network: Any) -> None:
    """Make one convolution of two without anything between: the neck's and the decoder's.

    So the two finer maps never have 256 channels, which nobody else looks at.
    """
    neck, decoder = network.image_encoder.neck, network.sam_mask_decoder
    if not network.use_high_res_features_in_sam:
        return
    for level, name in enumerate(("conv_s0", "conv_s1")):
        first, second = neck.convs[len(neck.convs) - 1 - level].conv, getattr(decoder, name)
        if level in neck.fpn_top_down_levels or {*first.kernel_size, *second.kernel_size} != {1}:
            continue
        after, before = (c.weight.double()[:, :, 0, 0] for c in (second, first))
        joined = torch.nn.Conv2d(first.in_channels, second.out_channels, 1).requires_grad_(False)
        joined.weight.copy_((after @ before)[:, :, None, None])
        joined.bias.copy_(after @ first.bias.double() + second.bias.double())
        neck.convs[len(neck.convs) - 1 - level].conv = joined
        setattr(decoder, name, torch.nn.Identity())


class _Places(torch.nn.Module):
    """Answers as a table of positions does, with views of what it said first.

    The package repeats them for every batch and every level of every frame: 100 MB a step.
    """

    def __init__(self, table: Any) -> None:
        super().__init__()
        self._table = table
        self._known: dict[Any, torch.Tensor] = {}

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        name = maps.shape[-2:], maps.device, maps.dtype
        if name not in self._known:
            self._known[name] = self._table(maps[:1]).to(maps.dtype)
        return self._known[name].expand(len(maps), -1, -1, -1)


def _said_once(ask: Callable[[Any], torch.Tensor]) -> Callable[[Any], torch.Tensor]:
    """A method that remembers its answers, in rows; they do not change with the picture."""
    known: dict[Any, torch.Tensor] = {}

    def answer(about: Any) -> torch.Tensor:
        if about not in known:
            known[about] = ask(about).contiguous()
        return known[about]

    return answer

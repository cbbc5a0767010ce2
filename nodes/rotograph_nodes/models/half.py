"""Whether half precision pays: a card allows it, and a device may be slower in it than in float32.

Measured with SAM 2.1 tiny at 1024 pixels on one core, the time in float32 over that in bfloat16:
3.1 for a frame's features and 2.5 for a step with AMX; 1.0 and 1.5 with AVX-512's own bfloat16; 0.4
and 1.0 with AVX-512 that lacks it; 0.2 for features with AVX2, where each number is converted (the
processor was told to keep to these instructions).
"""

from __future__ import annotations

import torch

from rotograph.models import Supply

_OWN = ("avx512_bf16", "amx_bf16")


def pays(device: str) -> bool:
    """Whether a device, ``cpu``, ``cuda:0`` or ``mps``, multiplies in bfloat16 by itself.

    A processor that does not say so computes in float32 what its card would let it round.
    """
    if not device.startswith("cpu"):
        return True
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in _OWN)


def precision(supply: Supply) -> str:
    """What a network computes in on its device: ``bfloat16`` or ``float32``."""
    allowed = supply.card.numeric_mode == "bfloat16"
    return "bfloat16" if allowed and pays(supply.pick().torch) else "float32"

"""A network in memory on its device while an adapter works with it, and ready to go after that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from rotograph.errors import ModelError
from rotograph.models import Supply


@contextmanager
def held(
    supply: Supply,
    make: Callable[[], torch.nn.Module],
    wrap: Callable[..., Any],
    part: str = "",
) -> Iterator:
    """What ``wrap`` makes of the network, which is loaded unless it is here already.

    make: the network with its weights, on the CPU. wrap: called once with the network on its
    device. Roles of one model share it, unless each has a part of its own. Raises MemoryError when
    the device has no room.
    """
    device = supply.pick().torch

    def load() -> tuple[Any, int]:
        network = make().eval().requires_grad_(False).to(device)
        return wrap(network), sum(p.numel() * p.element_size() for p in network.parameters())

    # all of the card: the same weights make another network where it says so
    name = (supply.card.name, repr(supply.card), device, part)
    try:
        about = supply.card.size or supply.weights.stat().st_size
        with supply.resident.use(name, load, expected=about) as network:
            yield network
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error)) from None


def read_state(supply: Supply) -> dict[str, torch.Tensor]:
    """The weights of a supply by name; raises ModelError when the file is no safetensors file."""
    try:
        return load_file(supply.weights)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"the weights of '{supply.card.name}' cannot be read: {error}",
            file=supply.weights,
            hint=f"rotograph models pull {supply.card.name}",
        ) from None

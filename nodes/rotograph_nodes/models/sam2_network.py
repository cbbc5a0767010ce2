"""SAM 2's network from the sam2 package's own configuration, with weights that hold no code."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotograph.errors import ModelError

_FOLLOWING: dict[str, Any] = {
    # as the package's own video predictor sets them
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
    "binarize_mask_from_pts_for_mem_enc": True,
}


def settings(config: str, changes: Mapping[str, Any] | None = None) -> Any:
    """The package's configuration of a network (``model`` of its YAML), with numbers changed.

    config: such as ``sam2.1/sam2.1_hiera_t``. changes: nested values that replace those of the
    file; they may not name classes, since a card is data. Raises ModelError.
    """
    import sam2
    from omegaconf import OmegaConf

    path = Path(sam2.__path__[0]) / "configs" / f"{config}.yaml"
    if ".." in Path(config).parts or not path.is_file():
        raise ModelError(f"the sam2 package has no configuration '{config}'")
    if _names_a_class(changes or {}):
        raise ModelError("a card may change numbers of a network, not its classes")
    return OmegaConf.merge(OmegaConf.load(path).model, _FOLLOWING, changes or {})


def build(model: Any, state: Mapping[str, Any]) -> Any:
    """The ``SAM2Base`` that ``settings`` describe, with a state dict, on the CPU, for inference.

    Raises ModelError when the weights are another network's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about CUDA kernels it does without
        from hydra.utils import instantiate

        network = instantiate(model, _recursive_=True)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:160]
        raise ModelError(
            f"the weights are not this network's: {first}", hint="pull the model again"
        ) from None
    return network.eval().requires_grad_(False)


def lighten(network: Any) -> Any:
    """The same ``SAM2Base`` with fewer copies in it; the numbers are the same.

    It hands out its tables of positions instead of repeating them for every batch and every level
    of every frame (100 MB a step at 1024 pixels, an eighth of the step's time). And its memory
    attention sees several layers in rows, as it sees one: a multiplication of another kind would be
    slower, and in half precision round otherwise.
    """
    import torch

    for holder in (network.image_encoder.neck, network.memory_encoder):
        holder.position_encoding = _places(holder.position_encoding)
    for module in network.memory_attention.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(_in_rows)
    return network


def _in_rows(module: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    del module
    return tuple(rows.contiguous() for rows in given)


def _places(table: Any) -> Any:
    """A module that answers as ``table`` does, with views of what it said first."""
    import torch

    class Places(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.known: dict[Any, torch.Tensor] = {}

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            name = maps.shape[-2:], maps.device, maps.dtype
            if name not in self.known:
                self.known[name] = table(maps[:1]).to(maps.dtype)
            return self.known[name].expand(len(maps), -1, -1, -1)

    return Places()


def _names_a_class(changes: Any) -> bool:
    """Whether settings would make hydra build or look up something, however deep."""
    if isinstance(changes, Mapping):
        return any(str(n).startswith("_") or _names_a_class(v) for n, v in changes.items())
    if isinstance(changes, list | tuple):
        return any(map(_names_a_class, changes))
    return isinstance(changes, str) and "${" in changes

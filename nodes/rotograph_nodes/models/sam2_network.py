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

    configs = Path(sam2.__path__[0]).resolve() / "configs"
    path = (configs / f"{config}.yaml").resolve()
    # a configuration names classes: only the package's own may, wherever the card is from
    if not (path.is_relative_to(configs) and path.is_file()):
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


def _names_a_class(changes: Any) -> bool:
    """Whether settings would make hydra build or look up something, however deep."""
    if isinstance(changes, Mapping):
        return any(str(n).startswith("_") or _names_a_class(v) for n, v in changes.items())
    if isinstance(changes, list | tuple):
        return any(map(_names_a_class, changes))
    return isinstance(changes, str) and "${" in changes

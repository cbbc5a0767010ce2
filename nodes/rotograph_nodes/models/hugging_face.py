"""A network of the transformers package from files that are here already, and nothing else."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from transformers.utils import logging

from rotograph.errors import ModelError
from rotograph.models import Supply

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, as most of these networks were trained with."""


def load(network: Any, config: Any, supply: Supply) -> torch.nn.Module:
    """The network from ``config.json`` and ``model.safetensors`` in the model's folder.

    network, config: classes of transformers. Never reads a pickle, a program or the internet.
    Raises ModelError when the files do not fit each other.
    """
    folder = supply.weights.parent
    logging.disable_progress_bar()  # a render shows its own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old names in old configurations
            told = config.from_json_file(folder / "config.json")
            made, report = network.from_pretrained(
                folder,
                config=told,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise _unfit(supply, " ".join(str(error).split())[:160]) from None
    absent = [*report["missing_keys"], *report.get("mismatched_keys", ())]
    if absent:
        raise _unfit(supply, f"{len(absent)} weights are missing, such as {sorted(absent)[0]}")
    return made


def _unfit(supply: Supply, why: str) -> ModelError:
    return ModelError(
        f"the files of '{supply.card.name}' do not make its network: {why}",
        file=supply.weights.parent,
        hint=f"rotograph models remove {supply.card.name}, then pull it again",
    )


def normalised(picture: torch.Tensor) -> torch.Tensor:
    """``(3, h, w)`` of a picture ``(h, w, 3)`` in [0, 1], less the mean and over the deviation."""
    mean, deviation = (
        torch.tensor(v, dtype=picture.dtype, device=picture.device) for v in (MEAN, DEVIATION)
    )
    return ((picture - mean) / deviation).permute(2, 0, 1)

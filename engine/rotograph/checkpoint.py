"""A PyTorch checkpoint becomes safetensors: read once, with nothing but tensors allowed."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from rotograph.errors import ModelError
from rotograph.whole import write_whole


def convert(checkpoint: Path, target: Path, named: Path) -> None:
    """A PyTorch checkpoint as safetensors, read with nothing but tensors allowed.

    named: what it is called in messages. Weights that a checkpoint keeps under "model" or
    "state_dict" come out of there. Raises ModelError when it holds anything but tensors in plain
    containers, or PyTorch is missing.
    """
    try:
        import torch
        from safetensors.torch import save
    except ImportError as error:
        raise ModelError(
            f"a checkpoint can only be converted with the package '{error.name}'",
            file=named,
            hint="python install/bootstrap.py install --networks",
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickles; what matters is said below
            held = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile file makes of the reader
        raise _refused(str(error), named) from None
    for inner in ("model", "state_dict", "ema_model"):
        if isinstance(held, dict) and isinstance(held.get(inner), dict):
            held = held[inner]
    if not isinstance(held, dict) or not all(isinstance(v, torch.Tensor) for v in held.values()):
        raise ModelError("holds other things than weights", file=named)
    # safetensors keeps no two names of one memory
    write_whole(target, save({str(k): v.detach().clone().contiguous() for k, v in held.items()}))


def _refused(said: str, named: Path) -> ModelError:
    """What PyTorch said of a checkpoint, in one line."""
    program = re.search(r"GLOBAL (\S+)|Unsupported class (\S+)", said)
    if not program and "weights_only" not in said and "Weights only" not in said:
        why = said.splitlines()[0][:120] if said else "unreadable"
        return ModelError(f"is not a checkpoint: {why}", file=named, hint="download it again")
    what = f"holds a program ({program[1] or program[2]})" if program else "may hold a program"
    return ModelError(
        f"{what}, not weights alone: refused, nothing of it was run",
        file=named,
        hint="get the model as safetensors or ONNX",
    )

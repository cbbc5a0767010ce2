"""A network of the transformers package from files that are here already, and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers.utils import logging

from rotograph.errors import ModelError
from rotograph.models import Supply

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, as most of these networks were trained with."""


def classes(supply: Supply, *names: str) -> tuple[Any, ...]:
    """Classes of transformers by name, imported now.

    Raises ModelError when the package cannot import them: a torchvision that does not fit PyTorch,
    which nobody asked for, breaks it too.
    """
    try:
        return tuple(getattr(transformers, name) for name in names)
    except (ImportError, AttributeError, RuntimeError) as error:
        raise _cannot_import(supply, error) from None


def load(network: Any, config: Any, supply: Supply) -> torch.nn.Module:
    """The network from ``config.json`` beside the weights, which are safetensors of any name.

    network, config: classes of transformers. Never reads a pickle, a program or the internet.
    Raises ModelError when the files do not fit each other.
    """
    folder = supply.weights.parent
    try:
        with _quiet():
            told = config.from_json_file(folder / "config.json")
            told.transformers_weights = supply.weights.name
            made, report = network.from_pretrained(
                folder,
                config=told,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (
        ImportError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        SafetensorError,
        StrictDataclassError,
    ) as error:
        why = " ".join(str(error).split())[:160]
        if isinstance(error, ImportError) or "torchvision::" in why:
            raise _cannot_import(supply, error) from None
        raise _unfit(supply, why) from None
    absent = [*report["missing_keys"], *report.get("mismatched_keys", ())]
    if absent:
        raise _unfit(supply, f"{len(absent)} weights are missing, such as {sorted(absent)[0]}")
    return made


def tokenizer(supply: Supply) -> Tokenizer:
    """What ``tokenizer.json`` in the model's folder says, without padding; raises ModelError."""
    path = supply.weights.parent / "tokenizer.json"
    try:
        tokens = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        raise ModelError(
            f"cannot be read: {error}",
            file=path,
            hint=f"rotograph models remove {supply.card.name}, then pull it again",
        ) from None
    tokens.no_padding()
    tokens.no_truncation()
    return tokens


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what transformers shows of its own: a bar, and of files that do not fit each other a
    table of every weight, where one line is enough."""
    before = logging.get_verbosity()
    logging.disable_progress_bar()  # a render shows its own
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old names in old configurations
            yield
    finally:
        logging.set_verbosity(before)


def _cannot_import(supply: Supply, error: Exception) -> ModelError:
    first = error.__cause__ or error
    while first.__cause__ is not None:
        first = first.__cause__
    return ModelError(
        f"what the model '{supply.card.name}' needs cannot be imported: "
        f"{' '.join(str(first).split())[:160]}",
        hint="if there is a torchvision, it must fit your PyTorch; 'edgetam' also needs timm",
    )


def _unfit(supply: Supply, why: str) -> ModelError:
    return ModelError(
        f"the files of '{supply.card.name}' do not make its network: {why}",
        file=supply.weights.parent,
        hint=f"rotograph models remove {supply.card.name}, then pull it again",
    )


def normalised(
    picture: torch.Tensor,
    mean: Sequence[float] = MEAN,
    deviation: Sequence[float] = DEVIATION,
) -> torch.Tensor:
    """``(3, h, w)`` of a picture ``(h, w, 3)`` in [0, 1], less the mean and over the deviation."""
    less, over = (
        torch.tensor(v, dtype=picture.dtype, device=picture.device) for v in (mean, deviation)
    )
    return ((picture - less) / over).permute(2, 0, 1)

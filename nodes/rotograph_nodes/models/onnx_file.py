"""An ONNX file in memory, run on the device that was asked for; its faults are one line of ours.

ONNX Runtime speaks to the terminal by itself, of damaged files and of providers. Here it is silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rotograph import device, kind
from rotograph.errors import ModelError
from rotograph.models import Supply

_FATAL = 4
_NO_ROOM = ("bad_alloc", "Failed to allocate memory", "out of memory")
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


@contextmanager
def opened(supply: Supply, file: str = "") -> Iterator[Session]:
    """One file of a card, loaded unless it is here already, and kept while in the block.

    file: its name; the weights themselves by default. Raises ModelError when ONNX Runtime cannot
    read it, or would not run it on the device that was asked for.
    """
    path = supply.weights.parent / file if file else supply.weights
    name = (supply.card.name, supply.card.weights, supply.device, path.name)

    def load() -> tuple[Session, int]:
        return _loaded(supply, path), path.stat().st_size

    with supply.resident.use(name, load, expected=supply.card.size) as session:
        yield session


@dataclass(frozen=True)
class Session:
    """A file that is loaded. inputs: name -> shape, in the file's order; outputs: names."""

    model: str
    path: Path
    inputs: Mapping[str, Sequence[int | str]]
    outputs: Sequence[str]
    _types: Mapping[str, type]
    _session: Any

    def run(
        self, given: Mapping[str, np.ndarray], wanted: Sequence[str] | None = None
    ) -> list[np.ndarray]:
        """The outputs of these names, or all, in the file's order.

        given: of every input its array; its type becomes the one that the file asks for. Raises
        ModelError.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = _FATAL
        arrays = {n: np.asarray(v, self._types.get(n)) for n, v in given.items()}
        try:
            return self._session.run(wanted, arrays, options)
        except Exception as error:  # ONNX Runtime has no error class of its own
            if any(word in str(error) for word in _NO_ROOM):
                raise MemoryError(_line(error)) from None
            raise ModelError(
                f"the network '{self.model}' failed: {_line(error)}", file=self.path
            ) from None


def _loaded(supply: Supply, path: Path) -> Session:
    import onnxruntime

    _check_whole(supply, path)
    chosen, providers = device.onnx_providers(supply.device)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.use_deterministic_compute = True
    # what a large network works with goes back after each frame: IS-Net would keep 1.7 GB of it
    options.enable_cpu_mem_arena = False
    onnxruntime.set_default_logger_severity(_FATAL)  # for providers that cannot be loaded

    def load(where: Sequence[Any]) -> Any:
        # falling back is for us to decide: ONNX Runtime would print that it does
        return onnxruntime.InferenceSession(str(path), options, providers=where, enable_fallback=0)

    try:
        try:
            session = load(providers)
        except Exception:
            if chosen.asked or len(providers) == 1:
                raise
            session = load(["CPUExecutionProvider"])  # nobody asked for the other
    except Exception as error:
        raise ModelError(
            f"is not a network that ONNX Runtime can run on '{chosen.torch}': {_line(error)}",
            file=path,
            hint=f"rotograph models verify {supply.card.name}",
        ) from None
    device.check_providers(session, chosen, supply.card.name)
    inputs = session.get_inputs()
    return Session(
        supply.card.name,
        path,
        {i.name: i.shape for i in inputs},
        [o.name for o in session.get_outputs()],
        {i.name: _TYPES[i.type] for i in inputs if i.type in _TYPES},
        session,
    )


def _check_whole(supply: Supply, path: Path) -> None:
    """Raise ModelError where numbers lie in a file of which the card, and so no digest, knows."""
    try:
        elsewhere = kind.beside(path) - {file.stored for file in supply.card.files}
    except (OSError, ValueError):
        return  # ONNX Runtime says what is wrong with it
    if elsewhere:
        raise ModelError(
            f"keeps numbers in '{min(elsewhere)[:80]}', which the card of '{supply.card.name}' "
            "does not name",
            file=path,
            hint="put that file under [[files]] of the card too, or save the network in one file",
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

"""Which processor a network runs on: picked once, shown, and never silently another."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from rotograph.errors import ModelError

Kind = Literal["cuda", "mps", "cpu"]
KINDS = ("cuda", "mps", "cpu")
VARIABLE = "ROTOGRAPH_DEVICE"

_PROVIDERS = {
    "cuda": ("CUDAExecutionProvider", "TensorrtExecutionProvider"),
    "mps": ("CoreMLExecutionProvider",),
    "cpu": ("CPUExecutionProvider",),
}


@dataclass(frozen=True)
class Device:
    """kind and number: ``torch`` gives PyTorch's name of it. label: what people call it.

    memory: bytes that networks may take there, or 0 when nobody knows. asked: by the user, so
    that not to use it is an error.
    """

    kind: Kind
    number: int = 0
    label: str = ""
    memory: int = 0
    asked: bool = False

    @property
    def torch(self) -> str:
        """``cuda:0``, ``mps`` or ``cpu``."""
        return f"cuda:{self.number}" if self.kind == "cuda" else self.kind

    def __str__(self) -> str:
        return f"{self.torch} ({self.label})" if self.label else self.torch


def pick(asked: str | None = None) -> Device:
    """The device that PyTorch networks run on: the one asked for, else the best there is.

    asked: "cuda", "cuda:1", "mps", "cpu" or "auto"; by default $ROTOGRAPH_DEVICE. Raises
    ModelError when that one is not there or cannot be used.
    """
    kind, number, wanted = _asked(asked)
    there = _there()
    if not wanted:
        return there[0]
    for device in there:
        if (device.kind, device.number) == (kind, number):
            return Device(device.kind, device.number, device.label, device.memory, asked=True)
    why = "" if importlib.util.find_spec("torch") else " (PyTorch is not installed)"
    raise ModelError(
        f"the device '{wanted}' was asked for, but it is not there{why}",
        hint=f"there is {', '.join(str(d) for d in there)}; or unset ${VARIABLE}",
    )


def check(asked: str | None = None) -> None:
    """Raise ModelError when what is asked for is no kind of device; it may be absent.

    asked: as for ``pick``. Whether the device is there is looked at when a network is loaded:
    models without weights compute on the processor wherever they are.
    """
    _asked(asked)


def onnx_providers(asked: str | None = None) -> tuple[Device, list[Any]]:
    """The device of ONNX networks and its execution providers, best first, the processor last.

    asked: as for ``pick``. Raises ModelError when ONNX Runtime has none for what was asked.
    """
    import onnxruntime

    kind, number, wanted = _asked(asked)
    available = onnxruntime.get_available_providers()
    for candidate in (kind,) if wanted else KINDS:
        found = [p for p in _PROVIDERS[candidate] if p in available]
        if not found:
            continue
        provider = found[0].removesuffix("ExecutionProvider")
        label = "ONNX Runtime" if candidate == "cpu" else f"{provider}, ONNX Runtime"
        chosen = Device(candidate, number, label, _memory(candidate), asked=bool(wanted))
        if candidate == "cpu":
            return chosen, found
        options = {"device_id": str(number)} if candidate == "cuda" else {}
        return chosen, [*((p, options) for p in found), *_PROVIDERS["cpu"]]
    raise ModelError(
        f"the device '{wanted}' was asked for, but ONNX Runtime here cannot use it",
        hint=f"it has {', '.join(available)}; install another build of it, or unset ${VARIABLE}",
    )


def check_providers(session: Any, device: Device, name: str) -> None:
    """Raise ModelError when ONNX Runtime fell back from the device that was asked for.

    session: an ``onnxruntime.InferenceSession``, which falls back with no more than a log line.
    """
    used = session.get_providers()
    if device.asked and not set(used) & set(_PROVIDERS[device.kind]):
        raise ModelError(
            f"the model '{name}' would run on {', '.join(used)}, not on '{device.torch}' as asked",
            hint=f"install the libraries of that device, or unset ${VARIABLE}",
        )


def _asked(asked: str | None) -> tuple[str, int, str]:
    """(kind, number, what was asked for or "")."""
    asked = asked or os.environ.get(VARIABLE) or "auto"
    if asked == "auto":
        return "cpu", 0, ""
    kind, _, number = asked.partition(":")
    if kind not in KINDS or (number and not number.isdigit()):
        raise ModelError(
            f"there is no device '{asked}'", hint=f"say auto, {', '.join(KINDS)} or cuda:1"
        )
    return kind, int(number or 0), asked


@cache
def _there() -> tuple[Device, ...]:
    """All that there is, best first; the hardware does not change while we run."""
    found = []
    if importlib.util.find_spec("torch"):
        import torch

        with contextlib.suppress(RuntimeError):
            for number in range(torch.cuda.device_count()):
                seen = torch.cuda.get_device_properties(number)
                found.append(Device("cuda", number, seen.name, int(seen.total_memory * 0.8)))
        if torch.backends.mps.is_available():
            found.append(Device("mps", 0, "Apple", _memory("mps")))
    return (*found, Device("cpu", 0, platform.processor() or platform.machine(), _memory("cpu")))


def _memory(kind: str) -> int:
    """Bytes that networks may take: half of what is free in the machine."""
    import psutil

    return 0 if kind == "cuda" else psutil.virtual_memory().available // 2

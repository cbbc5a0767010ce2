"""Devices are picked, shown, and never silently another than was asked for."""

from __future__ import annotations

import pytest

from rotograph import device, worker
from rotograph.device import Device
from rotograph.errors import ModelError


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch):
    monkeypatch.delenv(device.VARIABLE, raising=False)


def test_there_is_always_one_and_it_says_which():
    picked = device.pick()
    assert picked.kind in device.KINDS and not picked.asked
    assert picked.torch in str(picked)
    assert device.pick("cpu").kind == "cpu" and device.pick("cpu").asked


def test_one_that_is_not_there_is_an_error_that_lists_what_is():
    with pytest.raises(ModelError) as caught:
        device.pick("cuda:97")
    assert "cuda:97" in str(caught.value) and "cpu" in str(caught.value)


def test_the_environment_asks_too(monkeypatch):
    monkeypatch.setenv(device.VARIABLE, "cuda:97")
    with pytest.raises(ModelError, match="ROTOGRAPH_DEVICE"):
        device.pick()
    monkeypatch.setenv(device.VARIABLE, "toaster")
    with pytest.raises(ModelError, match="toaster"):
        device.pick()


def test_a_word_that_is_no_device_is_refused_before_anything_needs_one(monkeypatch):
    device.check()
    device.check("cuda:97")  # might be there: a network will see
    monkeypatch.setenv(device.VARIABLE, "gpu")
    with pytest.raises(ModelError, match="'gpu'"):
        device.check()


def test_what_the_first_client_asked_for_does_not_bind_the_shared_engine(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv(device.VARIABLE, "cuda:97")
    assert worker.computes_on() == str(device.pick("auto"))


def test_onnx_runtime_must_have_a_provider_for_what_was_asked():
    runtime = pytest.importorskip("onnxruntime")
    picked, providers = device.onnx_providers("cpu")
    assert picked.kind == "cpu" and providers == ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        with pytest.raises(ModelError, match="cannot use it"):
            device.onnx_providers("cuda")


def test_a_silent_fall_back_is_told():
    class FellBack:
        """Stands in for a session of a GPU build on a machine without its libraries."""

        def get_providers(self):
            return ["CPUExecutionProvider"]

    with pytest.raises(ModelError, match="CPUExecutionProvider"):
        device.check_providers(FellBack(), Device("cuda", asked=True), "small")
    device.check_providers(FellBack(), Device("cuda"), "small")  # nobody asked for it

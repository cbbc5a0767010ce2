"""What travels on the wires comes back from the store bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rotograph.exr import Attribute
from rotograph.image import Box, Image, ImageSpec
from rotograph.layer import Detection, Detections
from rotograph.mask import MaskLogits
from rotograph.matte import Foreground, Matte
from rotograph.pack import pack, unpack
from rotograph.record import BadRecord, Record
from rotograph.store import Store

KEY = "0123456789abcdef" * 2


def through(value: object, folder: Path) -> object:
    store = Store(folder)
    assert store.put(KEY, pack(value), tier="results")
    return unpack(Store(folder).get(KEY))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint32"])
def test_an_image_with_its_attributes(tmp_path: Path, dtype: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**31, (60, 90, 4)).astype(np.uint32)
    if dtype != "uint32":  # any bits: NaN with payloads, infinities, denormals
        pixels = pixels.view(dtype)[..., :4]
    attributes = {
        "timeCode": Attribute.of("timecode", 0x01000023, 0),
        "owner": "Käse \N{CLAPPER BOARD}",
        "shots": ("a", "b"),
        "none": (),
        "exposure": 0.1,
        "take": 7,
        "nobody knows": Attribute("x-studio", b"\0\xff"),
    }
    display, data = Box(0, 0, 200, 100), Box(-7, 3, 83, 63)
    spec = ImageSpec(
        display, data, ("R", "G", "B", "hero.A"), 2.0, "ACEScg", "straight", attributes
    )
    image = Image(spec, pixels)
    found = through(image, tmp_path)
    assert found.spec == spec
    assert found.spec.attributes == attributes
    assert same_bits(found.pixels, pixels)


def test_logits_and_mattes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logits = MaskLogits(rng.normal(size=(54, 96)).astype(np.float32), Box(-8, 0, 88, 54), 0.1 + 0.2)
    found = through(logits, tmp_path / "a")
    assert same_bits(found.logits, logits.logits)
    assert (found.window, found.confidence) == (logits.window, logits.confidence)

    matte = Matte(Box(0, 0, 50, 40), rng.random((40, 50)).astype(np.float16), 0.7)
    found = through(matte, tmp_path / "b")
    assert same_bits(found.alpha, matte.alpha)
    assert (found.window, found.confidence) == (matte.window, 0.7)

    for count in (286, 0):
        indices = np.arange(count, dtype=np.uint32) * 7
        bright = rng.normal(size=(count, 3)).astype(np.float32) * 100
        found = through(Foreground(indices, bright), tmp_path / str(count))
        assert same_bits(found.indices, indices) and same_bits(found.colour, bright)


def test_nobody_can_change_a_result_that_others_share(tmp_path: Path) -> None:
    flow = np.ones((3, 4), np.float32)
    for shared in (unpack(pack({"flow": flow})), through({"flow": flow}, tmp_path)):
        with pytest.raises(ValueError, match="read-only"):
            shared["flow"][0] = 2
    flow[0] = 2  # our own is still ours


def test_detections(tmp_path: Path) -> None:
    found = Detections((Detection("person_01", 1001, (1.5, 2.0, 3.25, 4.0), 0.9),))
    assert through(found, tmp_path / "a") == found
    assert through(Detections(), tmp_path / "b") == Detections()


def test_dicts_of_arrays_and_plain_values(tmp_path: Path) -> None:
    state = {"flow": np.ones((3, 4, 2), np.float32), "seen": np.zeros((3, 4), bool)}
    found = through(state, tmp_path / "a")
    assert list(found) == list(state)
    assert all(same_bits(found[name], state[name]) for name in state)
    plain = {"layers": ["a", "b"], "n": 1, "x": 0.1, "none": None, "deep": [{}, [], True]}
    assert through(plain, tmp_path / "b") == plain
    assert through({}, tmp_path / "c") == {}


@pytest.mark.parametrize("value", [object(), {"a": (1, 2)}, {1: 2}, np.float32(1), {"a": object()}])
def test_what_would_come_back_otherwise_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        pack(value)


def test_a_record_of_another_shape_is_no_value() -> None:
    pixels = {"pixels": np.zeros((2, 2, 3), np.float32)}
    spec = pack(Image(ImageSpec(Box(0, 0, 2, 2), Box(0, 0, 2, 2)), pixels["pixels"])).meta
    for bad in (
        Record("image", {**spec, "data": [0, 0, 5, 5]}, pixels),
        Record("image", spec, {}),
        Record("matte", {"window": [0, 0]}, {}),
        Record("logits", {}, {}),
        Record("what", {}, {}),
    ):
        with pytest.raises(BadRecord):
            unpack(bad)

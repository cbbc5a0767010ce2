"""Cryptomatte: what we write, what others wrote, and that a layer comes back as it went in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rotograph import exr
from rotograph.deliver import cryptomatte, cryptoread
from rotograph.errors import ComputeError, DamagedFile, MediaError
from rotograph.image import Box, Image, ImageSpec

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "material" / "exr"
FOLDER = SAMPLES / "cryptomatte" / "sample_images"
AWKWARD = ["a/b/c", 'the "hero"', "равнина", "猫", "name, with, comma", "x" * 300, " space ", "a.b"]


@pytest.fixture
def samples() -> Path:
    if not FOLDER.is_dir():
        pytest.skip("the sample images are not beside the checkout")
    return FOLDER


def put(folder: Path, alphas: dict[str, np.ndarray], **options) -> Path:
    shape = next((a.shape for a in alphas.values()), (24, 32))
    box = Box(0, 0, shape[1], shape[0])
    made = cryptomatte.deliver(alphas, ImageSpec(box, box), **options)
    path = folder / "crypto.1001.exr"
    exr.write(path, made.image, compression="zips", pixel_type="float")
    if made.sidecar:
        (folder / made.sidecar[0]).write_bytes(made.sidecar[1])
    return path


def overlapping(names: list[str]) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(3)
    return {name: noise.random((24, 32)).astype(np.float16) for name in names}


def test_ids_are_those_of_the_specification():
    # the specification's own examples, and names of the sample images
    assert cryptomatte.identify("bunny") == 0x13851A76
    assert cryptomatte.identify("default") == 0x42C9679F
    assert cryptomatte.identify("равнина") == 0x9623511E
    assert cryptomatte.attribute_key("uCryptoAsset") == "d593dd7"


def test_no_id_is_a_float_that_a_compositor_would_change():
    ids = [cryptomatte.identify(f"name {i}") for i in range(20000)]
    floats = np.array(ids, np.uint32).view(np.float32)
    assert np.isfinite(floats).all() and (np.abs(floats) >= np.finfo(np.float32).tiny).all()


def test_six_layers_over_each_other_come_back_bit_for_bit(tmp_path):
    alphas = overlapping([f"layer_{i}" for i in range(6)])
    found = cryptoread.read(put(tmp_path, alphas))
    for name, alpha in alphas.items():
        np.testing.assert_array_equal(found.alpha(name), alpha.astype(np.float32))
    assert found.ids() == {cryptomatte.identify(name) for name in alphas}


def test_of_more_than_six_in_a_pixel_the_weakest_are_left_out(tmp_path):
    alphas = {f"l{i}": np.full((2, 2), (i + 1) / 10, np.float32) for i in range(8)}
    found = cryptoread.read(put(tmp_path, alphas))
    assert [float(found.alpha(f"l{i}")[0, 0]) > 0 for i in range(8)] == [False] * 2 + [True] * 6


@pytest.mark.parametrize("sidecar", [None, "crypto"])
def test_awkward_names_are_found_again(tmp_path, sidecar):
    alphas = {n: np.full((2, 3), 0.1 * i, np.float32) for i, n in enumerate(AWKWARD)}
    path = put(tmp_path, alphas, sidecar=sidecar)
    found = cryptoread.read(path)
    assert sorted(found.source.manifest) == sorted(AWKWARD)
    np.testing.assert_array_equal(found.alpha("x" * 300), alphas["x" * 300])
    assert bool(list(tmp_path.glob("crypto.*.json"))) == bool(sidecar)


def test_ids_and_manifest_do_not_hang_on_the_order_of_layers():
    alphas = overlapping(["b", "a", "c"])
    box = Box(0, 0, 32, 24)
    one = cryptomatte.deliver(alphas, ImageSpec(box, box))
    other = cryptomatte.deliver(dict(reversed(alphas.items())), ImageSpec(box, box))
    assert one.image.spec.attributes == other.image.spec.attributes
    np.testing.assert_array_equal(one.image.pixels, other.image.pixels)


def test_a_lost_sidecar_leaves_layers_to_be_found_by_name(tmp_path):
    path = put(tmp_path, overlapping(["a", "b"]), sidecar="crypto")
    next(tmp_path.glob("crypto.*.json")).unlink()
    found = cryptoread.read(path)
    assert found.source.manifest == {} and found.source.lost
    assert found.alpha("a").max() > 0.9
    assert found.alpha(f"<{cryptomatte.identify('b'):08x}>").max() > 0.9


def test_a_sidecar_in_a_folder_below_is_found(tmp_path):
    path = put(tmp_path, overlapping(["ä b"]), sidecar="crypto")
    beside = next(tmp_path.glob("crypto.*.json"))
    (tmp_path / "manifests").mkdir()
    beside.rename(tmp_path / "manifests" / beside.name)
    image = exr.read(path, channels=cryptoread.find(path)[0].channels)
    key = "cryptomatte/" + cryptomatte.attribute_key(cryptomatte.NAME)
    told = {f"{key}/manif_file": f"manifests/{beside.name}"}
    exr.write(path, image.with_attributes(**told), pixel_type="float")
    assert list(cryptoread.read(path).source.manifest) == ["ä b"]


@pytest.mark.parametrize("count", range(8))
def test_so_many_layers_over_each_other(tmp_path, count):
    names = ["a/b\"c'd\\e", "ショット_01", "x" * 300, "Привет мир", "plain", "<w>&;*?", ":k,l"][
        :count
    ]
    values = np.linspace(0.9, 0.2, 7, dtype=np.float16)
    alphas = {name: np.full((3, 4), value) for name, value in zip(names, values, strict=False)}
    for sidecar in (None, "crypto"):
        found = cryptoread.read(put(tmp_path, alphas, sidecar=sidecar))
        assert set(found.source.manifest) == set(names)
        for name in names[:6]:
            np.testing.assert_array_equal(found.alpha(name), alphas[name].astype(np.float32))
        assert all(found.alpha(name).max() == 0 for name in names[6:])  # the weakest of seven


def test_a_sidecar_elsewhere_and_a_broken_manifest_are_refused(tmp_path):
    box = Box(0, 0, 2, 2)
    made = cryptomatte.deliver({"a": np.ones((2, 2))}, ImageSpec(box, box))
    key = "cryptomatte/" + cryptomatte.attribute_key(cryptomatte.NAME)
    told = made.image.spec.attributes
    for change, why in (
        *(
            ({f"{key}/manif_file": name}, "outside its folder")
            for name in (
                "../secret.json",
                "/etc/passwd",
                "a/../../b.json",
                "..\\b.json",
                "C:b.json",
            )
        ),
        ({f"{key}/manifest": "[1, 2"}, "cannot be read"),
        ({f"{key}/manifest": '{"a": 5}'}, "cannot be read"),
    ):
        path = tmp_path / "broken.exr"
        spec = ImageSpec(box, box, made.image.spec.channels, attributes={**told, **change})
        exr.write(path, Image(spec, made.image.pixels))
        with pytest.raises(DamagedFile, match=why):
            cryptoread.read(path)


def test_a_plain_exr_and_a_half_name_are_refused(tmp_path):
    box = Box(0, 0, 2, 2)
    exr.write(tmp_path / "p.exr", Image(ImageSpec(box, box), np.zeros((2, 2, 3), np.float32)))
    with pytest.raises(MediaError, match="holds no Cryptomatte"):
        cryptoread.read(tmp_path / "p.exr")
    for name in ("\ud800", "", "a\0b"):
        with pytest.raises(ComputeError):
            cryptomatte.identify(name)


@pytest.mark.material
def test_every_name_of_every_sample_has_the_id_of_its_manifest(samples):
    files = [*samples.rglob("*.exr"), *SAMPLES.rglob("cryptoasset.exr")]
    sources = [source for file in files for source in cryptoread.find(file)]
    assert len(sources) >= 7
    for source in sources:
        assert source.manifest and source.lost is None
        for name, identity in source.manifest.items():
            assert cryptomatte.identify(name) == identity, name


@pytest.mark.material
@pytest.mark.parametrize(
    "file", ["debug_images/special_chars.exr", "debug_images/sidecar_manifest.exr",
             "debug_images/multichannel.exr", "cornellBox_CryptoWildcard.0001.exr"],
)  # fmt: skip
def test_the_layers_of_a_sample_cover_its_picture(samples, file):
    for source in cryptoread.find(samples / file):
        found = cryptoread.read(samples / file, source.name)
        named = sum(found.alpha(layer) for layer in source.manifest)
        pairs = found.image.pixels
        whole = np.where(pairs[..., 0::2] != 0, pairs[..., 1::2], 0).sum(axis=-1)
        assert named.max() > 0.99
        # what the manifest does not name is background or an instance that was left out of it
        known = set(source.manifest.values())
        if found.ids() <= known:
            np.testing.assert_allclose(named, whole.clip(0, 1), atol=1e-5)


@pytest.mark.material
def test_a_quoted_and_a_russian_name_select_their_stripes(samples):
    found = cryptoread.read(samples / "debug_images" / "special_chars.exr")
    for name in ('name containing a "quote"  ', "name_containing/slash", "равнина"):
        assert found.alpha(name).sum() > 100


@pytest.mark.material
def test_a_sidecar_of_a_sample_is_the_one_on_disk(samples):
    folder = samples / "debug_images"
    listed = json.loads((folder / "sidecar_manifest.crypto_asset.json").read_text())
    source = cryptoread.choose(folder / "sidecar_manifest.exr")
    assert {n: f"{i:08x}" for n, i in source.manifest.items()} == listed

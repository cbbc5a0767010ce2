"""Colour: which space a plate is in, and numbers against the formulas of the standards."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rotograph import colour
from rotograph.attribute import Attribute
from rotograph.errors import ColourError

AP1 = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


@pytest.fixture(scope="module")
def aces() -> colour.Colour:
    return colour.load(colour.BUILT_IN)


def pixels(*values: float) -> np.ndarray:
    """Grey pixels, ``(1, N, 3)``."""
    return np.repeat(np.array(values, np.float32)[None, :, None], 3, axis=2)


def test_acescct_is_the_formula(aces):
    linear = np.array([0.0, 0.001, 0.0078125, 0.18, 1.0, 16.0, 1000.0])
    # S-2016-001: linear below 0.0078125, then a logarithm
    expected = np.where(linear <= 0.0078125, 10.5402377416545 * linear + 0.0729055341958355, 0.0)
    above = linear > 0.0078125
    expected[above] = (np.log2(linear[above]) + 9.72) / 17.52
    found = aces.to_model(pixels(*linear), "ACEScg")
    np.testing.assert_allclose(found[0, :, 0], expected, atol=2e-5)


def test_srgb_is_the_formula_and_comes_back(aces):
    encoded = np.array([0.0, 0.02, 0.04045, 0.2, 0.5, 1.0])
    # IEC 61966-2-1
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    for space in ("srgb_texture", aces.resolve("a.png")):
        found = aces.to_linear(pixels(*encoded), space)
        np.testing.assert_allclose(found[0, :, 1], linear, atol=1e-4)
        back = aces.convert(found, "scene_linear", space)
        np.testing.assert_allclose(back[0, :, 2], encoded, atol=1e-4)


def test_colour_is_unclamped_and_the_plate_is_not_touched(aces):
    plate = pixels(-0.5, 3.0, 900.0, np.nan)
    kept = plate.copy()
    found = aces.convert(plate, "ACES2065-1", "ACEScg")
    np.testing.assert_array_equal(plate, kept)
    np.testing.assert_allclose(found[0, :3], plate[0, :3], rtol=1e-3)
    assert np.isnan(found[0, 3]).all()


def test_a_model_never_sees_what_breaks_it(aces):
    plate = pixels(np.nan, np.inf, -np.inf, 1e30, -3.0)
    for seen in (aces.to_model(plate, "ACEScg"), colour.harmless(plate)):
        assert np.isfinite(seen).all()
    assert aces.to_model(plate, "ACEScg").min() >= -0.5
    assert aces.to_model(plate, "ACEScg").max() <= 1.5
    assert np.isnan(plate[0, 0]).all()


def test_a_picture_for_the_eye(aces):
    seen = aces.to_display(pixels(0.0, 0.18, 1.0, 100.0, np.nan), "ACEScg")
    assert seen.dtype == np.uint8
    grey = seen[0, :, 0].astype(int)
    assert grey[0] == grey[4] == 0
    assert 80 < grey[1] < 130 < grey[2] < grey[3]
    with pytest.raises(ColourError, match="no view 'Film'"):
        aces.to_display(pixels(0.18), "ACEScg", view="Film")


def test_names_are_found_by_alias_role_and_any_case(aces):
    assert aces.space("acescg") == aces.space("lin_ap1") == aces.space("scene_linear") == "ACEScg"
    with pytest.raises(ColourError, match="no colour space 'ACESg'; did you mean 'ACEScg'"):
        aces.space("ACESg")


def chromaticities(*numbers: float) -> dict[str, object]:
    return {"chromaticities": Attribute.of("chromaticities", *numbers)}


@pytest.mark.parametrize(
    ("path", "attributes", "space"),
    [
        ("plate.1001.exr", {}, "ACEScg"),
        ("plate.1001.exr", chromaticities(*AP1), "ACEScg"),
        ("plate.1001.exr", chromaticities(*REC709), "Linear Rec.709 (sRGB)"),
        ("plate.1001.exr", {"acesImageContainerFlag": 1}, "ACES2065-1"),
        ("plate.1001.exr", {"colorInteropID": "lin_rec2020_scene"}, "Linear Rec.2020"),
        ("plate.1001.exr", {"colorInteropID": "unknown"}, "ACEScg"),
        ("plate.1001.exr", chromaticities(*[0.1] * 8), "ACEScg"),
        ("still.png", {}, "sRGB - Display"),
        ("still.png", {"oiio:ColorSpace": "srgb_rec709_scene"}, "sRGB Encoded Rec.709 (sRGB)"),
        ("clip.mov", {}, "Rec.1886 Rec.709 - Display"),
        ("scan.0001.dpx", {}, "ACEScct"),
        ("scan.0001.dpx", {"dpx:Transfer": "Linear"}, "ACEScg"),
    ],
)
def test_which_space_a_plate_is_in(aces, path, attributes, space):
    assert aces.resolve(path, attributes=attributes) == space
    assert aces.resolve(path, attributes=attributes, explicit="acescc") == "ACEScc"


CONFIG = """ocio_profile_version: 2
search_path: luts
roles: {default: raw, scene_linear: lin}
file_rules:
  - !<Rule> {name: Camera, pattern: "*_cam*", extension: "*", colorspace: cam}
  - !<Rule> {name: Exr, pattern: "*", extension: exr, colorspace: look}
  - !<Rule> {name: Default, colorspace: raw}
displays:
  monitor:
    - !<View> {name: plain, colorspace: raw}
colorspaces:
  - !<ColorSpace> {name: raw, isdata: true}
  - !<ColorSpace> {name: lin}
  - !<ColorSpace>
    name: cam
    to_scene_reference: !<MatrixTransform> {matrix: [2,0,0,0, 0,2,0,0, 0,0,2,0, 0,0,0,1]}
  - !<ColorSpace>
    name: look
    to_scene_reference: !<FileTransform> {src: look.cube}
"""


@pytest.fixture
def show(tmp_path):
    (tmp_path / "luts").mkdir()
    (tmp_path / "luts" / "look.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n3 3 3\n")
    (tmp_path / "config.ocio").write_text(CONFIG)
    return tmp_path / "config.ocio"


def test_a_shows_config_and_its_file_rules(show, monkeypatch):
    monkeypatch.setenv("OCIO", str(show))
    config = colour.load()
    assert config.source == str(show)
    # the rule that looks at the name, the attributes, the rule for the extension: in this order
    assert config.resolve("/show/a_cam.1001.exr", attributes=chromaticities(*AP1)) == "cam"
    assert config.resolve("/show/a.1001.exr", attributes={"colorInteropID": "lin"}) == "lin"
    assert config.resolve("/show/a.1001.exr") == "look"
    assert config.resolve("/show/a.png") == "raw"
    np.testing.assert_allclose(config.to_linear(pixels(0.25), "cam"), 0.5)
    np.testing.assert_allclose(config.to_linear(pixels(0.5), "look"), 1.5)


def test_the_digest_follows_the_content(show):
    first = colour.load(str(show))
    assert colour.load(str(show)).digest == first.digest
    assert first.digest != colour.load(colour.BUILT_IN).digest
    lut = show.parent / "luts" / "look.cube"
    lut.write_text(lut.read_text())
    assert colour.load(str(show)).digest == first.digest
    lut.write_text("LUT_1D_SIZE 2\n0 0 0\n4 4 4\n")
    second = colour.load(str(show))
    assert second.digest != first.digest
    np.testing.assert_allclose(second.to_linear(pixels(0.5), "look"), 2.0)
    lut.unlink()
    with pytest.raises(ColourError, match="LUT files"):
        colour.load(str(show)).to_linear(pixels(0.5), "look")


def test_a_config_that_cannot_be_used_says_so(tmp_path):
    with pytest.raises(ColourError, match="unset it"):
        colour.load(str(tmp_path / "none.ocio"))
    (tmp_path / "bad.ocio").write_text("nonsense: [")
    with pytest.raises(ColourError, match="cannot be used"):
        colour.load(str(tmp_path / "bad.ocio"))


def test_threads_agree(aces):
    plate = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    expected = aces.to_model(plate, "ACES2065-1")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(aces.to_model(plate, "ACES2065-1")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for each in found:
        np.testing.assert_array_equal(each, expected)

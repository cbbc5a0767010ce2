"""What a model sees does not hang on how a studio's OCIO config calls its spaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rotograph import colour
from rotograph.errors import ColourError

OWN_NAMES = """ocio_profile_version: 2
roles: {scene_linear: our linear, default: raw%s}
displays:
  monitor:
    - !<View> {name: Film, colorspace: our output}
colorspaces:
  - !<ColorSpace> {name: raw, isdata: true}
  - !<ColorSpace> {name: our exchange}
  - !<ColorSpace>
    name: our linear
    to_scene_reference: %s
  - !<ColorSpace>
    name: our output
    from_scene_reference:
      !<ExponentTransform> {value: [2.2, 2.2, 2.2, 1], direction: inverse}
"""


ACESCG = "!<BuiltinTransform> {style: ACEScg_to_ACES2065-1}"


def config(folder: Path, role: str, linear: str = ACESCG) -> colour.Colour:
    path = folder / "config.ocio"
    path.write_text(OWN_NAMES % (role, linear), encoding="utf-8")
    return colour.load(str(path))


@pytest.mark.parametrize("space", ["ACEScct", "sRGB - Display"])
def test_a_config_with_its_own_names_gives_a_model_the_same_picture(tmp_path, space):
    own = config(tmp_path, ", aces_interchange: our exchange")
    pixels = np.random.default_rng(1).uniform(-0.1, 6.0, (8, 9, 3)).astype(np.float32)
    pixels[0, 0] = [np.nan, np.inf, -np.inf]
    seen = own.to_model(pixels, "our linear", space)
    usual = colour.load().to_model(pixels, "ACEScg", space)
    assert np.allclose(seen[1:], usual[1:], atol=1e-4) and np.isfinite(seen).all()
    assert own.to_model(pixels[:0], "our linear", space).shape == (0, 9, 3)


def test_a_config_that_says_nothing_of_aces_is_one_clear_line(tmp_path):
    stranger = config(tmp_path, "", linear="!<MatrixTransform> {}")
    with pytest.raises(ColourError) as caught:
        stranger.to_model(np.ones((2, 2, 3)), "our output", "ACEScct")
    assert "aces_interchange" in str(caught.value) and "\n" not in str(caught.value)

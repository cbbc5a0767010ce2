"""Pictures tell the truth: colours, composites and edges are where and what they should be."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rotograph import colour
from rotograph.errors import WriteError
from rotograph.layer import Layer
from rotograph.picture import PAGE, cell, contact_sheet, layer_colour, overlay, write_png

SPACE = "ACEScg"


@pytest.fixture(scope="module")
def aces() -> colour.Colour:
    return colour.load("ocio://default")


def disc(height: int = 120, width: int = 200) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.clip(30 - np.hypot(x - width / 2, y - height / 2) + 0.5, 0, 1).astype(np.float32)


def test_a_composite_is_made_in_linear_light_over_18_per_cent_grey(aces: colour.Colour) -> None:
    alpha = disc()
    alpha[:, :50] = 0.5
    red = np.tile(np.float32([0.8, 0.1, 0.05]), (120, 200, 1))
    made = cell("1001", red, alpha, aces, SPACE)
    grey = np.full((1, 1, 3), 0.18, np.float32)
    half = red[:1, :1] * 0.5 + grey * 0.5
    for at, linear in (((5, 195), grey), ((60, 100), red[:1, :1]), ((60, 20), half)):
        expected = aces.to_display(linear, SPACE)[0, 0].astype(int)
        assert np.abs(made.composite[at].astype(int) - expected).max() <= 1
    assert made.matte[60, 100].tolist() == [255] * 3 and made.matte[60, 20].tolist() == [128] * 3
    assert np.array_equal(made.plate[5, 195], aces.to_display(red[:1, :1], SPACE)[0, 0])


def test_cells_are_scaled_down_with_the_pixel_aspect_and_never_up(aces: colour.Colour) -> None:
    rgb = np.full((120, 200, 3), 0.5, np.float32)
    assert cell("a", rgb, disc(), aces, SPACE, width=100).plate.shape == (60, 100, 3)
    assert cell("a", rgb, disc(), aces, SPACE, width=999).plate.shape == (120, 200, 3)
    wide = cell("a", rgb, disc(), aces, SPACE, pixel_aspect=2.0, width=200)
    assert wide.plate.shape == wide.matte.shape == wide.composite.shape == (60, 200, 3)


def test_wild_pixels_stay_where_they_are(aces: colour.Colour) -> None:
    rgb = np.full((120, 200, 3), 0.5, np.float32)
    calm = cell("a", rgb, disc(), aces, SPACE, width=100)
    rgb[0, 0], rgb[50, 50], rgb[100, 100] = np.nan, np.inf, -np.inf
    made = cell("a", rgb, disc(), aces, SPACE, width=100)
    assert (made.plate != calm.plate).any(axis=-1).sum() <= 3


def test_a_sheet_holds_every_picture_and_names_them(aces: colour.Colour, tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).random((120, 200, 3), dtype=np.float32)
    cells = [cell(str(n), rgb * n, disc(), aces, SPACE, width=100) for n in (1, 2, 3)]
    contact_sheet(tmp_path / "sheet.png", cells, "Title", "footnote")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1]
    for one in cells:
        for picture in (one.plate, one.composite):
            match = cv2.matchTemplate(sheet.copy(), picture, cv2.TM_SQDIFF)
            y, x = np.unravel_index(match.argmin(), match.shape)
            assert np.array_equal(sheet[y : y + 60, x : x + 100], picture)
    ink = (sheet.max(axis=-1) > PAGE + 40).any(axis=1)
    assert ink[:60].any(), "title and frame numbers"
    assert (sheet[-5:] == PAGE).all() and (sheet[:, -5:] == PAGE).all(), "a margin all round"
    assert (sheet[:, :80].max(axis=-1) > PAGE + 40).any(), "names of the rows"


def test_an_overlay_tints_inside_and_leaves_outside(tmp_path: Path) -> None:
    plate = np.full((240, 400, 3), 100, np.uint8)
    layer = Layer("hero", "Hero", (1.0, 0.0, 0.0))
    alpha = disc(240, 400)
    made = overlay(plate, {layer: alpha}, tint=0.5)
    assert made[120, 200].tolist() == [178, 50, 50]
    assert (made[200:] == 100).all() and (plate == 100).all()
    edge = made[120, 200 + 29].astype(int)
    assert edge[0] > 220 and edge[1] < 40, "outlined"
    empty = overlay(plate, {layer: np.zeros((240, 400), np.float32)})
    assert np.array_equal(empty, plate)


def test_names_stay_inside_small_pictures() -> None:
    layer = Layer("a_name_far_longer_than_the_picture_is_wide", colour=layer_colour(9))
    assert overlay(np.zeros((12, 16, 3), np.uint8), {layer: np.ones((12, 16))}).shape == (12, 16, 3)


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"none/a\.png"):
        write_png(tmp_path / "none" / "a.png", np.zeros((2, 2, 3), np.uint8))

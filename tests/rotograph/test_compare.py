"""Mattes are held against a reference frame by frame, wherever their pixels lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rotograph import exr, metrics, stills
from rotograph.compare import Pair, difference, difference_sheet
from rotograph.errors import ComputeError, MediaError, MissingFrame
from rotograph.image import Box, Image, ImageSpec

FORMAT = Box(0, 0, 40, 30)


def write(path: Path, data: Box = FORMAT, display: Box = FORMAT, **channels: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.stack([np.full(data.shape, v, np.float16) for v in channels.values()], axis=-1)
    names = tuple(name.replace("_A", ".A") for name in channels)
    exr.write(path, Image(ImageSpec(display, data, names), pixels))


def score(mattes: Path, reference: Path, **rest) -> metrics.SequenceScore:
    return metrics.compare(Pair.open(mattes, reference, **rest).read())


def test_the_frames_of_both_are_compared_and_the_missing_named(tmp_path: Path) -> None:
    for frame in (1, 2, 3):
        write(tmp_path / f"truth.{frame:04d}.exr", A=0.5)
    for frame in (2, 3, 4):
        write(tmp_path / f"matte.{frame:04d}.exr", A=0.25)
    pair = Pair.open(tmp_path / "matte.####.exr", tmp_path / "truth.####.exr")
    assert pair.frames == (2, 3)
    assert pair.missing == (1,)
    assert metrics.compare(pair.read()).mad == pytest.approx(0.25)


def test_a_matte_is_nothing_outside_its_data_window(tmp_path: Path) -> None:
    write(tmp_path / "truth.0001.exr", A=1)
    write(tmp_path / "matte.0001.exr", data=Box(0, 0, 20, 30), A=1)
    assert score(tmp_path / "matte.####.exr", tmp_path / "truth.####.exr").mad == 0.5


def test_what_lies_outside_the_references_window_does_not_count(tmp_path: Path) -> None:
    write(tmp_path / "truth.0001.exr", data=Box(10, 10, 30, 20), A=1)
    write(tmp_path / "matte.0001.exr", data=Box(-5, -5, 45, 35), A=1)
    assert score(tmp_path / "matte.####.exr", tmp_path / "truth.####.exr").mad == 0


def test_one_layer_of_several(tmp_path: Path) -> None:
    write(tmp_path / "matte.0001.exr", A=1, hero_A=0.75, dog_A=0.25)
    write(tmp_path / "truth.0001.exr", A=0.75)
    patterns = tmp_path / "matte.####.exr", tmp_path / "truth.####.exr"
    assert score(*patterns, layer="hero").mad == 0
    assert score(*patterns).mad == 0.25
    with pytest.raises(MediaError, match=r"no layer 'cat'.*dog, hero"):
        score(*patterns, layer="cat")


def test_a_folder_stands_for_its_one_sequence(tmp_path: Path) -> None:
    for frame in (998, 999, 1000):
        write(tmp_path / "mattes" / f"m.{frame:03d}.exr", A=0.5)
        write(tmp_path / "truth" / f"t_{frame:06d}.exr", A=0.5)
    assert len(score(tmp_path / "mattes", tmp_path / "truth").frames) == 3
    write(tmp_path / "truth" / "u_000001.exr", A=0.5)
    with pytest.raises(MediaError, match="name one of"):
        Pair.open(tmp_path / "mattes", tmp_path / "truth")


def test_two_single_pictures_need_no_common_number(tmp_path: Path) -> None:
    write(tmp_path / "matte.1001.exr", A=0.5)
    write(tmp_path / "truth.exr", A=1)
    assert score(tmp_path / "matte.1001.exr", tmp_path / "truth.exr").mad == 0.5


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    write(tmp_path / "matte.0001.exr", A=1)
    write(tmp_path / "matte.0002.exr", A=1)
    write(tmp_path / "late.0008.exr", A=1)
    write(tmp_path / "late.0009.exr", A=1)
    write(tmp_path / "large.0001.exr", display=Box(0, 0, 80, 60), A=1)
    matte, late, large = (tmp_path / f"{n}.####.exr" for n in ("matte", "late", "large"))
    with pytest.raises(ComputeError, match=r"1-2.*8-9.*none in common"):
        Pair.open(matte, late)
    with pytest.raises(ComputeError, match=r"frame 1.*40x30.*80x60"):
        score(matte, large)
    with pytest.raises(MissingFrame, match=r"frame 3.*there are 1-2"):
        Pair.open(matte, matte, frames=(2, 3))


def test_the_difference_sheet_shows_the_worst_frames(tmp_path: Path) -> None:
    for frame in range(1, 9):
        write(tmp_path / f"truth.{frame:04d}.exr", A=0.5)
        write(tmp_path / f"matte.{frame:04d}.exr", A=0.5 + frame / 32)
    pair = Pair.open(tmp_path / "matte.####.exr", tmp_path / "truth.####.exr")
    found = metrics.compare(pair.read())
    difference_sheet(tmp_path / "sheet.png", pair, found, "worst")
    sheet = stills.read(tmp_path / "sheet.png").pixels
    assert sheet.shape[2] == 3 and sheet.shape[1] > 5 * 40  # five of eight

    too_much, too_little = (
        difference(np.full((2, 2), v, np.float32), np.full((2, 2), 0.5, np.float32))[0, 0]
        for v in (0.9, 0.1)
    )
    assert too_much[0] > 2 * too_much[2] and too_little[2] > 2 * too_little[0]

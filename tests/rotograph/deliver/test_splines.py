"""Editable shapes: they follow the matte, keep their points, and stick to what they lie on."""

from __future__ import annotations

import json
import xml.etree.ElementTree as xml
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.cli import rotograph
from rotograph.deliver import correspondence, splinefiles, splines, splinesource
from rotograph.deliver.rasterise import layer_alpha, outline, shape_alpha
from rotograph.deliver.spline import (
    Key,
    Spline,
    SplineLayer,
    SplineShot,
    from_json,
    outset,
    to_json,
)
from rotograph.errors import MediaError, WriteError
from rotograph.image import Box, Image, ImageSpec

WINDOW = Box(0, 0, 200, 140)
RED = (1.0, 0.0, 0.0)


def disc(x: float, y: float, radius: float, soft: float = 1.0) -> np.ndarray:
    rows, columns = np.mgrid[:140, :200] + 0.5
    return np.clip(0.5 + (radius - np.hypot(columns - x, rows - y)) / soft, 0, 1).astype("f4")


def circle(x: float, y: float, radius: float) -> np.ndarray:
    """Four points: a circle to within 0.03 % of its radius."""
    k = 0.5523 * radius
    return np.array(
        [
            [[x - k, y - radius], [x, y - radius], [x + k, y - radius]],
            [[x + radius, y - k], [x + radius, y], [x + radius, y + k]],
            [[x + k, y + radius], [x, y + radius], [x - k, y + radius]],
            [[x - radius, y + k], [x - radius, y], [x - radius, y - k]],
        ]
    )


def made(alphas: dict[str, list[np.ndarray]], flows=None, order=()) -> tuple[SplineLayer, ...]:
    count = len(next(iter(alphas.values())))
    frames = tuple(range(1001, 1001 + count))
    shot = splines.take(frames, list(alphas), lambda n, f: alphas[n][f - 1001], WINDOW, flows)
    return splines.build(shot, dict.fromkeys(alphas, RED), order)


def overlap(layer: SplineLayer, truths: list[np.ndarray]) -> float:
    both = either = 0
    for frame, truth in enumerate(truths, 1001):
        mask, cut = layer_alpha(layer, frame, WINDOW) > 0.5, truth > 0.5
        both, either = both + (mask & cut).sum(), either + (mask | cut).sum()
    return both / either


def test_a_rasterised_circle_has_its_area_and_its_feather():
    hard = shape_alpha(Key(1, circle(90, 60, 40), 0.0), WINDOW)
    assert hard.sum() == pytest.approx(np.pi * 40**2, rel=2e-3)
    np.testing.assert_allclose(hard, disc(90, 60, 40), atol=0.2)
    soft = shape_alpha(Key(1, circle(90, 60, 40), 12.0), WINDOW)
    np.testing.assert_allclose(soft, disc(90, 60, 40, 12.0), atol=0.06)


def test_a_shape_partly_outside_the_picture_is_cut_off_there():
    part = shape_alpha(Key(1, circle(0, 0, 40), 6.0), WINDOW)
    assert part.sum() == pytest.approx(np.pi * 40**2 / 4, rel=0.02)
    assert not shape_alpha(Key(1, circle(-500, 0, 40), 6.0), WINDOW).any()


def test_an_outset_circle_is_a_larger_circle():
    larger = outline(outset(circle(90, 60, 40), 5.0))
    np.testing.assert_allclose(np.hypot(*(larger - (90, 60)).T), 45.0, atol=0.1)


@pytest.mark.slow
def test_a_moving_shape_needs_few_points_and_keys():
    truths = [disc(50 + 5 * t, 60 + 2 * t, 24 + t, 5.0) for t in range(12)]
    (layer,) = made({"ball": truths})
    (shape,) = layer.shapes
    assert overlap(layer, truths) > 0.98
    assert len(shape.keys) <= 4 and len(shape.keys[0].points) <= 16
    assert len({len(key.points) for key in shape.keys}) == 1
    for key in shape.keys:
        assert key.feather == pytest.approx(5.0, abs=1.0)


@pytest.mark.slow
def test_a_hole_is_a_shape_of_its_own():
    truths = [disc(60 + 3 * t, 70, 45) * (1 - disc(60 + 3 * t, 70, 18)) for t in range(6)]
    (layer,) = made({"ring": truths})
    assert sorted(shape.subtract for shape in layer.shapes) == [False, True]
    assert overlap(layer, truths) > 0.96


@pytest.mark.slow
def test_two_parts_are_two_shapes():
    truths = [np.maximum(disc(40, 40 + 2 * t, 22), disc(150, 90 - t, 30)) for t in range(6)]
    (layer,) = made({"pair": truths})
    assert len(layer.shapes) == 2
    assert overlap(layer, truths) > 0.97


@pytest.mark.slow
def test_a_shape_goes_on_behind_what_hides_it():
    fronts = [disc(150 - 8 * t, 60, 22) for t in range(9)]
    backs = [disc(90, 70, 40) * (1 - f) for f in fronts]
    front, back = made({"front": fronts, "back": backs})
    assert [s.name for s in front.shapes] == ["front 1"]
    assert [s.subtract for s in back.shapes] == [False, True]
    assert overlap(back, backs) > 0.96
    whole = [shape_alpha(back.shapes[0].at(frame), WINDOW) for frame in range(1001, 1010)]
    for alpha in whole:  # the disc as it is, bitten by nothing
        assert (alpha > 0.5).sum() == pytest.approx(np.pi * 40**2, rel=0.06)


@pytest.mark.slow
def test_points_turn_with_a_disc_that_only_its_picture_shows_turning():
    noise = cv2.GaussianBlur(np.random.default_rng(1).random((140, 200)).astype("f4"), (0, 0), 2)
    noise = (noise - noise.min()) / np.ptp(noise)
    frames, turn = 12, 2.0
    pictures = []
    for t in range(frames):
        matrix = cv2.getRotationMatrix2D((99.5, 69.5), -turn * t, 1.0)
        turned = cv2.warpAffine(noise, matrix, (200, 140), borderMode=cv2.BORDER_REFLECT)
        pictures.append(np.repeat(np.where(disc(100, 70, 50) > 0.5, turned, 0.1)[..., None], 3, 2))
    flows = [
        (correspondence.motion(a, b), correspondence.motion(b, a)) for a, b in pairwise(pictures)
    ]
    (layer,) = made({"disc": [disc(100, 70, 50)] * frames}, flows)
    first, last = (layer.shapes[0].at(f).points[:, 1] - (100, 70) for f in (1001, 1000 + frames))
    angle = np.degrees(
        np.angle(np.exp(1j * (np.arctan2(*last.T[::-1]) - np.arctan2(*first.T[::-1]))))
    )
    assert np.median(angle) == pytest.approx(turn * (frames - 1), abs=5.0)


def blob(t: int, turn: float, shift: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A textured thing that is not round, turned and shifted: its alpha and its picture."""
    rows, columns = np.mgrid[:140, :200] + 0.5
    angle = np.radians(turn * t)
    x, y = columns - 65 - shift[0] * t, rows - 65 - shift[1] * t
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    around = np.arctan2(v, u)
    radius = 40 + 8 * np.cos(3 * around) + 4 * np.sin(5 * around + 1)
    alpha = np.clip(0.5 + radius - np.hypot(u, v), 0, 1).astype("f4")
    random = np.random.default_rng(3)
    skin, wall = (
        cv2.GaussianBlur(random.random((200, 200)).astype("f4"), (0, 0), 2.5) for _ in range(2)
    )
    skin = cv2.remap(skin, *(a.astype("f4") + 100 for a in (u, v)), cv2.INTER_LINEAR)
    return alpha, np.repeat((alpha * skin + (1 - alpha) * wall[:140] * 0.5)[..., None], 3, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("turn", "shift"), [(0.0, (5.0, 1.0)), (1.0, (4.0, 1.0))])
def test_every_point_stays_on_its_place_of_a_moving_thing(turn, shift):
    count = 12
    alphas, pictures = zip(*(blob(t, turn, shift) for t in range(count)), strict=True)
    flows = [
        (correspondence.motion(a, b), correspondence.motion(b, a)) for a, b in pairwise(pictures)
    ]
    (layer,) = made({"blob": list(alphas)}, flows)
    (shape,) = layer.shapes
    assert len(shape.keys) <= count // 3 and overlap(layer, list(alphas)) > 0.98
    places = []
    for t in range(count):
        x, y = (shape.at(1001 + t).points[:, 1] - (65 + shift[0] * t, 65 + shift[1] * t)).T
        cos, sin = np.cos(np.radians(turn * t)), np.sin(np.radians(turn * t))
        places.append(np.stack([cos * x + sin * y, cos * y - sin * x], axis=1))
    away = np.linalg.norm(places - np.mean(places, axis=0), axis=-1)
    assert away.max() < 1.0


@pytest.mark.slow
@pytest.mark.material
def test_four_things_that_hide_each_other_are_carried_by_few_points_and_keyframes():
    plates = Path(__file__).resolve().parents[4] / "shared" / "plates" / "crowd"
    if not plates.is_dir():
        pytest.skip("the real plates are not beside the checkout")
    made = splinesource.of_files(
        str(plates / "truth.####.exr"), plate=str(plates / "plate.####.exr")
    )
    window = splinefiles.placed(made.spec)
    flows = splines.motions(made.picture, made.frames, window)
    shot = splines.take(made.frames, made.layers, made.alpha, window, flows)
    both = either = 0
    for layer in splines.build(shot, dict.fromkeys(made.layers, RED)):
        for shape in layer.shapes:
            assert {len(key.points) for key in shape.keys} <= set(range(3, 41))
            assert len(shape.keys) <= max(2, (shape.last - shape.first + 1) // 3)
        for frame in made.frames:
            mask, cut = (
                alpha > 0.5
                for alpha in (layer_alpha(layer, frame, window), made.alpha(layer.name, frame))
            )
            both, either = both + (mask & cut).sum(), either + (mask | cut).sum()
    assert both / either >= 0.95


def test_between_keyframes_a_shape_moves_smoothly_and_no_further_than_its_keys():
    keys = [Key(f, circle(x, 60, 30), 0.0) for f, x in ((1, 40), (5, 80), (9, 90), (13, 50))]
    shape = Spline("ball", 1, 13, tuple(keys))
    x = np.array([shape.at(f).points[:, 1, 0].mean() for f in range(1, 14)])
    assert x[[0, 4, 8, 12]] == pytest.approx([40, 80, 90, 50])
    assert x.max() <= 90 + 1e-9 and x.min() >= 40 - 1e-9
    assert np.abs(np.diff(x, 2)).max() < 8  # straight motion would turn by 12 in a frame
    pair = Spline("ball", 1, 5, tuple(keys[:2]))
    assert pair.at(2).points[0, 1, 0] == pytest.approx(50)  # of two keys, evenly


def test_shapes_and_residual_are_the_matte(tmp_path):
    truths = [disc(60 + 4 * t, 60, 30, 9.0).astype(np.float16) for t in range(4)]
    layers = made({"ball": [t.astype("f4") for t in truths]})
    check_residual(tmp_path, layers, lambda n, f: truths[f - 1001], (1001, 1002, 1003, 1004))


def check_residual(folder, layers, alpha, frames, spec=None):
    spec = spec or ImageSpec(WINDOW, WINDOW)
    shot = SplineShot(tuple(frames), spec.display.size, layers)
    files = splinefiles.write_residual(folder, shot, alpha, spec)
    wanted = [alpha(layer.name, frame) for layer in layers for frame in frames]
    for path, truth in zip(files, wanted, strict=True):
        image = exr.read(path)
        whole = image.channel("shape.A") + image.channel("A")
        np.testing.assert_array_equal(whole, truth.astype(np.float32))


@pytest.mark.slow
@pytest.mark.material
def test_shapes_and_residual_are_the_matte_of_real_hair(tmp_path):
    plates = Path(__file__).resolve().parents[4] / "shared" / "plates" / "blondehair"
    if not plates.is_dir():
        pytest.skip("the real plates are not beside the checkout")
    made = splinesource.of_files(str(plates / "alpha.####.exr"), frames=(1001, 1002, 1003))
    window = splinefiles.placed(made.spec)
    shot = splines.take(made.frames, made.layers, made.alpha, window)
    (layer,) = splines.build(shot, dict.fromkeys(made.layers, RED))
    check_residual(tmp_path, (layer,), made.alpha, made.frames, made.spec)
    fine = made.alpha(layer.name, 1002) * np.float32(0.987654)  # not in steps of a half
    shape, left = splinefiles.residual(layer, 1002, fine, window)
    np.testing.assert_allclose(shape + left, fine, rtol=0, atol=6e-8)


def test_json_comes_back_and_nonsense_is_refused():
    key = Key(1001, circle(90.125, 60, 40), 2.5)
    shape = Spline('a/b "c" 猫', 1001, 1003, (key, Key(1003, circle(95, 60, 40), 3.5)), True)
    shot = SplineShot((1001, 1002, 1003), (200, 140), (SplineLayer("hero", RED, (shape,)),))
    back = from_json(to_json(shot))
    assert back.layers[0].shapes[0].name == shape.name
    np.testing.assert_allclose(
        back.layers[0].shapes[0].at(1002).points, shape.at(1002).points, atol=2e-3
    )
    assert back.layers[0].shapes[0].at(1002).feather == pytest.approx(3.0)
    assert back.layers[0].shapes[0].at(1004) is None
    said = json.loads(to_json(shot))
    said["layers"][0]["shapes"][0]["keys"][0]["points"].pop()
    for text in ("[", "{}", "[1]", json.dumps(said), '{"rotograph_splines": 1}'):
        with pytest.raises(MediaError):
            from_json(text)


def test_an_empty_layer_has_no_shapes():
    (layer,) = made({"nothing": [np.zeros((140, 200), np.float32)] * 3})
    assert layer.shapes == ()


def test_a_delivery_is_not_written_over(tmp_path):
    shot = SplineShot((1001,), (200, 140), ())
    assert len(splinefiles.write(tmp_path, shot, splinefiles.FORMATS)) == 6
    with pytest.raises(WriteError, match="is there already"):
        splinefiles.write(tmp_path, shot, ["json"])
    splinefiles.write(tmp_path, shot, ["json"], overwrite=True)


@pytest.fixture
def mattes(tmp_path):
    """Three frames of two layers whose names no file can have."""
    names = ("a/b", "a:b")
    channels = tuple(f"{name}.A" for name in names)
    for frame in (-1, 0, 1):
        both = [disc(60 + 4 * frame, 60, 30), disc(150, 70, 25)]
        image = Image(ImageSpec(WINDOW, WINDOW, channels), np.stack(both, axis=-1))
        exr.write(tmp_path / f"matte.{frame:04d}.exr", image, compression="zip")
    return tmp_path / "matte.####.exr"


def splines_command(*said) -> str:
    done = CliRunner(env={"OCIO": None}).invoke(rotograph, ["splines", *map(str, said)])
    assert done.exit_code in (0, 1, 2), done.output
    return done.output


def test_a_delivery_that_lacks_something_is_completed_and_nothing_is_made_again(
    mattes, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    said = splines_command(mattes, "-o", out, "--format", "json", "--format", "svg")
    assert "files written" in said, said
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert {"svg/a_b.-001.svg", "svg/a_b_2.0000.svg", "residual/a_b.0001.exr"} < names
    (out / "residual" / "a_b.0000.exr").unlink()
    before = (out / "shapes.json").stat().st_mtime_ns
    monkeypatch.setattr(splines, "build", lambda *given: pytest.fail("fitted again"))
    said = splines_command(mattes, "-o", out, "--format", "json", "--format", "ae")
    assert "2 files written" in said, said
    assert (out / "residual" / "a_b.0000.exr").exists() and (out / "shapes.jsx").exists()
    assert (out / "shapes.json").stat().st_mtime_ns == before


def test_a_folder_with_another_delivery_is_left_alone_before_anything_is_computed(
    mattes, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "shapes.fxs").write_text("mine")
    monkeypatch.setattr(splinesource, "of_files", lambda *given: pytest.fail("read"))
    said = splines_command(mattes, "-o", out, "--format", "silhouette")
    assert "shapes.fxs" in said and "--overwrite" in said and "is there already" in said
    assert (out / "shapes.fxs").read_text() == "mine"
    monkeypatch.undo()
    assert "files written" in splines_command(
        mattes, "-o", out, "--format", "silhouette", "--overwrite"
    )
    said = splines_command(mattes, "-o", out, "--fps", "25", "--format", "json")
    assert "of other mattes or settings" in said and "--overwrite" in said


def redraw(mattes, shift: int) -> None:
    for path in mattes.parent.glob("matte.*.exr"):
        image = exr.read(path)
        exr.write(path, Image(image.spec, np.roll(image.pixels, shift, axis=1)), compression="zip")


def test_overwriting_leaves_no_file_of_the_older_shapes(mattes, tmp_path):
    out = tmp_path / "out"
    every = [word for name in ("json", "silhouette", "svg") for word in ("--format", name)]
    assert "files written" in splines_command(mattes, "-o", out, *every)
    (out / "svg" / "mine.svg").write_text("mine")
    old = (out / "shapes.fxs").read_bytes()
    redraw(mattes, 15)
    json_only = ("--format", "json", "--no-residual")
    said = splines_command(mattes, "-o", out, *json_only)
    assert "of other mattes or settings" in said and (out / "shapes.fxs").read_bytes() == old
    assert "1 files written" in splines_command(mattes, "-o", out, *json_only, "--overwrite")
    left = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert left == {"shapes.json", splinefiles.RECORD, "svg/mine.svg"}
    splines_command(mattes, "-o", out, *every)
    assert (out / "shapes.fxs").read_bytes() != old
    new = from_json((out / "shapes.json").read_text("utf-8"))
    for name, text in (pair for kind in every[1::2] for pair in splinefiles.texts(new, kind)):
        assert (out / name).read_text("utf-8") == text, name
    for name in ("-001", "0000", "0001"):
        left = exr.read(out / "residual" / f"a_b.{name}.exr")
        matte = exr.read(mattes.parent / f"matte.{name}.exr").channel("a/b.A")
        np.testing.assert_allclose(left.channel("A") + left.channel("shape.A"), matte, atol=1e-6)


def one_shape(layer: str, x: float) -> SplineShot:
    shape = Spline(layer, 1, 1, (Key(1, circle(x, 60, 40), 2.5),))
    return SplineShot((1,), (200, 140), (SplineLayer(layer, RED, (shape,)),))


@pytest.mark.parametrize("broken", [False, True])
def test_files_of_older_shapes_are_gone_before_the_record_tells_of_new_ones(
    broken, tmp_path, monkeypatch
):
    old, new = one_shape("hero", 60), one_shape("hero", 90)
    splinefiles.record(tmp_path, "old", old)
    files = splinefiles.write(tmp_path, old, splinefiles.FORMATS)
    splinefiles.record(tmp_path, "old", old, overwrite=True)
    assert all(path.exists() for path in files), "the same shapes: nothing is outdated"
    if broken:
        (tmp_path / splinefiles.RECORD).write_text("{")
    with monkeypatch.context() as killed:
        killed.setattr(splinefiles, "write_whole", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            splinefiles.record(tmp_path, "new", new, overwrite=True)
    assert not any(path.exists() for path in files)
    if not broken:
        assert splinefiles.recorded(tmp_path, "old") is not None, "still a delivery to go on with"
    splinefiles.record(tmp_path, "new", new, overwrite=True)
    assert to_json(splinefiles.recorded(tmp_path, "new")) == to_json(new)


def test_names_that_no_file_can_have_become_names_of_their_own():
    names = ["a/b", "a\\b", 'a"b', "../x", "猫", "A_B", "n" * 300, "n" * 301, ".", "", "a#b%04d"]
    files = splinefiles.file_names(names)
    assert list(files) == names
    assert len({name.casefold() for name in files.values()}) == len(names)
    for name in files.values():
        assert name and not set(name) & set('/\\":*?<>|#%.') and len(name.encode()) < 200
    assert files["猫"] == "猫"


@pytest.mark.parametrize("name", ["a/b 'c\" ${x} [y]", "猫", "n" * 300])
@pytest.mark.parametrize("first", [-3, 0])
def test_any_name_and_any_frame_can_be_delivered(name, first, tmp_path):
    shape = Spline(name, first, first + 2, (Key(first, circle(90, 60, 40), 2.5),))
    layer = SplineLayer(name, RED, (shape,))
    shot = SplineShot((first, first + 1, first + 2), (200, 140), (layer,))
    files = splinefiles.write(tmp_path, shot, splinefiles.FORMATS)
    assert len(files) == 9 and all(tmp_path in path.resolve().parents for path in files)
    assert from_json((tmp_path / "shapes.json").read_text("utf-8")).layers[0].name == name
    xml.parse(tmp_path / "shapes.fxs")

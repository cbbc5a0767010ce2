"""Movies come out of the decoder as they went in, and say how they are meant."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph import movie as reading
from rotograph.cli import rotograph
from rotograph.deliver.burnin import burn_in
from rotograph.deliver.encode import movie
from rotograph.deliver.finished import Finished
from rotograph.deliver.movie import write_review
from rotograph.environment import Environment
from rotograph.errors import WriteError
from rotograph.graph import Graph
from rotograph.layer import Layer
from rotograph.store import Store


@pytest.fixture(scope="module")
def shot(make_shot):
    """Rendered once; the tests write movies beside it."""
    made = make_shot(3)
    run(made, "render", made.graph)
    return made


def run(shot, *arguments, status=0):
    got = CliRunner().invoke(rotograph, [*map(str, arguments), "--cache", str(shot.cache)])
    assert got.exit_code == status, got.output
    return got


def alpha_of(shot, frame):
    return exr.read(shot.matte(frame)).coverage()


def test_prores_holds_the_matte_and_the_foreground(shot):
    path = shot.folder / "a.mov"
    run(shot, "movie", shot.graph, path, "--rate", "23.976")
    movie = reading.Movie(path, start=1001)
    assert list(movie.frames) == [1001, 1002, 1003]
    for frame in movie.frames:
        image = movie.read(frame)
        assert image.spec.channels == ("R", "G", "B", "A")
        # half a step of the ten bits that are written, and one of the twelve that come back
        off = np.abs(image.coverage() - alpha_of(shot, frame))
        assert off.max() < 0.5 / 1023 + 1 / 4095
    told = json.loads(path.with_name("a.mov.json").read_text())
    assert (told["alpha"], told["first_frame"], told["rate"]) == ("straight", 1001, [24000, 1001])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(24000, 1001)
        assert (stream.codec_context.codec.name, stream.codec_context.profile) == ("prores", "4444")
        first = next(container.decode(stream))
        assert (first.colorspace, first.color_primaries, first.color_trc) == (1, 1, 1)
    # the atom that editors read: QuickTime's nclc with BT.709 thrice
    assert b"colrnclc" + bytes.fromhex("000100010001") in path.read_bytes()


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffprobe on this machine")
def test_another_ffmpeg_says_the_same_of_it(shot):
    path = shot.folder / "probed.mov"
    run(shot, "movie", shot.graph, path)
    shown = "codec_name,codec_tag_string,profile,pix_fmt,color_range,color_space,nb_frames"
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", f"stream={shown}", "-of", "json", str(path)],
        capture_output=True,
        check=True,
    )
    (told,) = json.loads(done.stdout)["streams"]
    assert (told["codec_name"], told["codec_tag_string"]) == ("prores", "ap4h")
    assert told["profile"] in ("4444", "4") and told["pix_fmt"].startswith("yuva444p1")
    assert (told["color_space"], told["nb_frames"]) == ("bt709", "3")


def test_premultiplied_is_the_straight_one_times_its_alpha(shot):
    pictures = {}
    for kind in ("straight", "premultiplied"):
        path = shot.folder / f"{kind}.mov"
        run(shot, "movie", shot.graph, path, "--alpha", kind, "--frames", "1002")
        pictures[kind] = reading.Movie(path).read(1).pixels
        assert json.loads((shot.folder / f"{kind}.mov.json").read_text())["alpha"] == kind
    straight, premultiplied = pictures["straight"], pictures["premultiplied"]
    np.testing.assert_array_equal(straight[..., 3], premultiplied[..., 3])
    expected = straight[..., :3] * straight[..., 3:]
    off = np.abs(premultiplied[..., :3] - expected)
    assert off.mean() < 0.002 and off.max() < 0.05
    outside = straight[..., 3] < 0.01
    assert premultiplied[outside][:, :3].max() < 0.05 < straight[outside][:, :3].max()


def test_a_review_movie_shows_the_plate_the_overlay_and_the_words(shot):
    path = shot.folder / "r.mp4"
    run(shot, "movie", shot.graph, path, "--name", "sc010")
    movie = reading.Movie(path, start=1001)
    height, width = movie.spec(1001).data.shape
    assert width == 160 and height > 96 and height % 2 == 0
    picture = movie.read(1002).pixels
    assert picture[97:].max() > 0.5  # the words
    inside = alpha_of(shot, 1002) > 0.9
    from_plate = picture[:96][~inside].mean(axis=0)
    assert picture[:96][inside].mean(axis=0)[0] > from_plate[0]  # the first layer is red
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_a_movie_is_never_written_over_by_accident(shot):
    path = shot.folder / "kept.mp4"
    path.write_bytes(b"mine")
    said = run(shot, "movie", shot.graph, path, status=1).stderr
    assert "kept.mp4" in said and "--overwrite" in said and said.count("\n") == 1
    assert path.read_bytes() == b"mine"
    run(shot, "movie", shot.graph, path, "--overwrite")
    assert path.stat().st_size > 1000
    assert not list(shot.folder.glob(".*rotograph-part"))


@pytest.mark.parametrize("name", ["again.mov", "again.mp4"])
def test_a_movie_that_is_there_stays_unless_it_must_be_overwritten(shot, name):
    path = shot.folder / name
    run(shot, "movie", shot.graph, path)
    was = path.read_bytes()
    assert "the movie is there already" in run(shot, "movie", shot.graph, path).stderr
    assert path.read_bytes() == was
    said = run(shot, "movie", shot.graph, path, "--rate", "25", status=1).stderr
    assert "shows something else" in said and "--overwrite" in said
    assert path.read_bytes() == was
    run(shot, "movie", shot.graph, path, "--rate", "25", "--overwrite")
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 25


def test_a_movie_without_its_sidecar_is_not_written_over_by_another(shot):
    path = shot.folder / "alone.mov"
    sidecar = shot.folder / "alone.mov.json"
    run(shot, "movie", shot.graph, path, "--frames", "1001")
    told = sidecar.read_bytes()
    sidecar.unlink()
    was = path.read_bytes()
    said = run(shot, "movie", shot.graph, path, "--frames", "1002", status=1).stderr
    assert "shows something else" in said and "--overwrite" in said
    assert path.read_bytes() == was and not sidecar.exists()
    run(shot, "movie", shot.graph, path, "--frames", "1001")  # the same one gets it again
    assert sidecar.read_bytes() == told


def small_movie(path):
    return movie(path, "mov", "prores_ks", "yuva444p10le", Fraction(24), {}, "digest")


@pytest.mark.parametrize("written", [0, 1])
def test_a_plate_that_cannot_be_read_is_not_told_as_a_movie_that_cannot_be_written(
    tmp_path, written
):
    unreadable = OSError(5, "Input/output error", "plate.1002.exr")
    with (
        pytest.raises(OSError, match=r"plate\.1002\.exr") as got,
        small_movie(tmp_path / "a.mov") as w,
    ):
        for frame in range(written):
            w(np.zeros((64, 64, 4), np.float32), None, frame)
        raise unreadable
    assert got.value is unreadable
    assert not list(tmp_path.iterdir())


def test_a_plate_on_a_disk_that_fails_is_told_with_its_node_frame_and_file(shot, monkeypatch):
    healthy = exr.read

    def failing(path, **choice):
        if "1002" in str(path):
            raise OSError(errno.EIO, "Input/output error")
        return healthy(path, **choice)

    monkeypatch.setattr(exr, "read", failing)
    found = run(shot, "movie", shot.graph, shot.folder / "failing.mp4", status=1).output
    (line,) = [line for line in found.splitlines() if "error" in line]
    assert "plate" in line and "frame 1002" in line and str(shot.plate(1002)) in line
    assert "cannot be read: Input/output error" in line
    assert not (shot.folder / "failing.mp4").exists()


def test_a_disk_that_fails_is_told_as_a_movie_that_cannot_be_written(tmp_path, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rotograph.deliver.encode.os.replace", full)
    with (
        pytest.raises(WriteError, match="cannot be written: No space left"),
        small_movie(tmp_path / "a.mov") as write,
    ):
        write(np.zeros((64, 64, 4), np.float32), None, 1)
    with (
        pytest.raises(WriteError, match="cannot be written"),
        small_movie(tmp_path / "no" / "a.mov"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_movie_that_cannot_be_written_says_so_in_one_line(shot):
    said = run(shot, "movie", shot.graph, shot.folder / "no/such/a.mov", status=1).stderr
    assert "make the folder first" in said
    run(shot, "movie", shot.graph, shot.folder / "a.gif", status=2)
    said = run(
        shot, "movie", shot.graph, shot.folder / "l.mov", "--layer", "nobody", status=1
    ).stderr
    assert "there are disc" in said


def test_an_ffmpeg_without_the_encoder_is_told_in_one_line(shot, monkeypatch):
    environment = Environment(Store(shot.cache))
    finished = Finished(Graph.load(shot.graph), environment)
    monkeypatch.setattr("rotograph.deliver.movie.REVIEW", "no_such_encoder")
    with pytest.raises(WriteError, match="no encoder 'no_such_encoder'"):
        write_review(shot.folder / "x.mp4", finished, [1001], "x")
    assert not list(shot.folder.glob(".*rotograph-part"))


def test_the_burn_in_hides_nothing_and_keeps_inside_the_picture():
    picture = np.full((61, 101, 3), 200, np.uint8)
    layers = {Layer(f"layer_{i}", "", (1.0, 0.0, 0.0)): 0.3 for i in range(40)}
    out = burn_in(picture, "sc010 ショット", 1001, layers | {Layer("gone"): None})
    assert out.shape[0] % 2 == out.shape[1] % 2 == 0
    assert (out[:61, :101] == 200).all() and out[61:].max() > 150


@pytest.mark.parametrize("name", ["x" * 300, "ショット/" * 60, ""])
def test_a_name_of_any_length_leaves_room_for_the_frame_and_the_layers(name):
    picture = np.zeros((270, 480, 3), np.uint8)
    blue = {Layer("hero", "", (0.0, 0.0, 1.0)): 0.9}
    out = burn_in(picture, name, 1001, blue)
    plain = burn_in(picture, "sh", 1001, blue)
    # the frame's number is where it always is, with nothing over it, and the layer is there
    assert np.array_equal(out[270:, 430:], plain[270:, 430:])
    assert (out[270:] == (0, 0, 255)).all(axis=-1).sum() > 20

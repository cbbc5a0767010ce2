"""Movies come out of the decoder as they went in, and say how they are meant."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph import movie as reading
from rotograph.cli import rotograph
from rotograph.deliver.burnin import burn_in
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
        assert np.abs(image.coverage() - alpha_of(shot, frame)).max() < 0.02
    told = json.loads(path.with_name("a.mov.json").read_text())
    assert (told["alpha"], told["first_frame"], told["rate"]) == ("straight", 1001, [24000, 1001])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(24000, 1001)
        assert (stream.codec_context.codec.name, stream.codec_context.profile) == ("prores", "4444")
        first = next(container.decode(stream))
        assert (first.colorspace, first.color_primaries, first.color_trc) == (1, 1, 1)


def test_premultiplied_is_the_straight_one_times_its_alpha(shot):
    pictures = {}
    for kind in ("straight", "premultiplied"):
        path = shot.folder / f"{kind}.mov"
        run(shot, "movie", shot.graph, path, "--alpha", kind, "--frames", "1002")
        pictures[kind] = reading.Movie(path).read(1).pixels
        assert json.loads((shot.folder / f"{kind}.mov.json").read_text())["alpha"] == kind
    straight, premultiplied = pictures["straight"], pictures["premultiplied"]
    expected = straight[..., :3] * straight[..., 3:]
    assert np.abs(premultiplied[..., :3] - expected).mean() < 0.01
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

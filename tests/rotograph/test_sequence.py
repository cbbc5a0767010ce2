"""Frame numbers and file names, as artists write them and as disks hold them."""

from __future__ import annotations

import time

import pytest

from rotograph import sequence
from rotograph.errors import GraphError, MediaError, MissingFrame, RotographError
from rotograph.frames import format_frames, parse_frames
from rotograph.sequence import output_name


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("1001", (1001,)),
        ("1001-1004", (1001, 1002, 1003, 1004)),
        ("1001-1008x3", (1001, 1004, 1007)),
        ("1001,1005-1007", (1001, 1005, 1006, 1007)),
        ("-3--1", (-3, -2, -1)),
        ("-2-1", (-2, -1, 0, 1)),
        ("4-1", (1, 2, 3, 4)),
        ("10-1x4", (2, 6, 10)),
        ("3-5,1-4", (1, 2, 3, 4, 5)),
        (" 1 - 3 ", (1, 2, 3)),
    ],
)
def test_frames_are_sorted_and_each_once(text, frames):
    assert parse_frames(text) == frames
    assert parse_frames(format_frames(frames)) == frames


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "1.5", "1-2x0.5", "1-5x0", "1;2", "1-1000000000", "1-9000000#", "1-3@"]
)
def test_what_is_no_range_says_how_to_write_one(text):
    with pytest.raises(RotographError, match="such as 1001-1100"):
        parse_frames(text)


@pytest.mark.parametrize(
    "text", ["1-9999999", "1-9999999x2", "1-9999999y3", "1-9999999:3", "1-99999999x0.1", "9" * 400]
)
def test_a_range_beyond_any_shot_is_refused_before_it_is_made(text):
    began = time.process_time()
    with pytest.raises(RotographError, match=r"more than a million|cannot be read") as caught:
        parse_frames(text)
    assert time.process_time() - began < 0.2 and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([], ""),
        ([5], "5"),
        ([3, 1, 2, 2], "1-3"),
        ([1, 3, 5, 7, 10, 11, 12], "1-7x2,10-12"),
        ([-5, -4, -3, 2], "-5--3,2"),
    ],
)
def test_frames_are_written_short(frames, text):
    assert format_frames(frames) == text


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize("pattern", ["plate.####.exr", "plate.%04d.exr", "plate.@@@@.exr"])
def test_a_sequence_has_the_frames_on_disk(tmp_path, pattern):
    touch(tmp_path, "plate.1001.exr", "plate.1002.exr", "plate.1005.exr", "plate.12345.exr")
    touch(tmp_path, "plate.-003.exr", "plate.0000.exr", "plate.99.exr", "plate.01001.exr")
    touch(tmp_path, "plate.1003.exr.tmp", "xplate.1003.exr", "plate.1003.png", "plate..exr")
    found = sequence.find(tmp_path / pattern)
    assert found.frames == (-3, 0, 1001, 1002, 1005, 12345)
    assert found.path(-3).name == "plate.-003.exr"
    assert found.path(12345).name == "plate.12345.exr"
    assert found.file(1002) == tmp_path / "plate.1002.exr"
    assert found.missing(range(1001, 1006)) == (1003, 1004)
    with pytest.raises(MissingFrame, match=r"frame 1003, .*plate\.1003\.exr.*there are -3,0,1001"):
        found.file(1003)


def test_names_with_characters_that_mean_something_elsewhere(tmp_path):
    touch(tmp_path, "a[1]+(b)$.1001.exr", "b.7.exr", "b.10.exr", "b.011.exr")
    assert sequence.find(tmp_path / "a[1]+(b)$.####.exr").frames == (1001,)
    assert sequence.find(tmp_path / "b.#.exr").frames == (7, 10)
    assert sequence.find(tmp_path / "b.%d.exr").frames == (7, 10)
    assert sequence.find(tmp_path / "b.%03d.exr").frames == (11,)


def test_a_file_is_itself_even_among_numbered_ones(tmp_path):
    touch(tmp_path, "plate.1001.exr", "plate.1002.exr", "still.exr")
    found = sequence.find(tmp_path / "plate.1001.exr")
    assert found.single
    assert found.frames == (1001,)
    assert sequence.find(tmp_path / "still.exr").frames == (1,)
    assert sequence.find(tmp_path / "still.exr", start=1001).frames == (1001,)


def test_what_is_not_there_is_told_apart(tmp_path):
    touch(tmp_path, "plate.1001.exr")
    with pytest.raises(MissingFrame, match="no such file"):
        sequence.find(tmp_path / "plat.exr")
    with pytest.raises(MissingFrame, match="folder is not there"):
        sequence.find(tmp_path / "shots" / "plate.####.exr")
    with pytest.raises(MissingFrame, match=r"'plate\.1001\.exr': check the padding"):
        sequence.find(tmp_path / "plate.######.exr")
    with pytest.raises(MediaError, match="one place for the frame"):
        sequence.find(tmp_path / "plate.####.####.exr")
    with pytest.raises(MediaError, match="folder's name"):
        sequence.find(tmp_path / "####" / "plate.####.exr")
    with pytest.raises(MediaError, match="%V stands for a view"):
        sequence.find(tmp_path / "plate.%V.####.exr")


def test_ten_thousand_frames_are_found_at_once(tmp_path):
    for frame in range(10_000):
        (tmp_path / f"plate.{frame:04d}.exr").touch()
    before = time.perf_counter()
    found = sequence.find(tmp_path / "plate.####.exr")
    assert len(found.frames) == 10_000
    # 20 ms on a slow machine; generous, but still far from reading each file
    assert time.perf_counter() - before < 1.0


def test_output_names():
    assert output_name("out/m.####.exr", frame=7) == "out/m.0007.exr"
    assert output_name("out/m.%04d.exr", frame=-7) == "out/m.-007.exr"
    name = "v{version}/{layer}/{layer}_v{version}.####.exr"
    assert (
        output_name(name, layer="person_01", version=2) == "v002/person_01/person_01_v002.####.exr"
    )
    assert output_name("{layer}.exr", frame=3, layer="ärm 1") == "ärm 1.exr"
    assert output_name("%V/m_%v.####.exr", frame=3, view="left") == "left/m_l.0003.exr"


@pytest.mark.parametrize(
    "layer", ["", "..", "../x", "a/b", "a\\b", "a\0", "a\n", ".hidden", "-x", " x", "a#", "{layer}"]
)
def test_a_layer_cannot_lead_elsewhere(layer):
    with pytest.raises(GraphError, match="cannot be part of a file's name"):
        output_name("out/{layer}.####.exr", frame=1, layer=layer)


def test_what_cannot_be_filled_in_is_an_error():
    with pytest.raises(GraphError, match=r"unknown \{lyer\}; did you mean 'layer'"):
        output_name("{lyer}.exr")
    with pytest.raises(GraphError, match=r"nothing to put for \{version\}"):
        output_name("v{version}.exr")
    for text in ("a.%V.exr", "a.%v.exr"):
        with pytest.raises(GraphError, match="stands for a view, and none is named"):
            output_name(text)

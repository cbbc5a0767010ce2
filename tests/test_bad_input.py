"""What goes wrong in a shot is told in one line, by people's names, and costs nothing else."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.cli import rotograph
from rotograph.errors import DamagedFile
from rotograph.image import Box, Image, ImageSpec
from rotograph.movie import Movie

Change = Callable[[dict[str, Any]], Any]


def say(*arguments: object) -> tuple[int, str, dict[str, Any]]:
    """Exit status, standard error and the last line of a command with ``--json``."""
    done = CliRunner(env={"OCIO": None, "ROTOGRAPH_CACHE": None}).invoke(
        rotograph, [*map(str, arguments), "--json"]
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.stderr and "went wrong inside" not in done.stderr, done.stderr
    return done.exit_code, done.stderr, json.loads(done.stdout.splitlines()[-1])


def render(shot: Any, *arguments: object) -> dict[str, Any]:
    status, said, told = say("render", shot.graph, "--cache", shot.cache, *arguments)
    assert status == 0 and told["errors"] == [], said
    return told


def refused(shot: Any, *words: str, command: str = "render", arguments: tuple = ()) -> None:
    """The first line of standard error has these words, and it is in the JSON too."""
    status, said, told = say(command, shot.graph, "--cache", shot.cache, *arguments)
    line = said.splitlines()[0]
    assert status == 1, said
    assert line.removeprefix("rotograph: ") == told["errors"][0]
    assert len(line) < 600
    for word in words:
        assert word in line, line


def write(path: Path, pixels: np.ndarray, channels: tuple[str, ...] = ("R", "G", "B")) -> None:
    box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    exr.write(path, Image(ImageSpec(box, box, channels), pixels))


def setting(node: str, **values: Any) -> Change:
    return lambda nodes: nodes[node].update(values)


def wiring(node: str, **inputs: Any) -> Change:
    return lambda nodes: nodes[node]["inputs"].update(inputs)


def prompting(**prompt: Any) -> Change:
    return setting("segment", prompts=[{"frame": 1001, "layer": "disc", **prompt}])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (setting("refine", feather=10**400), ("refine", "'feather' must be a number")),
        (setting("refine", feather=[[1] * 5000]), ("refine", "'feather' must be a number", "…")),
        (setting("refine", name="a"), ("refine", "Refine has no parameter 'name'")),
        (setting("refine", self=1), ("refine", "Refine has no parameter 'self'")),
        (
            setting("refine", feather={"keys": {"1001": 1, "01001": 2}}),
            ("refine", "'feather' has a keyframe whose frame is not a whole number"),
        ),
        (wiring("refine", plate={"a": 1}), ("refine", "input 'plate' must be the name of a node")),
        (lambda nodes: nodes.update({"x" * 5000: {"type": "Read"}}), ("cannot be a node's name",)),
        (lambda nodes: nodes.update({"a\ud800": {"type": "Read"}}), ("cannot be a node's name",)),
        (setting("plate", file="a\udcff.####.exr"), ("plate", "no character")),
        (setting("plate", file="~no-such-user/a.####.exr"), ("plate", "there is no such user")),
        (setting("out", file="~no-such-user/a.####.exr"), ("out", "there is no such user")),
        (setting("plate", part="²"), ("plate", "has no part '²'")),
        (setting("plate", part="9" * 9999), ("plate", "has no part '999")),
        (prompting(frame=10**400, point=[1, 1]), ("segment", "a prompt needs a frame")),
        (prompting(point=[10**400, 1]), ("segment", "a point needs 2 numbers")),
        (prompting(point=[1e300, 1]), ("segment", "a point needs 2 numbers")),
        (prompting(point=[-1, 1]), ("segment, frame 1001", "'disc' lies outside the plate")),
        (prompting(box=[900, 0, 950, 9]), ("segment, frame 1001", "'disc' lies outside the plate")),
        (prompting(layer="disc ", point=[5, 5]), ("segment", "cannot be a layer's name")),
    ],
)
def test_documents_that_mean_nothing(shot, change: Change, words: tuple[str, ...]) -> None:
    document = shot.document()
    change(document["nodes"])
    shot.save(document)
    for command in ("render", "plan"):
        refused(shot, *words, command=command)


def test_a_document_without_end_is_not_read_to_its_end() -> None:
    status, said, _ = say("plan", "/dev/zero")
    assert status == 1 and "/dev/zero: is larger than 64 MB" in said


def test_a_document_may_begin_with_a_byte_order_mark(shot) -> None:
    shot.graph.write_bytes(b"\xef\xbb\xbf" + shot.graph.read_bytes().replace(b"\n", b"\r\n"))
    assert say("plan", shot.graph, "--cache", shot.cache)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("render", "none.json", "--frames", "x"),
        ("render", "none.json", "--cache", ""),
        ("render", "none.json", "--output", ""),
        ("render", "none.json"),
        ("plan", "none.json"),
        ("compare", "none", "none"),
        ("cache", "stats", "--cache", os.devnull),
    ],
)
def test_whatever_fails_says_so_to_scripts_too(arguments: tuple[str, ...]) -> None:
    status, said, told = say(*arguments)
    assert status and said and told["errors"][0] in said


def test_two_writes_to_one_file_by_two_names(shot) -> None:
    (shot.folder / "mattes").mkdir()
    (shot.folder / "link").symlink_to("mattes")
    for name in ("mattes/../mattes/matte.%04d.exr", "link/matte.####.exr"):
        document = shot.document()
        document["nodes"]["again"] = copy.deepcopy(document["nodes"]["out"])
        document["nodes"]["again"]["file"] = name
        shot.save(document)
        refused(shot, "again", "writes the same file as 'out'")
        document = shot.document()
        del document["nodes"]["again"]
        shot.save(document)


def test_a_plate_is_never_written_over(shot) -> None:
    (shot.folder / "here").symlink_to(".")
    before = shot.plate(1001).read_bytes()
    for name in ("plate.####.exr", "here/plate.%04d.exr"):
        given = ("--set", f"out.file={name}", "--set", "out.overwrite=true")
        refused(shot, "out, frame 1001", "plate.1001.exr", arguments=given)
    assert shot.plate(1001).read_bytes() == before


def test_a_frame_of_another_size_names_its_file(shot) -> None:
    shot.write_plate(1002, np.zeros((48, 80, 3)))
    refused(shot, "plate, frame 1002", str(shot.plate(1002)), "is 80x48", "160x96")


def test_a_side_that_no_library_can_warp(shot) -> None:
    for frame in shot.frames:
        write(shot.plate(frame), np.zeros((40000, 1, 3), np.float16))
    refused(shot, "plate, frame 1001", "plate.1001.exr", "is 1x40000", command="plan")


def test_a_mask_of_another_size_is_not_stretched(shot) -> None:
    document = shot.document()
    prompting(mask="mask.exr")(document["nodes"])
    shot.save(document)
    write(shot.folder / "mask.exr", np.ones((48, 80, 1), np.float16), ("A",))
    refused(shot, "segment, frame 1001", "mask.exr", "a mask is 80x48", "160x96")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(shot) -> None:
    shot.plate(1002).unlink()
    os.mkfifo(shot.plate(1002))
    os.mkfifo(shot.folder / "movie.mov")
    for more in ((), ("--set", "plate.file=movie.mov")):
        command = [sys.executable, "-m", "rotograph.cli", "render", shot.graph, *more]
        done = subprocess.run(
            [*command, "--cache", shot.cache], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1 and "is not a file but a pipe" in done.stderr


def test_a_movie_that_ffmpeg_patches_up_is_damaged(shot) -> None:
    path = shot.folder / "shot.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.gop_size = 160, 96, 3
        y, x = np.mgrid[:96, :160]
        for i in range(6):
            pixels = np.stack([3 * x + 7 * i, 5 * y + 9 * i, x * y // 9 + 31 * i], axis=-1) % 256
            picture = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        second = [p for p in container.demux(video=0) if p.size][1]
        at, end = second.pos + 20, second.pos + second.size
    data[at:end] = np.random.default_rng(0).bytes(end - at)
    path.write_bytes(data)
    plate = Movie(path)
    sound = []
    for frame in (6, *plate.frames):
        try:
            plate.read(frame)
            sound.append(frame)
        except DamagedFile as error:
            assert error.frame == frame
    assert sound == [6, 1, 4, 5, 6]  # 3 is made from 2, 4 is whole of itself
    movie = ("--set", f"plate.file={path}", "--set", "plate.first_frame=1001")
    refused(shot, "plate, frame 1002", "shot.mov", "damaged", arguments=movie)


def test_plates_of_a_few_pixels_and_of_huge_values(make_shot) -> None:
    shot = make_shot(2)
    random = np.random.default_rng(0)
    for width, height, scale in ((1, 1, 1.0), (3, 3, 1.0), (9, 1, 1.0), (24, 20, 1e38)):
        document = shot.document()
        prompting(box=[0, 0, width, max(1, height / 2)])(document["nodes"])
        document["nodes"]["out"] |= {"content": "premultiplied", "overwrite": True}
        shot.save(document)
        for frame in shot.frames:
            pixels = random.random((height, width, 3)) * scale
            write(shot.plate(frame), pixels.astype(np.float32))
        assert render(shot)["written"] == len(shot.frames)
        matte = exr.read(shot.matte(1001))
        assert matte.pixels.shape[:2] == (height, width)
        assert np.isfinite(matte.coverage()).all()


def test_a_store_that_was_damaged_all_over_is_a_store_of_nothing(make_shot) -> None:
    shot = make_shot(2)
    render(shot)
    before = [exr.read(shot.matte(frame)).pixels for frame in shot.frames]
    files = [path for path in shot.cache.rglob("*") if path.is_file()]
    for path in files:
        data = bytearray(path.read_bytes())
        for at in range(len(data) // 3, len(data), max(1, len(data) // 5)):
            data[at] ^= 0xFF
        path.write_bytes(data)
    shutil.rmtree(shot.folder / "mattes")
    assert render(shot)["computed"]["track"] == len(shot.frames)
    for frame, pixels in zip(shot.frames, before, strict=True):
        np.testing.assert_array_equal(exr.read(shot.matte(frame)).pixels, pixels)


def test_what_cannot_be_corrected_or_locked_leaves_the_graph_as_it_is(shot) -> None:
    before = shot.graph.read_bytes()
    said = ("correct", shot.graph, "--frame", "1002", "--layer", "disc", "--cache", shot.cache)
    for command, words in (
        ((*said, "--mask", shot.folder / "none.exr"), ("none.exr", "cannot be read")),
        ((*said, "--inside", "5000,5"), ("track, frame 1002", "lies outside the plate")),
        (
            ("lock", shot.graph, "--frames", "9999", "--cache", shot.cache),
            ("nothing to lock", "change --frames"),
        ),
    ):
        done = CliRunner(env={"OCIO": None}).invoke(rotograph, [*map(str, command)])
        assert done.exit_code == 1 and done.stderr.count("\n") == 1, done.stderr
        assert all(word in done.stderr for word in words), done.stderr
        assert shot.graph.read_bytes() == before

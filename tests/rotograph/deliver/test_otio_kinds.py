"""Cuts that editors wrote, of every kind, delivered from beginning to end with real media.

The media of these cuts is elsewhere, so small media of the same names, lengths and timecodes is
made: a disc whose place tells the frame. A matte is right when its disc is where its number says.
One cut is tracked; for the others a node that takes what is warm stands in for the networks.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr, graph
from rotograph.attribute import Attribute
from rotograph.cli import rotograph
from rotograph.declare import Input, Output, node, stage
from rotograph.deliver.clips import CutClip, clips_of
from rotograph.deliver.otio_cut import read_cut
from rotograph.image import Box, Image, ImageSpec
from rotograph.matte import Matte
from rotograph.shape import Shape

otio = pytest.importorskip("opentimelineio")
MATERIAL = Path(__file__).parents[4] / "shared" / "material" / "otio"
pytestmark = [
    pytest.mark.material,
    pytest.mark.slow,
    pytest.mark.skipif(not MATERIAL.is_dir(), reason="the cuts beside the checkout are not here"),
]
W, H = 96, 48


def centre(frame: int) -> float:
    """Where the disc is across the picture, on the media's ``frame``-th frame (0 is the first)."""
    return 24 + 48 * abs((frame / 60) % 2 - 1)


def picture(frame: int) -> np.ndarray:
    """``(48, 96, 3)`` float32: a warm disc before a cool wall."""
    y, x = np.mgrid[:H, :W] + 0.5
    disc = np.clip(12 - np.hypot(x - centre(frame), y - 24) + 0.5, 0, 1)[..., None]
    wall = np.stack([0.1 + 0.05 * np.sin(x / 3), 0.2 + 0 * x, 0.4 + 0.05 * np.cos(y / 4)], -1)
    return (disc * (0.9, 0.4, 0.1) + (1 - disc) * wall).astype(np.float32)


def movie(path: Path, count: int, rate: float, start: int | None) -> None:
    """A movie whose timecode begins at ``start``, in frames; None: it has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    container = "mxf" if path.suffix == ".mxf" else "mov" if path.suffix == ".MOV" else None
    exact = Fraction(rate).limit_denominator(1001)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream("mpeg4" if path.suffix == ".mp4" else "mpeg2video", rate=exact)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        stream.bit_rate = 4_000_000
        if start is not None:
            code = otio.opentime.RationalTime(start, rate).to_timecode()
            (out if container == "mxf" else stream).metadata["timecode"] = code
        for frame in range(count):
            shown = (255 * np.sqrt(picture(frame))).astype(np.uint8)
            made = av.VideoFrame.from_ndarray(shown, format="rgb24").reformat(format="yuv420p")
            for packet in stream.encode(made):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)


def sequence(folder: Path, name: str, numbers: Iterable[int], timecode: int | None = None) -> None:
    """EXR frames whose own timecode begins at ``timecode``, in frames of 24 a second."""
    folder.mkdir(parents=True, exist_ok=True)
    box = Box(0, 0, W, H)
    for index, number in enumerate(numbers):
        told = {}
        if timecode is not None:
            code = otio.opentime.RationalTime(timecode + index, 24).to_timecode()
            digits = [int(part) for part in reversed(code.split(":"))]
            word = sum(((d // 10) << 4 | d % 10) << (8 * i) for i, d in enumerate(digits))
            told["timeCode"] = Attribute.of("timecode", word, 0)
        spec = ImageSpec(box, box, ("R", "G", "B"), attributes=told)
        path = folder / name.replace("####", f"{number:04d}")
        exr.write(path, Image(spec, picture(index).astype(np.float16)))


@node(version=1, output=Output("Mattes", "warm"))
class Warm:
    """What is red, as a layer."""

    plate = Input("Image", help="The plate.")

    def describe(at):
        shape = at.shape("plate")
        return Shape(shape.frames, ("disc",), plate=shape.plate, size=shape.size)

    @stage(per="layer")
    def warm(given, context):
        rgb = given["plate"].rgb()
        return Matte(given["plate"].spec.data, (rgb[..., 0] > rgb[..., 2]).astype(np.float16))

    @warm.needs
    def warm(at):
        return {"plate": at.plate("plate", "image")}


WARM: dict[str, Any] = {
    "plate": {"type": "Read", "file": "unset.####.exr"},
    "matte": {"type": "Warm", "inputs": {"plate": "plate"}},
    "out": {"type": "Write", "inputs": {"image": "matte"}, "file": "{shot}.####.exr"},
}
TRACKED: dict[str, Any] = {
    "plate": {"type": "Read", "file": "unset.####.exr"},
    "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "prompts": []},
    "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
    "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
    "out": {"type": "Write", "inputs": {"image": "matte"}, "file": "{shot}.####.exr"},
}


class Job:
    """One cut being delivered: its media below ``media``, its graphs, its output."""

    def __init__(self, folder: Path, cut: Path, *options: object) -> None:
        self.folder, self.cut, self.options = folder, cut, options
        self.media = folder / "media"
        self.media.mkdir()
        self.graph = self._save("warm", WARM)

    def clips(self, **how: Any) -> list[CutClip]:
        return [c for c in clips_of(read_cut(self.cut, **how)) if c.used is not None]

    def run(self, cut: Path, *more: object, status: int = 0) -> dict[str, Any]:
        got = CliRunner().invoke(
            rotograph,
            [
                *("otio", str(cut), "--graph", str(self.graph), "--json"),
                *("-o", str(self.folder / "out"), "--cache", str(self.folder / "cache")),
                *("--media-root", str(self.media), *map(str, self.options), *map(str, more)),
            ],
        )
        assert got.exit_code == status, got.output
        return json.loads(got.stdout.splitlines()[-1])

    def deliver(self, shots: Iterable[str], status: int = 0) -> dict[str, Any]:
        """Deliver, and again from what was delivered, which must compute and write nothing."""
        chosen = [word for shot in shots for word in ("--shots", shot)]
        told = self.run(self.cut, *chosen, status=status)
        again = self.run(Path(told["timeline"]), *chosen, status=status)
        assert again["computed"] == 0 and not any(c["written"] for c in again["clips"])
        return {c["shot"]: c for c in told["clips"]} | {"timeline": told["timeline"]}

    def track(self, shots: Iterable[str], status: int = 0) -> None:
        """From here on a graph for each shot, that tracks from a box on its first frame."""
        chosen = [word for shot in shots for word in ("--shots", shot)]
        for clip in self.run(self.cut, *chosen, "--dry-run", status=status)["clips"]:
            if clip["used"]:
                first = clip["used"][0]
                x = centre(first - self.first(clip["plate"]))
                prompt = {"frame": first, "layer": "disc", "box": [x - 15, 9, x + 15, 39]}
                segment = {**TRACKED["segment"], "prompts": [prompt]}
                self._save(clip["shot"], {**TRACKED, "segment": segment})
        self.graph = self.folder / "{shot}.json"

    def _save(self, name: str, nodes: dict[str, Any]) -> Path:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({"rotograph": 1, "nodes": nodes}))
        return path

    def first(self, plate: str) -> int:
        """The number of a plate's first frame."""
        if "#" not in plate:
            return 1  # a movie's, as Read counts
        name = Path(plate)
        prefix, suffix = name.name.split("#" * name.name.count("#"))
        return min(int(p.name[len(prefix) : -len(suffix)]) for p in name.parent.glob("*.exr"))

    def check(self, clip: dict[str, Any]) -> None:
        """Every file is there, with its own number and the right picture in it."""
        folder = self.folder / "out" / clip["shot"]
        there = {int(p.name.split(".")[-2]): p for p in folder.glob("*.exr")}
        assert sorted(there) == clip["frames"]
        first = self.first(clip["plate"])
        for number in {*clip["used"][:2], *clip["used"][-1:]}:
            alpha = exr.read(there[number]).coverage()
            middle = float((alpha.sum(axis=0) * (np.arange(W) + 0.5)).sum() / alpha.sum())
            assert abs(middle - centre(number - first)) < 2.5, (clip["shot"], number)


@pytest.fixture(autouse=True)
def with_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = graph.installed_nodes()
    monkeypatch.setattr(graph, "installed_nodes", lambda: {**installed, "Warm": Warm})


def mattes(timeline: str) -> dict[str, Any]:
    """The matte clips of a delivered cut, by shot; each leads to files that are there."""
    made = otio.adapters.read_from_file(timeline)
    found = {}
    for track in made.tracks:
        if "rotograph" in track.metadata:
            for clip in track.find_clips():
                reference = clip.media_reference
                for index in (0, reference.number_of_images_in_sequence() - 1):
                    path = Path(timeline).parent / reference.target_url_for_image_number(index)
                    assert path.is_file()
                found[clip.metadata["rotograph"]["shot"]] = clip
    return found


def rows(timeline: str) -> dict[str, dict[str, str]]:
    path = Path(timeline).with_suffix(".csv")
    with path.open(encoding="utf-8", newline="") as file:
        return {row["shot"]: row for row in csv.DictReader(file)}


def test_an_aaf_with_speeds_a_freeze_and_a_clip_that_runs_backwards(tmp_path):
    cut = MATERIAL / "otio-aaf-adapter/tests/sample_data/misc_speed_effects.aaf"
    job = Job(tmp_path, cut, "--handles", 2)
    for hour in (0, 1):
        movie(job.media / f"Frame Debugger {hour}h.mov", 120, 24, hour * 86400)
    names = [c.shot for c in clips_of(read_cut(cut)) if c.speed < 10]
    job.track(names, status=1)
    told = job.deliver(names, status=1)
    done = {n: c for n, c in told.items() if n != "timeline" and c["status"] == "delivered"}
    refused = [c for n, c in told.items() if n != "timeline" and c["status"] != "delivered"]
    assert len(done) == 8 and len(refused) == 1 and "backwards" in refused[0]["reason"]
    for clip in done.values():
        job.check(clip)
    found = mattes(told["timeline"])
    assert set(found) == set(done)
    speeds = {e.time_scalar for c in found.values() for e in c.effects}
    assert speeds == {0.0, 0.5, 2.0, 3.0, 0.375}
    assert rows(told["timeline"])["Frame_Debugger_0h.mov_3"]["speed"] == "2"


def test_an_aaf_with_nested_stacks(tmp_path):
    job = Job(tmp_path, MATERIAL / "otio-aaf-adapter/tests/sample_data/nested_stack.aaf")
    for hour in (0, 1):
        movie(job.media / f"Frame Debugger {hour}h.mov", 120, 24, hour * 86400)
    told = job.deliver([c.shot for c in job.clips()])
    for shot in set(told) - {"timeline"}:
        job.check(told[shot])
    # two clips of one name lie in folders of their own; both begin where their media says
    assert told["Frame_Debugger_1h.mov"]["used"][0] == 24
    assert told["Frame_Debugger_1h.mov_2"]["used"][0] == 25


def test_an_edl_with_speeds_by_reel_and_timecode(tmp_path):
    cut = MATERIAL / "otio-cmx3600-adapter/tests/sample_data/speed_effects_small.edl"
    job = Job(tmp_path, cut, "--handles", 3)
    sequence(job.media / "Z682_157", "Z682_157.####.exr", range(0, 40), 86650)
    sequence(job.media / "x", "Z682_156.####.exr", range(-5, 9), 86656)
    sequence(job.media / "y", "Z686_5A.####.exr", range(1001, 1090), 86540)
    told = job.deliver(["Z682_157_LAY2", "Z682_156_LAY3", "Z686_5A_LAY2_47.56_FPS"])
    for shot in set(told) - {"timeline"}:
        job.check(told[shot])
    # files from 0 on, files from -5 on, and one at 1.98 times its speed
    assert told["Z682_157_LAY2"]["used"] == list(range(10, 28))
    assert told["Z682_156_LAY3"]["used"] == [0]
    assert told["Z682_156_LAY3"]["frames"] == list(range(-3, 4))
    fast = told["Z686_5A_LAY2_47.56_FPS"]
    assert (fast["used"][0], fast["used"][-1]) == (1005, 1075)


def test_an_edl_with_dissolves(tmp_path):
    cut = MATERIAL / "otio-cmx3600-adapter/tests/sample_data/dissolve_test_2.edl"
    job = Job(tmp_path, cut, "--handles", 2)
    sequence(job.media / "TST", "TST.####.exr", range(1, 130), 86490)
    told = job.deliver([c.shot for c in job.clips()])
    for clip in job.clips():
        job.check(told[clip.shot])
    # what the dissolve shows belongs to both clips
    assert len(told["clip_A"]["used"]) == 15 and len(told["clip_B"]["used"]) == 10


def test_an_edl_whose_lengths_are_a_frame_off(tmp_path):
    cut = next(MATERIAL.rglob("c0b247_sample_cdl_edl.edl"))
    job = Job(tmp_path, cut, "--handles", 0)
    start = next(c for c in job.clips() if c.note).used.start_time.value
    sequence(job.media / "m", "A001C009_220201_ABCD.####.exr", range(1, 217), int(start))
    told = job.deliver(["VFX_NAME_09"])
    clip = told["VFX_NAME_09"]
    job.check(clip)
    assert len(clip["used"]) == 214 and "215 frames and its record 214" in clip["reason"]


def test_final_cut_and_premiere_xml_with_one_media_thrice(tmp_path):
    cut = MATERIAL / "otio-fcp-adapter/tests/sample_data/premiere_example.xml"
    job = Job(tmp_path, cut, "--handles", 4)
    movie(job.media / "media/sc01_sh010_anim.mov", 100, 30, None)
    shots = [c.shot for c in job.clips() if "sh010" in c.shot]
    told = job.deliver(shots)
    assert len(shots) == 3
    for shot in shots:
        job.check(told[shot])
    # a nested clip at 15 frames a second shows the same moments of a movie at 30
    assert told[shots[0]]["used"] == list(range(1, 101))
    assert told[shots[2]]["used"] == list(range(7, 101))
    assert rows(told["timeline"])[shots[1]]["found"] == "moved, found by its path"


def test_final_cut_x(tmp_path):
    cut = MATERIAL / "otio-fcpx-xml-adapter/tests/sample_data/fcpx_example.fcpxml"
    name = "OpenTimeline_Project 1"
    job = Job(tmp_path, cut, "--timeline", name, "--handles", 8)
    clips = job.clips(timeline=name)
    once = [c for c in clips if [o.name for o in clips].count(c.name) == 1 and not c.skip]
    one = min(once, key=lambda c: c.used.duration.value)
    url = one.clip.media_reference.target_url
    count = int(one.clip.media_reference.available_range.duration.value)
    movie(job.media / Path(url).name, min(count, 700), one.used.start_time.rate, None)
    told = job.deliver([one.shot])
    job.check(told[one.shot])
    assert told[one.shot]["used"][0] == int(one.used.start_time.value) + 1
    assert set(mattes(told["timeline"])) == {one.shot}


def test_otio_with_nested_stacks_and_speeds_by_name_alone(tmp_path):
    cut = MATERIAL / "opentimelineio/tests/sample_data/nested_example.otio"
    job = Job(tmp_path, cut)
    movie(job.media / "Clip Inside A Stack 1.mov", 420, 24, None)
    movie(job.media / "Clip Inside A Stack 2.mov", 470, 24, None)
    told = job.deliver(["Clip_Inside_A_Stack_1", "Clip_Inside_A_Stack_2"])
    for shot in set(told) - {"timeline"}:
        job.check(told[shot])
    # 24 of its frames are shown at 0.85 times their speed
    (effect,) = mattes(told["timeline"])["Clip_Inside_A_Stack_2"].effects
    assert effect.time_scalar == pytest.approx(0.8545, abs=1e-4)


def test_otio_with_an_image_sequence_beside_it(tmp_path):
    cut = next(MATERIAL.rglob("ad2e18_image_sequence_example.otio"))
    job = Job(tmp_path, cut)
    sequence(job.media / "sample_sequence", "sample_sequence.####.exr", range(1001, 1051))
    told = job.deliver(["sample_sequence"])
    clip = told["sample_sequence"]
    job.check(clip)
    assert clip["used"][0] == clip["frames"][8] and len(clip["used"]) == 30


def test_otio_that_begins_before_its_media_count_and_dissolves(tmp_path):
    cut = MATERIAL / "opentimelineio/tests/sample_data/transition_test.otio"
    job = Job(tmp_path, cut, "--handles", 0)
    for name in "AB":
        sequence(job.media / name, f"{name}.####.exr", range(-10, 61))
    told = job.deliver(["A", "B"])
    for shot in "AB":
        job.check(told[shot])
        assert told[shot]["used"][0] == -10

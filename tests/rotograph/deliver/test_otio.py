"""A cut goes through one graph: frames, sharing, relinking, and what editorial gets back."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.attribute import Attribute
from rotograph.cli import rotograph
from rotograph.deliver.clips import clips_of
from rotograph.deliver.otio_cut import read_cut, write_timeline
from rotograph.deliver.otio_written import with_mattes
from rotograph.deliver.relink import Relink
from rotograph.errors import MediaError, MissingFrame, RotographError
from rotograph.frames import parse_frames
from rotograph.image import Box, Image, ImageSpec

otio = pytest.importorskip("opentimelineio")
MATERIAL = Path(__file__).parents[4] / "shared" / "material" / "otio"
T, R = otio.opentime.RationalTime, otio.opentime.TimeRange


def span(start, count, rate=24):
    return R(T(start, rate), T(count, rate))


def clip(name, start, count, url="plate.####.exr", available=None, rate=24):
    reference = otio.schema.ExternalReference(url, available)
    return otio.schema.Clip(name, reference, span(start, count, rate))


def cut_of(folder, *items, name="cut.otio"):
    timeline = otio.schema.Timeline("cut")
    track = otio.schema.Track("V1", kind="Video")
    timeline.tracks.append(track)
    track.extend(items)
    path = folder / name
    otio.adapters.write_to_file(timeline, str(path))
    return path


def run(*arguments, status=0):
    got = CliRunner().invoke(rotograph, ["otio", *map(str, arguments)])
    assert got.exit_code == status, got.output
    return got


def deliver(shot, cut, *more, status=0):
    got = run(
        cut, "--graph", shot.graph, "-o", shot.folder / "out", "--cache", shot.cache,
        "--json", *more, status=status,
    )  # fmt: skip
    return json.loads(got.stdout.splitlines()[-1])


def test_a_cut_gets_its_mattes_and_a_second_run_computes_nothing(make_shot):
    shot = make_shot(6)
    cut = cut_of(
        shot.folder,
        clip("sc010_0010", 1002, 2),
        otio.schema.Gap(duration=T(5, 24)),
        clip("sc010_0020", 1004, 2),
    )
    before = otio.adapters.read_from_file(str(cut))
    told = deliver(shot, cut, "--handles", 1)
    first, second = told["clips"]
    assert (first["used"], first["frames"]) == ([1002, 1003], [1001, 1002, 1003, 1004])
    assert (second["used"], second["frames"]) == ([1004, 1005], [1003, 1004, 1005, 1006])
    written = sorted(p.name for p in (shot.folder / "out/sc010_0010/mattes").iterdir())
    assert written == [f"matte.{f}.exr" for f in (1001, 1002, 1003, 1004)]

    made = otio.adapters.read_from_file(told["timeline"])
    original, mattes = made.tracks
    assert original.is_equivalent_to(before.tracks[0])
    one, gap, two = mattes
    assert (gap.duration(), two.source_range) == (T(5, 24), span(1004, 2))
    reference = one.media_reference
    assert isinstance(reference, otio.schema.ImageSequenceReference)
    shown = reference.target_url_for_image_number(
        reference.frame_for_time(one.source_range.start_time) - reference.start_frame
    )
    assert shown == "sc010_0010/mattes/matte.1002.exr"
    assert (Path(told["timeline"]).parent / shown).is_file()
    assert list(one.metadata["rotograph"]["layers"]) == ["disc"]

    with open(told["list"], encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["shot"], r["status"], r["delivered_frames"]) for r in rows] == [
        ("sc010_0010", "delivered", "1001-1004"),
        ("sc010_0020", "delivered", "1003-1006"),
    ]

    text = Path(told["timeline"]).read_text()
    again = deliver(shot, told["timeline"], "--handles", 1)
    assert again["computed"] == 0 and not any(c["written"] for c in again["clips"])
    assert again["timeline"] == told["timeline"] and Path(again["timeline"]).read_text() == text


def test_clips_of_one_media_share_what_they_compute(make_shot):
    shot = make_shot(4)
    cut = cut_of(shot.folder, clip("a", 1001, 4), clip("b", 1002, 2), clip("a", 1001, 4))
    a, b, again = deliver(shot, cut)["clips"]
    assert a["computed"] > 0 and b["computed"] == again["computed"] == 0
    assert [a["shot"], b["shot"], again["shot"]] == ["a", "b", "a_2"]
    assert (shot.folder / "out/a_2/mattes/matte.1004.exr").is_file()


def test_a_clip_that_cannot_be_done_costs_only_itself(make_shot):
    shot = make_shot(3)
    backwards = clip("back", 1001, 2)
    backwards.effects.append(otio.schema.LinearTimeWarp(time_scalar=-1))
    empty = clip("empty", 1001, 0)
    cut = cut_of(
        shot.folder,
        clip("gone", 1001, 2, "nowhere.####.exr"),
        backwards,
        empty,
        clip("long", 1001, 9),
        clip("good", 1001, 2),
    )
    told = deliver(shot, cut, status=1)
    reasons = {c["shot"]: (c["status"], c["reason"]) for c in told["clips"]}
    assert reasons["gone"][0] == "refused" and "nowhere.####.exr" in reasons["gone"][1]
    assert "backwards" in reasons["back"][1] and "no length" in reasons["empty"][1]
    assert "uses 1001-1009, but the media has 1001-1003" in reasons["long"][1]
    assert reasons["good"] == ("delivered", "")
    assert all("\n" not in reason for _, reason in reasons.values())


def test_a_dry_run_writes_and_computes_nothing(make_shot):
    shot = make_shot(3)
    cut = cut_of(shot.folder, clip("sc010", 1001, 2), clip("sc020", 1001, 2))
    told = deliver(shot, cut, "--dry-run", "--shots", "sc010*")
    assert [(c["shot"], c["status"]) for c in told["clips"]] == [("sc010", "planned")]
    assert told["timeline"] is None and not (shot.folder / "out").exists()


def test_a_delivery_is_gone_on_with_and_never_written_over_by_accident(make_shot):
    shot = make_shot(3)
    cut = cut_of(shot.folder, clip("sc010", 1001, 2), clip("sc020", 1002, 2))
    deliver(shot, cut, "--shots", "sc010")
    told = deliver(shot, cut, "--shots", "sc020")
    made = otio.adapters.read_from_file(told["timeline"])
    assert [c.metadata["rotograph"]["shot"] for c in made.tracks[1]] == ["sc010", "sc020"]
    assert len(Path(told["list"]).read_text().splitlines()) == 3

    matte = shot.folder / "out/sc010/mattes/matte.1001.exr"
    was = matte.read_bytes()
    changed = ("--set", "refine.feather=9")
    told = deliver(shot, cut, *changed, status=1)
    assert all("--overwrite" in c["reason"] for c in told["clips"])
    assert matte.read_bytes() == was
    deliver(shot, cut, *changed, "--overwrite")
    assert matte.read_bytes() != was

    other = cut_of(shot.folder, clip("sc030", 1001, 1))
    got = run(other, "--graph", shot.graph, "-o", shot.folder / "out", status=1)
    assert "another version of this cut" in got.stderr and "--overwrite" in got.stderr


def test_each_layer_and_writer_gets_a_track_and_doubts_get_markers(make_shot):
    shot = make_shot(6)
    document = shot.document()
    document["nodes"]["segment"]["prompts"].append(
        {"frame": 1001, "layer": "wall", "box": [100, 5, 155, 90]}
    )
    document["nodes"]["out"]["file"] = "{layer}/{shot}_{layer}_v{version}.%04d.exr"
    document["nodes"]["out2"] = {**document["nodes"]["out"], "file": "all.####.exr"}
    shot.save(document)
    blank = exr.read(shot.plate(1004)).pixels * 0  # the disc is lost on this frame
    shot.write_plate(1004, blank)
    told = deliver(shot, cut_of(shot.folder, clip("sc010", 1001, 6)))
    made = otio.adapters.read_from_file(told["timeline"])
    names = [track.name for track in made.tracks]
    assert names == ["V1", "mattes out disc", "mattes out wall", "mattes out2"]
    for track in made.tracks[1:]:
        reference = track[0].media_reference
        assert all(
            (shot.folder / "out" / reference.target_url_for_image_number(i)).is_file()
            for i in range(reference.number_of_images_in_sequence())
        )
    first = made.tracks[1][0].media_reference.target_url_for_image_number(0)
    assert first == "sc010/disc/sc010_disc_v001.1001.exr"
    disc = made.tracks[1][0].markers
    assert {m.metadata["rotograph"]["layer"] for m in disc} == {"disc"}
    assert any(m.marked_range.contains(T(1004, 24)) for m in disc)
    with open(told["list"], encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert 1004 in parse_frames(row["needs_look"])


def test_a_movie_counts_from_where_the_graph_says_it_begins(make_shot):
    shot = make_shot(1)
    small_movie(shot.folder / "take.mov", 8, "01:00:00:00")
    for start, available in ((86402, None), (2, span(0, 8)), (86402, span(86400, 8)), (2, None)):
        cut = read_cut(cut_of(shot.folder, clip("a", start, 3, "take.mov", available)))
        one = clips_of(cut)[0]
        media = Relink(cut.folders, None).find(one, 1001)
        assert media.wanted(one.used, 4)[0] == (1003, 1004, 1005), (start, available)
        assert media.wanted(one.used, 4)[1] == tuple(range(1001, 1009))


def test_names_that_no_disk_takes(make_shot):
    shot = make_shot(2)
    names = ['a/b"c', "ショット", "x" * 300, "", "..", "=1+1", "A/B'C"]
    cut = cut_of(shot.folder, *(clip(name, 1001, 1) for name in names))
    told = deliver(shot, cut, "--handles", 0)
    shots = [c["shot"] for c in told["clips"]]
    assert shots[:2] == ["a_b_c", "ショット"] and shots[3:] == [
        "clip_004", "clip_005", "1+1", "A_B_C_2",
    ]  # fmt: skip
    assert len(shots[2]) < 100
    assert all((shot.folder / "out" / s / "mattes/matte.1001.exr").is_file() for s in shots)
    with open(told["list"], encoding="utf-8", newline="") as file:
        assert [r["clip"] for r in csv.DictReader(file)][5] == "'=1+1"


# -- which frames ------------------------------------------------------------------------------


def used(folder, item, handles=0, **options):
    """(used, with handles) of the first clip of a cut made of ``item``."""
    cut = read_cut(cut_of(folder, item))
    one = clips_of(cut)[0]
    return Relink(cut.folders, **{"root": None, **options}).find(one).wanted(one.used, handles)


def plates(folder, frames, name="plate.####.exr", attributes=None):
    folder.mkdir(parents=True, exist_ok=True)
    box = Box(0, 0, 4, 4)
    for index, frame in enumerate(frames):
        own = {} if attributes is None else attributes(index)
        spec = ImageSpec(box, box, ("R", "G", "B"), attributes=own)
        path = folder / name.replace("####", f"{frame:04d}")
        exr.write(path, Image(spec, np.zeros((4, 4, 3), np.float16)))


def timecode(hours, minutes, seconds, frames, drop=False):
    digits = (frames, seconds, minutes, hours)
    word = sum(((d // 10) << 4 | d % 10) << (8 * i) for i, d in enumerate(digits))
    return {"timeCode": Attribute.of("timecode", word | (0x40 if drop else 0), 0)}


@pytest.mark.parametrize("first", [0, -3, 1001])
def test_frames_keep_the_numbers_of_their_files(tmp_path, first):
    plates(tmp_path, range(first, first + 10))
    available = span(86400, 10)
    got = used(tmp_path, clip("a", 86402, 3, available=available), handles=4)
    # the media begins at its first file, whatever the cut's own clock says
    assert got[0] == (first + 2, first + 3, first + 4)
    assert got[1] == tuple(range(first, first + 9))


def test_an_image_sequence_reference_counts_by_its_own_start(tmp_path):
    plates(tmp_path, range(-5, 10))
    reference = otio.schema.ImageSequenceReference(
        ".", "plate.", ".exr", -2, 2, 24, 4, available_range=span(100, 6)
    )
    item = otio.schema.Clip("a", reference, span(101, 2))
    assert used(tmp_path, item, handles=1) == ((0, 2), (-2, 0, 2, 4))


def test_speed_freeze_and_transitions_ask_for_the_frames_they_show(tmp_path):
    plates(tmp_path, range(1001, 1041))
    double = clip("a", 1001, 5)
    double.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    assert used(tmp_path, double)[0] == tuple(range(1001, 1010))
    half = clip("a", 1001, 5)
    half.effects.append(otio.schema.LinearTimeWarp(time_scalar=0.5))
    assert used(tmp_path, half)[0] == (1001, 1002, 1003)
    freeze = clip("a", 1004, 50)
    freeze.effects.append(otio.schema.FreezeFrame())
    assert used(tmp_path, freeze)[0] == (1004,)

    dissolve = otio.schema.Transition(
        transition_type="SMPTE_Dissolve", in_offset=T(2, 24), out_offset=T(3, 24)
    )
    cut = read_cut(cut_of(tmp_path, clip("a", 1005, 5), dissolve, clip("b", 1020, 5)))
    left, right = clips_of(cut)
    find = Relink(cut.folders, None).find
    assert find(left).wanted(left.used, 0)[0] == tuple(range(1005, 1013))
    assert find(right).wanted(right.used, 0)[0] == tuple(range(1018, 1025))


def test_nested_cuts_show_what_their_trims_leave(tmp_path):
    plates(tmp_path, range(1001, 1041))
    inner = otio.schema.Track("inner", [clip("a", 1001, 10), clip("b", 1021, 10)])
    stack = otio.schema.Stack("nest", [inner], source_range=span(4, 8))
    cut = read_cut(cut_of(tmp_path, clip("head", 1001, 3), stack))
    head, a, b = clips_of(cut)
    assert (a.shown, b.shown) == (span(1005, 6), span(1021, 2))
    assert (head.start, a.start, b.start) == (T(0, 24), T(3, 24), T(9, 24))


def test_handles_stop_where_the_media_has_a_hole(tmp_path):
    plates(tmp_path, [1001, 1003, 1004, 1005, 1006])
    assert used(tmp_path, clip("a", 1004, 1), handles=8)[1] == (1003, 1004, 1005, 1006)
    with pytest.raises(MissingFrame, match="uses 1006-1007"):
        used(tmp_path, clip("a", 1006, 2))


def test_a_nested_cut_that_is_retimed_shows_its_clips_that_fast(tmp_path):
    plates(tmp_path, range(1001, 1061))
    twice = clip("b", 1021, 10)
    twice.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    inner = otio.schema.Stack("nest", [otio.schema.Track("in", [clip("a", 1001, 10), twice])])
    inner.source_range = span(4, 8)
    inner.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    cut = read_cut(cut_of(tmp_path, clip("head", 1001, 3), inner))
    _, a, b = clips_of(cut)
    # 8 frames of the cut show 16 of the nest: from its 4th on, 6 of a and 10 of b
    assert (a.speed, a.start, a.duration) == (2, T(3, 24), T(3, 24))
    assert (b.speed, b.start, b.duration) == (4, T(6, 24), T(5, 24))
    find = Relink(cut.folders, None).find
    assert find(a).wanted(a.used, 0)[0] == (1005, 1006, 1007, 1008, 1009)
    assert find(b).wanted(b.used, 0)[0] == tuple(range(1021, 1038))


def test_a_still_in_a_cut_is_one_frame_and_its_neighbours_are_no_sequence(make_shot):
    shot = make_shot(3)
    document = shot.document()
    document["nodes"]["segment"]["prompts"][0]["frame"] = 1002
    shot.save(document)
    card = clip("card", 0, 48, "plate.1002.exr", span(0, 1))
    told = deliver(shot, cut_of(shot.folder, card))
    (one,) = told["clips"]
    assert (one["status"], one["used"], one["frames"]) == ("delivered", [1002], [1002])
    made = otio.adapters.read_from_file(told["timeline"])
    (matte,) = made.tracks[1]
    assert matte.source_range == span(0, 48)
    assert matte.media_reference.number_of_images_in_sequence() == 1


# -- media that is elsewhere ---------------------------------------------------------------------


def test_media_that_moved_is_found_below_the_root(tmp_path):
    plates(tmp_path / "new/plates/sc010", range(1001, 1006))
    for url in (
        "file:///old/show/plates/sc010/plate.%2504d.exr",
        "file://localhost/D%3a/old/plates/sc010/plate.1001.exr",
        "S:\\old\\sc010\\plate.[1001-1005].exr",
        "/elsewhere/plate.####.exr",
    ):
        assert used(tmp_path, clip("a", 1002, 2, url), root=tmp_path / "new")[0] == (1002, 1003)
    plates(tmp_path / "new/plates/sc020", range(1001, 1006))
    right = clip("a", 1002, 2, "file:///old/sc020/plate.%2504d.exr")
    assert used(tmp_path, right, root=tmp_path / "new")[0] == (1002, 1003)
    with pytest.raises(MediaError, match="2 below the media root have its name"):
        used(tmp_path, clip("a", 1002, 2, "/elsewhere/plate.####.exr"), root=tmp_path / "new")
    with pytest.raises(MissingFrame, match="--media-root"):
        used(tmp_path, clip("a", 1002, 2, "/elsewhere/plate.####.exr"))


def test_our_own_mattes_are_never_taken_for_a_plate(make_shot):
    shot = make_shot(2)
    document = shot.document()
    document["nodes"]["out"]["file"] = "plate.####.exr"  # called as the plate is
    shot.save(document)
    cut = cut_of(shot.folder, clip("plate", 1001, 2, "plate.####.exr"))
    told = deliver(shot, cut, "--media-root", shot.folder)
    for frame in shot.frames:
        shot.plate(frame).unlink()
    for again in (cut, told["timeline"]):
        (one,) = deliver(shot, again, "--media-root", shot.folder, status=1)["clips"]
        assert one["status"] == "refused" and "not there" in one["reason"]


def test_a_clip_called_as_its_file_is_finds_it(tmp_path):
    (tmp_path / "m").mkdir()
    small_movie(tmp_path / "m" / "sh 010 (v2)-HD.mov", 8, "00:00:00:00")
    item = clip("sh 010 (v2)-HD.mov", 2, 3)
    item.media_reference = otio.schema.MissingReference()
    assert used(tmp_path, item, root=tmp_path / "m")[0] == (3, 4, 5)


EDL = """TITLE: x
FCM: {fcm}

001  {reel} V     C        {source_in} {source_out} 01:00:00:00 {record_out}
"""


def edl(folder, source_in, source_out, record_out, reel="A001C001", fcm="NON-DROP FRAME"):
    path = folder / "cut.edl"
    path.write_text(EDL.format(**{k: v for k, v in locals().items() if k not in ("folder",)}))
    return path


@pytest.mark.parametrize("rate", [23.976, 24, 25])
def test_an_edl_finds_its_media_by_reel_and_timecode(tmp_path, rate):
    root = tmp_path / "plates"
    for hour in (9, 10):  # the same reel name twice: the timecode decides
        plates(
            root / f"day{hour}", range(1, 13), "A001C001_plate.####.exr",
            lambda i, hour=hour: timecode(hour, 0, 0, i),
        )  # fmt: skip
    path = edl(tmp_path, "10:00:00:03", "10:00:00:06", "01:00:00:03")
    cut = read_cut(path, rate=rate)
    one = clips_of(cut)[0]
    media = Relink(cut.folders, root).find(one)
    assert media.how == "relinked by reel and timecode" and "day10" in media.pattern
    assert media.wanted(one.used, 2) == ((4, 5, 6), (2, 3, 4, 5, 6, 7, 8))


def test_drop_frame_timecode_leaves_out_its_numbers(tmp_path):
    # 00:00:59;28 is the 1799th frame, and 00:01:00;02 the 1801st: ;00 and ;01 do not exist
    plates(
        tmp_path / "m", range(1, 9), "REEL1.####.exr",
        lambda i: timecode(0, 0, 59, 28 + i, True) if i < 2 else timecode(0, 1, 0, i, True),
    )  # fmt: skip
    item = clip("shot", 1801, 2, "", rate=30000 / 1001)
    item.media_reference = otio.schema.MissingReference()
    item.metadata["cmx_3600"] = {"reel": "REEL1"}
    assert used(tmp_path, item, root=tmp_path / "m")[0] == (4, 5)


def test_two_media_that_both_fit_are_not_guessed_between(tmp_path):
    for copy in ("a", "b"):
        plates(
            tmp_path / "m" / copy, range(1, 9), "A001C001.####.exr", lambda i: timecode(1, 0, 0, i)
        )
    cut = read_cut(edl(tmp_path, "01:00:00:00", "01:00:00:02", "01:00:00:02"))
    with pytest.raises(MediaError, match="several media of reel A001C001"):
        Relink(cut.folders, tmp_path / "m").find(clips_of(cut)[0])


# -- cuts of every kind --------------------------------------------------------------------------


def test_an_adapter_that_is_not_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "cut.aaf").write_bytes(b"")
    monkeypatch.setattr(otio.adapters, "available_adapter_names", lambda: ["otio_json"])
    with pytest.raises(MediaError, match="otio-aaf-adapter"):
        read_cut(tmp_path / "cut.aaf")


@pytest.mark.parametrize("suffix", [".otio", ".edl", ".xml", ".fcpxml"])
def test_a_cut_of_any_editor_asks_for_the_same_frames(tmp_path, suffix):
    plates(tmp_path, range(1001, 1041), "reel_a.####.exr", lambda i: timecode(1, 0, 0, i))
    available = span(86400, 40) if suffix != ".edl" else None
    url = (tmp_path / "reel_a.1001.exr").as_uri()
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", kind="Video"))
    for name, start in (("sc010", 86403), ("sc020", 86410)):
        reference = otio.schema.ExternalReference(url, available)
        reference.name = "reel_a"
        timeline.tracks[0].append(otio.schema.Clip(name, reference, span(start, 4)))
    path = tmp_path / f"cut{suffix}"
    otio.adapters.write_to_file(timeline, str(path))
    cut = read_cut(path)
    link = Relink(cut.folders, None)
    got = [link.find(one).wanted(one.used, 0)[0] for one in clips_of(cut)]
    assert got == [tuple(range(1004, 1008)), tuple(range(1011, 1015))]


def test_mattes_of_clips_above_each_other_lie_on_tracks_of_their_own(make_shot):
    shot = make_shot(4)
    timeline = otio.schema.Timeline("cut", global_start_time=T(86400, 24))
    for name, start in (("low", 1001), ("high", 1002)):
        track = otio.schema.Track(name, [clip(name, start, 2)], kind="Video")
        timeline.tracks.append(track)
    timeline.tracks[1][0].effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    timeline.tracks.append(otio.schema.Track("A1", [clip("sound", 0, 2)], kind="Audio"))
    path = shot.folder / "cut.otio"
    otio.adapters.write_to_file(timeline, str(path))
    told = deliver(shot, path, "--handles", 0)
    assert [c["used"] for c in told["clips"]] == [[1001, 1002], [1002, 1003, 1004]]
    made = otio.adapters.read_from_file(told["timeline"])
    assert [t.name for t in made.tracks[3:]] == ["mattes out", "mattes out 2"]
    (high,) = made.tracks[4]
    assert high.effects[0].time_scalar == 2 and high.source_range == span(1002, 2)
    with open(told["list"], encoding="utf-8", newline="") as file:
        assert [r["record_in"] for r in csv.DictReader(file)] == ["01:00:00:00"] * 2


def small_movie(path, count, timecode):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("prores_ks", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        stream.metadata["timecode"] = timecode
        for index in range(count):
            picture = np.full((48, 64, 3), index, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            for packet in stream.encode(frame.reformat(format="yuv422p10le")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)


@pytest.mark.material
@pytest.mark.skipif(not MATERIAL.is_dir(), reason="the cuts beside the checkout are not here")
def test_an_aaf_of_an_editor_finds_its_movies_and_its_speeds(tmp_path):
    for hour in (0, 1):
        path = tmp_path / f"Frame Debugger {hour}h.mov"
        small_movie(path, 120, f"0{hour}:00:00:00")
    samples = MATERIAL / "otio-aaf-adapter/tests/sample_data"
    cut = read_cut(samples / "timecode_test.aaf")
    link = Relink(cut.folders, tmp_path)
    found = [(link.find(c), c) for c in clips_of(cut)]
    assert [m.how for m, _ in found] == ["moved, found by its path"] * 2
    # a second into each, as its burnt-in counter says
    assert [m.wanted(c.used, 2)[0][::23] for m, c in found] == [(25, 48), (25, 48)]

    cut = read_cut(samples / "misc_speed_effects.aaf")
    link = Relink(cut.folders, tmp_path)
    told = {}
    for one in clips_of(cut):
        if not one.refused:
            wanted = link.find(one).wanted(one.used, 0)[0]
            told[one.speed] = (wanted[0], wanted[-1])
    assert told[0.0][0] == told[0.0][1]
    assert (told[2.0], told[3.0], told[0.5]) == ((1, 15), (1, 22), (1, 5))
    assert told[14.375] == (1, 102)


def test_what_a_newer_otio_writes_of_markers_is_read(tmp_path):
    path = cut_of(tmp_path, clip("sc010", 1001, 4))
    document = json.loads(path.read_text())
    colour = {"OTIO_SCHEMA": "Color.1", "name": "RED", "r": 1.0, "g": 0.0, "b": 0.0, "a": 1.0}
    marker = json.loads(otio.schema.Marker("look", span(1002, 1)).to_json_string())
    newer = {**marker, "OTIO_SCHEMA": "Marker.3", "color": colour}
    document["tracks"]["children"][0]["children"][0]["markers"] = [newer]
    path.write_text(json.dumps(document))
    (one,) = clips_of(read_cut(path))
    assert (one.clip.markers[0].name, one.clip.markers[0].color) == ("look", "RED")


def test_clips_in_no_timeline_are_a_cut_of_their_own(tmp_path):
    path = tmp_path / "bin.otio"
    items = [clip("sc010", 1001, 4), clip("sc020", 1001, 2)]
    otio.adapters.write_to_file(otio.schema.SerializableCollection("bin", items), str(path))
    assert [c.shot for c in clips_of(read_cut(path))] == ["sc010", "sc020"]
    path.write_text(otio.schema.SerializableCollection("bin", []).to_json_string())
    with pytest.raises(MediaError, match="no timeline"):
        read_cut(path)


# the AAF library leaves open what it could not read
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("suffix", [".otio", ".edl", ".fcpxml", ".xml", ".aaf", ".txt"])
def test_rubbish_is_refused_in_one_line(tmp_path, suffix):
    for index, content in enumerate((b"", b"\0\xff" * 99, b"{}", b"<xml/>", b"[" * 9999)):
        path = tmp_path / f"{index}{suffix}"
        path.write_bytes(content)
        try:
            clips_of(read_cut(path))
        except RotographError as error:
            assert "\n" not in str(error) and path.name in str(error)


@pytest.mark.material
@pytest.mark.skipif(not MATERIAL.is_dir(), reason="the cuts beside the checkout are not here")
def test_every_cut_of_the_material_is_handled_or_refused_in_one_line(tmp_path):
    handled, refused = [], []
    for path in sorted(MATERIAL.rglob("*.*")):
        try:
            cut = read_cut(path)
        except RotographError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
            refused.append(path.name)
            continue
        handled.append(path.name)
        # what we add can be taken out again, and then it is the cut that came
        delivered = tmp_path / "cut.mattes.otio"
        write_timeline(delivered, with_mattes(cut, [], path, 8, []))
        again = read_cut(delivered)
        assert (again.digest, again.original) == (cut.digest, path)
        link = Relink(cut.folders, None)
        for one in clips_of(cut):
            assert one.shot and os.sep not in one.shot
            if not (one.skip or one.refused):
                with pytest.raises(MediaError, match="media"):
                    link.find(one)
    # what is refused is no cut, has several to choose from, or was never whole
    assert len(handled) >= 50 and {p.rsplit(".", 1)[1] for p in handled} == {
        "otio", "edl", "fcpxml", "xml", "aaf",
    }  # fmt: skip
    assert "25fps.edl" in refused  # at the rate of 24 that nobody changed
    assert clips_of(read_cut(next(MATERIAL.rglob("25fps.edl")), rate=25))

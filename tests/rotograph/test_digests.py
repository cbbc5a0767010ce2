"""Notes on files outside: right or silent, whatever happens to the file or to other writers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rotograph.digests import OLD, DigestIndex, Receipts, bound, stamp


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    path = tmp_path / "plate" / "plate.1001.exr"
    path.parent.mkdir()
    path.write_bytes(b"pixels")
    os.utime(path, (1e9, 1e9))
    return path


def test_a_digest_is_known_to_the_next_run_until_the_file_moves(
    plate: Path, tmp_path: Path
) -> None:
    index = DigestIndex(tmp_path / "store")
    assert index.look(plate, "").state == "new"
    index.remember(plate, "", "ab" * 16, stamp(plate))
    index.remember(plate, "layer=diffuse", "cd" * 16, stamp(plate))
    assert index.lookup(plate) == "ab" * 16
    assert index.flush()
    later = DigestIndex(tmp_path / "store")
    assert later.lookup(plate) == "ab" * 16
    assert later.lookup(plate, "layer=diffuse") == "cd" * 16
    assert later.look(plate, "layer=other").state == "new"
    os.utime(plate)
    found = later.look(plate)
    assert (found.state, found.value) == ("moved", "ab" * 16)
    assert later.lookup(plate) is None
    plate.unlink()
    assert later.look(plate).state == "gone"


def test_another_file_under_the_same_name_size_and_time_is_noticed(
    plate: Path, tmp_path: Path
) -> None:
    index = DigestIndex(tmp_path / "store")
    index.remember(plate, "", "ab" * 16, stamp(plate))
    copy = plate.with_suffix(".copy")
    copy.write_bytes(b"PIXELS")
    os.utime(copy, (1e9, 1e9))
    os.replace(copy, plate)
    assert index.look(plate).state == "moved"


def test_a_file_changed_this_very_moment_is_not_trusted(tmp_path: Path) -> None:
    index = DigestIndex(tmp_path / "store")
    path = tmp_path / "plate.exr"
    path.write_bytes(b"1")
    index.remember(path, "", "ab" * 16, stamp(path))
    assert index.lookup(path) is None
    time.sleep(0.05)
    index.remember(path, "", "ab" * 16, stamp(path))
    assert index.lookup(path) == "ab" * 16


def test_many_processes_lose_nothing_of_each_other(plate: Path, tmp_path: Path) -> None:
    source = """
import sys
from rotograph.digests import DigestIndex, stamp
index = DigestIndex(sys.argv[1])
for turn in range(20):
    index.remember(sys.argv[2], f"{sys.argv[3]}.{turn}", "00" * 16, stamp(sys.argv[2]))
    assert index.flush()
"""
    command = [sys.executable, "-c", source, str(tmp_path / "store"), str(plate)]
    children = [subprocess.Popen([*command, str(n)]) for n in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    index = DigestIndex(tmp_path / "store")
    assert all(index.lookup(plate, f"{n}.{turn}") for n in range(3) for turn in range(20))
    assert len(list((tmp_path / "store").rglob("*.notes"))) < 20


def test_what_others_note_is_soon_seen(plate: Path, tmp_path: Path) -> None:
    ours, theirs = DigestIndex(tmp_path / "store"), DigestIndex(tmp_path / "store")
    assert ours.lookup(plate) is None
    theirs.remember(plate, "", "ab" * 16, stamp(plate))
    theirs.flush()
    time.sleep(0.55)
    assert ours.lookup(plate) == "ab" * 16


@pytest.mark.parametrize("rubbish", [b"", b"\0", b"\xdd\xff\xff\xff\xff", b"[]", b"\x91\x91\x01"])
def test_damaged_notes_are_no_notes(plate: Path, tmp_path: Path, rubbish: bytes) -> None:
    index = DigestIndex(tmp_path / "store")
    index.remember(plate, "", "ab" * 16, stamp(plate))
    index.flush()
    (notes,) = (tmp_path / "store").rglob("*.notes")
    notes.write_bytes(rubbish)
    later = DigestIndex(tmp_path / "store")
    assert later.look(plate).state == "new"
    later.remember(plate, "", "cd" * 16, stamp(plate))
    assert later.flush()
    assert DigestIndex(tmp_path / "store").lookup(plate) == "cd" * 16


def test_a_folder_that_cannot_be_written_costs_only_speed(plate: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"a file is in the way")
    index = DigestIndex(tmp_path / "store")
    index.remember(plate, "", "ab" * 16, stamp(plate))
    assert not index.flush()
    assert index.lookup(plate) == "ab" * 16


def test_a_receipt_holds_until_somebody_changes_the_file(plate: Path, tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "store")
    receipts.remember(plate, "ab" * 16)
    assert receipts.flush()
    away = plate.with_name("away.exr")
    plate.rename(away)
    assert receipts.look(plate).state == "gone"
    away.rename(plate)
    assert Receipts(tmp_path / "store").lookup(plate) == "ab" * 16
    plate.write_bytes(b"painted over")
    assert receipts.look(plate).state == "moved"


def test_two_thousand_frames_are_looked_up_at_once(plate: Path, tmp_path: Path) -> None:
    index = DigestIndex(tmp_path / "store")
    at = stamp(plate)
    for frame in range(2000):
        index.remember(plate, str(frame), "ab" * 16, at)
    index.flush()
    later = DigestIndex(tmp_path / "store")
    start = time.perf_counter()
    assert all(later.lookup(plate, str(frame)) for frame in range(2000))
    assert time.perf_counter() - start < 1.0  # about 40 ms; see tests/bench/store.py


def test_notes_are_bounded_the_oldest_go_first(plate: Path, tmp_path: Path) -> None:
    store, now = tmp_path / "store", time.time()
    for folder in range(6):
        path = tmp_path / str(folder) / "plate.exr"
        path.parent.mkdir()
        path.write_bytes(b"pixels")
        os.utime(path, (1e9, 1e9))
        index = DigestIndex(store)
        index.remember(path, "", "ab" * 16, stamp(path))
        index.flush()
        for note in (store / "digests").rglob("*.notes"):
            if stamp(note).mtime_ns > (now - 1) * 1e9:
                os.utime(note, (now - 1000 + folder, now - 1000 + folder))
    (foreign := store / "digests" / "read me.txt").write_text("mine")
    sizes = [p.stat().st_size for p in (store / "digests").rglob("*.notes")]
    assert bound(store, sum(sizes), now) == 0
    assert bound(store, sum(sizes) // 2, now) >= sum(sizes) // 2
    known = [DigestIndex(store).lookup(tmp_path / str(f) / "plate.exr") for f in range(6)]
    assert known == [None] * 3 + ["ab" * 16] * 3
    assert bound(store, sum(sizes), now + OLD) > 0
    assert not list((store / "digests").rglob("*.notes")) and foreign.exists()

"""The store's promises: whole or not there, shared by processes, bounded, scan-resistant."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xxhash

from rotograph.errors import StoreError
from rotograph.record import MAGIC, BadRecord, Record, decode, encode
from rotograph.store import Store


def key(name: object) -> str:
    return hashlib.blake2b(repr(name).encode(), digest_size=16).hexdigest()


def record(seed: int = 0, kilobytes: int = 4) -> Record:
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, kilobytes << 10, dtype=np.uint8)
    return Record("arrays", {"seed": seed}, {"noise": noise}, device="cpu")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


def python(source: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(source), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


PRELUDE = """
import hashlib, sys, time
import numpy as np
from rotograph.record import Record
from rotograph.store import Store
def key(name):
    return hashlib.blake2b(repr(name).encode(), digest_size=16).hexdigest()
def record(seed, kilobytes=4):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, kilobytes << 10, dtype=np.uint8)
    return Record("arrays", {"seed": seed}, {"noise": noise}, device="cpu")
"""


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def same(a: Record, b: Record) -> bool:
    return (a.kind, a.meta, a.device, a.flags) == (b.kind, b.meta, b.device, b.flags) and all(
        a.arrays[n].dtype == b.arrays[n].dtype
        and a.arrays[n].shape == b.arrays[n].shape
        and a.arrays[n].tobytes() == b.arrays[n].tobytes()
        for n in {*a.arrays, *b.arrays}
    )


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "u4", "i2", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (7, 5), (300, 200), (2, 90, 90, 3)])
def test_arrays_come_back_bit_for_bit(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    dense = rng.normal(size=shape) * 50
    flat = np.zeros(shape)
    before = Record(
        "arrays",
        {"text": "Käse\udc80", "number": 0.1, "none": None, "infinite": float("inf")},
        {
            "dense": np.asarray(dense.astype(np.float32), dtype=dtype),
            "flat": np.asarray(flat, dtype=dtype),
            "turned": np.asarray(flat, dtype=dtype).T,
        },
        "cuda:0",
        ("fallback",),
    )
    assert same(before, decode(b"".join(encode(before))))


def test_nan_payloads_and_infinities_survive() -> None:
    bits = np.array([0x7FC00001, 0xFFC12345, 0x7F800000, 0x80000000, 1] * 5000, dtype=np.uint32)
    before = Record("arrays", {}, {"a": bits.view(np.float32)})
    assert same(before, decode(b"".join(encode(before))))


def test_an_entry_is_found_by_another_process(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(key(1)) is None and not store.has(key(1))
    assert store.put(key(1), record(1), tier="results")
    assert store.has(key(1)) and store.has(bytes.fromhex(key(1)))
    child = python("print(Store(sys.argv[1]).get(key(1)).meta['seed'])", tmp_path)
    assert child.communicate()[0] == "1\n"


def test_the_first_writer_wins(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.put(key(1), record(1), tier="mattes")
    assert store.put(key(1), record(2), tier="mattes")
    assert same(store.get(key(1)), record(1))


def test_any_altered_byte_is_a_miss(tmp_path: Path) -> None:
    store = Store(tmp_path, reserve_bytes=0)
    small = Record("matte", {"a": 1}, {"alpha": np.arange(40, dtype=np.float16)})
    store.put(key(1), small, tier="mattes")
    (path,) = files(tmp_path / "mattes")
    good = path.read_bytes()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        path.write_bytes(bad)
        assert store.get(key(1)) is None, f"byte {position}"
        assert not path.exists()
    assert store.stats()["damaged"] == len(good)


def test_any_truncation_or_growth_is_a_miss(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(key(1), Record("json", {"value": 1}, {"a": np.arange(40)}), tier="results")
    (path,) = files(tmp_path / "results")
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        assert store.get(key(1)) is None, f"{length} bytes"
    path.write_bytes(good + b"\0")
    assert store.get(key(1)) is None


def test_an_entry_under_another_name_is_a_miss(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(key(1), record(1), tier="results")
    (path,) = files(tmp_path / "results")
    other = tmp_path / "results" / key(2)[:2] / key(2)
    other.parent.mkdir(exist_ok=True)
    path.rename(other)
    assert store.get(key(2)) is None


@pytest.mark.parametrize(
    "described",
    [
        ["a", "float32", [1 << 40], "raw", 64],
        ["a", "float32", [1 << 30, 1 << 30], "zstd", 64],
        ["a", "float32", [-4], "raw", 64],
        ["a", "object", [8], "raw", 64],
        ["a", "float32", [16], "raw", 1 << 40],
        ["a", "float32", [True], "raw", 64],
        ["a", "float32", [16], "pickle", 64],
        ["a", "float32", [1.5], "raw", 64],
        ["a", "float32", [1 << 29], "zstd", 64],
        "no list",
    ],
)
def test_a_malicious_header_allocates_nothing(described: object) -> None:
    limit = resource.getrlimit(resource.RLIMIT_AS)
    forged = forge([described])
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20), limit[1]))
    try:
        with pytest.raises(BadRecord):
            decode(forged)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)


def test_an_honest_header_decodes() -> None:
    assert decode(forge([["a", "float32", [16], "raw", 64]])).arrays["a"].shape == (16,)


def forge(arrays: list[object]) -> bytes:
    """A record with a right checksum, 64 bytes of payload and whatever it says of its arrays."""
    header = {"kind": "x", "meta": {}, "arrays": arrays, "device": "", "flags": []}
    text = json.dumps(header).encode()
    body = len(text).to_bytes(4, "little") + text + bytes(64)
    return MAGIC + xxhash.xxh3_128_digest(body) + body


def test_links_and_pipes_in_the_folder_are_misses(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.put(key(1), record(1), tier="results")
    (path,) = files(tmp_path / "store" / "results")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert store.get(key(1)) is None
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert store.get(key(1)) is None


def test_two_processes_put_and_evict_at_once(tmp_path: Path) -> None:
    source = """
        store = Store(sys.argv[1], limit_bytes=600 << 10, reserve_bytes=0)
        wrong = 0
        for turn in range(250):
            store.put(key(turn), record(turn), tier="features" if turn % 3 else "mattes")
            for back in range(0, turn, 17):
                found = store.get(key(back))
                wrong += found is not None and not np.array_equal(
                    found.arrays["noise"], record(back).arrays["noise"])
        print(wrong, store.stats()["damaged"], store.stats()["refused"])
    """
    children = [python(source, tmp_path) for _ in range(2)]
    assert [child.communicate()[0] for child in children] == ["0 0 0\n"] * 2
    store = Store(tmp_path)
    assert 0 < store.stats()["bytes"] <= 700 << 10
    assert store.verify().damaged == 0
    assert not list((tmp_path / ".writing").iterdir())
    assert not (tmp_path / "evictor.lease").exists()


def test_killed_in_mid_write_nothing_half_is_seen_and_leftovers_go(tmp_path: Path) -> None:
    source = """
        store = Store(sys.argv[1], reserve_bytes=0)
        print("ready", flush=True)
        for turn in range(10**6):
            store.put(key(turn), record(turn, 4096), tier="results")
            store.prune(64 << 20)
    """
    for attempt in range(4):
        child = python(source, tmp_path)
        child.stdout.readline()
        time.sleep(0.1 + 0.037 * attempt)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert Store(tmp_path).verify().damaged == 0
    store = Store(tmp_path)
    store.put(key("next"), record(), tier="results")
    assert not list((tmp_path / ".writing").iterdir())


def test_a_disk_that_takes_no_more_costs_only_speed(tmp_path: Path) -> None:
    source = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = Store(sys.argv[1], reserve_bytes=0)
        store.put(key(1), record(1), tier="results")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 10, 100 << 10))
        print(store.put(key(2), record(2, 400), tier="results"), store.get(key(2)),
              store.put(key(3), record(3), tier="results"), store.get(key(1)).meta["seed"])
    """
    assert python(source, tmp_path).communicate()[0] == "False None True 1\n"
    assert len(files(tmp_path)) == 2


def test_the_last_of_the_disk_is_left_to_the_artist(tmp_path: Path) -> None:
    store = Store(tmp_path, reserve_bytes=1 << 60)
    assert not store.put(key(1), record(1), tier="results")
    assert files(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "rotograph-test", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_no_leftovers_and_room_is_made(small_disk: Path) -> None:
    store = Store(small_disk, reserve_bytes=0)
    kept = [n for n in range(400) if store.put(key(n), record(n), tier="results")]
    assert 100 < len(kept) < 400
    assert not list((small_disk / ".writing").iterdir())
    assert all(same(store.get(key(n)), record(n)) for n in kept if store.has(key(n)))
    # another program's file is what fills it: the store gives way once it may look again
    greedy = Store(small_disk, reserve_bytes=300 << 10)
    assert greedy.put(key("new"), record(1), tier="mattes")
    assert greedy.get(key("new")) is not None


def test_a_folder_that_may_only_be_read_is_still_read(small_disk: Path) -> None:
    Store(small_disk, reserve_bytes=0).put(key(1), record(1), tier="results")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = Store(small_disk, reserve_bytes=0, burst_seconds=0)
    assert same(store.get(key(1)), record(1))
    assert not store.put(key(2), record(2), tier="results")
    assert store.prune() >= 0


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/cache: .*--cache"):
        Store(tmp_path / "file" / "cache")


def test_eviction_order_is_features_results_mattes_recipes(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, reserve_bytes=0, clock=clock)
    order = ["features", "results", "mattes", "recipes"]
    for tier in reversed(order):  # the most precious is the oldest
        clock.now += 1
        for number in range(4):
            store.put(key((tier, number)), record(number), tier=tier)
    left = []
    one = store.stats()["bytes"] // 16
    for count in (12, 8, 4):
        store.prune(count * one)
        left.append({t for t in order if store.has(key((t, 0))) or store.has(key((t, 3)))})
    assert left == [set(order[1:]), set(order[2:]), set(order[3:])]


def test_a_long_scan_does_not_push_out_what_is_used(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, limit_bytes=1 << 20, reserve_bytes=0, clock=clock)
    used = [key(("used", n)) for n in range(20)]
    for name in used:
        store.put(name, record(), tier="results")
    for _ in range(2):
        clock.now += 3600
        assert all(store.get(name) for name in used)
    for number in range(1000):  # a shot far longer than the store, each frame read thrice at once
        clock.now += 1
        store.put(key(number), record(number), tier="results")
        for neighbour in (number - 1, number, number + 1):
            store.get(key(neighbour))
    assert all(store.has(name) for name in used)
    assert store.has(key(999)) and not store.has(key(0))
    assert store.stats()["bytes"] <= 1 << 20


def test_within_a_tier_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, reserve_bytes=0, clock=clock)
    for number in range(6):
        clock.now += 100
        store.put(key(number), record(number), tier="mattes")
    clock.now += 100
    store.get(key(0))
    store.get(key(1), touch=False)
    store.prune(16 << 10)
    assert [n for n in range(6) if store.has(key(n))] == [0, 4, 5]


def test_what_nobody_used_for_a_month_goes_first_but_recipes_stay(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, reserve_bytes=0, clock=clock)
    store.put(key("old matte"), record(), tier="mattes")
    store.put(key("old recipe"), record(), tier="recipes")
    clock.now += 40 * 86400
    store.put(key("features"), record(), tier="features")
    store.prune(10 << 10)
    assert [store.has(key(n)) for n in ("old matte", "old recipe", "features")] == [0, 1, 1]


def test_a_dead_evictor_holds_nobody_up(tmp_path: Path) -> None:
    lease = tmp_path / "evictor.lease"
    lease.write_text("somebody alive")
    store = Store(tmp_path, limit_bytes=64 << 10, reserve_bytes=0)
    for number in range(40):
        store.put(key(number), record(number), tier="results")
    assert store.stats()["entries"] == 40  # somebody else is at it
    os.utime(lease, (time.time() - 3600,) * 2)
    store.put(key(40), record(40), tier="results")
    assert store.stats()["bytes"] <= 64 << 10
    assert not lease.exists()


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "results" / "20" / "holiday.jpg"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(bytes(10_000))
    store = Store(tmp_path)
    store.put(key(1), record(1), tier="results")
    assert store.prune() > 0
    assert files(tmp_path / "results") == [theirs]


def test_what_another_process_puts_and_evicts_is_soon_known(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.has(key(1))
    other = Store(tmp_path)
    other.put(key(1), record(1), tier="results")
    store.refresh()
    assert store.has(key(1))
    other.prune()
    store.refresh()
    assert not store.has(key(1))
    assert store.get(key(1)) is None


def test_verify_and_stats_tell_what_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(5):
        store.put(key(number), record(number), tier="mattes")
    (tmp_path / "mattes" / key(2)[:2] / key(2)).write_bytes(b"rubbish")
    seen = []
    found = store.verify(lambda done, count: seen.append((done, count)))
    assert (found.entries, found.damaged) == (4, 1)
    assert seen[0] == (0, 5) and seen[-1] == (5, 5)
    assert store.stats()["tiers"]["mattes"]["entries"] == 4
    assert store.verify().damaged == 0


def test_recipes_are_bounded_and_those_used_least_lately_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin writes them, as texts; nothing else makes room among them."""
    monkeypatch.setattr("rotograph.store.MOST_RECIPES", 100_000)
    store = Store(tmp_path, reserve_bytes=0)
    paths = []
    for i in range(150):
        name = key(i)
        paths.append(tmp_path / "recipes" / name[:2] / name)
        paths[i].parent.mkdir(parents=True, exist_ok=True)
        paths[i].write_text("x" * 1000)
        os.utime(paths[i], (1_000_000_000 + i, 1_000_000_000 + i))
    os.utime(paths[3], (1_000_000_900, 1_000_000_900))  # read again
    assert store.verify().damaged == 0
    assert all(path.is_file() for path in paths)
    store.put(key("a matte"), record(), tier="mattes")
    left = [i for i, path in enumerate(paths) if path.is_file()]
    assert left == [3, *range(61, 150)]
    assert store.get(key("a matte")) is not None

"""What the store costs: python tests/bench/store.py [FOLDER]."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rotograph.digests import DigestIndex, stamp
from rotograph.record import Record
from rotograph.store import Store


def key(number: int) -> str:
    return hashlib.blake2b(number.to_bytes(8, "little"), digest_size=16).hexdigest()


def matte(height: int, width: int) -> Record:
    """A soft disc with foreground colours in its band: what a 4K matte looks like to zstd."""
    y, x = np.ogrid[:height, :width]
    distance = height / 3 - np.hypot(x - width / 2, y - height / 2)
    alpha = np.clip(distance / 40 + 0.5, 0, 1).astype(np.float16)
    indices = np.flatnonzero((alpha > 0) & (alpha < 1)).astype(np.uint32)
    colours = np.random.default_rng(0).random((indices.size, 3), dtype=np.float32)
    return Record("matte", {}, {"alpha": alpha, "indices": indices, "foreground": colours})


def timed(label: str, count: int, action) -> None:
    start = time.perf_counter()
    for number in range(count):
        action(number)
    total = time.perf_counter() - start
    print(f"{label:48s} {1e3 * total / count:9.4f} ms each, {1e3 * total:9.1f} ms for {count}")


def main(folder: Path) -> None:
    store = Store(folder / "store")
    small = Record("json", {"value": [1, 2, 3]})
    timed("put, a few bytes", 20_000, lambda n: store.put(key(n), small, tier="results"))
    timed("get, a few bytes", 2_000, lambda n: store.get(key(n)))
    keys = [key(n) for n in range(40_000)]
    timed("has, half of them there", 40_000, lambda n: store.has(keys[n]))
    opened = Store(folder / "store")
    timed("has, the first one in a new process", 1, lambda n: opened.has(keys[0]))
    timed("refresh, every folder new", 1, lambda n: opened.refresh())
    time.sleep(2.1)
    opened.refresh()
    timed("refresh, nothing new", 5, lambda n: opened.refresh())
    whole = matte(2160, 4096)
    print(f"4K matte: {whole.nbytes / 1e6:.1f} MB")
    timed("put, 4K matte", 5, lambda n: store.put(key(10**6 + n), whole, tier="mattes"))
    timed("get, 4K matte", 5, lambda n: store.get(key(10**6 + n)))
    noise = np.random.default_rng(1).normal(size=(256, 64, 64)).astype(np.float32)
    features = Record("arrays", {}, {"encode": noise})
    timed(
        "put, features of 4.2 MB",
        5,
        lambda n: store.put(key(2 * 10**6 + n), features, tier="features"),
    )
    timed("get, features of 4.2 MB", 5, lambda n: store.get(key(2 * 10**6 + n)))
    index = DigestIndex(folder / "store")
    at = stamp(__file__)
    for number in range(2000):
        index.remember(__file__, str(number), key(number), at)
    index.flush()
    later = DigestIndex(folder / "store")
    timed("digest of a known file", 2000, lambda n: later.lookup(__file__, str(n)))
    timed("verify", 1, lambda n: store.verify())
    timed("prune", 1, lambda n: store.prune())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))

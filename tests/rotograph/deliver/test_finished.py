"""What a finished shot shows of itself is what is there, whatever its mattes were made from."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph import exr
from rotograph.deliver.finished import Finished
from rotograph.environment import Environment
from rotograph.graph import Graph
from rotograph.render import render
from rotograph.store import Store


@pytest.fixture(scope="module")
def masks(make_shot):
    """A shot whose layers are a Cryptomatte's: no matte needs a pixel of the plate."""
    shot = make_shot(3)
    document = shot.document()
    document["nodes"]["out"] |= {"content": "cryptomatte", "file": "crypto.####.exr"}
    shot.save(document)
    render(Graph.load(shot.graph), Environment(Store(shot.cache)))
    nodes = {
        "plate": document["nodes"]["plate"],
        "crypto": {
            "type": "ReadCryptomatte",
            "inputs": {"plate": "plate"},
            "file": "crypto.####.exr",
        },
        "out": {"type": "Write", "inputs": {"image": "crypto"}, "file": "again/m.####.exr"},
    }
    shot.save({"rotograph": 1, "nodes": nodes})
    render(Graph.load(shot.graph), Environment(Store(shot.cache)))
    return shot


def test_every_frame_shows_its_own_plate_though_no_matte_looked_at_it(masks):
    finished = Finished.rendered(Graph.load(masks.graph), Environment(Store(masks.cache)))
    for frame in finished.frames:
        assert np.array_equal(finished.plate(frame).rgb(), exr.read(masks.plate(frame)).rgb())


def test_its_digest_names_the_plate_and_the_mattes(masks):
    def digest(*told):
        finished = Finished.rendered(Graph.load(masks.graph), Environment(Store(masks.cache)))
        return finished.digest(finished.frames, *told)

    before = digest()
    assert digest() == before != digest("premultiplied")
    seen = {before}
    for gain in (0.9, 0.8):
        masks.write_plate(1002, exr.read(masks.plate(1002)).rgb() * gain)
        seen.add(digest())
    assert len(seen) == 3

"""Cryptomatte in a graph: Write delivers all layers as one, ReadCryptomatte makes masks of it."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.deliver import cryptoread
from rotograph.environment import Environment
from rotograph.errors import RotographError
from rotograph.render import render
from rotograph.store import Store


def run(shot, document, *, frames=(1001, 1002)):
    shot.save(document)
    graph = Graph.load(shot.graph)
    summary = render(graph, Environment(Store(shot.cache)), frames)
    assert summary.complete, summary.errors
    return summary


def two_layers(shot, **out):
    """The disc and a patch of wall, not knowing of each other, as matte and as Cryptomatte."""
    document = shot.document()
    nodes = document["nodes"]
    disc = nodes["segment"]["prompts"][0]
    patch = {"frame": 1001, "layer": "patch", "box": [90, 20, 140, 80]}
    nodes["segment"]["prompts"] = [disc, patch]
    nodes["track"]["overlap"] = "independent"
    nodes["out"]["pixel_type"] = "half"
    nodes["crypto"] = {
        "type": "Write",
        "inputs": {"image": "refine"},
        "file": "crypto/crypto.####.exr",
        "content": "cryptomatte",
        **out,
    }
    return document


def test_a_layer_of_ours_gives_back_its_refined_alpha(shot):
    run(shot, two_layers(shot))
    plate = exr.header(shot.plate(1001))
    manifests = set()
    for frame in (1001, 1002):
        found = cryptoread.read(shot.folder / f"crypto/crypto.{frame}.exr")
        written = exr.read(shot.matte(frame))
        for layer in ("disc", "patch"):
            alpha = written.channel(f"{layer}.A").astype(np.float32)
            np.testing.assert_array_equal(found.alpha(layer), alpha)
        assert found.image.pixels.dtype == np.float32
        assert found.image.spec.data == plate.data
        manifests.add(tuple(found.source.manifest.items()))
    assert len(manifests) == 1
    again = run(shot, two_layers(shot))
    assert not again.computed and not again.files


def test_a_cryptomatte_becomes_masks_for_track_and_matte(shot):
    run(shot, two_layers(shot, manifest="sidecar"))
    assert len(list((shot.folder / "crypto").glob("*.json"))) == 1
    document = two_layers(shot)
    nodes = document["nodes"]
    nodes["crypto"] = {
        "type": "ReadCryptomatte",
        "inputs": {"plate": "plate"},
        "file": "crypto/crypto.####.exr",
        "names": ["disc"],
    }
    nodes["again"] = {
        "type": "Matte",
        "inputs": {"plate": "plate", "logits": "crypto"},
        "inside": 3,
        "outside": 3,
    }
    nodes["track"]["inputs"]["masks"] = "crypto"
    nodes["track"]["anchors"] = "1001"
    nodes["second"] = {"type": "Write", "inputs": {"image": "again"}, "file": "again.####.exr"}
    run(shot, document)
    for frame, path in ((1002, shot.folder / "again.1002.exr"), (1002, shot.matte(1002))):
        truth = exr.read(shot.truth(frame)).coverage() > 0.5
        mask = exr.read(path).coverage("disc") > 0.5
        assert (mask & truth).sum() / (mask | truth).sum() > 0.95


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"compression": "dwaa"}, "would damage the ids"),
        ({"file": "{layer}.####.exr"}, "holds all layers"),
    ],
)
def test_what_makes_no_cryptomatte_is_refused_before_anything_is_computed(shot, change, why):
    with pytest.raises(RotographError, match=why):
        run(shot, two_layers(shot, **change))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"file": "plate.####.exr"}, "holds no Cryptomatte"),
        ({"names": ["dics"]}, "did you mean 'disc'"),
        ({"cryptomatte": "other"}, "has no Cryptomatte 'other'"),
    ],
)
def test_a_wrong_name_is_one_clear_line(shot, change, why):
    run(shot, two_layers(shot))
    document = two_layers(shot)
    document["nodes"]["crypto"] = {
        "type": "ReadCryptomatte",
        "inputs": {"plate": "plate"},
        "file": "crypto/crypto.####.exr",
        **change,
    }
    document["nodes"]["again"] = {
        "type": "Matte",
        "inputs": {"plate": "plate", "logits": "crypto"},
    }
    document["nodes"]["out"]["inputs"]["image"] = "again"
    with pytest.raises(RotographError, match=why):
        run(shot, document)

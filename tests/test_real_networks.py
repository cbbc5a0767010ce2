"""The small real networks through their cards, on real portraits and plates (material)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from rotograph import Graph, client, exr, media, remote
from rotograph.environment import Environment
from rotograph.models import Models
from rotograph.render import render
from rotograph.store import Store
from rotograph.weights import Folders

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = SHARED / "material" / "weights"
PORTRAITS = SHARED / "material" / "matting" / "p3m" / "demo" / "imgs"

pytestmark = [
    pytest.mark.material,
    pytest.mark.skipif(not WEIGHTS.is_dir(), reason="needs ../shared/material"),
]


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """The folder of weights is a studio's mirror: nothing is copied."""
    return Models(folders=Folders(WEIGHTS, tmp_path / "own"))


def masked(models: Models, folder: Path, plate: Path, model: str, **read: str) -> np.ndarray:
    """``(H, W)`` float32: what a graph of three nodes writes for a picture or a frame."""
    document = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": str(plate), **read},
            "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "model": model},
            "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "m.exr"},
        },
    }
    graph = Graph.from_dict(document, folder)
    summary = render(graph, Environment(Store(folder / "cache"), models))
    assert summary.complete and summary.models[0].startswith(model)
    (file,) = summary.files
    return exr.read(file).channel("A").astype(np.float32)


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    a, b = found > 0.5, truth > 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("name", ["p_09ba26b4", "p_22fc0130", "p_d684dae3"])
def test_the_selfie_network_finds_the_person_in_a_portrait(models, tmp_path, name):
    found = masked(models, tmp_path, PORTRAITS / "original" / f"{name}.jpg", "mp-selfie")
    truth = media.read_image(PORTRAITS / "alpha" / f"{name}.png", media.Choice()).coverage()
    assert found.shape == truth.shape
    assert overlap(found, truth) >= 0.90


@pytest.mark.parametrize("model", ["mp-selfie", "mp-selfie-landscape", "prisma-net"])
def test_a_person_in_a_scene_linear_plate(models, tmp_path, model):
    folder = SHARED / "plates" / "blondehair"
    plate = folder / "plate.1007.exr"
    found = masked(models, tmp_path, plate, model, colour_space="ACEScg")
    truth = exr.read(folder / "alpha.1007.exr").coverage()
    assert overlap(found, truth) >= 0.90


def test_hair_is_part_of_the_person(models, tmp_path):
    portrait = PORTRAITS / "original" / "p_d684dae3.jpg"
    hair = masked(models, tmp_path, portrait, "mp-hair") > 0.5
    truth = media.read_image(PORTRAITS / "alpha" / "p_d684dae3.png", media.Choice()).coverage()
    assert 0.1 < hair.mean() < 0.4
    assert (truth[hair] > 0.5).mean() > 0.9


def test_a_face_is_found_where_it_is(models, tmp_path):
    import cv2

    picture = cv2.imread(str(PORTRAITS / "original" / "p_22fc0130.jpg"))[..., ::-1] / 255.0
    found = models.load("detect", "ultraface").detect(picture.astype(np.float32), "")
    x0, y0, x1, y1 = found["boxes"][0]
    assert found["scores"][0] > 0.9
    assert x0 < 540 < x1 and y0 < 700 < y1 and 200 < x1 - x0 < 600


def test_people_are_found_in_a_movie_and_keep_their_names(models, tmp_path):
    import cv2

    movie = cv2.VideoCapture(str(SHARED / "material" / "video" / "05_default_juggle.mp4"))
    for frame in range(1001, 1007):
        _, picture = movie.read()
        cv2.imwrite(str(tmp_path / f"plate.{frame}.png"), picture)
    document = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.####.png"},
            "detect": {
                "type": "Detect",
                "inputs": {"plate": "plate"},
                "model": "fastestdet",
                "text": "person",
            },
            "segment": {
                "type": "Segment",
                "inputs": {"plate": "plate", "boxes": "detect"},
                "model": "mp-selfie",
            },
            "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "m.####.exr"},
        },
    }
    environment = Environment(Store(tmp_path / "cache"), models)
    summary = render(Graph.from_dict(document, tmp_path), environment)
    assert summary.complete
    (seen,) = [v for v in environment.small.values() if hasattr(v, "boxes")]
    assert seen.layers == ("person_01",) and len(seen.boxes) == 3


def test_the_shared_engine_uses_the_clients_weights_and_device(tmp_path, monkeypatch):
    """The engine's own environment names neither; both travel with the request."""
    monkeypatch.delenv("ROTOGRAPH_MODELS", raising=False)
    monkeypatch.delenv("ROTOGRAPH_DEVICE", raising=False)
    document = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": str(PORTRAITS / "original" / "p_d684dae3.jpg")},
            "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "model": "mp-selfie"},
            "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "m.exr"},
        },
    }
    graph = Graph.from_dict(document, tmp_path)
    with client.private() as engine:
        monkeypatch.setenv("ROTOGRAPH_MODELS", str(WEIGHTS))
        monkeypatch.setenv("ROTOGRAPH_DEVICE", "cuda:97")
        summary = remote.render(graph, engine, tmp_path / "cache")
        (error,) = summary.errors
        assert "cuda:97" in str(error) and not summary.files
        monkeypatch.setenv("ROTOGRAPH_DEVICE", "cpu")
        summary = remote.render(graph, engine, tmp_path / "cache")
        assert summary.complete and summary.models == ["mp-selfie (Apache-2.0)"]

"""A network that a card alone describes: any size goes in, and what comes back is in its place."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from rotograph import Graph, colour, device, exr
from rotograph.card import WeightsFile
from rotograph.device import Device
from rotograph.environment import Environment
from rotograph.errors import ModelError
from rotograph.image import Box, Image, ImageSpec
from rotograph.mask import MaskLogits
from rotograph.models import Models, Supply
from rotograph.render import render
from rotograph.resident import Resident
from rotograph.store import Store
from rotograph.weights import Folders, add
from rotograph_nodes import working
from rotograph_nodes.models.onnx import read_facts
from rotograph_nodes.models.onnx_file import opened
from rotograph_nodes.models.onnx_segment import Segmenter
from rotograph_nodes.models.prompts import GridPrompts

from .tiny_onnx import supply, tiny_card, write_onnx

COLOUR = colour.load()
GREY = np.full((1, 3, 1, 1), 40 / 3, np.float32)  # logits: 40 times the mean of R, G and B
BRIGHT, DARK = 0.8, 0.05


def blob(width: int, height: int, x: float, y: float, aspect: float = 1.0) -> np.ndarray:
    """``(H, W, 3)`` float32: a soft disc, round when seen in square pixels, centre in pixels."""
    radius = min(width * aspect, height) / 5
    down, across = np.mgrid[:height, :width].astype(np.float32) + 0.5
    far = np.hypot((across - x) * aspect, down - y) / radius
    grey = DARK + (BRIGHT - DARK) * np.clip(1.5 - far, 0, 1)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.float32)


def found(segmenter: Segmenter, pixels: np.ndarray, aspect: float = 1.0) -> np.ndarray:
    """``(H, W)`` probability in the plate's pixels, by the same steps as in a graph."""
    height, width = pixels.shape[:2]
    area = Box(100, 50, 100 + width, 50 + height)
    image = Image(
        ImageSpec(area, area, pixel_aspect=aspect, colour_space="ACEScg"), pixels.astype(np.float16)
    )
    card = segmenter.network.supply.card
    seen = working.picture(image, COLOUR, card.input_space, card.working_size, area)
    logits = segmenter.encode(seen["picture"].astype(np.float32))["logits"].astype(np.float32)
    return 1 / (1 + np.exp(-MaskLogits(logits, working.window(seen)).at(area)))


def centre(probability: np.ndarray) -> np.ndarray:
    """(x, y) of what is over the value at the picture's corner."""
    mass = probability - probability[0, 0]
    down, across = np.mgrid[: mass.shape[0], : mass.shape[1]] + 0.5
    return np.array([(mass * across).sum(), (mass * down).sum()]) / mass.sum()


def segmenter(folder, kernel=GREY, **network) -> Segmenter:
    size = tuple(network["size"]) if "size" in network else ("h", "w")
    layout = network.get("layout", "NCHW")
    path = write_onnx(folder / "tiny.onnx", kernel, size, layout, bias=-14.0)
    more = {} if "size" in network else {"stride": 32}
    return Segmenter(supply(path, network={"values": "logits", **network}, **more))


WAYS = {
    "stretched": {"size": [96, 96]},
    "letterboxed": {"size": [96, 128], "fit": "letterbox"},
    "channels last": {"size": [64, 128], "layout": "NHWC"},
    "any multiple of 32": {},
}
PLATES = {
    "wide": (320, 180, 1.0),
    "smaller than the network": (200, 100, 1.0),
    "tall": (90, 300, 1.0),
    "tall anamorphic": (150, 330, 2.0),
    "odd": (331, 173, 1.0),
}


@pytest.mark.parametrize("plate", PLATES)
@pytest.mark.parametrize("way", WAYS)
def test_what_comes_back_is_where_it_is_in_the_plate(tmp_path, way, plate):
    width, height, aspect = PLATES[plate]
    tool = segmenter(tmp_path, **WAYS[way])
    x, y = width * 0.5, height * 0.5
    first = centre(found(tool, blob(width, height, x, y, aspect), aspect))
    grid = max(width, height) / 96  # plate pixels for one of the network's
    assert np.abs(first - (x, y)).max() < 0.05 * max(1.0, grid)
    for step in ((1, 0), (0, 1)):
        moved = blob(width, height, x + step[0], y + step[1], aspect)
        now = centre(found(tool, moved, aspect))
        assert np.allclose(now - first, step, atol=0.06)


@pytest.mark.slow
def test_a_plate_of_8k(tmp_path):
    tool = segmenter(tmp_path, **WAYS["stretched"])
    pixels = np.full((4320, 8192, 3), DARK, np.float16)
    pixels[1000:2000, 5000:7000] = BRIGHT
    probability = found(tool, pixels)
    assert probability.shape == (4320, 8192)
    inside = probability > 0.5 * (probability.max() + probability.min())
    (top, bottom), (left, right) = (np.flatnonzero(inside.any(axis=n))[[0, -1]] for n in (1, 0))
    one = 8192 / 96  # plate pixels for one of the network's
    assert np.allclose((top, bottom, left, right), (1000, 1999, 5000, 6999), atol=one)
    assert np.allclose((top + bottom, left + right), (2999, 11999), atol=0.2 * one)


def test_values_that_a_plate_may_hold_do_not_break_a_network(tmp_path):
    pixels = blob(160, 120, 80, 60)
    pixels[:40, :40] = [np.nan, np.inf, -np.inf]
    pixels[80:, 120:] = 6e4
    assert np.isfinite(found(segmenter(tmp_path, size=[64, 64]), pixels)).all()


def test_the_card_says_how_numbers_go_in_and_come_out(tmp_path):
    # R * 2 into class 0 and B * 3 into class 1, after (c * 255 - 51) / 25.5
    kernel = np.zeros((2, 3, 1, 1), np.float32)
    kernel[0, 0], kernel[1, 2] = 2.0, 3.0
    path = write_onnx(tmp_path / "tiny.onnx", kernel, (8, 8))
    facts = {"size": [8, 8], "scale": 255.0, "mean": [51.0] * 3, "std": [25.5] * 3}
    picture = np.tile(np.float32([0.4, 0.9, 0.3]), (8, 8, 1))
    straight, swapped = ((0.4, 0.3), (0.3, 0.4))
    for channels, (into_0, into_1) in (("RGB", straight), ("BGR", swapped)):
        network = {**facts, "channels": channels, "values": "classes", "channel": 1}
        logits = Segmenter(supply(path, network=network)).encode(picture)["logits"]
        wanted = 3 * (into_1 * 255 - 51) / 25.5 - 2 * (into_0 * 255 - 51) / 25.5
        assert np.allclose(logits, wanted, atol=0.01)


def test_probabilities_become_logits_around_the_cards_threshold(tmp_path):
    path = write_onnx(tmp_path / "tiny.onnx", np.full((1, 3, 1, 1), 1 / 3, np.float32), (8, 8))
    picture = np.full((8, 8, 3), 0.7, np.float32)
    for threshold, sign in ((0.5, 1), (0.9, -1)):
        network = {"size": [8, 8], "values": "probability", "threshold": threshold}
        logits = Segmenter(supply(path, network=network)).encode(picture)["logits"]
        assert (np.sign(logits) == sign).all()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"size": [16, 16]}, "takes"),
        ({"size": [8, 8], "output": 4}, "no output"),
        ({"size": [8, 8], "channel": 7}, "not what its card says"),
    ],
)
def test_a_card_that_does_not_fit_its_file_is_one_line(tmp_path, network, said):
    path = write_onnx(tmp_path / "tiny.onnx", GREY, (8, 8))
    with pytest.raises(ModelError, match=said):
        Segmenter(supply(path, network=network)).encode(np.zeros((8, 8, 3), np.float32))
    with pytest.raises(ModelError, match="layout"):
        read_facts("tiny", {"layout": "sideways"})
    with pytest.raises(ModelError, match="sizes"):
        read_facts("tiny", {"sizes": [8, 8]})


def test_a_file_that_is_no_network_is_one_line(tmp_path, capfd):
    (tmp_path / "tiny.onnx").write_bytes(b"not a network")
    tool = Segmenter(supply(tmp_path / "tiny.onnx", network={"size": [8, 8]}))
    with pytest.raises(ModelError) as caught:
        tool.encode(np.zeros((8, 8, 3), np.float32))
    assert "tiny.onnx" in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # ONNX Runtime would have its own to say


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize("asked", [True, False])
def test_a_provider_that_fails_is_said_only_where_it_was_asked_for(
    tmp_path, monkeypatch, capfd, asked
):
    """ONNX Runtime would print a banner, and then what it falls back to."""
    broken = Device("cuda", asked=asked), ["BrokenExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(device, "onnx_providers", lambda asked: broken)
    path = write_onnx(tmp_path / "tiny.onnx", GREY, (8, 8))
    tool = Segmenter(supply(path, network={"size": [8, 8], "values": "logits"}))
    picture = np.zeros((8, 8, 3), np.float32)
    if asked:
        with pytest.raises(ModelError) as caught:
            tool.encode(picture)
        assert "cuda:0" in str(caught.value) and "\n" not in str(caught.value)
    else:
        assert tool.encode(picture)["logits"].shape == (8, 8)
    assert capfd.readouterr() == ("", "")


def test_prompts_choose_from_what_it_found(tmp_path):
    path = write_onnx(tmp_path / "tiny.onnx", GREY, ("h", "w"), bias=-20.0)
    tool = Segmenter(supply(path, network={"values": "logits"}))
    picture = np.zeros((40, 80, 3), np.float32)
    picture[10:20, 10:20] = picture[10:20, 60:70] = 1.0
    features = tool.encode(picture)

    def chosen(**prompts):
        logits = tool.segment(features, GridPrompts(**prompts))
        return bool(logits[15, 15] > 0), bool(logits[15, 65] > 0)

    assert chosen() == (True, True)
    assert chosen(boxes=((5, 5, 30, 30),)) == (True, False)
    assert chosen(inside=((65, 15),)) == (False, True)
    assert chosen(outside=((65, 15),)) == (True, False)
    drawn = np.zeros((40, 80), np.float32)
    drawn[10:20, 60:70] = 1.0
    assert chosen(erasures=(drawn,)) == (True, False)
    assert chosen(boxes=((5, 5, 30, 30),), masks=(drawn,)) == (True, True)


def test_a_graph_names_it_and_needs_no_prompt(tmp_path):
    """From a file that was added to a matte in plate pixels, through the real graph."""
    path = write_onnx(tmp_path / "tiny.onnx", GREY, (96, 96), bias=-14.0)
    card = tiny_card(finds="person", network={"size": [96, 96], "values": "logits"})
    where = Folders(None, tmp_path / "own")
    add(card, path, where)
    models = Models([*Models().cards.values(), card], folders=where)
    area = Box(0, 0, 240, 136)
    for frame in (1001, 1002):
        pixels = blob(240, 136, 100 + 20 * (frame - 1001), 68).astype(np.float16)
        exr.write(tmp_path / f"plate.{frame}.exr", Image(ImageSpec(area, area), pixels))
    document = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
            "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "model": "tiny"},
            "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "m.####.exr"},
        },
    }
    graph = Graph.from_dict(document, tmp_path)
    summary = render(graph, Environment(Store(tmp_path / "cache"), models))
    assert summary.complete and summary.models == ["tiny (MIT)"]
    for frame in (1001, 1002):
        alpha = exr.read(tmp_path / f"m.{frame}.exr").channel("A").astype(np.float64)
        assert np.abs(centre(alpha) - (100 + 20 * (frame - 1001), 68)).max() < 0.3


@pytest.mark.parametrize("stretch", [True, False])
def test_a_network_of_a_square_sees_all_rows_of_a_wide_plate(tmp_path, stretch):
    """Where its card says so: lines of one row come back as they are."""
    path = write_onnx(tmp_path / "tiny.onnx", GREY, (128, 128), bias=-14.0)
    network = {"size": [128, 128], "values": "logits", "stretch": stretch}
    card = tiny_card(finds="person", network=network, working_size=128)
    where = Folders(None, tmp_path / "own")
    add(card, path, where)
    area = Box(0, 0, 256, 128)
    pixels = np.full((128, 256, 3), DARK, np.float16)
    pixels[::2] = BRIGHT
    exr.write(tmp_path / "plate.exr", Image(ImageSpec(area, area), pixels))
    document = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.exr", "colour_space": "ACEScg"},
            "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "model": "tiny"},
            "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "m.exr"},
        },
    }
    models = Models([*Models().cards.values(), card], folders=where)
    summary = render(
        Graph.from_dict(document, tmp_path), Environment(Store(tmp_path / "cache"), models)
    )
    alpha = exr.read(summary.files[0]).channel("A")
    assert ((alpha > 0.5) == (pixels[..., 0] > 0.5)).all() == stretch


def test_numbers_in_a_file_that_no_digest_knows_are_not_used(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = write_onnx(tmp_path / "tiny.onnx", np.ones((1, 3, 1, 1)))
    model = onnx.load(path)
    onnx.save(
        model,
        path,
        save_as_external_data=True,
        location="tiny.data",
        size_threshold=0,
    )
    supply = Supply(tiny_card(files=(WeightsFile("tiny.onnx"),)), path, "cpu", Resident())
    with pytest.raises(ModelError, match=r"tiny\.data"), opened(supply):
        pass
    both = (WeightsFile("tiny.onnx"), WeightsFile("tiny.data"))
    with opened(Supply(tiny_card(files=both), path, "cpu", Resident())) as session:
        assert list(session.inputs) == ["picture"]

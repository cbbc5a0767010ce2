"""Matte before a screen: the keyer helps a model that is not sure, and what it did is told."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.card import Card, installed_cards
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan
from rotograph.render import known_plan, render
from rotograph.store import Store
from rotograph_nodes.write import KEYED_ATTRIBUTE

BLIND = """
import cv2

def estimate_alpha(linear, trimap, hint=None):
    soft = cv2.GaussianBlur(trimap, (0, 0), 5)
    return (soft * (trimap == 0.5) + trimap * (trimap != 0.5)).astype("float32")
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The installed ones and one that somebody added, which does not look at the plate."""
    (tmp_path / "blind_matte.py").write_text(BLIND)
    monkeypatch.syspath_prepend(tmp_path)
    card = Card(
        name="blind",
        label="Blind",
        version=1,
        adapters={"matte": "blind_matte"},
        input_space="ACEScct",
        working_size=640,
        licence="MIT",
        commercial=True,
    )
    return Models([*installed_cards(), card])


def before_a_screen(shot):
    """The shot's disc, its wall painted green, lit unevenly."""
    for frame in shot.frames:
        plate = np.array(exr.read(shot.plate(frame)).pixels, np.float32)
        alpha = exr.read(shot.truth(frame)).pixels[..., :1].astype(np.float32)
        light = np.linspace(0.8, 1.2, plate.shape[1], dtype=np.float32)[None, :, None]
        disc = np.float32([0.9, 0.45, 0.18]) * alpha
        grain = np.random.default_rng(frame).normal(0, 0.004, plate.shape)
        green = np.float32([0.05, 0.45, 0.09]) * light * (1 - alpha)
        shot.write_plate(frame, disc + green + grain)
    return shot


def graph_of(shot, model, **more):
    document = shot.document()
    document["nodes"]["matte"] |= {"model": model, **more}
    return Graph.from_dict(document, shot.folder)


def rendered(shot, models, model, **more):
    done = render(graph_of(shot, model, **more), Environment(Store(shot.cache), models))
    assert done.complete, done.errors
    image = exr.read(shot.matte(1001))
    truth = exr.read(shot.truth(1001)).pixels[..., 0].astype(np.float32)
    return float(np.abs(image.coverage() - truth).mean()), image.spec.attributes


@pytest.mark.parametrize("model", ["blind", "classic"])
def test_it_is_never_worse_before_a_screen_and_the_file_says_so(make_shot, models, model):
    shot = before_a_screen(make_shot(1))
    alone, told = rendered(shot, models, model, screen="off")
    assert KEYED_ATTRIBUTE not in told and "chroma" not in told["rotograph/models"]
    helped, told = rendered(shot, models, model)
    assert helped <= alone + 1e-4
    if model == "blind":
        assert helped < 0.8 * alone
        assert told[KEYED_ATTRIBUTE].startswith("disc ")
        assert told[KEYED_ATTRIBUTE].endswith("% of the edge")
        assert "chroma (Apache-2.0)" in told["rotograph/models"]


def test_the_report_names_the_frames(make_shot, models, tmp_path):
    from rotograph.deliver.finished import Finished
    from rotograph.deliver.report import write_report

    pages = []
    for shot, model in ((before_a_screen(make_shot(2)), "blind"), (make_shot(2), "classic")):
        graph, environment = graph_of(shot, model), Environment(Store(shot.cache), models)
        assert render(graph, environment).complete
        page = tmp_path / f"{len(pages)}.html"
        write_report(page, Finished.rendered(graph, environment), shot.frames, "shot")
        pages.append(page.read_text())
    assert "where the model was not sure: frames 1001-1002" in pages[0]
    assert "not sure: frames" not in pages[1]


def test_before_another_plate_auto_and_off_are_the_same(make_shot, models):
    shot = make_shot(1)
    pixels = []
    for screen in ("off", "auto"):
        _, told = rendered(shot, models, "classic", screen=screen)
        assert KEYED_ATTRIBUTE not in told
        pixels.append(exr.read(shot.matte(1001)).coverage())
    assert np.array_equal(*pixels)


def test_the_keyer_is_in_the_keys_recipe(make_shot, models):
    shot = make_shot(1)
    environment = Environment(Store(shot.cache), models)

    def key(**more):
        graph = graph_of(shot, "classic", **more)
        keys, _ = known_plan(lambda: Keys(graph, environment), plan, read=True)
        return keys.entry(Result("matte", "solve", "disc", 1001)).key

    assert key() == key(screen="auto")
    assert len({key(), key(screen="off"), key(confidence=0.5)}) == 3

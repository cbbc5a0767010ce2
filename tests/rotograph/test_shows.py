"""Two shows on one machine share an engine and nothing that decides pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PyOpenColorIO as ocio
import pytest

from rotograph import Graph, colour, licence
from rotograph.client import Client, EngineError, private
from rotograph.environment import Environment
from rotograph.render import render
from rotograph.sharing import SHOWS, Shop
from rotograph.store import Store, default_folder
from rotograph_host import surroundings

LUT = "Version 1\nFrom 0 1\nLength 2\nComponents 1\n{{\n0\n{top}\n}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config whose plate space goes through the look-up table that ``$SHOT`` names."""
    made = ocio.Config.CreateRaw()
    made.setVersion(2, 1)
    made.addEnvironmentVar("SHOT", "a")
    made.setSearchPath(str(tmp_path))
    for name, top in (("a", 1.0), ("b", 2.0)):
        (tmp_path / f"{name}.spi1d").write_text(LUT.format(top=top))
    linear = ocio.ColorSpace(name="linear", encoding="scene-linear")
    log = ocio.ColorSpace(name="ACEScct")
    plate = ocio.ColorSpace(name="plate")
    way = ocio.COLORSPACE_DIR_TO_REFERENCE
    plate.setTransform(ocio.FileTransform(src="$SHOT.spi1d"), way)
    for space in (linear, log, plate):
        made.addColorSpace(space)
    made.setRole("scene_linear", "linear")
    made.setRole("default", "linear")
    path = tmp_path / "config.ocio"
    path.write_text(made.serialize())
    return path


@pytest.fixture(scope="module")
def engine() -> Iterator[Client]:
    with private("test") as client:
        yield client


def document(shot: Any) -> dict[str, Any]:
    made = shot.document()
    made["nodes"]["plate"]["colour_space"] = "plate"
    return made


@pytest.mark.slow
def test_the_variables_of_a_config_are_the_clients(engine, config, make_shot, monkeypatch):
    monkeypatch.setenv("OCIO", str(config))
    shot = make_shot(2)
    told = {}
    for name in ("a", "b"):
        monkeypatch.setenv("SHOT", name)
        environment = surroundings.environment(store=shot.cache)
        assert environment["variables"]["SHOT"] == name
        told[name] = engine.render(document(shot), shot.folder, environment)
        assert told[name]["written"] == 2 and not told[name]["errors"]
    assert told["a"]["computed"]["segment"] == told["b"]["computed"]["segment"] == 1
    # and they are what this process would have computed with the same variable
    for name in ("b", "a"):
        monkeypatch.setenv("SHOT", name)
        graph = Graph.from_dict(document(shot), shot.folder)
        here = render(graph, Environment(Store(shot.cache)))
        assert here.computed == {}, name


def test_what_the_engine_was_started_with_does_not_count(config, monkeypatch):
    monkeypatch.setenv("SHOT", "b")
    own = colour.load(str(config))
    assert colour.load(str(config), {"SHOT": "b"}).digest == own.digest
    assert colour.load(str(config), {}).digest == colour.load(str(config), {"SHOT": "a"}).digest
    assert colour.load(str(config), {}).digest != own.digest
    # a config that declares no variables takes any
    text = config.read_text().replace("environment:\n  SHOT: a\n", "")
    assert "SHOT: a" not in text
    config.write_text(text)
    own = colour.load(str(config))
    assert colour.load(str(config), {"SHOT": "b"}).digest == own.digest
    assert colour.load(str(config), {"SHOT": "a"}).digest != own.digest


def test_the_studios_licence_policy_holds_in_the_engine_too(engine, make_shot, tmp_path):
    shot = make_shot(2)
    (tmp_path / licence.STUDIO_FILE).write_text('licence_policy = "commercial"\n')
    asked = {"store": str(shot.cache), "models": str(tmp_path)}
    with pytest.raises(EngineError, match="this studio allows 'commercial'"):
        engine.render(shot.document(), shot.folder, {**asked, "licences": "any"})
    assert engine.render(shot.document(), shot.folder, asked)["written"] == 2


@pytest.mark.slow
def test_a_plate_that_is_replaced_is_seen(engine, make_shot):
    shot = make_shot(2)
    environment = {"store": str(shot.cache)}
    engine.render(shot.document(), shot.folder, environment)
    shot.write_plate(1002, np.zeros((96, 160, 3)))
    told = engine.render(shot.document(), shot.folder, environment)
    assert told["computed"]["track"] == 1
    shot.plate(1002).unlink()
    with pytest.raises(EngineError, match="the plate has 1001-1001"):
        engine.render(shot.document(), shot.folder, environment, frames=[1001, 1002])


def test_shows_that_nobody_asks_for_are_let_go(tmp_path):
    shop = Shop()
    for i in range(3 * SHOWS):
        shop.store(str(tmp_path / str(i)), None)
        shop.colour("ocio://default", {"SHOT": str(i)})
    assert len(shop.stores) == len(shop.colours) == SHOWS
    latest = str(tmp_path / str(3 * SHOWS - 1))
    assert shop.store(latest, None) is shop.store(latest, None)


def test_a_host_finds_the_store_where_commands_do(monkeypatch, tmp_path):
    for name in ("ROTOGRAPH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
        assert surroundings.environment()["store"] == os.path.abspath(default_folder())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert surroundings.environment()["store"] == str(default_folder())
    monkeypatch.setenv("ROTOGRAPH_CACHE", "cache")
    monkeypatch.setenv("OCIO", "config.ocio")
    told = surroundings.environment()
    assert told["store"] == os.path.abspath("cache"), "the engine is in another folder"
    assert told["ocio"] == os.path.abspath("config.ocio")

"""The licence policy: a forbidden model stops the run before anything is loaded."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rotograph import exr, licence
from rotograph.card import Card, WeightsFile
from rotograph.cli import rotograph
from rotograph.environment import Environment
from rotograph.errors import ModelError
from rotograph.graph import Graph
from rotograph.models import Models
from rotograph.render import render
from rotograph.store import Store


def made(name: str, **more: object) -> Card:
    told = {"licence": "MIT", "commercial": True, **more}
    return Card(name, name, 1, {"matte": "nowhere.at.all"}, "ACEScct", 64, **told)


OPEN = made("open", quality=1)
SCHOOL = made("school", licence="CC-BY-NC-4.0", commercial=False, quality=9)
UNKNOWN = made("unknown", licence="none stated", commercial=False, research=False, quality=10)


def test_each_policy_allows_what_it_says():
    allowed = {
        policy: [c.name for c in (OPEN, SCHOOL, UNKNOWN) if licence.allows(policy, c)]
        for policy in licence.POLICIES
    }
    assert allowed == {
        "commercial": ["open"],
        "research": ["open", "school"],
        "any": ["open", "school", "unknown"],
    }


def test_a_forbidden_model_names_its_licence_and_one_that_does_the_same_job():
    models = Models([OPEN, SCHOOL, UNKNOWN])
    with pytest.raises(ModelError) as caught:
        models.card("matte", "school")
    line = str(caught.value)
    assert "CC-BY-NC-4.0" in line and "commercial work" in line and "'open'" in line
    assert models.under("research").card("matte", "school") is SCHOOL


def test_a_studio_limits_what_a_user_may_ask_for(tmp_path):
    studio, other = tmp_path / "studio.toml", tmp_path / "other.toml"
    files = [studio, other]
    assert licence.decide(None, files) == "commercial"
    assert licence.decide("any", files) == "any"
    studio.write_text('licence_policy = "research"\n')
    assert licence.decide(None, files) == "research"
    assert licence.decide("commercial", files) == "commercial"
    with pytest.raises(ModelError) as caught:
        licence.decide("any", files)
    assert str(studio) in str(caught.value) and "research" in str(caught.value)
    other.write_text('licence_policy = "commercial"\n')  # the strictest counts
    with pytest.raises(ModelError, match="commercial"):
        licence.decide("research", files)


def test_no_variable_moves_the_studios_file(monkeypatch):
    before = licence.studio_files(None)
    for name in ("XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "HOME", "ROTOGRAPH_MODELS"):
        monkeypatch.setenv(name, "/somewhere/else")
    assert licence.studio_files(None) == before


@pytest.mark.parametrize(
    "content",
    ['licence_policy = "whatever"\n', "licence_policy = \n", 'licence_polcy = "commercial"\n'],
)
def test_a_studio_file_that_says_nothing_clear_is_not_passed_over(tmp_path, content):
    studio = tmp_path / "studio.toml"
    studio.write_text(content)
    with pytest.raises(ModelError, match=r"studio\.toml"):
        licence.decide(None, [studio])


def test_a_studios_folder_that_is_not_there_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("ROTOGRAPH_MODELS", str(tmp_path / "not mounted"))
    with pytest.raises(ModelError, match=r"not mounted: .* is not there"):
        licence.decide()


def test_a_run_stops_before_anything_is_computed_or_loaded(shot):
    classic = Models().cards["classic"]
    models = Models([classic, SCHOOL])  # its adapter's module is nowhere: loading would fail
    document = shot.document()
    document["nodes"]["matte"]["model"] = "school"
    graph = Graph.from_dict(document, shot.folder)
    environment = Environment(Store(shot.cache), models)
    with pytest.raises(ModelError) as caught:
        render(graph, environment)
    assert str(caught.value).startswith("matte: ") and "'classic'" in str(caught.value)
    assert environment.store.stats()["bytes"] == 0 and models.loaded() == []


def test_what_was_used_is_in_the_files_and_in_the_summary(shot):
    graph = Graph.load(shot.graph)
    summary = render(graph, Environment(Store(shot.cache)), [shot.frames[0]])
    assert summary.models == ["classic (Apache-2.0)"]
    assert summary.to_json()["models"] == ["classic (Apache-2.0)"]
    attributes = exr.header(shot.matte(shot.frames[0])).attributes
    assert attributes["rotograph/models"] == "classic (Apache-2.0)"


def test_a_detector_that_is_wired_to_nothing_counts_for_the_plate_that_it_looked_at():
    finder = Card(
        "finder", "Finder", 1, {"detect": "nowhere.at.all"}, "ACEScct", 64, "CC-BY-NC-4.0", False
    )
    models = Models([Models().cards["classic"], finder], policy="any")
    nodes = {
        "plate": {"type": "Read", "file": "plate.####.exr"},
        "other": {"type": "Read", "file": "other.####.exr"},
        "detect": {"type": "Detect", "inputs": {"plate": "plate"}, "model": "finder"},
        "segment": {"type": "Segment", "inputs": {"plate": "plate"}},
        "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "matte.####.exr"},
    }

    def told():
        graph = Graph.from_dict({"rotograph": 1, "nodes": nodes})
        return [card.name for card in licence.used(graph, models, before="out")]

    assert told() == ["classic", "finder"]
    nodes["detect"]["inputs"] = {"plate": "other"}
    assert told() == ["classic"]
    nodes["detect"]["inputs"] = {"plate": "plate"}
    nodes["apart"] = {"type": "Segment", "inputs": {"plate": "plate", "boxes": "detect"}}
    assert told() == ["classic"]


def test_auto_is_the_best_that_is_here_and_allowed():
    lacking = made("lacking", quality=99, packages=("surely_not_installed",))
    elsewhere = made("elsewhere", quality=99, files=(WeightsFile("w.onnx", 1, "0" * 64),))
    faces = made("faces", quality=99, finds="face")
    models = Models([OPEN, SCHOOL, UNKNOWN, lacking, elsewhere, faces])
    found = {p: models.under(p).card("matte", "auto").name for p in licence.POLICIES}
    assert found == {"commercial": "open", "research": "school", "any": "unknown"}


def test_auto_gives_the_same_key_as_the_models_name(shot):
    from rotograph.needs import Keys
    from rotograph.plan import plan

    keys = []
    for model in ("auto", Models().card("matte", "auto").name):
        document = shot.document()
        for node in ("segment", "track", "matte", "refine"):
            document["nodes"][node]["model"] = "classic"
        document["nodes"]["matte"]["model"] = model
        environment = Environment(Store(shot.cache))
        graph = Graph.from_dict(document, shot.folder)
        made = render(graph, environment, [shot.frames[0]])
        assert not made.errors
        known = Keys(graph, environment)
        plan(known, [shot.frames[0]])
        keys.append(known.entry(known.output("refine", shot.frames[0], "disc")).key)
    assert keys[0] == keys[1]


def test_the_command_line_asks_for_a_policy(shot):
    run = CliRunner().invoke
    done = run(rotograph, ["models", "licences", "--licence-policy", "research", "--json"])
    rows = {row["model"]: row for row in json.loads(done.stdout)["models"]}
    assert rows["rmbg-1.4"]["allowed"] and not rows["rmbg-1.4"]["commercial"]
    document = shot.document()
    document["nodes"]["segment"]["model"] = "rmbg-1.4"
    shot.save(document)
    plan = ["plan", str(shot.graph), "--cache", str(shot.cache)]
    done = run(rotograph, plan)
    assert done.exit_code == 1
    assert "segment: " in done.stderr and "bria-rmbg-1.4" in done.stderr
    assert run(rotograph, [*plan, "--licence-policy", "any"]).exit_code == 0

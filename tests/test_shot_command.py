"""rotograph shot: from a plate and nothing else to mattes, and a graph to go on with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.cli import rotograph

CLASSIC = ["--detector", "classic", "--model", "classic", "--matting", "classic"]


def run(shot, *more):
    output = shot.folder / "found"
    arguments = ["shot", str(shot.folder / "plate.####.exr"), "--output", str(output)]
    arguments += ["--set", "plate.colour_space=ACEScg", "--cache", str(shot.cache), *more]
    return CliRunner().invoke(rotograph, arguments), output


@pytest.mark.slow
def test_a_moving_disc_is_found_followed_and_matted_without_weights(make_shot):
    shot = make_shot(8)
    done, output = run(shot, *CLASSIC)
    assert done.exit_code == 0, done.output
    assert "object_01" in done.output
    document = json.loads((output / "shot.json").read_text())
    prompts = document["nodes"]["segment"]["prompts"]
    assert {p["layer"] for p in prompts} == {"object_01"}
    assert document["nodes"]["detect"]["model"] == "classic"  # says who found it
    for frame in shot.frames:
        alpha = exr.read(output / "mattes" / f"matte.{frame}.exr").coverage() > 0.5
        truth = exr.read(shot.truth(frame)).pixels[..., 0] > 0.5
        assert (alpha & truth).sum() / (alpha | truth).sum() > 0.9, frame


def test_the_commands_defaults_are_the_pipelines_own():
    from rotograph_nodes.pieces import Rules
    from rotograph_nodes.shot import _RULES

    told = {name: default for name, _, default, _ in _RULES}
    own = Rules()
    assert told.pop("least") == pytest.approx(100 * own.least)
    names = ("window", "refresh", "sightings", "drop", "merge", "part", "same", "alike", "leap")
    assert {n: told[n] for n in names} == {n: getattr(own, n) for n in names}


@pytest.mark.slow
def test_a_plate_in_which_nothing_moves_says_so(make_shot):
    shot = make_shot(4)
    still = np.array(exr.read(shot.plate(1001)).pixels)
    for frame in shot.frames:
        shot.write_plate(frame, still)
    done, output = run(shot, *CLASSIC)
    assert done.exit_code == 1 and "nothing was found" in done.output
    assert not (output / "shot.json").exists()


def test_words_without_a_model_that_reads_name_one_to_pull(shot, monkeypatch, tmp_path):
    monkeypatch.setenv("ROTOGRAPH_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done, _ = run(shot, "--text", "person")
    assert done.exit_code == 1
    assert "rotograph models pull grounding-dino" in done.output
    assert "Traceback" not in done.output


def test_the_reader_is_one_that_is_ready_and_allowed():
    from rotograph.card import Card
    from rotograph.models import Models
    from rotograph_nodes.shot import _reader

    def reads(name, **more):
        told = {"licence": "MIT", "commercial": True, "reads_text": True, **more}
        return Card(name, name, 1, {"detect": "nowhere"}, "ACEScct", 64, **told)

    classic = Models().cards["classic"]
    plain = reads("plain", quality=2)
    lacking = reads("lacking", quality=9, packages=("surely_not_installed",))
    school = reads("school", quality=8, commercial=False)
    assert _reader(Models([classic, plain, lacking, school])) == "plain"
    assert _reader(Models([classic, plain, lacking, school], policy="research")) == "school"
    assert _reader(Models([classic, school])) == "auto"

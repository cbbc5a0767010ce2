"""`rotograph models` as an artist meets it: one clear line for whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rotograph.cli import rotograph


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``run("list")`` gives (exit status, standard output, standard error)."""
    monkeypatch.delenv("ROTOGRAPH_MODELS", raising=False)
    monkeypatch.delenv("ROTOGRAPH_DEVICE", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))

    def run(*arguments: object) -> tuple[int, str, str]:
        done = CliRunner().invoke(rotograph, ["models", *map(str, arguments)])
        return done.exit_code, done.stdout, done.stderr

    return run


def test_from_a_download_to_verified_and_gone_again(run, tmp_path):
    """A card without a digest: what is added first is what counts."""
    download = tmp_path / "deeplabv3.onnx"
    download.write_bytes(b"weights")
    assert "no" in next(line for line in run("list")[1].splitlines() if "deeplabv3" in line)
    status, out, _ = run("add", "deeplabv3", download)
    assert status == 0 and "this file is what counts" in out and "BSD-3-Clause" in out
    assert "yes" in next(line for line in run("list")[1].splitlines() if "deeplabv3" in line)
    status, out, _ = run("verify")
    assert status == 0 and out.startswith("deeplabv3: as its card says")
    stored = tmp_path / "data" / "models" / "deeplabv3" / "deeplabv3.onnx"
    stored.write_bytes(b"Weights")
    status, out, _ = run("verify", "deeplabv3")
    assert status == 1 and str(stored) in out and "digest differs" in out
    assert run("remove", "deeplabv3")[0] == 0 and not stored.exists()
    assert run("verify", "deeplabv3")[0] == 1


def test_a_wrong_file_is_refused(run, tmp_path):
    download = tmp_path / "u2netp.onnx"
    download.write_bytes(b"something else")
    status, _, err = run("add", "u2netp", download)
    assert status == 1 and "sha256" in err and str(download) in err and err.count("\n") == 1


def test_everything_a_card_says_is_shown(run):
    status, out, _ = run("show", "rmbg-1.4", "--json")
    told = json.loads(out)
    assert status == 0 and told["commercial"] is False and told["licence"] == "bria-rmbg-1.4"
    assert told["files"][0]["sha256"] and told["network"]["size"] == [1024, 1024]
    assert "BRIA" in run("show", "rmbg-1.4")[1]


def test_a_name_that_is_not_there_is_corrected(run):
    status, _, err = run("show", "u2net-p")
    assert status == 1 and "did you mean 'u2netp'?" in err


def test_a_model_without_an_address_says_where_to_look(run):
    status, _, err = run("pull", "deeplabv3")
    assert status == 1 and "rotograph models add deeplabv3 FILE" in err and "https://" in err


def test_a_model_is_measured_through_a_real_graph(run):
    status, out, err = run("bench", "classic", "--role", "segment", "--size", "96x64",
                           "--frames", "2", "--json")  # fmt: skip
    assert status == 0, err
    told = json.loads(out)
    assert told["role"] == "segment" and told["frames_per_second"] > 0
    assert sum(told["share"].values()) == pytest.approx(1.0)
    assert {"segment: encode", "segment: logits", "write: write"} <= set(told["share"])


def test_every_role_can_be_measured(run):
    for role in ("detect", "track", "motion", "matte", "refine"):
        status, out, err = run("bench", "classic", "--role", role, "--size", "96x64",
                               "--frames", "3", "--json")  # fmt: skip
        assert status == 0 and json.loads(out)["role"] == role, err


def test_what_is_not_here_cannot_be_measured(run):
    status, _, err = run("bench", "u2netp")
    assert status == 1 and "rotograph models pull u2netp" in err

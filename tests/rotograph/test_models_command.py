"""`rotograph models` as an artist meets it: one clear line for whatever happens."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


def network(path: Path, classes: int) -> Path:
    """An ONNX file that takes a picture of any size and gives scores of so many classes."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    kernel = helper.make_tensor("kernel", kind, [classes, 3, 1, 1], [0.1] * (3 * classes))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["picture", "kernel"], ["scores"])],
        "tiny",
        [helper.make_tensor_value_info("picture", kind, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("scores", kind, [1, classes, "h", "w"])],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


def test_from_a_download_to_verified_and_gone_again(run, tmp_path):
    """A card without a digest: what is added first is what counts, once its network has run."""
    pytest.importorskip("onnxruntime")
    download = network(tmp_path / "deeplabv3.onnx", 21)
    assert "no" in next(line for line in run("list")[1].splitlines() if "deeplabv3" in line)
    status, out, _ = run("add", "deeplabv3", download)
    assert status == 0 and "this file is what counts" in out and "BSD-3-Clause" in out
    assert "looked at a grey picture" in out
    assert "yes" in next(line for line in run("list")[1].splitlines() if "deeplabv3" in line)
    status, out, _ = run("verify")
    assert status == 0 and out.startswith("deeplabv3: no digest stated; as first added")
    stored = tmp_path / "data" / "models" / "deeplabv3" / "deeplabv3.onnx"
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    status, out, _ = run("verify", "deeplabv3")
    assert status == 1 and str(stored) in out and "digest differs" in out
    assert run("remove", "deeplabv3")[0] == 0 and not stored.exists()
    assert run("verify", "deeplabv3")[0] == 1


@pytest.mark.parametrize("kind", ["a page", "another network"])
def test_a_wrong_file_is_refused_where_no_digest_is_known(run, tmp_path, kind):
    pytest.importorskip("onnxruntime")
    download = tmp_path / "deeplabv3.onnx"
    if kind == "a page":
        download.write_bytes(b"<html>Please log in</html>")
    else:
        network(download, 3)  # and not the 21 classes of the card
    status, out, err = run("add", "deeplabv3", download)
    assert status == 1 and "what counts" not in out
    assert "Traceback" not in err and len(err.splitlines()) == 1 and "deeplabv3" in err
    assert not (tmp_path / "data" / "models" / "deeplabv3" / "deeplabv3.onnx").exists()
    assert "no" in next(line for line in run("list")[1].splitlines() if "deeplabv3" in line)


def test_a_wrong_file_leaves_the_one_that_works(run, tmp_path):
    pytest.importorskip("onnxruntime")
    network(tmp_path / "deeplabv3.onnx", 21)
    assert run("add", "deeplabv3", tmp_path / "deeplabv3.onnx")[0] == 0
    models = tmp_path / "data" / "models"
    before = {p: p.read_bytes() for p in models.rglob("*") if p.is_file()}
    network(tmp_path / "deeplabv3.onnx", 3)
    assert run("add", "deeplabv3", tmp_path / "deeplabv3.onnx")[0] == 1
    kept = {p: p.read_bytes() for p in models.rglob("*") if p.is_file() and p.suffix != ".lock"}
    assert kept == {p: b for p, b in before.items() if p.suffix != ".lock"}
    assert run("verify", "deeplabv3")[0] == 0


def test_a_device_that_is_not_there_costs_no_file(run, tmp_path, monkeypatch):
    """Whether a file is the model's own does not depend on where it will be run."""
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("ROTOGRAPH_DEVICE", "cuda:97")
    download = network(tmp_path / "deeplabv3.onnx", 21)
    assert run("add", "deeplabv3", download)[0] == 0
    assert (tmp_path / "data" / "models" / "deeplabv3" / "deeplabv3.onnx").is_file()


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
    assert told["precision"] == "float32"
    assert sum(told["share"].values()) == pytest.approx(1.0)
    assert {"segment: encode", "segment: logits", "write: write"} <= set(told["share"])


@pytest.mark.slow
def test_every_role_can_be_measured(run):
    for role in ("detect", "track", "motion", "matte", "refine"):
        status, out, err = run("bench", "classic", "--role", role, "--size", "96x64",
                               "--frames", "3", "--json")  # fmt: skip
        assert status == 0 and json.loads(out)["role"] == role, err


def test_what_is_not_here_cannot_be_measured(run):
    status, _, err = run("bench", "u2netp")
    assert status == 1 and "rotograph models pull u2netp" in err


def test_what_is_shown_says_how_to_get_it(run):
    out = run("show", "u2netp")[1]
    assert "rotograph models pull u2netp" in out and "u2netp.onnx 4574861 309c8469" in out
    assert "https://github.com/danielgatis/rembg/releases" in out and "quality" in out
    assert "rotograph models add deeplabv3 FILE" in run("show", "deeplabv3")[1]
    told = json.loads(run("show", "modnet", "--json")[1])
    assert told["files"][0]["url"].endswith("onnx/model.onnx") and told["packages"]


def test_tables_can_be_searched(run):
    """One line for each model, whole, however narrow the terminal."""
    for line in ("sam2.1-hiera-b-plus", "mp-selfie-landscape", "rmbg-1.4"):
        for what in ("list", "licences"):
            assert sum(one.startswith(line) for one in run(what)[1].splitlines()) == 1
    rows = run("list")[1].splitlines()
    names = [row.split()[0] for row in rows]
    assert names.index("mp-selfie") < names.index("mp-selfie-landscape")
    assert "forbidden" in next(row for row in rows if row.startswith("rmbg-1.4"))
    rows = run("list", "--licence-policy", "research")[1].splitlines()
    assert "(nc)" in next(row for row in rows if row.startswith("rmbg-1.4"))


OURS = """
name = "ours"
label = "Our own people"
version = 1
input_space = "sRGB - Display"
working_size = 64
licence = "ours"
commercial = false
finds = "person"
packages = ["onnxruntime"]
[adapters]
segment = "rotograph_nodes.models.onnx_segment:Segmenter"
[[files]]
name = "ours.onnx"
[network]
values = "classes"
channel = 1
"""


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio's folder with a card of its own."""
    folder = tmp_path / "studio"
    (folder / "cards").mkdir(parents=True)
    (folder / "cards" / "ours.toml").write_text(OURS)
    monkeypatch.setenv("ROTOGRAPH_MODELS", str(folder))
    return folder


def test_a_studios_own_card_is_a_model_like_any_other(studio, run, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    assert run("show", "ours")[0] == 1
    monkeypatch.setenv("ROTOGRAPH_MODELS", str(studio))  # which ``run`` took away
    assert run("add", "ours", network(tmp_path / "ours.onnx", 2))[0] == 0
    row = next(r for r in run("list")[1].splitlines() if r.startswith("ours "))
    assert "yes" in row and "forbidden" in row  # its licence counts
    status, out, err = run("bench", "ours", "--size", "96x64", "--frames", "2",
                           "--licence-policy", "research", "--json")  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["model"] == "ours"


@pytest.mark.parametrize("classes", [2, 1])
def test_what_is_pulled_without_a_digest_is_tried(run, studio, tmp_path, monkeypatch, classes):
    """The card's mask is the second plane: a network that has one only is another one."""
    pytest.importorskip("onnxruntime")
    (tmp_path / "served").mkdir()
    network(tmp_path / "served" / "ours.onnx", classes)
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'url = "http://127.0.0.1:{server.server_port}/ours.onnx"'
        text = OURS.replace('name = "ours.onnx"', f'name = "ours.onnx"\n{url}')
        (studio / "cards" / "ours.toml").write_text(text)
        monkeypatch.setenv("ROTOGRAPH_MODELS", str(studio))
        status, out, err = run("pull", "ours")
        server.shutdown()
    own = tmp_path / "data" / "models" / "ours"
    if classes == 2:
        assert status == 0 and "looked at a grey picture" in out and (own / "ours.onnx").is_file()
    else:
        assert status == 1 and err.count("\n") == 1 and not own.exists()


def test_weights_that_are_not_here_stop_a_run_before_any_work(shot):
    document = shot.document()
    document["nodes"]["segment"]["model"] = "u2netp"
    shot.save(document)
    done = CliRunner().invoke(
        rotograph, ["render", str(shot.graph), "--cache", str(shot.cache), "--no-engine"]
    )
    assert done.exit_code == 1
    assert "segment: the weights of 'u2netp' are not here" in done.stderr
    assert "computed" not in done.stdout + done.stderr and not list(shot.cache.rglob("*.mask*"))

"""Where weights come from and what may be opened: nothing that can hold a program."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import sys
from pathlib import Path

import pytest

from rotograph import weights
from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.models import Models
from rotograph.weights import Folders

CONTENT = b"\x08\x08\x3a\x80\x0f" + b"weights." * 240
"""The fields of an ONNX file, of which the network is one."""


def card(
    name: str = "w.onnx",
    sha256: str = hashlib.sha256(CONTENT).hexdigest(),
    size: int = len(CONTENT),
) -> Card:
    return Card(
        "small", "Small", 1, {"segment": "somewhere:It"}, "ACEScct", 64, "MIT", True,
        files=(WeightsFile(name, size, sha256),),
    )  # fmt: skip


@pytest.fixture
def where(tmp_path: Path) -> Folders:
    return Folders(None, tmp_path / "own")


@pytest.fixture
def download(tmp_path: Path) -> Path:
    path = tmp_path / "w.onnx"
    path.write_bytes(CONTENT)
    return path


def test_a_file_that_was_added_is_found_and_as_its_card_says(where, download):
    at = weights.add(card(), download, where)
    assert at.read_bytes() == CONTENT and download.exists()
    assert weights.find(card(), where) == at
    weights.verify(card(), at)
    assert weights.remove(card(), where) and weights.find(card(), where) is None


def test_another_file_than_the_cards_is_not_taken(where, download):
    download.write_bytes(CONTENT + b"!")
    with pytest.raises(ModelError) as caught:
        weights.add(card(), download, where)
    assert "sha256" in str(caught.value) and str(download) in str(caught.value)
    assert weights.find(card(), where) is None


def test_weights_that_were_changed_afterwards_are_not_opened(where, download):
    at = weights.add(card(), download, where)
    at.write_bytes(CONTENT + b"!")
    with pytest.raises(ModelError, match="digest differs"):
        Models([card()], folders=where).weights(card())


def test_without_a_digest_on_the_card_the_first_file_counts(where, download):
    open_card = card(sha256="")
    models = Models([open_card], folders=where)
    with pytest.raises(ModelError, match="not here"):
        models.card("segment", "small")
    at = weights.add(open_card, download, where)
    assert models.card("segment", "small").weights == hashlib.sha256(CONTENT).hexdigest()
    at.write_bytes(CONTENT + b"!")
    with pytest.raises(ModelError, match="digest differs"):
        models.weights(open_card)


def test_the_studios_mirror_is_looked_at_first_and_never_changed(tmp_path, download):
    where = Folders(tmp_path / "mirror", tmp_path / "own")
    (tmp_path / "mirror").mkdir()
    own = weights.add(card(), download, where)
    assert weights.find(card(), where) == own
    (tmp_path / "mirror" / "w.onnx").write_bytes(CONTENT)
    assert weights.find(card(), where) == tmp_path / "mirror" / "w.onnx"
    weights.remove(card(), where)
    assert (tmp_path / "mirror" / "w.onnx").exists() and not own.exists()
    (tmp_path / "mirror" / "w.onnx").write_bytes(CONTENT + b"of another model")
    assert weights.find(card(), where) is None


def test_missing_weights_say_how_to_get_them(where):
    with pytest.raises(ModelError) as caught:
        Models([card()], folders=where).weights(card())
    assert "rotograph models add small FILE" in str(caught.value)


class _Program:
    """What a hostile checkpoint holds: told to write a file as soon as it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


def test_a_program_in_a_pickle_is_refused_and_not_run(where, tmp_path):
    torch = pytest.importorskip("torch")
    proof, hostile = tmp_path / "ran", tmp_path / "w.pt"
    for write in (
        lambda: hostile.write_bytes(pickle.dumps(_Program(proof))),
        lambda: torch.save({"weight": torch.zeros(2), "more": _Program(proof)}, hostile),
    ):
        write()
        with pytest.raises(ModelError) as caught:
            weights.add(card("w.pt", "", 0), hostile, where)
        assert "nothing of it was run" in str(caught.value) and str(hostile) in str(caught.value)
        assert not proof.exists() and weights.find(card("w.pt", "", 0), where) is None
    pickle.loads(pickle.dumps(_Program(proof)))  # the same file does run where it is trusted
    assert proof.exists()


def test_a_checkpoint_becomes_safetensors(where, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    shared = torch.arange(6.0).reshape(2, 3)
    saved = tmp_path / "w.pt"
    torch.save({"model": {"a": shared, "b": shared.T}}, saved)
    published = hashlib.sha256(saved.read_bytes()).hexdigest()
    checkpoint = card("w.pt", published)
    at = weights.add(checkpoint, saved, where)
    assert at.name == "w.safetensors"
    loaded = load_file(at)
    assert torch.equal(loaded["a"], shared) and torch.equal(loaded["b"], shared.T)
    weights.verify(checkpoint, at)
    at.write_bytes(at.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match="digest differs"):
        weights.verify(checkpoint, at)


def test_a_checkpoint_that_somebody_else_converted_is_not_trusted(where, tmp_path):
    folder = where.own / "small"
    folder.mkdir(parents=True)
    (folder / "w.safetensors").write_bytes(CONTENT)
    with pytest.raises(ModelError, match="not known to be the weights"):
        Models([card("w.pt")], folders=where).weights(card("w.pt"))


def test_without_pytorch_a_checkpoint_says_what_is_missing(where, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "w.pt").write_bytes(CONTENT)
    with pytest.raises(ModelError) as caught:
        weights.add(card("w.pt"), tmp_path / "w.pt", where)
    assert "'torch'" in str(caught.value) and "--networks" in str(caught.value)
    assert weights.find(card("w.pt"), where) is None


def test_a_full_disk_leaves_nothing_behind(where, download, monkeypatch):
    def full(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(ModelError, match="No space left"):
        weights.add(card(), download, where)
    assert not (where.own / "small").exists()


def test_a_broken_checkpoint_is_one_clear_line(where, tmp_path):
    pytest.importorskip("torch")
    for content in (b"", b"not a checkpoint at all", CONTENT, b"<html>", b"PK\x03\x04", b"\x80"):
        (tmp_path / "w.pt").write_bytes(content)
        with pytest.raises(ModelError) as caught:
            weights.add(card("w.pt", "", 0), tmp_path / "w.pt", where)
        assert "\n" not in str(caught.value) and "w.pt" in str(caught.value)
        assert "program" not in str(caught.value), "what is no pickle holds none"


def test_only_what_cannot_hold_a_program_is_opened(where):
    folder = where.own / "small"
    folder.mkdir(parents=True)
    (folder / "w.pkl").write_bytes(CONTENT)
    with pytest.raises(ModelError, match="can hold a program"):
        Models([card("w.pkl")], folders=where).weights(card("w.pkl"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", b"<html>Please log in</html>", "is not a json file"),
        ("config.json", b"[1, 2]", "is not a json file"),
        ("w.safetensors", b"<html>Please log in</html>", "is not a safetensors file"),
        ("w.safetensors", b"\x02\0\0\0\0\0\0\0{}", "it is empty"),
        ("w.safetensors", b"\xff" * 64, "is not a safetensors file"),
        ("w.safetensors", b"\x00\x10\0\0\0\0\0\0" + b"[" * 4096, "is not a safetensors file"),
        ("config.json", b"[" * 100_000, "is not a json file"),
        ("w.onnx", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        ("vocab.txt", b"<!DOCTYPE html>", "a page of a website"),
    ],
)
def test_without_a_digest_a_file_is_at_least_of_its_kind(where, tmp_path, name, content, said):
    """What a website's page for those who are not logged in looks like, under the file's name."""
    pytest.importorskip("safetensors")
    given = tmp_path / name
    given.write_bytes(content)
    open_card = Card(
        "small", "Small", 1, {"segment": "somewhere:It"}, "ACEScct", 64, "MIT", True,
        files=(WeightsFile(name),),
    )  # fmt: skip
    with pytest.raises(ModelError) as caught:
        weights.add(open_card, given, where)
    line = str(caught.value)
    assert said in line and str(given) in line and "\n" not in line
    assert weights.find(open_card, where) is None


def test_a_size_that_the_card_states_counts_without_a_digest(where, download):
    download.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match=f"has {len(CONTENT) - 1} bytes"):
        weights.add(card(sha256=""), download, where)
    assert weights.find(card(sha256=""), where) is None


def test_a_page_that_lies_where_nobody_added_it_is_not_opened(where):
    folder = where.own / "small"
    folder.mkdir(parents=True)
    (folder / "w.onnx").write_bytes(b"<html>Please log in</html>")
    with pytest.raises(ModelError, match="a page of a website"):
        Models([card(sha256="", size=0)], folders=where).weights(card(sha256="", size=0))


def test_another_file_is_told_apart_from_a_damaged_one(where, download):
    download.write_bytes(CONTENT[:50])
    with pytest.raises(
        ModelError, match=f"another file or version, of 50 bytes instead of {len(CONTENT)}"
    ):
        weights.add(card(), download, where)
    download.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(ModelError, match="download it again"):
        weights.add(card(), download, where)

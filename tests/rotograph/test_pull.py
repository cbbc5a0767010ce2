"""Downloads, from a real server on this machine: cut off, wrong, full disk, no network."""

from __future__ import annotations

import errno
import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rotograph import pull as puller
from rotograph import weights
from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.weights import Folders

BODY = bytes(range(256)) * 4096
CONTENT = b"\x08\x08\x3a\x80\x80\x40" + BODY  # a megabyte, of the fields of an ONNX file
PAGE = b"<!DOCTYPE html><html>Please log in</html>"


@dataclass
class Served:
    """What the server does. cut: it hangs up after so many bytes. pause: seconds in the midst of
    an answer. asked, paths: Range headers and paths seen."""

    content: bytes = CONTENT
    cut: int | None = None
    status: int = 200
    tag: str = '"one"'
    pause: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def served() -> Iterator[Served]:
    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.headers.get("Range"))
            told.paths.append(self.path)
            told.tokens.append(self.headers.get("Authorization"))
            if told.status != 200:
                self.send_error(told.status)
                return
            start = 0
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
            if found and self.headers.get("If-Range") in (None, told.tag):
                start = int(found[1])
            if start >= len(told.content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                whole = len(told.content)
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            self.send_header("Content-Length", str(len(told.content) - start))
            self.send_header("ETag", told.tag)
            self.end_headers()
            middle = (start + len(told.content)) // 2 if told.pause else start
            self.wfile.write(told.content[start:middle])
            time.sleep(told.pause)
            self.wfile.write(told.content[middle : told.cut])
            if told.cut is not None:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return Folders(None, tmp_path / "own")


def card(address: str, sha256: str = hashlib.sha256(CONTENT).hexdigest(), size: int = 0) -> Card:
    file = WeightsFile("w.onnx", size, sha256, f"{address}/w.onnx")
    return Card("small", "Small", 1, {}, "ACEScct", 64, "MIT", True, files=(file,))


def refused(of: Card, where: Folders) -> str:
    """The one line that a pull ends with."""
    with pytest.raises(ModelError) as caught:
        puller.pull(of, where)
    line = str(caught.value)
    assert "\n" not in line and "Traceback" not in line
    return line


def test_what_was_pulled_is_here_and_whole(served, where):
    seen = []
    path = puller.pull(card(served.address), where, lambda *now: seen.append(now))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("w.onnx", len(CONTENT), len(CONTENT))
    assert sorted(p.name for p in path.parent.iterdir()) == ["rotograph.json", "w.onnx"]
    puller.pull(card(served.address), where)
    assert len(served.asked) == 1  # it is here


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(served, where):
    served.cut = 300_000
    line = refused(card(served.address), where)
    assert "cut off" in line and "goes on from there" in line
    kept = where.own / "small" / "w.onnx.part"
    count = kept.stat().st_size
    assert 200_000 < count <= 300_000 and kept.read_bytes() == CONTENT[:count]
    served.cut = None
    assert puller.pull(card(served.address), where).read_bytes() == CONTENT
    assert served.asked == [None, f"bytes={count}-"]


def test_it_starts_again_when_the_file_has_changed_meanwhile(served, where):
    served.cut = 300_000
    refused(card(served.address, ""), where)
    other = CONTENT[:6] + BODY[::-1]
    served.cut, served.tag, served.content = None, '"two"', other
    assert puller.pull(card(served.address, ""), where).read_bytes() == other


def test_a_wrong_digest_is_thrown_away(served, where):
    served.content = CONTENT[:-1] + b"?"
    line = refused(card(served.address), where)
    assert "sha256" in line and "thrown away" in line
    assert not (where.own / "small").exists()


def test_another_size_is_told_before_it_is_fetched(served, where):
    line = refused(card(served.address, size=77), where)
    assert str(len(CONTENT)) in line and "77" in line


def test_a_full_disk_is_one_line_that_names_the_file(served, where, monkeypatch):
    line = refused(card(served.address, size=1 << 60), where)
    assert "the disk is full" in line and "w.onnx" in line
    assert "1048576.0 TB are still needed" in line and "are free" in line

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(puller, "_fetch", full)
    assert "the disk is full" in refused(card(served.address), where)


def test_no_network_says_how_to_go_on_without(where):
    with socket.socket() as taken:  # bound and never listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        line = refused(card(f"http://127.0.0.1:{taken.getsockname()[1]}"), where)
    assert "cannot reach 127.0.0.1" in line and "rotograph models add small FILE" in line
    assert "refuses the connection" in line
    assert not (where.own / "small").exists()
    assert "the name is not known" in refused(card("http://models.invalid"), where)


def test_a_proxy_that_is_not_there_is_named_as_such(where, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        assert "proxy" in refused(card("http://models.invalid"), where)


@pytest.mark.parametrize(("status", "said"), [(404, "404"), (403, "HF_TOKEN"), (500, "500")])
def test_what_the_server_answers_is_told(served, where, status, said):
    served.status = status
    assert said in refused(card(served.address), where)


def test_the_token_goes_to_hugging_face_or_its_mirror_only(served, where, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    puller.pull(card(served.address), where)
    assert served.tokens == [None]
    monkeypatch.setenv("HF_ENDPOINT", served.address)
    mirrored = Card(
        "other", "Other", 1, {}, "ACEScct", 64, "MIT", True, repository="who/what", revision="abc",
        files=(WeightsFile("w.onnx", 0, hashlib.sha256(CONTENT).hexdigest()),),
    )  # fmt: skip
    puller.pull(mirrored, where)
    assert served.tokens[-1] == "Bearer hf_secret"


def test_a_model_without_an_address_says_where_to_look(where):
    by_hand = Card(
        "hand", "By hand", 1, {}, "ACEScct", 64, "MIT", True, source="https://somewhere",
        files=(WeightsFile("w.onnx"),),
    )  # fmt: skip
    line = refused(by_hand, where)
    assert "https://somewhere" in line and "rotograph models add hand FILE" in line


@pytest.mark.parametrize("sha256", ["", hashlib.sha256(CONTENT).hexdigest()])
@pytest.mark.parametrize("begun", [False, True])
def test_two_that_pull_at_once_take_turns(served, where, sha256, begun):
    """A farm, or an artist who asks twice: one downloads, the other finds it there."""
    of = card(served.address, sha256)
    if begun:
        served.cut = 300_000
        refused(of, where)
        served.cut = None
        served.asked.clear()
    served.pause = 0.8
    came, seen = [], []

    def pull(report) -> None:
        came.append(puller.pull(of, where, report))

    both = [threading.Thread(target=pull, args=(lambda *now: seen.append(now),)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(came) == 2 and came[0].read_bytes() == CONTENT
    assert len(served.asked) == 1
    assert sorted(p.name for p in came[0].parent.iterdir()) == ["rotograph.json", "w.onnx"]


def test_what_a_killed_download_leaves_blocks_nobody(served, where):
    served.cut = 300_000
    refused(card(served.address), where)
    (where.own / "small" / ".w.onnx.part.lock").touch()
    served.cut = None
    path = puller.pull(card(served.address), where)
    assert sorted(p.name for p in path.parent.iterdir()) == ["rotograph.json", "w.onnx"]


def test_a_file_that_cannot_be_added_leaves_a_download_alone(served, where, tmp_path):
    served.cut = 300_000
    refused(card(served.address), where)
    kept = where.own / "small" / "w.onnx.part"
    count = kept.stat().st_size
    (tmp_path / "w.onnx").write_bytes(PAGE)
    with pytest.raises(ModelError):
        weights.add(card(served.address, "", 0), tmp_path / "w.onnx", where)
    assert kept.stat().st_size == count


def test_a_part_that_belongs_to_another_file_is_thrown_away(served, where):
    served.cut = 300_000
    refused(card(served.address), where)
    with open(where.own / "small" / "w.onnx.part", "ab") as part:
        part.write(bytes(len(CONTENT)))
    served.cut = None
    refused(card(served.address), where)
    assert puller.pull(card(served.address), where).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [PAGE, b"", BODY, CONTENT[:-9], b"\x08\x08"])
def test_what_is_no_network_does_not_become_the_weights(served, where, content):
    """What a proxy answers for a file whose digest nobody states."""
    served.content = content
    line = refused(card(served.address, ""), where)
    assert "is not a onnx file" in line or "cut off" in line or "416" in line
    assert not list(where.own.rglob("w.onnx"))


def test_a_mirror_of_hugging_face_serves_cards_with_a_whole_url(served, where, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", served.address)
    path = "/who/what/resolve/abc/onnx/model.onnx"
    puller.pull(
        Card(
            "deep", "Deep", 1, {}, "ACEScct", 64, "MIT", True,
            files=(WeightsFile("w.onnx", url=f"https://huggingface.co{path}"),),
        ),
        where,
    )  # fmt: skip
    assert served.paths == [path]


@pytest.mark.parametrize(
    "value", ["127.0.0.1:8077", "nonsense", "ftp://mirror", "http://[", "http://"]
)
def test_an_endpoint_that_is_no_address_is_told_as_such(where, monkeypatch, value):
    monkeypatch.setenv("HF_ENDPOINT", value)
    assert f"HF_ENDPOINT is '{value}'" in refused(card("http://models.invalid"), where)


def test_certificates_that_are_not_there_are_told_as_such(where, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    line = refused(card("https://127.0.0.1:9"), where)
    assert "REQUESTS_CA_BUNDLE" in line and "none.pem" in line and "space" not in line


def test_a_copy_of_ones_own_stands_in_for_a_damaged_one_of_the_studios(served, where, tmp_path):
    studio = Folders(tmp_path / "studio", where.own)
    lying = tmp_path / "studio" / "small" / "w.onnx"
    lying.parent.mkdir(parents=True)
    lying.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(ModelError) as caught:
        weights.sound(card(served.address), studio)
    assert "tell who keeps this folder" in str(caught.value) and str(lying) in str(caught.value)
    own = puller.pull(card(served.address), studio)
    assert own.is_relative_to(where.own) and own.read_bytes() == CONTENT
    assert weights.sound(card(served.address), studio) == own
    assert lying.read_bytes() != CONTENT  # never written to

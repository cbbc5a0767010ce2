"""The wire: vectors that other languages test against, limits, and what is refused."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import random
import struct
import subprocess
from array import array
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import xxhash

import rotograph
import rotograph_host
from rotograph import wire
from rotograph.generate.wire import SCHEMA, wire_schema
from rotograph_host import client, framing
from rotograph_host.framing import WireError

VECTORS = Path(__file__).parents[1] / "wire"
_spec = importlib.util.spec_from_file_location("make_vectors", VECTORS / "make.py")
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)

ACCEPTED = sorted(VECTORS.glob("accepted/*.msg"))
REFUSED = sorted(VECTORS.glob("refused/*.msg"))


def decode(path: Path, body: bytes) -> Any:
    reader = wire.from_client if path.name.startswith("client") else wire.from_engine
    return reader(body)


def test_the_vectors_are_what_this_version_sends():
    made = make.vectors()
    found = {str(p.relative_to(VECTORS)): p.read_bytes() for p in VECTORS.rglob("*.*")}
    found = {name: data for name, data in found.items() if name.endswith((".msg", ".json"))}
    assert found == made, "run python tests/wire/make.py, and raise PROTOCOL if clients would break"


def test_every_message_has_a_vector():
    for prefix, union in (("client", wire.FromClient), ("engine", wire.FromEngine)):
        types = {type(m) for name, m in make.messages() if name.startswith(prefix)}
        assert types == set(get_args(union))


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda p: p.stem)
def test_a_vector_says_the_same_to_both_decoders(path):
    (body,) = framing.Inbox().feed(path.read_bytes())
    message = decode(path, body)
    assert wire.encode(message) == path.read_bytes()
    plain = framing.unpack(body)
    assert decode(path, framing.pack(plain)[framing.HEADER.size :]) == message
    direction = "from_client" if path.name.startswith("client") else "from_engine"
    schema = wire.schema()
    jsonschema.validate(plain, {**schema, "$ref": f"#/$defs/{direction}"})


def test_a_digest_can_be_computed_from_the_documentation_alone():
    def text(tag: bytes, data: bytes) -> bytes:
        return tag + struct.pack("<Q", len(data)) + data

    def canonical(value: Any) -> bytes:
        match value:
            case int():
                return text(b"i", str(value).encode())
            case float():
                return b"d" + struct.pack("<d", value)
            case str():
                return text(b"s", value.encode())
            case bytes():
                return text(b"b", value)
        return text(b"l", b"".join(map(canonical, value)))

    for example in json.loads((VECTORS / "digest.json").read_text()):
        picture, names = example["picture"], example["picture"]["channels"]
        pixels = array("f", bytes.fromhex(example["pixels"]))
        rgb = [c for c in "RGB" if c in names]
        hashes = []
        for group in (rgb, [c for c in names if c == "A"], [c for c in names if c not in "RGBA"]):
            at = [names.index(c) for c in group]
            numbers = [pixels[start + i] for start in range(0, len(pixels), len(names)) for i in at]
            told = array("f", [1.0 if math.isnan(v) else v for v in numbers])
            hashes.append(xxhash.xxh3_128(told.tobytes()).digest())
        geometry = [picture["display"], picture["data"], picture["pixel_aspect"], names]
        said = canonical([geometry, hashes])
        made = hashlib.blake2b(said, digest_size=16, person=b"rotograph.key.1").hexdigest()
        assert made == example["digest"]


@pytest.mark.parametrize("path", REFUSED, ids=lambda p: p.stem)
def test_nonsense_is_refused(path):
    with pytest.raises(WireError):
        for body in framing.Inbox().feed(path.read_bytes()):
            decode(path, body)


def test_the_written_schema_is_the_code():
    kept = Path(rotograph.__file__).parents[2] / SCHEMA
    assert kept.read_text(encoding="utf-8") == wire_schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(wire_schema()))


def test_messages_come_whole_however_they_are_cut():
    stream = b"".join(p.read_bytes() for p in ACCEPTED)
    whole = framing.Inbox().feed(stream)
    inbox, found = framing.Inbox(), []
    for i in range(len(stream)):
        found += inbox.feed(stream[i : i + 1])
    assert found == whole and len(whole) == len(ACCEPTED) and not len(inbox)


def test_a_huge_length_takes_no_memory():
    inbox = framing.Inbox()
    with pytest.raises(WireError, match="not allowed"):
        inbox.feed(framing.HEADER.pack(0xFFFFFFFF))


def test_numbers_that_json_lacks_travel_as_text():
    told = {"a": math.nan, "b": [math.inf, -math.inf], "c": 1 << 60, "d": 1.5, "e": True}
    got = framing.unpack(framing.pack({"type": "x", **told})[4:])
    assert got["b"] == ["Infinity", "-Infinity"] and got["c"] == str(1 << 60)
    assert math.isnan(framing.number(got["a"])) and framing.number(got["c"]) == 1 << 60
    assert got["d"] == 1.5 and got["e"] is True
    for odd in ("1e5", "nan", "", "9" * 30, None, True, "\uff11"):
        with pytest.raises(WireError):
            framing.number(odd)


def test_depth_is_counted_outside_strings_only():
    inside = json.dumps({"type": "x", "text": "[{" * 500 + '"\\' * 3}).encode()
    assert framing.unpack(inside)["text"].startswith("[{")
    deep = b'{"type":"x","a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert framing.unpack(deep)
    with pytest.raises(WireError, match="deeper"):
        framing.unpack(deep.replace(b"[" * 63 + b"]" * 63, b"[" * 64 + b"]" * 64))


def test_mutated_messages_are_refused_or_whole():
    rng = random.Random(7)
    seeds = [p.read_bytes() for p in (*ACCEPTED, *REFUSED)]
    signs = [b"[", b"{", b'"', b"\\", b"\x00", b"\xff", b"null", b"1e999", b"-", b",", b"}"]
    for _ in range(20_000):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(4):
                case 0:
                    data[at:at] = rng.choice(signs)
                case 1:
                    del data[at : at + rng.randint(1, 8)]
                case 2:
                    data[at : at + 1] = bytes([rng.randrange(256)])
                case 3:
                    data[at:at] = rng.choice(seeds)[: rng.randint(1, 200)]
        try:
            for body in framing.Inbox().feed(bytes(data)):
                wire.encode(wire.from_client(body))
        except WireError:
            continue


def test_client_and_engine_agree_on_versions():
    assert client.PROTOCOL == wire.PROTOCOL
    assert rotograph.__version__ == rotograph_host.VERSION


def test_the_client_runs_in_an_old_host():
    old = Path.home() / ".pyenv/versions/3.7.16/bin/python"
    if not old.exists():
        pytest.skip("no Python 3.7 here")
    folder = Path(rotograph_host.__file__).parents[1]
    path = VECTORS / "accepted/client-render.msg"
    told = subprocess.run(
        [
            str(old), "-W", "error", "-c",
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from rotograph_host import client, framing, segment, surroundings\n"
            "data = open(sys.argv[2], 'rb').read()\n"
            "(body,) = framing.Inbox().feed(data)\n"
            "print(framing.unpack(body)['graph']['rotograph'])\n"
            "d, m = segment.create(4096); segment.check(d, 4096); print(len(m))\n",
            str(folder), str(path),
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout.split() == ["1", "4096"], told.stderr

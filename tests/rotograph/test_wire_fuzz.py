"""Whatever shape a message has, it is refused in one way or understood in one way."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotograph import wire
from rotograph_host import framing
from rotograph_host.framing import WireError

VECTORS = Path(__file__).parents[1] / "wire"
SEEDS = [
    framing.unpack(framing.Inbox().feed(path.read_bytes())[0])
    for path in sorted(VECTORS.glob("accepted/client-*.msg"))
]
SCHEMA = wire.schema()
VALID = jsonschema.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/from_client"})
QUICK = settings(
    max_examples=250,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

numbers = st.one_of(
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([0, -1, 1 << 31, 1 << 36, (1 << 53) - 1, 1 << 53, 1.5, -0.0, 1e308]),
    st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "/", "/x", "/x\0", "../x", "NaN", "0" * 32, "f" * 32 + "\n", "plate", "9" * 21]
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)
    ),
    max_leaves=12,
)  # fmt: skip


@st.composite
def changed(draw: Any) -> dict[str, Any]:
    """A message that is right but for some places: another value there, one more, or none."""
    message = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = message
        while True:
            names = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not names:
                break
            name = draw(st.sampled_from(names))
            if isinstance(at[name], dict | list) and at[name] and draw(st.booleans()):
                at = at[name]
                continue
            match draw(st.sampled_from(["value", "gone", "more", "twin"])):
                case "value":
                    at[name] = draw(values)
                case "gone":
                    del at[name]
                case "more" if isinstance(at, dict):
                    at[draw(texts)] = draw(values)
                case "twin" if isinstance(at, list):
                    at.append(copy.deepcopy(at[name]))
            break
    return message


def check(message: Any) -> None:
    body = json.dumps(message, ensure_ascii=True).encode()
    try:
        understood = wire.from_client(body)
    except WireError:
        return
    again = wire.encode(understood)
    assert wire.from_client(again[framing.HEADER.size :]) == understood
    # what the engine takes, the published schema allows and the hosts' decoder reads
    assert VALID.is_valid(framing.unpack(again[framing.HEADER.size :]))


@QUICK
@given(changed())
def test_messages_with_something_wrong_in_them(message: dict[str, Any]) -> None:
    check(message)


@QUICK
@given(values)
def test_any_json(message: Any) -> None:
    check(message)


@QUICK
@given(
    st.lists(st.sampled_from(SEEDS), min_size=1, max_size=6),
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
)
def test_messages_come_whole_however_they_are_cut(
    messages: list[dict[str, Any]], cuts: list[int]
) -> None:
    stream = b"".join(framing.pack(message) for message in messages)
    inbox, found, at = framing.Inbox(), [], 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += inbox.feed(stream[at : at + size])
        at += size
    assert [framing.unpack(body) for body in found] == messages and not len(inbox)


@QUICK
@given(values)
def test_what_a_host_says_comes_back(value: Any) -> None:
    """The hosts' own encoder and decoder, with what JSON lacks written as text."""
    try:
        said = framing.pack({"type": "x", "value": value})
    except WireError:
        return
    (body,) = framing.Inbox().feed(said)
    assert framing.unpack(body)["value"] == framing.plain(value)

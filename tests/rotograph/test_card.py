"""What a model card says, and that a wrong one is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotograph.card import Card, WeightsFile, installed_cards, read_card
from rotograph.errors import ModelError

PLAIN = """
name = "small"
label = "Small"
version = 1
input_space = "sRGB - Display"
working_size = 64
licence = "MIT"
commercial = true
[adapters]
segment = "somewhere:Segmenter"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_card_that_is_installed_can_be_read():
    cards = {card.name: card for card in installed_cards()}
    assert {"classic", "mp-selfie", "u2netp", "rmbg-1.4", "fastestdet"} <= set(cards)
    assert len(cards) == len(installed_cards())
    for card in cards.values():
        assert card.licence and card.label and card.source, card.name
        assert all(file.name for file in card.files)
    assert not cards["rmbg-1.4"].commercial


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("colour = 3\n", "colour"),
        ('[[files]]\nname = "../x.onnx"\n', "not a file's name"),
        ('[[files]]\nname = "x.onnx"\nsha256 = "abc"\n', "64 lower case hex digits"),
        ('[[files]]\nname = "x.onnx"\nurl = "file:///etc/passwd"\n', "not http"),
        ("[[files]\n", "not a model card"),
    ],
)
def test_a_wrong_card_is_refused_by_name(tmp_path, more, said):
    head, adapters = PLAIN.split("[adapters]")
    text = head + more + "[adapters]" + adapters if more.startswith("colour") else PLAIN + more
    path = write(tmp_path, text)
    with pytest.raises(ModelError) as caught:
        read_card(path)
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_values_of_the_wrong_kind_are_refused(tmp_path):
    with pytest.raises(ModelError, match="commercial"):
        read_card(write(tmp_path, PLAIN.replace("commercial = true", 'commercial = "no"')))
    with pytest.raises(ModelError, match="role"):
        read_card(write(tmp_path, PLAIN.replace("segment =", "paint =")))


def test_every_file_counts_in_the_digest_that_enters_keys():
    def card(*files: WeightsFile) -> Card:
        return Card("m", "M", 1, {}, "ACEScct", 64, "MIT", True, files=files)

    first, second = WeightsFile("a.onnx", sha256="1" * 64), WeightsFile("b.json", sha256="2" * 64)
    assert card().weights == ""
    assert card(first).weights == "1" * 64
    assert len({card(first).weights, card(first, second).weights, card(second).weights}) == 3
    assert card(first, WeightsFile("b.json")).weights == ""  # not known yet


def test_a_mirror_of_hugging_face_takes_its_place():
    card = Card(
        "m", "M", 1, {}, "ACEScct", 64, "MIT", True, repository="who/what", revision="abc",
        files=(WeightsFile("w.onnx"), WeightsFile("v.onnx", url="https://elsewhere/v.onnx")),
    )  # fmt: skip
    assert card.url(card.files[0], "https://mirror") == "https://mirror/who/what/resolve/abc/w.onnx"
    assert card.url(card.files[1], "https://mirror") == "https://elsewhere/v.onnx"

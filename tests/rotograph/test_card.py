"""What a model card says, and that a wrong one is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotograph.card import Card, WeightsFile, installed_cards, read_card, studio_cards
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
    assert list(cards) == sorted(cards)
    for card in cards.values():
        assert card.repository == "" or len(card.revision) == 40, f"{card.name} is not pinned"
        assert card.citation or not card.files, card.name
        assert card.licence and card.label and card.source, card.name
        assert all(file.name for file in card.files)
        assert "detect" not in card.adapters or card.network["score"] > 0, card.name
    assert not cards["rmbg-1.4"].commercial


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("colour = 3\n", "colour"),
        ('[[files]]\nname = "../x.onnx"\n', "not a file's name"),
        ('[[files]]\nname = "x.onnx"\nsha256 = "abc"\n', "64 lower case hex digits"),
        ('[[files]]\nname = "x.onnx"\nurl = "file:///etc/passwd"\n', "not http"),
        ('[[files]]\nname = "..\\\\x.onnx"\n', "not a file's name"),
        ('[[files]]\nname = ".x.onnx"\n', "not a file's name"),
        ('[[files]]\nname = "rotograph.json"\n', "not a file's name"),
        ('[[files]]\nname = "x.onnx"\nsize = "much"\n', "not a number of bytes"),
        ('[[files]]\nname = "x.pt"\n[[files]]\nname = "x.safetensors"\n', "there twice"),
        ("[network]\nscore = 2\n", "'score' in [network] is not a number from 0 to 1"),
        ('[[files]]\nname = "x.onnx\\u0007"\n', "not a file's name"),
        ('[[files]]\nname = "Rotograph.JSON"\n', "not a file's name"),
        ('[[files]]\nname = "x.onnx"\nurl = 5\n', "are texts"),
        ('packages = ["__main__"]\n', "name of a package"),
        ('smaller = "half"\n', "not a list"),
        ('network = "x"\n', "are tables"),
        ("[[files]\n", "not a model card"),
    ],
)
def test_a_wrong_card_is_refused_by_name(tmp_path, more, said):
    head, adapters = PLAIN.split("[adapters]")
    text = PLAIN + more if more.startswith("[") else head + more + "[adapters]" + adapters
    path = write(tmp_path, text)
    with pytest.raises(ModelError) as caught:
        read_card(path)
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_a_card_without_a_table_of_adapters_is_refused_by_name(tmp_path):
    path = write(tmp_path, "adapters = []\n" + PLAIN.split("[adapters]")[0])
    with pytest.raises(ModelError, match="are tables") as caught:
        read_card(path)
    assert str(path) in str(caught.value)


def test_a_studio_cannot_allow_more_than_the_licence_of_known_weights(tmp_path):
    known = installed_cards()
    bound = next(card for card in known if card.name == "rmbg-1.4")
    (tmp_path / "cards").mkdir()
    text = PLAIN.replace("somewhere:Segmenter", "rotograph_nodes.models.onnx_segment:Segmenter")
    text += f'[[files]]\nname = "x.onnx"\nsha256 = "{bound.files[0].sha256}"\n'
    write(tmp_path / "cards", text)
    with pytest.raises(ModelError, match="allows more with the weights"):
        studio_cards(tmp_path, known)
    write(tmp_path / "cards", text.replace("commercial = true", "commercial = false"))
    assert len(studio_cards(tmp_path, known)) == 1


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


def test_a_package_whose_cards_cannot_be_found_is_named(tmp_path, monkeypatch):
    (tmp_path / "badly_made.py").write_text("raise RuntimeError('it needs a dongle')\n")
    told = tmp_path / "badly_made-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: badly-made\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[rotograph.models]\nown = badly_made:CARDS\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError) as caught:
        installed_cards()
    line = str(caught.value)
    assert "the package 'badly-made'" in line and "dongle" in line and "\n" not in line


def package(folder: Path, name: str, card: str) -> None:
    """An installed package that brings one card."""
    cards = folder / name
    cards.mkdir()
    (cards / "__init__.py").write_text("from pathlib import Path\nCARDS = Path(__file__).parent\n")
    (cards / "small.toml").write_text(card)
    told = folder / f"{name}-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[rotograph.models]\n{name} = {name}:CARDS\n")


def test_a_model_called_like_another_is_refused_and_both_are_named(tmp_path, monkeypatch):
    """Else a package's card could take the place of one with a stricter licence."""
    package(tmp_path, "lookalike", PLAIN.replace('"small"', '"rmbg-1.4"'))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError) as caught:
        installed_cards()
    line = str(caught.value)
    assert "'rmbg-1.4'" in line and "'lookalike'" in line and "'rotograph'" in line


def test_a_studio_adds_a_model_with_a_card_and_no_code(tmp_path):
    known = installed_cards()
    assert studio_cards(None, known) == studio_cards(tmp_path, known) == []
    (tmp_path / "cards").mkdir()
    text = PLAIN.replace("somewhere:Segmenter", "rotograph_nodes.models.onnx_segment:Segmenter")
    path = write(tmp_path / "cards", text)
    assert [card.name for card in studio_cards(tmp_path, known)] == ["small"]
    for wrong, said in (
        (PLAIN, "somewhere:Segmenter"),  # no card of a package names it
        (text.replace('"small"', '"classic"'), "two models called 'classic'"),
        (text.replace("version = 1", 'version = "1"'), "not a model card"),
    ):
        write(tmp_path / "cards", wrong)
        with pytest.raises(ModelError) as caught:
            studio_cards(tmp_path, known)
        assert said in str(caught.value) and str(path) in str(caught.value)

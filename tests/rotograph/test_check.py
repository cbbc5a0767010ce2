"""`rotograph check`: our own nodes keep the rules, and a package that breaks each is found out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from rotograph.card import installed_cards
from rotograph.declare import Input, Output, node, stage
from rotograph.graph import installed_nodes
from rotograph.parameter import Float
from rotograph.testing import check_model, check_node, check_package

BAD = Path(__file__).with_name("bad_nodes")
PAGE = Path(__file__).parents[2] / "docs" / "adding-a-node.md"


def check(*arguments: object, status: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rotograph.cli", "check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stderr) == (status, ""), done
    return done.stdout


@pytest.fixture(scope="module")
def told():
    return json.loads(check(BAD, "--json", status=1))


BROKEN = {
    "Silent": {"documented": "no sentence", "default": "greatest value is 0.5"},
    "Deaf": {"pixel parameter": "no key moves with 'gain'"},
    "Thief": {"params": "reads 'gain', which it did not name"},
    "Fussy": {"other parameter": "'flag' moves no pixels, and yet keys move"},
    "Sly": {"other parameter": "'invert' is declared to move no pixels, and it does"},
    "Flat": {"per layer": "a layer's own 'gain' changes none"},
    "Vain": {"name": "keys move when the node is renamed"},
    "Moody": {"needs": "other keys when they are asked for again"},
    "Counting": {"order": "other pixels when it is computed"},
    "Herd": {"order": "in a render, where made computes several layers at once"},
    "Scribbler": {"given": "writes into what it is given"},
    "Cropped": {"windows": "not the data window"},
    "Bright": {"windows": "not all from 0 to 1"},
    "Fragile": {"plates": "fails on a plate with NaN"},
    "Foreign": {"result": "cannot be kept"},
    "Broken": {"runs": "ZeroDivisionError"},
    "Shapeless": {"runs": "delivers nothing"},
    "Pointless": {"output": "gives nothing and writes nothing"},
    "bad_nodes:NODES": {"entry point": "names a str"},
    "bad-matter": {
        "documented": "no licence",
        "input space": "'No Such Space'",
        "order": "in role matte",
        "interface": "in role segment, logits is (32, 48), not (64, 96)",
    },
}


def test_every_broken_rule_is_found_in_one_line_that_says_what_to_do(told) -> None:
    found = defaultdict(lambda: defaultdict(list))
    for fault in told["faults"]:
        assert fault["hint"] and "\n" not in fault["message"]
        found[fault["subject"]][fault["rule"]].append(fault["message"])
    assert {name: set(rules) for name, rules in found.items()} == {
        name: set(rules) for name, rules in BROKEN.items()
    }
    for name, rules in BROKEN.items():
        for rule, words in rules.items():
            assert any(words in message for message in found[name][rule]), (name, rule)
            assert len(found[name][rule]) == 1 or rule == "documented", found[name][rule]


def test_people_get_a_line_for_each(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    code = (BAD / "bad_nodes.py").read_text(encoding="utf-8")
    file.write_text(code[: code.index("class Matter:")] + "NODES = (Vain,)\n", encoding="utf-8")
    out = check(file, status=1).splitlines()
    assert out == [
        "Vain: name: its keys move when the node is renamed; take the node's name out of needs",
        "Vain: 1 rule broken",
    ]


def test_a_package_that_is_not_there_or_adds_nothing(tmp_path: Path) -> None:
    for name in ("rotograf_nodes", tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "rotograph.cli", "check", str(name)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "rotograph_nodes" in check_error("rotograf_nodes")


def test_a_module_that_ends_the_process_is_a_fault_and_no_silent_success(tmp_path: Path) -> None:
    file = tmp_path / "quits.py"
    file.write_text("raise SystemExit(0)\n", encoding="utf-8")
    assert "quits.py: entry point: cannot be imported: SystemExit: 0" in check(file, status=1)


TORN = """
from __future__ import annotations

import sys
from dataclasses import dataclass

from rotograph.declare import Input, Output, node, stage


@dataclass
class Amount:
    gain: float = 1.0


def declared(title, shape):
    class Made:
        \"""Hand on mattes as they are.\"""

        matte = Input("Mattes", help="Mattes from Matte or Refine.")
        describe = shape

        @stage(per="layer", tier="mattes")
        def made(given, context):
            return given["matte"]

        @made.needs
        def made(at):
            return {"matte": at.input("matte")}

    Made.__name__ = title
    return node(version=1, output=Output("Mattes", "made"))(Made)


NODES = (
    declared("Torn", lambda at: at.no_such_thing),
    declared("Quits", lambda at: sys.exit(0)),
    declared("Whole", lambda at: at.shape("matte")),
)
"""


def test_a_node_that_fails_outside_its_stages_is_named_and_the_others_are_checked(
    tmp_path: Path,
) -> None:
    file = tmp_path / "torn.py"
    file.write_text(TORN, encoding="utf-8")
    package, findings = check_package(str(file))
    assert package.names == ["Torn", "Quits", "Whole"]
    faults = [f for f in findings if f.fault]
    assert [(f.subject, f.rule) for f in faults] == [("Torn", "runs"), ("Quits", "runs")]
    assert "AttributeError" in faults[0].message and "no_such_thing" in faults[0].message
    assert "torn.py, line" in faults[0].message and "SystemExit: 0" in faults[1].message


def test_a_file_that_cannot_be_imported_leaves_no_module_behind(tmp_path: Path) -> None:
    file = tmp_path / "halfway.py"
    file.write_text("NODES = ()\n1 / 0\n", encoding="utf-8")
    before = set(sys.modules)
    (found,) = check_package(str(file))[1]
    assert "ZeroDivisionError" in found.message
    assert not [name for name in set(sys.modules) - before if "halfway" in name]


def install(site: Path, name: str, code: str, points: str) -> None:
    """A package as pip leaves it."""
    (site / name).mkdir(parents=True)
    (site / name / "__init__.py").write_text(code, encoding="utf-8")
    info = site / f"{name}-1.dist-info"
    info.mkdir()
    stated = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
    (info / "METADATA").write_text(stated, encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")


def test_an_installed_name_is_not_taken_for_the_folder_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = TORN.replace("Torn", "TornHere")
    install(tmp_path, "torn_pack", code, "[rotograph.nodes]\ntorn = torn_pack:NODES\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert check_package("torn_pack")[0].names == ["TornHere", "Quits", "Whole"]
    for path in ("./torn_pack", "torn_pack/", ".", ".."):
        assert "pyproject.toml" in check_error(path)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("CARDS = 7", "names a int, not a folder"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
    ],
)
def test_an_entry_point_for_models_that_names_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    name = f"cards_{len(code)}"
    install(tmp_path, name, code, f"[rotograph.models]\ncards = {name}:CARDS\n")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = check_package(name)[1]
    assert (found.subject, found.rule) == (f"{name}:CARDS", "entry point")
    assert words in found.message and found.fault


def check_error(name: str) -> str:
    with pytest.raises(Exception) as error:
        check_package(name)
    return str(error.value)


@pytest.mark.parametrize("name", ["Read", "ReadCryptomatte", "OutsideMask", "Segment"])
def test_our_own_nodes_keep_the_rules(name: str) -> None:
    assert [str(f) for f in check_node(installed_nodes()[name]) if f.fault] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Detect", "Track", "Matte", "Refine", "Write"])
def test_our_slower_nodes_keep_the_rules(name: str) -> None:
    assert [str(f) for f in check_node(installed_nodes()[name]) if f.fault] == []


def test_our_own_models_keep_the_rules() -> None:
    ready = [card for card in installed_cards() if not card.files and not card.missing]
    assert {card.name for card in ready} >= {"classic", "chroma"}
    for card in ready:
        if not card.packages:  # PyMatting compiles itself for a minute when it is first used
            assert [str(f) for f in check_model(card) if f.fault] == []


def test_a_node_of_a_test_is_checked_without_being_installed() -> None:
    @node(version=1, output=Output("Mattes", "faded"))
    class Fade:
        """Make mattes thinner."""

        matte = Input("Mattes", help="Mattes from Matte or Refine.")
        amount = Float(0.5, "Amount", "How thin.", minimum=0, maximum=1, per_layer=True)

        def describe(at):
            return at.shape("matte")

        @stage(per="layer", params=("amount",), tier="mattes")
        def faded(given, context):
            from dataclasses import replace

            alpha = given["matte"].alpha * type(given["matte"].alpha[0, 0])(context["amount"])
            return replace(given["matte"], alpha=alpha)

        @faded.needs
        def faded(at):
            return {"matte": at.input("matte")}

    assert list(check_node(Fade)) == []


def test_the_documented_node_keeps_the_rules(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    file = tmp_path / "sweep.py"
    file.write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    package, findings = check_package(str(file))
    assert package.names == ["Sweep"] and [str(f) for f in findings if f.fault] == []

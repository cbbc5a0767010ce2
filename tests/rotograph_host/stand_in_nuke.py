"""A small stand-in for Nuke's Python, because Nuke cannot be had here: nothing is claimed from it.

It reads the generated Groups with ``nk``, keeps their knobs, and presses their buttons by running
the very scripts that are in them. Whatever it does not have raises, as a wrong name would in Nuke.
Run by Python 3.7 too.
"""

from __future__ import annotations

import re
import runpy
import shutil
import sys
import types
from pathlib import Path
from typing import Any

from nk import NkNode, UserKnob, read

NUMBERS = (3, 7)
BUILT_IN = {
    "Read": ("file", "first", "last", "origfirst", "origlast", "raw", "on_error", "frame", "label"),
    "Write": ("file", "disable"),
    "Dot": (),
    "NoOp": ("disable",),
    "Grade": ("disable",),
}


class Knob:
    """A knob with a value. script: of a button."""

    def __init__(
        self, name: str, kind: int = 1, choices: list[str] | None = None, script=""
    ) -> None:
        self._name, self._kind, self._choices, self._script = name, kind, choices or [], script
        self._keys: dict[int, float] = {}
        start: Any = {4: 0, 6: False, 12: (0.0, 0.0), 15: (0.0,) * 4}.get(kind, "")
        self._value = 0.0 if kind in NUMBERS else start

    def value(self) -> Any:
        return self._choices[self._value] if self._kind == 4 else self._value

    def getValue(self) -> Any:
        return float(self._value) if self._kind in (4, 6, *NUMBERS) else self._value

    def setValue(self, value: Any) -> None:
        if self._kind == 4 and isinstance(value, str):
            value = self._choices.index(value)
        self._value = value

    def evaluate(self) -> str:
        """With the present frame in its place, and the script's folder."""
        return re.sub("#+", "1001", self._value.replace("[file dirname [value root.name]]", "/s"))

    def isAnimated(self) -> bool:
        return bool(self._keys)

    def hasExpression(self) -> bool:
        return False

    def setKeys(self, keys: dict[int, float]) -> None:
        self._keys = keys

    def getValueAt(self, frame: int) -> float:
        return self._keys[frame]

    def execute(self) -> None:
        exec(compile(self._script, self._name, "exec"), {"nuke": sys.modules["nuke"]})


class Link:
    """A knob that shows another; without a value of its own, so that nobody reads that."""

    def __init__(self, behind: Knob) -> None:
        self._behind = behind

    def getLinkedKnob(self) -> Knob:
        return self._behind


class Node:
    """A node with knobs, inputs and, for a Group, nodes inside."""

    def __init__(self, nuke: StandIn, kind: str, name: str, ports: int = 1) -> None:
        self._nuke, self._kind, self._ports = nuke, kind, ports
        self._knobs = {n: Knob(n) for n in BUILT_IN.get(kind, ())}
        self._knobs["name"] = Knob("name")
        self._knobs["name"].setValue(name)
        self._inputs: list[Node | None] = [None] * ports
        self._inside: dict[str, Node] = {}
        self._place = (0, 0)
        self.selected = self.opened = False

    def Class(self) -> str:
        return self._kind

    def name(self) -> str:
        return self._knobs["name"].value()

    fullName = name

    def knob(self, name: str) -> Knob | None:
        return self._knobs.get(name)

    def __getitem__(self, name: str) -> Knob:
        if name not in self._knobs:
            raise NameError(f"knob {name} does not exist")
        return self._knobs[name]

    def input(self, number: int) -> Node | None:
        return self._inputs[number] if number < len(self._inputs) else None

    def inputs(self) -> int:
        return len(self._inputs)

    def setInput(self, number: int, node: Node | None) -> None:
        self._inputs[number] = node

    def node(self, name: str) -> Node | None:
        return self._inside.get(name)

    def format(self) -> Any:
        return types.SimpleNamespace(height=lambda: self._nuke.height)

    def setSelected(self, selected: bool) -> None:
        self.selected = selected

    def showControlPanel(self) -> None:
        self.opened = True

    def xpos(self) -> int:
        return self._place[0]

    def ypos(self) -> int:
        return self._place[1]

    def setXYpos(self, x: int, y: int) -> None:
        self._place = (x, y)

    def add(self, name: str, value: str) -> None:
        """A knob of the test's own."""
        self._knobs[name] = Knob(name)
        self._knobs[name].setValue(value)

    def press(self, name: str) -> None:
        """Press a button, as an artist does."""
        self._nuke._this = self
        self[name].execute()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Menu:
    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.icons: dict[str, str] = {}

    def addMenu(self, name: str, icon: str = "") -> Menu:
        self.icons[name] = icon
        return self.items.setdefault(name, Menu())

    def addCommand(self, name: str, command: Any, icon: str = "") -> None:
        assert callable(command)
        self.items[name], self.icons[name] = command, icon

    def addSeparator(self) -> None:
        pass


class ProgressTask:
    shown: list[tuple[str, int]] = []  # noqa: RUF012

    def __init__(self, title: str) -> None:
        self._title, self._message = title, ""

    def setMessage(self, message: str) -> None:
        self._message = message

    def setProgress(self, percent: int) -> None:
        assert 0 <= percent <= 100
        ProgressTask.shown.append((self._message, percent))

    def isCancelled(self) -> bool:
        return False


class StandIn(types.ModuleType):
    """The module ``nuke``. height: of the format. said: what was shown to the artist."""

    GUI = True
    ProgressTask = ProgressTask

    def __init__(self, height: int = 96, noncommercial: bool = True) -> None:
        super().__init__("nuke")
        self.height, self.said, self.env = height, [], {"nc": noncommercial}
        self._nodes: list[Node] = []
        self._paths: list[Path] = []
        self._menu, self._root, self._this = Menu(), Node(self, "Root", "Root"), None
        self._chosen_plugins: list[str] = []
        self.clipnames: list[str] = []

    # -- starting ----------------------------------------------------------------------------

    def pluginAddPath(self, path: str) -> None:
        self._paths.append(Path(path))
        sys.path.insert(0, path)
        if (Path(path) / "init.py").exists():
            runpy.run_path(str(Path(path) / "init.py"))

    def menus(self) -> Menu:
        """Run every menu.py, as Nuke does after init.py; gives back the node toolbar."""
        for path in self._paths:
            runpy.run_path(str(path / "menu.py"))
        return self._menu

    def menu(self, name: str) -> Menu:
        assert name == "Nodes"
        return self._menu

    def delete(self, node: Node) -> None:
        self._nodes.remove(node)

    # -- nodes -------------------------------------------------------------------------------

    def createNode(self, kind: str, knobs: str = "", inpanel: bool = True) -> Node:
        if kind in BUILT_IN or kind in self._chosen_plugins:
            made = self._add(Node(self, kind, self._free(kind)))
        else:
            files = [p / f"{kind}.gizmo" for p in self._paths if (p / f"{kind}.gizmo").exists()]
            if not files:
                raise RuntimeError(f"{kind}: Unknown command")
            (group,) = read(files[0].read_text(encoding="utf-8"))
            made = self._add(self._group(group))
        for node in self._nodes:
            node.selected = node is made
        return made

    def _group(self, group: NkNode) -> Node:
        ports = sum(n.kind == "Input" for n in group.inside)
        made = Node(self, "Group", self._free(group.name), ports)
        for user in group.user:
            made._knobs[user.name] = self._knob(user)
        for name, value in group.knobs.items():
            if name in ("name", "help", "tile_color"):
                continue
            knob = made[name]
            typed: Any = float(value) if knob._kind in NUMBERS else value
            if knob._kind in (12, 15):
                typed = tuple(map(float, value.split()))
            knob.setValue(value == "true" if knob._kind == 6 else typed)
        for inner in group.inside:
            made._inside[inner.name] = Node(self, inner.kind, inner.name)
            for name, value in inner.knobs.items():
                made._inside[inner.name]._knobs.setdefault(name, Knob(name)).setValue(value)
        for user in [user for user in group.user if user.kind == 41]:
            inside, _, name = user.options["T"].partition(".")
            behind = made._inside[inside]._knobs[name] = self.plugin_knob(inside, name)
            made._knobs[user.name] = Link(behind)
        return made

    def plugin_knob(self, node: str, name: str) -> Knob:
        """A knob of the OpenFX plugin; a test says which kind it is."""
        return Knob(name)

    @staticmethod
    def _knob(user: UserKnob) -> Knob:
        script = user.options.get("T", "") if user.kind == 22 else ""
        return Knob(user.name, user.kind, user.options.get("M"), script)

    def _add(self, node: Node) -> Node:
        self._nodes.append(node)
        return node

    def _free(self, name: str) -> str:
        taken = {node.name() for node in self._nodes}
        return next(f"{name}{n}" for n in range(1, 1000) if f"{name}{n}" not in taken)

    def root(self) -> Node:
        return self._root

    def thisNode(self) -> Node:
        return self._this

    def allNodes(self) -> list[Node]:
        return list(self._nodes)

    def selectedNodes(self) -> list[Node]:
        return [node for node in self._nodes if node.selected]

    # -- what else -----------------------------------------------------------------------------

    def frame(self) -> int:
        return 1001

    def execute(self, write: Node, first: int, last: int) -> None:
        """A Write within a Group: copies of what the Group's input reads."""
        assert write["file"].value() == "[value parent.file]"
        source, target = (node["file"].value() for node in (self._this.input(0), self._this))
        for frame in range(first, last + 1):
            shutil.copy(source.replace("####", str(frame)), target.replace("####", str(frame)))

    def getClipname(self, title: str, pattern: str = "", multiple: bool = False) -> Any:
        return self.clipnames

    def message(self, text: str) -> None:
        self.said.append(text)

    tprint = message

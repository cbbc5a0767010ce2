"""A small stand-in for Natron's Python, as Natron cannot be had here: nothing is claimed from it.

It runs the generated PyPlugs' ``createInstance`` and keeps what they make. A plugin's parameters
are those of the bundle's nodes.json; asking for one that is not there gives None, as in Natron.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

BUILT_IN = {
    "fr.inria.built-in.Input": (),
    "fr.inria.built-in.Output": (),
    "fr.inria.built-in.Dot": ("disableNode",),
    "fr.inria.built-in.Read": ("filename", "firstFrame", "lastFrame", "ocioInputSpace"),
    "fr.inria.built-in.Write": ("filename",),
    "net.sf.openfx.switchPlugin": ("which",),
    "net.sf.openfx.GradePlugin": ("disableNode",),
}
MAKERS = ("Double", "Int", "Boolean", "Choice", "String", "File", "OutputFile", "Button", "Page")


class Param:
    def __init__(self, name: str, kind: str = "String", label: str = "") -> None:
        self.name, self.kind, self.label = name, kind, label
        self.said: dict[str, Any] = {}
        self._value: Any = {"Double": 0.0, "Int": 0, "Choice": 0, "Boolean": False}.get(kind, "")
        self.alias: Param | None = None
        self.children: list[Param] = []
        self._keys: dict[int, float] = {}
        self.pressed = 0

    def get(self) -> Any:
        return self.alias.get() if self.alias else self._value

    def set(self, value: Any) -> None:
        self._value = value
        if self.alias:
            self.alias.set(value)

    setValue = set

    def setDefaultValue(self, value: Any, dimension: int = 0) -> None:
        self._value = value

    def setAsAlias(self, other: Param) -> None:
        assert other.kind == self.kind, f"{self.name}: {self.kind} is no alias of {other.kind}"
        self.alias = other

    def addParam(self, param: Param) -> None:
        assert self.kind == "Page"
        self.children.append(param)

    def _press(self) -> None:
        self.pressed += 1

    def getScriptName(self) -> str:
        return self.name

    def getIsAnimated(self, dimension: int) -> bool:
        return bool(self._keys)

    def getValueAtTime(self, time: int, dimension: int) -> float:
        return self._keys[time]

    def __getattr__(self, name: str) -> Any:
        if name == "trigger" and self.kind == "Button":
            return self._press
        allowed = {"Help", "Minimum", "Maximum", "DisplayMinimum", "DisplayMaximum", "Options"}
        allowed |= {"AnimationEnabled", "SequenceEnabled", "Expression"}
        if not name.startswith("set") or name[3:] not in allowed:
            raise AttributeError(name)
        return lambda *value: self.said.update({name[3:]: value[0]})


class Effect:
    """A node; a group has nodes and parameters of its own."""

    def __init__(self, identifier: str, params: dict[str, Param]) -> None:
        self.identifier, self.params = identifier, params
        self.inputs: dict[int, Effect] = {}
        self.children: dict[str, Effect] = {}
        self.name = identifier.rsplit(".", 1)[-1]
        self.label = self.name
        self.selected = False

    def getPluginID(self) -> str:
        return self.identifier

    def getScriptName(self) -> str:
        return self.name

    def setScriptName(self, name: str) -> None:
        self.name = name

    def getLabel(self) -> str:
        return self.label

    def setLabel(self, label: str) -> None:
        self.label = label

    def getParam(self, name: str) -> Param | None:
        return self.params.get(name)

    def getInput(self, number: int) -> Effect | None:
        return self.inputs.get(number)

    def getMaxInputCount(self) -> int:
        return max(self.inputs, default=-1) + 1

    def connectInput(self, number: int, node: Effect) -> bool:
        assert isinstance(node, Effect)
        self.inputs[number] = node
        return True

    def getNode(self, name: str) -> Effect | None:
        return next((c for c in self.children.values() if c.name == name), None)

    def setPagesOrder(self, pages: list[str]) -> None:
        assert {p for p in pages if p.startswith(("page", "roto"))} <= set(self.params)

    def refreshUserParamsGUI(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        kind = name[len("create") : -len("Param")]
        if not (name.startswith("create") and name.endswith("Param") and kind in MAKERS):
            raise AttributeError(name)

        def make(own: str, label: str) -> Param:
            assert own not in self.params, f"{own}: made twice"
            self.params[own] = Param(own, kind, label)
            return self.params[own]

        return make


class StandIn(types.ModuleType):
    """The module ``NatronEngine`` and the project in one. plugins: identifier -> parameters."""

    def __init__(self) -> None:
        super().__init__("NatronEngine")
        self.natron = self
        self.plugins: dict[str, dict[str, str]] = {}
        self.nodes: list[Effect] = []
        self.said: list[str] = []
        self.folder = ""

    def group(self) -> Effect:
        return Effect("fr.inria.built-in.Group", {"onParamChanged": Param("onParamChanged")})

    def createNode(self, identifier: str, version: int = -1, group: Any = None) -> Any:
        if identifier in BUILT_IN:
            made = Effect(identifier, {n: Param(n) for n in BUILT_IN[identifier]})
        elif identifier in self.plugins:
            params = {n: Param(n, kind) for n, kind in self.plugins[identifier].items()}
            made = Effect(identifier, params)
        else:
            return None
        if group is None:
            made.name += str(len(self.nodes) + 1)
            self.nodes.append(made)
        else:
            group.children[f"{len(group.children)}"] = made
        return made

    def createReader(self, pattern: str) -> Effect:
        read = self.createNode("fr.inria.built-in.Read")
        read.getParam("filename").set(pattern)
        return read

    def render(self, write: Effect, first: int, last: int) -> None:
        """Not what Natron does: empty files, so that the button finds what it looks for."""
        for frame in range(first, last + 1):
            Path(self.target.replace("####", str(frame))).write_bytes(b"")

    def getChildren(self) -> list[Effect]:
        return list(self.nodes)

    def getSelectedNodes(self) -> list[Effect]:
        return [node for node in self.nodes if node.selected]

    def getActiveInstance(self) -> StandIn:
        return self

    def getProjectParam(self, name: str) -> Param:
        found = Param(name)
        found.set(self.folder)
        return found

    def isBackground(self) -> bool:
        return True

    def writeToScriptEditor(self, text: str) -> None:
        self.said.append(text)

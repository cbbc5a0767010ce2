"""A strict reader of Nuke's files: what it does not know, it refuses.

A stack language: a node takes its inputs from the stack's top, the first input first, and puts
itself there. Written after files that Nuke itself wrote, which the tests read as well.
Run by Python 3.7 too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
KINDS = {1, 2, 3, 4, 6, 7, 12, 15, 20, 22, 26, 41}
"""Classes of knobs that our Groups use."""


class NotUnderstood(Exception):
    """A line that means nothing."""


@dataclass
class UserKnob:
    """One addUserKnob. options: l label, t tooltip, T text or link, R range, M choices."""

    kind: int
    name: str
    options: dict[str, str | list[str]]
    flags: list[str]


@dataclass
class NkNode:
    """One node. inputs: nodes, None where nothing is wired."""

    kind: str
    knobs: dict[str, str] = field(default_factory=dict)
    user: list[UserKnob] = field(default_factory=list)
    inputs: list[NkNode | None] = field(default_factory=list)
    inside: list[NkNode] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.knobs.get("name", "")


def value(text: str, at: int) -> tuple[str, int]:
    """(value, where it ends) of the word at ``at``."""
    if text[at] == "{":
        depth, i = 0, at
        while i < len(text):
            if text[i] == "\\":
                i += 2
                continue
            depth += {"{": 1, "}": -1}.get(text[i], 0)
            i += 1
            if depth == 0:
                return text[at + 1 : i - 1], i
        raise NotUnderstood("a brace is not closed")
    if text[at] == '"':
        out, i = [], at + 1
        while i < len(text):
            if text[i] == '"':
                return "".join(out), i + 1
            if text[i] == "\\":
                i += 1
                out.append(ESCAPES.get(text[i], text[i]))
            elif text[i] in "[$":
                raise NotUnderstood(f"Tcl would act on {text[i : i + 20]!r}")
            else:
                out.append(text[i])
            i += 1
        raise NotUnderstood("a quote is not closed")
    found = re.compile(r"[^\s{}\"\[\]$;\\]+").match(text, at)
    if found is None:
        raise NotUnderstood(f"no word: {text[at : at + 30]!r}")
    return found[0], found.end()


def words(text: str) -> Iterator[str]:
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        word, at = value(text, at)
        if at < len(text) and not text[at].isspace():
            raise NotUnderstood(f"no space after {word[:30]!r}")
        yield word


def user_knob(text: str) -> UserKnob:
    found = list(words(text))
    kind, name, rest = int(found[0]), found[1], found[2:]
    options: dict[str, str | list[str]] = {}
    flags = []
    while rest:
        word = rest.pop(0)
        if word[0] in "+-" and word[1:].isupper():
            flags.append(word)
        elif word == "R":
            options["R"] = [rest.pop(0), rest.pop(0)]
        elif word == "M":
            options["M"] = list(words(rest.pop(0)))
        elif word in ("l", "t", "T"):
            options[word] = rest.pop(0)
        else:
            raise NotUnderstood(f"addUserKnob {name}: {word!r}")
    return UserKnob(kind, name, options, flags)


def read(text: str, foreign: bool = False) -> list[NkNode]:
    """The nodes at the top of a file. foreign: one that Nuke wrote, with more than ours have."""
    nodes: list[NkNode] = []
    _Reader(text.split("\n"), foreign).statements(0, nodes, False)
    return nodes


@dataclass
class _Reader:
    lines: list[str]
    foreign: bool

    def statements(self, at: int, nodes: list[NkNode], within: bool) -> int:
        """Read up to the group's end; gives back the line behind it."""
        stack: list[NkNode | None] = []
        names: dict[str, NkNode | None] = {}
        while at < len(self.lines):
            line = self.lines[at].strip()
            at += 1
            if not line or line.startswith("#") or re.fullmatch(r"version [\d.]+ v\d+", line):
                continue
            if line == "end_group":
                if not within:
                    raise NotUnderstood("end_group without a Group")
                if nodes[-1].kind != "Output" and not self.foreign:
                    raise NotUnderstood("a Group that does not end in an Output")
                return at
            kept = re.fullmatch(r"set (\w+) \[stack 0\]", line)
            pushed = re.fullmatch(r"push (?:\$(\w+)|0)", line)
            begun = re.fullmatch(r"([A-Za-z]\w*(?:\.\w+)*) \{", line)
            cloned = re.fullmatch(r"clone \$(\w+) \{", line) if self.foreign else None
            if kept:
                names[kept[1]] = stack[-1]
            elif pushed:
                stack.append(names[pushed[1]] if pushed[1] else None)
            elif self.foreign and line.startswith("add_layer {"):
                continue
            elif self.foreign and line.startswith("define_window_layout_xml {"):
                _, at = self.whole(line.partition(" ")[2], at)
            elif begun or cloned:
                kind = begun[1] if begun else names[cloned[1]].kind
                at = self.node(kind, at, stack, nodes)
            else:
                raise NotUnderstood(line)
        if within:
            raise NotUnderstood("a Group without its end")
        return at

    def node(self, kind: str, at: int, stack: list, nodes: list[NkNode]) -> int:
        node = NkNode(kind)
        at = self.knobs(at, node)
        group = kind in ("Group", "Gizmo")
        own = group and not stack
        count = node.knobs.pop("inputs", "1")
        if not count.isdigit():  # "1+1": with a mask input
            count = str(sum(int(part) for part in count.split("+")))
        if group:
            at = self.statements(at, node.inside, True)
        for _ in range(0 if own else int(count)):
            if not stack and not self.foreign:
                raise NotUnderstood(f"{kind} {node.name}: the stack is empty")
            node.inputs.append(stack.pop() if stack else None)
        stack.append(node)
        nodes.append(node)
        return at

    def whole(self, text: str, at: int) -> tuple[str, int]:
        """A value that may go on in the next lines: (value, line behind it)."""
        while True:
            try:
                found, end = value(text, 0)
                break
            except NotUnderstood:
                if at >= len(self.lines):
                    raise
                text += "\n" + self.lines[at]
                at += 1
        if text[end:].strip():
            raise NotUnderstood(f"more than one value: {text[end:][:40]!r}")
        return found, at

    def knobs(self, at: int, node: NkNode) -> int:
        while True:
            line = self.lines[at].strip()
            at += 1
            if line == "}":
                return at
            if not line and self.foreign:
                continue
            name, _, rest = line.partition(" ")
            if not rest:
                raise NotUnderstood(f"{node.kind}: {line!r}")
            found, at = self.whole(rest, at)
            if name == "addUserKnob":
                node.user.append(user_knob(found))
                if node.user[-1].kind not in KINDS and not self.foreign:
                    raise NotUnderstood(f"{node.kind}.{node.user[-1].name}: class of knob")
            elif name in node.knobs and not self.foreign:
                raise NotUnderstood(f"{node.kind}.{name}: given twice")
            else:
                node.knobs[name] = found

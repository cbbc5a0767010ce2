"""What a render must not write over, found before anything is computed."""

from __future__ import annotations

import os

from rotograph.errors import WriteError
from rotograph.needs import Keys
from rotograph.plan import Plan


def check_outputs(keys: Keys, plan: Plan, spare: bool = False) -> None:
    """Raise WriteError before anything is computed when a file must not be written over.

    A file that Rotograph did not write, or that somebody painted on since, is never written over,
    and with ``{version}`` in the name neither is one that it did, unless the Write node's
    ``overwrite`` says so. A file that the graph reads is never written over. spare: nor is one
    that holds another result of ours.
    """
    reads: set[str] | None = None
    for entry in plan.dirty:
        node = keys.graph.nodes[entry.result.node]
        if not entry.stage.effect:
            continue
        versioned = "{version}" in node.value("file")
        for path in keys.files(entry.result).values():
            state = "new" if entry.key is None else keys.world.written(path, entry.key)
            if state != "new":
                reads = keys.reads() if reads is None else reads
                if os.path.realpath(path) in reads:
                    raise WriteError(
                        "is a file that this graph reads",
                        node=node.name,
                        frame=entry.result.frame,
                        file=path,
                        hint="choose another name",
                    )
            if node.value("overwrite"):
                continue
            if state in ("unsure", "stale") and not keys.world.untouched(path):
                raise WriteError(
                    "was changed by somebody else since Rotograph wrote it",
                    node=node.name,
                    frame=entry.result.frame,
                    file=path,
                    hint=f"choose another name, or write over it with "
                    f"--set {node.name}.overwrite=true",
                )
            if spare and state == "stale":
                raise WriteError(
                    "is there already, from another recipe",
                    node=node.name,
                    frame=entry.result.frame,
                    file=path,
                    hint="choose another --output, or write over it with --overwrite",
                )
            if state == "foreign" or (state == "stale" and versioned):
                raise WriteError(
                    "is there already" if versioned else "is there, and not written by Rotograph",
                    node=node.name,
                    frame=entry.result.frame,
                    file=path,
                    hint=(
                        f"set {node.name}.version to the next number"
                        if versioned
                        else "choose another name"
                    )
                    + f", or write over it with --set {node.name}.overwrite=true",
                )

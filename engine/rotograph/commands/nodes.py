"""nodes: the operators that are installed, and what each can be told."""

from __future__ import annotations

from typing import Any

import click

from rotograph.commands import options


@click.command(
    epilog="""\b
Examples:
  rotograph nodes
  rotograph nodes Track
"""
)
@click.argument("name", required=False, metavar="[NODE]")
@options.debug
def nodes(name: str | None) -> None:
    """List the nodes, or show one node's inputs and parameters."""
    from rotograph.errors import GraphError, did_you_mean
    from rotograph.graph import installed_nodes

    known = installed_nodes()
    if name is None:
        _list(known.values())
        return
    if name not in known:
        raise GraphError(f"there is no node '{name}'", hint=did_you_mean(name, known))
    _describe(known[name])


def _table(*titles: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title == titles[0])
    return table


def _print(*things: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for thing in things:
        console.print(thing)


def _list(known: Any) -> None:
    from rotograph.generate.docs import first_line

    table = _table("node", "takes", "gives", "what it does")
    for declared in known:
        takes = ", ".join(f"{p}?" if i.optional else p for p, i in declared.inputs.items())
        gives = declared.output.wire if declared.output else "files"
        table.add_row(declared.name, takes or "-", gives, first_line(declared))
    _print(table, "", "More about one of them: rotograph nodes NAME")


def _describe(declared: Any) -> None:
    from rotograph.generate.docs import default_text, range_text, traits

    said = "\n\n".join(" ".join(part.split()) for part in declared.help.split("\n\n"))
    _print(f"{declared.name} (version {declared.version})", "", said, "")
    if declared.inputs:
        table = _table("input", "takes", "", "help")
        for port, given in declared.inputs.items():
            optional = "optional" if given.optional else ""
            table.add_row(port, " or ".join(given.accepts), optional, given.help)
        _print(table, "")
    table = _table("parameter", "default", "range", "unit", "help")
    for name, param in declared.params.items():
        more = traits(param)
        text = f"{param.help} ({', '.join(more)})" if more else param.help
        table.add_row(name, default_text(param), range_text(param), param.unit, text)
    _print(table)

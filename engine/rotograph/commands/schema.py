"""schema: the JSON schema of graph files, for editors and other programs."""

from __future__ import annotations

import json

import click

from rotograph.commands import options


@click.command()
@options.debug
def schema() -> None:
    """Print the JSON schema of graph files, for editors that check and complete.

    It holds every node that is installed here.
    """
    from rotograph.generate.schema import graph_schema
    from rotograph.graph import installed_nodes

    click.echo(json.dumps(graph_schema(installed_nodes().values()), indent=1, ensure_ascii=False))

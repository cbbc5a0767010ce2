"""check: whether a package's nodes and models keep the rules."""

from __future__ import annotations

import json

import click

from rotograph.commands import options
from rotograph.testing.finding import Finding


@click.command(
    epilog="""\b
Examples:
  rotograph check sweep              an installed package
  rotograph check ./sweep            a project's folder, with its pyproject.toml
  rotograph check sweep.py           a file with NODES
"""
)
@click.argument("package", metavar="PACKAGE")
@options.as_json
@options.debug
@click.pass_context
def check(ctx: click.Context, package: str, as_json: bool) -> None:
    """Check the nodes and models that a package adds: whoever uses them relies on the rules.

    Every pixel parameter must move the keys of results, and no other; frames must come out the same
    in any order; windows must be kept; everything must be documented. Tried on plates of a few
    pixels that are made up for it. The package's code is run.
    """
    from rotograph.commands.progress import Bar
    from rotograph.testing import check_package

    with Bar() as bar:
        done: list[str] = []

        def at(subject: str) -> None:
            bar.show(f"checking {subject}", len(done), len(done) + 1)
            done.append(subject)

        found, findings = check_package(package, at)
    faults = [f for f in findings if f.fault]
    if as_json:
        told = {
            "package": package,
            "checked": found.names,
            "faults": [f.to_json() for f in faults],
            "untried": [f.to_json() for f in findings if not f.fault],
        }
        click.echo(json.dumps(told))
    else:
        for finding in faults:
            click.echo(str(finding))
        _tell_untried([f for f in findings if not f.fault])
        count = f"{len(faults)} rule{'' if len(faults) == 1 else 's'} broken" if faults else ""
        click.echo(f"{', '.join(found.names) or package}: {count or 'every rule is kept'}")
    if faults:
        ctx.exit(1)


def _tell_untried(findings: list[Finding]) -> None:
    """One line for all that could not be tried for the same reason."""
    subjects: dict[tuple[str, str, str], list[str]] = {}
    for found in findings:
        subjects.setdefault((found.rule, found.message, found.hint), []).append(found.subject)
    for (rule, message, hint), named in subjects.items():
        click.echo(f"not tried: {Finding(', '.join(named), rule, message, hint)}")

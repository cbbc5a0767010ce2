"""The command line's one entry point: finds the commands, and turns every error into one line."""

from __future__ import annotations

import contextlib
import importlib
import json
import traceback
from collections.abc import Mapping
from importlib.metadata import entry_points

import click

from rotograph.errors import RotographError, did_you_mean

_BUILT_IN = {
    "render": "rotograph.commands.render:render",
    "plan": "rotograph.commands.plan:plan",
    "correct": "rotograph.commands.correct:correct",
    "lock": "rotograph.commands.correct:lock",
    "unlock": "rotograph.commands.correct:unlock",
    "nodes": "rotograph.commands.nodes:nodes",
    "otio": "rotograph.commands.otio:otio",
    "movie": "rotograph.commands.movie:movie",
    "report": "rotograph.commands.report:report",
    "compare": "rotograph.commands.compare:compare",
    "splines": "rotograph.commands.splines:splines",
    "models": "rotograph.commands.models:models",
    "cache": "rotograph.commands.cache:cache",
    "doctor": "rotograph.commands.doctor:doctor",
    "install": "rotograph.commands.install:install",
    "schema": "rotograph.commands.schema:schema",
    "check": "rotograph.commands.check:check",
    "serve": "rotograph.commands.serve:serve",
    "status": "rotograph.commands.status:status",
    "stop": "rotograph.commands.stop:stop",
}
_SECTIONS = {
    "Make mattes": ("demo", "render", "shot", "plan"),
    "Correct and approve": ("correct", "lock", "unlock"),
    "Deliver": ("splines", "otio", "movie", "report"),
    "Judge and look up": ("compare", "nodes", "models", "schema", "check"),
    "Share an engine": ("serve", "status", "stop"),
    "Keep house": ("install", "cache", "doctor"),
}

EPILOG = """\b
Examples:
  rotograph demo                                     see it work, with nothing of yours
  rotograph render shot.json --frames 1001-1024      make the mattes
  rotograph render shot.json --set refine.feather=3  the same with a softer edge
  rotograph plan shot.json                           what a render would do, and why
  rotograph nodes Track                              what a node can be told
"""


class Commands(click.Group):
    """Commands of the engine, and those that installed packages add (``rotograph.commands``).

    Each is imported when it is first asked for, so that ``--help`` does not wait for OpenCV.
    """

    def _added(self) -> Mapping[str, object]:
        return {entry.name: entry for entry in entry_points(group="rotograph.commands")}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_BUILT_IN, *self._added()})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in _BUILT_IN:
            module, _, attribute = _BUILT_IN[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        entry = self._added().get(name)
        return None if entry is None else entry.load()

    def resolve_command(self, ctx: click.Context, args: list[str]):
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(f"there is no command '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        sections = dict(_SECTIONS)
        rest = tuple(n for n in names if not any(n in listed for listed in _SECTIONS.values()))
        if rest:
            sections["From other packages"] = rest
        for title, listed in sections.items():
            rows = [
                (name, self.get_command(ctx, name).get_short_help_str(limit=80))
                for name in listed
                if name in names
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except RotographError as error:
            _tell(ctx, str(error), as_json)
        except KeyboardInterrupt:
            _tell(ctx, "stopped", as_json)
            ctx.exit(130)
        except click.UsageError as error:
            if as_json:
                click.echo(json.dumps({"errors": [error.format_message()]}))
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else "the output: "
            _tell(ctx, f"{where}{error.strerror or error}; check the disk and its rights", as_json)
        except Exception as error:
            if _interrupted(error):
                _tell(ctx, "stopped", as_json)
                ctx.exit(130)
            said = " ".join(f"{type(error).__name__}: {error}".split())
            line = f"something went wrong inside Rotograph: {said}; see it with --debug"
            _tell(ctx, line, as_json)
        ctx.exit(1)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind it, which hits a library being imported as an ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _tell(ctx: click.Context, line: str, as_json: bool) -> None:
    """A failure's line, for people and, unless the command gave a fuller one, for scripts."""
    if ctx.meta.get("rotograph.debug"):
        traceback.print_exc()
    if as_json and not ctx.meta.get("rotograph.told"):
        with contextlib.suppress(OSError):  # the output itself may be what failed
            click.echo(json.dumps({"errors": [line]}))
    click.echo(f"rotograph: {line}", err=True)


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="rotograph", message="%(prog)s %(version)s")
def rotograph() -> None:
    """Turn a plate into mattes, and compute again only what changed.

    A graph file (JSON) says which nodes make the matte and how they are wired. Every result is
    kept, so a second render, or one after a small change, takes only the time of the difference.

    Each command explains itself with --help.
    """


def main() -> None:
    """Exit status 0: all done; 1: something failed; 2: the command line was wrong; 130: Ctrl-C."""
    rotograph()


if __name__ == "__main__":
    main()

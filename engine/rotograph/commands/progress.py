"""Progress for people: a bar on standard error once something takes longer than a second."""

from __future__ import annotations

import time
from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PATIENCE = 1.0
"""Seconds without a bar."""


class Bar:
    """Watches a run (``render.Watch``) and draws it; silent when nobody sees it.

    frames: how many were asked for, when that is known, to tell frames per second. aloud: seconds
    after which a line says where the work is, again and again, when nobody sees a bar; 0 for never.
    written: files finished in this run, for whoever asks afterwards. where: the frames at work, in
    words, of who makes many short runs.
    """

    def __init__(self, frames: int | None = None, *, aloud: float = 0.0) -> None:
        self.written = 0
        self.where = ""
        self._frames = frames
        self._aloud = aloud
        self._said = time.monotonic()
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._start = self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the bar was made."""
        return time.monotonic() - self._begun

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def reading(self, done: int, total: int) -> None:
        self.show("reading", done, total, frames=done)

    def rendering(self, what: str, frames: int, done: int, total: int) -> None:
        self.written = frames
        so_far = frames
        if self._frames and total:
            # work on many frames is begun before the first is finished
            so_far = max(frames, self._frames * done / total)
        now = f"{what} {self.where}".strip() if self.where else f"{what} · {frames} written"
        self.show("rendering", done, total, frames=so_far, now=now)

    def show(
        self, label: str, done: int, total: int, *, frames: float | None = None, now: str = ""
    ) -> None:
        """Where the work is. A new label starts a new bar and a new clock."""
        if label != self._label:
            self.close()
            self._label, self._start = label, time.monotonic()
        seconds = time.monotonic() - self._start
        if not self._console.is_terminal:
            self._say(now or label)
            return
        if seconds < PATIENCE:
            return
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[now]}"),
                console=self._console,
                transient=True,
            )
            self._task = self._progress.add_task(label, total=total, rate="", now="")
            self._progress.start()
        rate = "" if frames is None else f"{frames / seconds:.1f} frames/s"
        self._progress.update(self._task, completed=done, total=total, rate=rate, now=now)

    def _say(self, where: str) -> None:
        if self._aloud and time.monotonic() - self._said >= self._aloud:
            self._said = time.monotonic()
            click.echo(f"rotograph: {where}, after {self.seconds:.0f} s", err=True)

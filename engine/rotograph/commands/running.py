"""Running something long so that Ctrl-C stops it within a second and loses nothing finished.

The work runs in a thread of its own, because Python tells a signal to the main thread only, and
only between two steps: here that thread does nothing but wait. Computations may be deep in
native code for seconds, so once what was being written is finished or taken away the process
leaves without waiting for them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click
import psutil

from rotograph.errors import Cancelled

GRACE = 0.5
"""Seconds that files being written, and what notes them, get to finish."""
_PART = ".rotograph-part"


def stoppable(work: Callable[[threading.Event], Any], on_stop: Callable[[], str]) -> Any:
    """The result of ``work(stop)``, or its exception.

    stop is set by Ctrl-C (SIGINT) and SIGTERM, upon which the process prints the line that
    ``on_stop`` gives and ends with status 130 or 143.
    """
    stop, done = threading.Event(), threading.Event()
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work(stop)
        except BaseException as error:
            outcome["error"] = error
        finally:
            done.set()

    with _signals(stop) as received:
        threading.Thread(target=run, name="run", daemon=True).start()
        while not done.wait(0.05) and not stop.is_set():
            pass
        if stop.is_set():
            deadline = time.monotonic() + GRACE
            done.wait(GRACE)
            if not isinstance(outcome.get("error"), Cancelled) and done.is_set():
                return _result(outcome)  # it had finished, or failed, just before
            _leave(on_stop, 128 + received[0], deadline)
    return _result(outcome)


def _result(outcome: dict[str, Any]) -> Any:
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[list[int]]:
    """Within, SIGINT and SIGTERM set ``stop``; the list holds which came."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        received.append(number)
        stop.set()

    before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(on_stop: Callable[[], str], status: int, deadline: float) -> NoReturn:
    for thread in threading.enumerate():
        if thread.name.startswith("write"):
            thread.join(max(0.0, deadline - time.monotonic()))
    _remove_parts()
    with contextlib.suppress(OSError):
        click.echo(on_stop(), err=True)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _remove_parts() -> None:
    """Take away the files that this process is still writing (see whole.py)."""
    with contextlib.suppress(psutil.Error, OSError):
        for file in psutil.Process().open_files():
            if file.path.endswith(_PART):
                with contextlib.suppress(OSError):
                    os.unlink(file.path)

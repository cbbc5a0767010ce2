"""Threads that outlast the work they did, for a process that serves requests all day.

OpenCV keeps some 900 bytes of every thread that ever called it, and never gives them back: a
process that starts a few threads for each request grows by megabytes a day. Here an idle thread is
used again, and a new one is started only when all are busy, so that nobody waits for a thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

_log = logging.getLogger("rotograph")
IDLE = "idle"
"""The name of a thread that has nothing to do."""


class Crew:
    """As many threads as were ever busy at once. They end with the process."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Callable[[], object], str]] = SimpleQueue()
        self._idle = 0
        self._guard = threading.Lock()

    def start(self, task: Callable[[], object], name: str) -> None:
        """Run a task now, in a thread that has this name meanwhile."""
        with self._guard:
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._serve, name=IDLE, daemon=True).start()
        self._tasks.put((task, name))

    def _serve(self) -> None:
        me = threading.current_thread()
        while True:
            task, me.name = self._tasks.get()
            try:
                task()
            except Exception:
                _log.exception("%s failed", me.name)
            del task  # or what it holds would stay for as long as nothing comes
            me.name = IDLE
            with self._guard:
                self._idle += 1


class Pool(Executor):
    """Runs what is submitted, a few at a time and in order, in threads of a crew."""

    def __init__(self, crew: Crew, most: int, name: str) -> None:
        self._crew, self._most, self._name = crew, most, name
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._busy = 0
        self._changed = threading.Condition()

    def submit(self, task: Callable[..., Any], /, *given: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        asked = future, lambda: task(*given, **more)
        with self._changed:
            self._waiting.append(asked)
            if self._busy == self._most:
                return future
            self._busy += 1
        try:
            self._crew.start(self._work, self._name)
        except BaseException:  # the system gives no more threads
            with self._changed:
                self._busy -= 1
                with contextlib.suppress(ValueError):  # another thread took it already
                    self._waiting.remove(asked)
                self._changed.notify_all()
            raise
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._changed:
            if cancel_futures:
                for future, _ in self._waiting:
                    future.cancel()
            while wait and self._busy:
                self._changed.wait()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._busy -= 1
                    self._changed.notify_all()
                    return
                future, task = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except BaseException as error:
                    future.set_exception(error)
            del future, task

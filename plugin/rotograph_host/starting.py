"""Starting an engine: the shared one unless it runs, or one that ends with whoever started it."""

import os
import shutil
import subprocess
import sys

from rotograph_host import place
from rotograph_host.faults import NoEngine

LEAVE = 10.0
"""Seconds that a private engine has to end by itself."""


def program():
    """The command that runs Rotograph: ``$ROTOGRAPH_ENGINE``, or the one on the path."""
    named = os.environ.get("ROTOGRAPH_ENGINE") or shutil.which("rotograph")
    if not named:
        raise NoEngine(
            "the engine is not installed here", "install Rotograph, or name it in $ROTOGRAPH_ENGINE"
        )
    return [named]


def launch(command=None):
    """Start the shared engine unless one runs; it outlives this process. Raises NoEngine."""
    log = os.path.join(place.folder(), place.LOG)
    try:
        with open(log, "ab" if _small(log) else "wb") as errors:
            status = subprocess.call(
                [*(command or program()), "serve", "--detach"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                close_fds=True,
                cwd="/",
            )
    except OSError as error:
        raise NoEngine(f"the engine cannot be started: {error}") from None
    if status:
        raise NoEngine(f"the engine ended with status {status}", f"look into {log}")


def _small(path):
    return os.path.exists(path) and os.path.getsize(path) < 1 << 20


class Private:
    """An engine of one's own. It ends with ``close``, or when this process does, however it does.

    address: its socket.
    """

    def __init__(self, command=None):
        try:
            self.process = subprocess.Popen(
                [*(command or program()), "serve", "--private"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sys.stderr,
                close_fds=True,
                start_new_session=True,  # Ctrl-C is for whoever started it, who then ends it
            )
        except OSError as error:
            raise NoEngine(f"the engine cannot be started: {error}") from None
        self.address = self.process.stdout.readline().decode().strip()
        if not self.address:
            status = self.process.wait()
            self.close()
            raise NoEngine(f"the private engine ended with status {status}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """End it; what is finished is kept."""
        self.process.stdin.close()
        try:
            self.process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

"""An engine whose nodes can crash, hang and dawdle, for tests: ``serve SOCKET [JSON]``, or its
worker: ``FD``. JSON: limits of the ``Server``.

Everything else is the real thing: server, worker, wire, plan and execution.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np

from rotograph import worker
from rotograph.declare import Input, Output, Value, node, stage
from rotograph.frames import parse_frames
from rotograph.parameter import Bool, File, Float, Frames, Int
from rotograph.server import Server
from rotograph.shape import FrameSet, Shape
from rotograph.whole import write_whole


@node(version=1, output=Output("Image", "value"))
class Ramp:
    """The frame number times a scale, slowly; on some frames the process dies."""

    first = Int(1, "First", "First frame.", animated=False, pixels=False)
    last = Int(10, "Last", "Last frame.", animated=False, pixels=False)
    scale = Float(1.0, "Scale", "What the number is multiplied by.")
    seconds = Float(0.0, "Seconds", "How long a frame takes.")
    crash = Frames("Crash", "Frames on which the process dies.")
    hang = Frames("Hang", "Frames that never come to an end.")
    note = File("Note", "A folder in which each computation leaves a file.")

    def describe(at):
        frames = FrameSet(tuple(range(at.value("first"), at.value("last") + 1)))
        return Shape(frames, plate=at.node.name)

    @stage(params=("scale", "seconds", "crash", "hang", "note"))
    def value(given, context):
        time.sleep(context["seconds"])
        if context["note"]:
            (Path(context["note"]) / f"{given['frame']}-{time.time_ns()}").touch()
        if context["hang"] and given["frame"] in parse_frames(context["hang"]):
            time.sleep(3600)
        if context["crash"] and given["frame"] in parse_frames(context["crash"]):
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(10)
        return {"value": np.full(100, given["frame"] * context["scale"])}

    @value.needs
    def value(at):
        return {"frame": Value(at.frame)}


@node(version=1)
class Save:
    """Write one small file for each frame."""

    image = Input("Image", help="What to write.")
    file = File("File", "Where to.")
    overwrite = Bool(True, "Overwrite", "Whatever is there.", pixels=False)

    def describe(at):
        shape = at.shape("image")
        return Shape(shape.frames, plate=shape.plate)

    def files(at):
        return {None: at.output_path(at.value("file").replace("####", f"{at.frame:04d}"))}

    @stage(effect=True)
    def save(given, context):
        path = context.files[None]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, given["image"]["value"].tobytes())
        return [path]

    @save.needs
    def save(at):
        return {"image": at.input("image")}


NODES = {n.name: n for n in (Ramp, Save)}


def serve(path: str, limits: str = "{}") -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)  # who sees it can connect
    Server(listener, idle=None, worker=[sys.executable, __file__], **json.loads(limits)).run()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        worker.main(NODES)

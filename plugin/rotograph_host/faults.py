"""What can go wrong between a client and the engine, in terms of the ``error`` message."""


class EngineError(Exception):
    """The engine could not do it. ``kind`` and the rest: as in an ``error`` message."""

    def __init__(self, kind, message, node=None, frame=None, file=None, hint=None):
        where = [node, None if frame is None else f"frame {frame}", file]
        line = ": ".join([s for s in (", ".join(w for w in where if w), message) if s])
        super().__init__(line + ("; " + hint if hint else ""))
        self.kind, self.message, self.hint = kind, message, hint
        self.node, self.frame, self.file = node, frame, file


class NoEngine(EngineError):
    """No engine could be reached or started."""

    def __init__(self, message, hint=None):
        super().__init__("NoEngine", message, hint=hint)


class Lost(Exception):
    """The engine ended while it was talked to."""


def from_message(answer):
    """The EngineError of an ``error`` message."""
    names = ("kind", "message", "node", "frame", "file", "hint")
    return EngineError(*[answer.get(name) for name in names])

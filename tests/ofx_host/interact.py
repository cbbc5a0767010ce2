"""The viewer's side of the test host: overlays with their pens, keys and drawing.

``Viewer`` is a ``Host`` whose nodes can be clicked. It refuses what a host would: a parameter set
while the pen only moves or something is drawn, an edit that is not one step of undo, a property
that an interact does not have. With a profile that ``draws`` it has the draw suite and records each
line that is drawn; without, a plugin draws with OpenGL, of which this process has none unless
``SoftwareGL`` brought it.
"""

from __future__ import annotations

import ctypes as c
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

host = sys.modules["host"]

V1 = "OfxImageEffectPluginPropOverlayInteractV1"
V2 = "OfxImageEffectPluginPropOverlayInteractV2"
DRAWING = host.Profile("org.rotograph.tests.draws", draws=True, known=(V2,))
SHIFT, DELETE, BACKSPACE, ESCAPE = 0xFFE1, 0xFFFF, 0xFF08, 0xFF1B
PAIRS, STRIP, LOOP = 0, 1, 2
_EDITS = ("OfxInteractActionPenUp", "OfxInteractActionKeyDown", "OfxActionInstanceChanged")


@dataclass(frozen=True)
class Line:
    """Something drawn: canonical points (n, 2), colour, width in pixels of the screen."""

    kind: int
    points: np.ndarray
    colour: tuple[float, ...]
    width: float

    @property
    def rim(self) -> bool:
        return self.colour[:3] == (0.0, 0.0, 0.0)


class _InteractProps(host.Props):
    def set(self, name: str, index: int, value: Any) -> int:
        if name not in ("OfxPropInstanceData", "OfxInteractPropSlaveToParam"):
            self.host.fault(f"property {name} cannot be set on an interact")
            return host.UNKNOWN
        return super().set(name, index, value)


class Overlay:
    """A node on a viewer. zoom: pixels of the screen for one in canonical coordinates."""

    def __init__(self, viewer: Viewer, node: Any, zoom: float = 4.0) -> None:
        self.viewer, self.node, self.zoom = viewer, node, zoom
        self.time, self.scale = 1001.0, 1.0
        name = V2 if viewer.profile.draws else V1
        (address,) = node.plugin.descriptor.props.values[name]
        self._entry = host._ENTRY(address)
        self.handle = viewer.keep(self)
        self.props = _InteractProps(
            viewer,
            OfxPropEffectInstance=[node.handle],
            OfxInteractPropPixelScale=[1 / zoom, 1 / zoom],
        )
        self.redraws = 0
        self.drawn: list[Line] = []
        descriptor = viewer.keep(self)
        assert self._entry(b"OfxActionDescribe", descriptor, None, None) in (host.OK, host.DEFAULT)
        assert self._entry(b"OfxActionCreateInstance", self.handle, None, None) == host.OK

    def act(self, action: str, **more: Any) -> int:
        told = host.Props(
            self.viewer,
            OfxPropEffectInstance=[self.node.handle],
            OfxPropTime=[float(self.time)],
            OfxImageEffectPropRenderScale=[self.scale] * 2,
            OfxInteractPropPixelScale=[1 / self.zoom, 1 / self.zoom],
            OfxInteractPropBackgroundColour=[0.0, 0.0, 0.0],
            **more,
        )
        self.node.time = self.time
        before, self.node.action = self.node.action, action
        try:
            return self._entry(action.encode(), self.handle, told.handle, None)
        finally:
            self.node.action = before

    def draw(self) -> list[Line]:
        self.drawn = []
        context = {"OfxInteractPropDrawContext": [self.handle]} if self.viewer.profile.draws else {}
        self.status = self.act("OfxInteractActionDraw", **context)
        return self.drawn

    def pen(self, action: str, x: float, y: float) -> int:
        """x, y: canonical."""
        return self.act(
            f"OfxInteractActionPen{action}",
            OfxInteractPropPenPosition=[float(x), float(y)],
            OfxInteractPropPenViewportPosition=[0, 0],
            OfxInteractPropPenPressure=[float(action != "Motion")],
        )

    def click(self, x: float, y: float) -> int:
        self.pen("Motion", x, y)
        taken = self.pen("Down", x, y)
        self.pen("Up", x, y)
        return taken

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> int:
        self.pen("Motion", x0, y0)
        taken = self.pen("Down", x0, y0)
        for part in (0.3, 0.7, 1.0):
            self.pen("Motion", x0 + part * (x1 - x0), y0 + part * (y1 - y0))
        self.pen("Up", x1, y1)
        return taken

    def key(self, symbol: int, action: str = "Down") -> int:
        return self.act(
            f"OfxInteractActionKey{action}", kOfxPropKeySym=[symbol], kOfxPropKeyString=[""]
        )

    def destroy(self) -> None:
        self._entry(b"OfxActionDestroyInstance", self.handle, None, None)


class Viewer(host.Host):
    """A host with a window. edits: what one step of undo each would take back, (name, before)."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self.edits: list[dict[str, str]] = []
        self.times: list[float] = []
        self._editing: dict[str, str] | None = None
        self._pen: tuple[tuple[float, ...], float] = ((), 0.0)
        super().__init__(*given, **more)

    def undo(self, node: Any) -> None:
        """As the host's own undo: the string is put back, and the plugin hears of it."""
        for name, before in self.edits.pop().items():
            node[name] = before

    def _make_suites(self) -> dict[tuple[str, int], Any]:
        p, s, i, d = c.c_void_p, c.c_char_p, c.c_int, c.c_double
        pp = c.POINTER(c.c_void_p)
        suites = super()._make_suites()
        suites["OfxInteractSuite", 1] = self._table(
            [None, (self._redraw, [p]), (self._interact_props, [p, pp])]
        )
        suites["OfxPropertySuite", 1][14:15] = self._table(
            [(self._get_doubles, [p, s, i, c.POINTER(d)])]
        )[:]
        ends = self._table([(self._edit_begin, [p, s]), (self._edit_end, [p])])
        suites["OfxParameterSuite", 1][16:18] = ends[:]
        suites["OfxTimeLineSuite", 1] = self._table([None, (self._go, [p, d]), None])
        if self.profile.draws:
            four = c.POINTER(c.c_float)
            suites["OfxDrawSuite", 1] = self._table([
                None, (self._set_colour, [p, four]), (self._set_width, [p, c.c_float]), None,
                (self._draw, [p, i, c.POINTER(d), i]), None,
            ])  # fmt: skip
        return suites

    def _get_doubles(self, props: int, name: bytes, count: int, into: Any) -> int:
        values = self._of(props).values.get(name.decode(), [])
        if len(values) < count:
            return host.UNKNOWN
        for i in range(count):
            into[i] = values[i]
        return host.OK

    def _redraw(self, handle: int) -> None:
        self._of(handle).redraws += 1

    def _interact_props(self, handle: int, into: Any) -> None:
        into[0] = self._of(handle).props.handle

    def _go(self, _effect: int, time: float) -> None:
        self.times.append(time)

    def _edit_begin(self, _handle: int, _label: bytes) -> int:
        if self._editing is not None:
            self.fault("an edit was begun within another")
        self._editing = {}
        return host.OK

    def _edit_end(self, _handle: int) -> int:
        if self._editing is None:
            self.fault("an edit was ended that had not begun")
        elif self._editing:
            self.edits.append(self._editing)
        self._editing = None
        return host.OK

    def _param_set_value(self, handle: int, value: int) -> int:
        param = self._of(handle)
        node = param.owner
        if not node.action.startswith("OfxInteractAction"):
            return super()._param_set_value(handle, value)
        if node.action not in _EDITS:
            self.fault(f"parameter {param.name} was set in {node.action}")
            return host.FAILED
        if self._editing is None:
            self.fault(f"parameter {param.name} was set where undo does not see it")
            return host.FAILED
        self._editing[param.name] = param.value
        param.value = c.string_at(value).decode()
        node.changed(param.name, "OfxChangePluginEdited")
        return host.OK

    def _drawing(self, context: int) -> Overlay:
        overlay = self._of(context)
        if overlay.node.action != "OfxInteractActionDraw":
            self.fault("something was drawn outside draw")
        return overlay

    def _set_colour(self, context: int, colour: Any) -> None:
        self._drawing(context)
        self._pen = (tuple(colour[:4]), self._pen[1])

    def _set_width(self, context: int, width: float) -> None:
        self._drawing(context)
        self._pen = (self._pen[0], width)

    def _draw(self, context: int, kind: int, points: Any, count: int) -> None:
        at = np.array(points[: 2 * count], float).reshape(count, 2)
        if not np.isfinite(at).all():
            self.fault("something that is no number was drawn")
        self._drawing(context).drawn.append(Line(kind, at, *self._pen))


def seen(node: Any, source: Any) -> Any:
    """Wire a plate, and let the clip say its pixel aspect, as hosts do."""
    node.wire("Source", source)
    node.clips["Source"].props.values["OfxImagePropPixelAspectRatio"] = [source.aspect]
    return node


class SoftwareGL:
    """OpenGL without a screen, by Mesa through EGL; OSError where there is none. size: (w, h)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        p = c.c_void_p
        egl = c.CDLL("libEGL.so.1")
        for name in ("eglGetPlatformDisplay", "eglCreateContext", "eglCreatePbufferSurface"):
            getattr(egl, name).restype = p
        display = p(egl.eglGetPlatformDisplay(0x31DD, None, None))  # surfaceless
        config, count = p(), c.c_int()
        wanted = (c.c_int * 5)(0x3033, 1, 0x3040, 8, 0x3038)  # a pbuffer, OpenGL
        sides = (c.c_int * 5)(0x3057, size[0], 0x3056, size[1], 0x3038)
        if not (
            display.value
            and egl.eglInitialize(display, None, None)
            and egl.eglBindAPI(0x30A2)
            and egl.eglChooseConfig(display, wanted, c.byref(config), 1, c.byref(count))
            and count.value
        ):
            raise OSError("EGL has no OpenGL without a screen here")
        surface = p(egl.eglCreatePbufferSurface(display, config, sides))
        context = p(egl.eglCreateContext(display, config, None, None))
        if not egl.eglMakeCurrent(display, surface, surface, context):
            raise OSError("EGL has no OpenGL context here")
        self.gl = c.CDLL("libGL.so.1", mode=c.RTLD_GLOBAL)

    def begin(self, picture: np.ndarray, zoom: float, aspect: float = 1.0) -> None:
        """Show a picture (h, w, 3) in [0, 1], row 0 at the bottom, in canonical coordinates."""
        gl, d, f = self.gl, c.c_double, c.c_float
        width, height = self.size
        gl.glViewport(0, 0, width, height)
        gl.glMatrixMode(0x1701)
        gl.glLoadIdentity()
        gl.glOrtho(d(0), d(width / zoom), d(0), d(height / zoom), d(-1), d(1))
        gl.glMatrixMode(0x1700)
        gl.glLoadIdentity()
        shown = np.ascontiguousarray(picture, np.float32)
        gl.glRasterPos2d(d(0), d(0))
        gl.glPixelZoom(f(zoom * aspect), f(zoom))
        gl.glDrawPixels(
            shown.shape[1], shown.shape[0], 0x1907, 0x1406, shown.ctypes.data_as(c.c_void_p)
        )

    def read(self) -> np.ndarray:
        """What is there, (h, w, 3) uint8, row 0 at the top."""
        width, height = self.size
        pixels = np.zeros((height, width, 4), np.uint8)
        self.gl.glFinish()
        self.gl.glReadPixels(0, 0, width, height, 0x1908, 0x1401, pixels.ctypes.data_as(c.c_void_p))
        return pixels[::-1, :, :3].copy()

    def state(self) -> tuple[int, ...]:
        """What a host would notice of a plugin that does not put things back; errors last."""
        depth, blend = c.c_int(), self.gl.glIsEnabled(0x0BE2)
        self.gl.glGetIntegerv(0x0BB0, c.byref(depth))
        width = (c.c_float * 1)()
        self.gl.glGetFloatv(0x0B21, width)
        return depth.value, blend, int(width[0] * 10), self.gl.glGetError()

"""An OpenFX host for tests: it runs the real plugin's binary, and refuses what real hosts refuse.

Only the host is a stand-in. A ``Profile`` says how strict it is: what Nuke forbids, what Natron
does. Whatever the plugin does wrong is in ``Host.faults``, and a test looks there at its end.
Pictures are numpy arrays ``(height, width, 4)`` float32, row 0 at the bottom, as OpenFX has them.
"""

from __future__ import annotations

import ctypes as c
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

OK, FAILED, BAD_HANDLE, BAD_INDEX, UNKNOWN, REPLY_NO = 0, 1, 9, 10, 3, 13
DEFAULT = 14
STRING_ROOM = 1 << 24


@dataclass(frozen=True)
class Profile:
    """A kind of host. background: nobody watches it, as on a farm."""

    name: str
    background: bool = False
    draws: bool = False
    known: tuple[str, ...] = ()


NUKE = Profile("uk.co.thefoundry.nuke")
NUKE_FARM = Profile("uk.co.thefoundry.nuke", background=True)
NATRON = Profile("fr.inria.Natron", known=("NatronOfxImageEffectPropChannelSelector",))
NATRON_RENDERER = Profile("fr.inria.Natron", True, known=NATRON.known)

_PROPERTIES = {
    "effect": {
        "OfxPropLabel", "OfxPropShortLabel", "OfxPropLongLabel", "OfxPropPluginDescription",
        "OfxImageEffectPluginPropGrouping", "OfxImageEffectPropSupportedContexts",
        "OfxImageEffectPropSupportedPixelDepths", "OfxImageEffectPluginRenderThreadSafety",
        "OfxImageEffectPropSupportsTiles", "OfxImageEffectPropSupportsMultiResolution",
        "OfxImageEffectPropTemporalClipAccess", "OfxImageEffectPluginPropHostFrameThreading",
        "OfxPropInstanceData", "OfxImageEffectPluginPropOverlayInteractV1",
    },
    "clip": {
        "OfxImageEffectPropSupportedComponents", "OfxImageEffectPropSupportsTiles",
        "OfxImageEffectPropTemporalClipAccess", "OfxImageClipPropOptional",
    },
    "param": {
        "OfxPropLabel", "OfxParamPropHint", "OfxParamPropDefault", "OfxParamPropMin",
        "OfxParamPropMax", "OfxParamPropDisplayMin", "OfxParamPropDisplayMax",
        "OfxParamPropAnimates", "OfxParamPropChoiceOption", "OfxParamPropStringMode",
        "OfxParamPropSecret", "OfxParamPropEvaluateOnChange", "OfxParamPropPageChild",
        "OfxParamPropParent", "OfxParamPropCanUndo", "OfxParamPropPersistant",
        "OfxParamPropUseHostOverlayHandle",
    },
}  # fmt: skip


class Props:
    """A property set: name -> list. kind: which names may be set on it; None: any."""

    def __init__(self, host: Host, kind: str | None = None, **values: Any) -> None:
        self.host, self.kind = host, kind
        self.values: dict[str, list[Any]] = {n: list(v) for n, v in values.items()}
        self.handle = host.keep(self)

    def set(self, name: str, index: int, value: Any) -> int:
        if self.kind is not None:
            allowed = _PROPERTIES[self.kind] | set(self.host.profile.known)
            if name not in allowed:
                if not name.startswith("Natron"):
                    self.host.fault(f"property {name} does not exist on a {self.kind}")
                return UNKNOWN
        held = self.values.setdefault(name, [])
        if index > len(held):
            return BAD_INDEX
        held[index : index + 1] = [value]
        return OK


@dataclass
class Param:
    type: str
    name: str
    props: Props
    value: Any = None
    keys: dict[float, Any] = field(default_factory=dict)
    handle: int = 0
    text: Any = None  # what a plugin got a pointer to

    def at(self, time: float) -> Any:
        if not self.keys:
            return self.value
        times = sorted(self.keys)
        return type(self.keys[times[0]])(np.interp(time, times, [self.keys[t] for t in times]))


@dataclass
class Source:
    """What is wired to a clip. picture(time): a ``Frame``, or None for black."""

    picture: Callable[[float], Frame | None]
    first: int
    last: int
    aspect: float = 1.0
    rod: tuple[int, int, int, int] | None = None  # pixels at scale 1; else the first picture's


@dataclass
class Frame:
    """Pixels (h, w, 4) float32, row 0 at the bottom, whose lower left is at ``origin``."""

    pixels: np.ndarray
    origin: tuple[int, int] = (0, 0)

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        x, y = self.origin
        return x, y, x + self.pixels.shape[1], y + self.pixels.shape[0]


def laid_out(frame: Frame, padding: int, reverse: bool) -> tuple[np.ndarray, int, int]:
    """(buffer, address of the lowest row's first pixel, bytes from a row to the one above)."""
    height, width, _ = frame.pixels.shape
    row = width * 16 + padding
    buffer = np.full(row * height + 64, 0xA5, np.uint8)
    for y in range(height):
        at = (height - 1 - y if reverse else y) * row
        buffer[at : at + width * 16] = frame.pixels[y].astype(np.float32).reshape(-1).view(np.uint8)
    first = buffer.ctypes.data + ((height - 1) * row if reverse else 0)
    return buffer, first, -row if reverse else row


class Clip:
    def __init__(self, host: Host, name: str, props: Props) -> None:
        self.name, self.props = name, props
        self.source: Source | None = None
        self.handle = host.keep(self)


class Effect:
    """A descriptor or an instance."""

    def __init__(self, host: Host, plugin: Plugin, instance: bool) -> None:
        self.host, self.plugin = host, plugin
        self.instance = instance
        self.handle = host.keep(self)
        self.params: dict[str, Param] = {}
        self.clips: dict[str, Clip] = {}
        self.props = Props(host, "effect")
        self.message: tuple[str, str] | None = None
        self.declared: dict[str, list[tuple[float, float]]] = {}
        self.action = ""
        self.output: Frame | None = None
        self.output_layout: Any = None
        self.held: list[Any] = []
        self.abort: Callable[[], bool] = lambda: False
        self.polls: list[float] = []
        self.away = 0.0  # seconds that this host itself took
        self.scale = (1.0, 1.0)
        self.padding, self.reverse = 0, False
        self.shrink: Callable[[Frame], Frame] | None = None
        self.time = 0.0
        self.progress: Callable[[float], bool] | None = None
        self.reports: list[float] = []

    def __getitem__(self, name: str) -> Any:
        return self.params[name].value

    def __setitem__(self, name: str, value: Any) -> None:
        """As an artist would: the plugin hears of it."""
        self.params[name].value = value
        self.changed(name)

    def changed(self, name: str, reason: str = "OfxChangeUserEdited") -> int:
        told = Props(
            self.host,
            OfxPropType=["OfxTypeParameter"],
            OfxPropName=[name],
            OfxPropTime=[self.time],
            OfxPropChangeReason=[reason],
            OfxImageEffectPropRenderScale=[1.0, 1.0],
        )
        return self.call("OfxActionInstanceChanged", told)

    def call(self, action: str, given: Props | None = None, out: Props | None = None) -> int:
        before, self.action = self.action, action
        try:
            return self.plugin.entry(
                action.encode(),
                self.handle,
                given.handle if given else None,
                out.handle if out else None,
            )
        finally:
            self.action = before

    def wire(self, name: str, source: Source | None) -> None:
        self.clips[name].source = source
        props = self.clips[name].props
        props.values["OfxImageClipPropConnected"] = [int(source is not None)]
        if source is not None:
            props.values["OfxImageEffectPropFrameRange"] = [float(source.first), float(source.last)]

    def frames_needed(self, time: float) -> dict[str, tuple[float, float]]:
        out = Props(self.host)
        self.call("OfxImageEffectActionGetFramesNeeded", Props(self.host, OfxPropTime=[time]), out)
        found = {}
        for name in self.clips:
            ends = out.values.get(f"OfxImageClipPropFrameRange_{name}")
            if ends:
                found[name] = tuple(ends)
        return found

    def rod(self, name: str, time: float) -> tuple[float, float, float, float]:
        """Canonical."""
        source = self.clips[name].source
        box = source.rod or source.picture(time).bounds
        return (box[0] * source.aspect, box[1], box[2] * source.aspect, box[3])

    def render(self, time: float, scale: float = 1.0, padding: int = 0, reverse: bool = False,
               origin: tuple[int, int] | None = None, size: tuple[int, int] | None = None,
               shrink: Callable[[Frame], Frame] | None = None) -> Frame | None:  # fmt: skip
        """A frame, or None when the plugin failed. Calls what a host calls, in its order."""
        self.time, self.scale = time, (scale, scale)
        self.padding, self.reverse, self.shrink = padding, reverse, shrink
        needed = self.frames_needed(time)
        self.declared = {name: [ends] for name, ends in needed.items()}
        source = self.clips["Source"].source
        if size is None:
            shown = source.picture(time)
            if shrink and scale != 1.0:
                shown = shrink(shown)
            size, origin = shown.pixels.shape[1::-1], origin or shown.origin
        origin = origin or (0, 0)
        region = Props(self.host, OfxPropTime=[time], OfxImageEffectPropRenderScale=[scale] * 2)
        self.call("OfxImageEffectActionGetRegionsOfInterest", region, Props(self.host))
        self.output = Frame(np.full((size[1], size[0], 4), -77.0, np.float32), origin)
        self.output_layout = laid_out(self.output, padding, reverse)
        told = Props(
            self.host,
            OfxPropTime=[time],
            OfxImageEffectPropRenderWindow=list(self.output.bounds),
            OfxImageEffectPropRenderScale=[scale, scale],
            OfxImageEffectPropFieldToRender=["OfxFieldNone"],
            OfxImageEffectPropInteractiveRenderStatus=[0],
        )
        self.host.clock_start(self)
        status = self.call("OfxImageEffectActionRender", told)
        self.host.clock_end(self)
        if self.held:
            self.host.fault(f"{len(self.held)} pictures were not released")
            self.held.clear()
        if status != OK:
            return None
        buffer, first, row = self.output_layout
        base = first - buffer.ctypes.data
        rows = [
            buffer[base + y * row : base + y * row + size[0] * 16].view(np.float32).reshape(-1, 4)
            for y in range(size[1])
        ]
        edge = abs(row) - size[0] * 16
        if edge:
            lowest = min(base, base + (size[1] - 1) * row)
            for y in range(size[1]):
                after = lowest + y * abs(row) + size[0] * 16
                if (buffer[after : after + edge] != 0xA5).any():
                    self.host.fault("the plugin wrote beyond a row's end")
                    break
        return Frame(np.stack(rows), origin)

    def destroy(self) -> None:
        self.call("OfxActionDestroyInstance")


class Plugin:
    def __init__(self, host: Host, given: Any) -> None:
        self.host = host
        self.identifier = given.identifier.decode()
        self.entry = given.main_entry
        given.set_host(c.byref(host.struct))
        status = self.entry(b"OfxActionLoad", None, None, None)
        if status not in (OK, DEFAULT):
            raise RuntimeError(f"{self.identifier} does not load: {status}")
        self.descriptor = Effect(host, self, False)
        self.descriptor.call("OfxActionDescribe")
        self.context = Effect(host, self, False)
        told = Props(host, OfxImageEffectPropContext=["OfxImageEffectContextGeneral"])
        assert self.context.call("OfxImageEffectActionDescribeInContext", told) == OK

    def instance(self, **values: Any) -> Effect:
        made = Effect(self.host, self, True)
        host = self.host
        made.props.values["OfxImageEffectPropProjectSize"] = list(map(float, host.project))
        made.props.values["OfxImageEffectPropProjectOffset"] = [0.0, 0.0]
        for name, clip in self.context.clips.items():
            made.clips[name] = Clip(host, name, Props(host))
            made.clips[name].props.values = {n: list(v) for n, v in clip.props.values.items()}
            made.wire(name, None)
        for name, param in self.context.params.items():
            copy = Param(param.type, name, param.props)
            empty = {"OfxParamTypeString": "", "OfxParamTypeDouble": 0.0}.get(param.type, 0)
            copy.value = values.get(name, param.props.values.get("OfxParamPropDefault", [empty])[0])
            copy.handle = host.keep(copy)
            made.params[name] = copy
        assert made.call("OfxActionCreateInstance") == OK
        return made


class _Plugin(c.Structure):
    pass


_ENTRY = c.CFUNCTYPE(c.c_int, c.c_char_p, c.c_void_p, c.c_void_p, c.c_void_p)
_FETCH = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_char_p, c.c_int)


class _Host(c.Structure):
    _fields_ = (("host", c.c_void_p), ("fetch", _FETCH))


_Plugin._fields_ = [
    ("api", c.c_char_p),
    ("api_version", c.c_int),
    ("identifier", c.c_char_p),
    ("major", c.c_uint),
    ("minor", c.c_uint),
    ("set_host", c.CFUNCTYPE(None, c.POINTER(_Host))),
    ("main_entry", _ENTRY),
]


class Host:
    """Loads a bundle. project: the size of the project's format."""

    def __init__(self, bundle: Path, profile: Profile, project: tuple[int, int] = (64, 48)) -> None:
        self.profile, self.project = profile, project
        self.faults: list[str] = []
        self._objects: dict[int, Any] = {}
        self._next = 0x1000
        self._kept: list[Any] = []
        self._suites = self._make_suites()
        self.longest = 0.0
        self.threads = os.cpu_count() or 1
        self._props = Props(
            self,
            OfxPropName=[profile.name],
            OfxImageEffectHostPropIsBackground=[int(profile.background)],
        )
        self._fetch = _FETCH(self._fetch_suite)
        self.struct = _Host(self._props.handle, self._fetch)
        self.library = c.CDLL(str(bundle / "Contents" / "Linux-x86-64" / "Rotograph.ofx"))
        self.library.OfxGetPlugin.restype = c.POINTER(_Plugin)
        count = self.library.OfxGetNumberOfPlugins()
        found = [self.library.OfxGetPlugin(i).contents for i in range(count)]
        self.plugins = {p.identifier: p for p in (Plugin(self, given) for given in found)}

    def instance(self, name: str, **values: Any) -> Effect:
        return self.plugins[f"org.rotograph.{name}"].instance(**values)

    def unload(self) -> None:
        for plugin in self.plugins.values():
            plugin.entry(b"OfxActionUnload", None, None, None)

    def keep(self, thing: Any) -> int:
        self._next += 16
        self._objects[self._next] = thing
        return self._next

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def clock_start(self, effect: Effect) -> None:
        effect.away = 0.0
        effect.polls = [time.monotonic()]

    def clock_end(self, effect: Effect) -> None:
        """The longest time without a look at abort, what this host itself took left out."""
        effect.polls.append(time.monotonic() - effect.away)
        self.longest = max(self.longest, float(np.diff(effect.polls).max()))

    # -- suites -----------------------------------------------------------------------------

    def _fetch_suite(self, _host: int, name: bytes, version: int) -> int | None:
        found = self._suites.get((name.decode(), version))
        return c.addressof(found) if found is not None else None

    def _table(self, functions: list[tuple[Any, list[Any]] | None]) -> Any:
        """An array of pointers to these functions; a hole where the plugin may not call."""
        table = (c.c_void_p * len(functions))()
        for i, given in enumerate(functions):
            if given is None:
                continue
            function, types = given
            made = c.CFUNCTYPE(c.c_int, *types)(self._guarded(function))
            self._kept.append(made)
            table[i] = c.cast(made, c.c_void_p).value
        return table

    def _guarded(self, function: Callable[..., int]) -> Callable[..., int]:
        def call(*given: Any) -> int:
            try:
                answer = function(*given)
                return OK if answer is None else answer
            except Exception as error:
                self.fault(f"{function.__name__}: {type(error).__name__}: {error}")
                return FAILED

        return call

    def _make_suites(self) -> dict[tuple[str, int], Any]:
        p, s, i, d = c.c_void_p, c.c_char_p, c.c_int, c.c_double
        pp = c.POINTER(c.c_void_p)
        double4 = c.POINTER(c.c_double)
        table = self._table
        # variadic functions: on this machine's ABI the first pointer or integers come in order
        return {
            ("OfxPropertySuite", 1): table([
                (self._set, [p, s, i, p]), (self._set_string, [p, s, i, s]),
                (self._set, [p, s, i, d]), (self._set, [p, s, i, i]),
                None, None, None, None,
                (self._get, [p, s, i, pp]), (self._get_string, [p, s, i, pp]),
                (self._get, [p, s, i, c.POINTER(d)]), (self._get, [p, s, i, c.POINTER(i)]),
                None, None, None, None, None, (self._dimension, [p, s, c.POINTER(i)]),
            ]),
            ("OfxImageEffectSuite", 1): table([
                (self._effect_props, [p, pp]), (self._param_set, [p, pp]),
                (self._clip_define, [p, s, pp]), (self._clip_handle, [p, s, pp, pp]), None,
                (self._clip_image, [p, d, p, pp]), (self._release_image, [p]),
                (self._clip_rod, [p, d, double4]), (self._abort, [p]),
                None, None, None, None,
            ]),
            ("OfxParameterSuite", 1): table([
                (self._param_define, [p, s, s, pp]), (self._param_handle, [p, s, pp, pp]),
                None, None, (self._param_get, [p, p]), (self._param_get_at, [p, d, p]), None, None,
                (self._param_set_value, [p, p]), None,
                (self._key_count, [p, c.POINTER(c.c_uint)]),
                None, None, None, None, None, (self._nothing, [p, s]), (self._nothing, [p]),
            ]),
            ("OfxMessageSuite", 2): table([
                (self._message, [p, s, s, s, s]), (self._persistent, [p, s, s, s, s]),
                (self._clear, [p]),
            ]),
            ("OfxProgressSuite", 1): table([
                (self._nothing, [p, s]), (self._progress, [p, d]), (self._nothing, [p]),
            ]),
            ("OfxMultiThreadSuite", 1): table([
                (self._threads, [c.CFUNCTYPE(None, c.c_uint, c.c_uint, p), c.c_uint, p]),
                (self._thread_count, [c.POINTER(c.c_uint)]),
                None, None, None, None, None, None, None,
            ]),
            ("OfxInteractSuite", 1): table([None, (self._nothing, [p]), (self._nothing, [p, pp])]),
        }  # fmt: skip

    def _of(self, handle: int | None) -> Any:
        return self._objects[handle]

    def _nothing(self, *_: Any) -> int:
        return OK

    def _set(self, props: int, name: bytes, index: int, value: Any) -> int:
        return self._of(props).set(name.decode(), index, value)

    def _set_string(self, props: int, name: bytes, index: int, value: bytes) -> int:
        return self._of(props).set(name.decode(), index, value.decode())

    def _found(self, props: int, name: bytes, index: int) -> Any:
        held = self._of(props).values.get(name.decode(), [])
        return held[index] if index < len(held) else None

    def _get(self, props: int, name: bytes, index: int, into: Any) -> int:
        found = self._found(props, name, index)
        if found is None:
            return UNKNOWN
        into[0] = found
        return OK

    def _get_string(self, props: int, name: bytes, index: int, into: Any) -> int:
        found = self._found(props, name, index)
        if found is None:
            return UNKNOWN
        into[0] = self._text(found)
        return OK

    def _text(self, text: str) -> int:
        made = c.create_string_buffer(text.encode())
        self._kept.append(made)
        if len(self._kept) > 4000:
            del self._kept[200:1000]  # functions first; a plugin uses strings at once
        return c.addressof(made)

    def _dimension(self, props: int, name: bytes, into: Any) -> None:
        into[0] = len(self._of(props).values.get(name.decode(), []))

    def _effect_props(self, effect: int, into: Any) -> None:
        into[0] = self._of(effect).props.handle

    def _param_set(self, effect: int, into: Any) -> None:
        into[0] = effect

    def _clip_define(self, effect: int, name: bytes, into: Any) -> int:
        found = self._of(effect)
        if name.decode() in found.clips:
            self.fault(f"clip {name.decode()} is defined twice")
            return FAILED
        props = Props(self, "clip")
        found.clips[name.decode()] = Clip(self, name.decode(), props)
        into[0] = props.handle
        return OK

    def _clip_handle(self, effect: int, name: bytes, into: Any, props: Any) -> int:
        found = self._of(effect).clips.get(name.decode())
        if found is None:
            return FAILED
        into[0] = found.handle
        found.owner = self._of(effect)
        if props:
            props[0] = found.props.handle
        return OK

    def _clip_image(self, handle: int, at: float, region: int, into: Any) -> int:
        began = time.monotonic()
        try:
            return self._hand_out(handle, at, region, into)
        finally:
            self._of(handle).owner.away += time.monotonic() - began

    def _hand_out(self, handle: int, time: float, _region: int, into: Any) -> int:
        clip = self._of(handle)
        effect = clip.owner
        if clip.name == "Output":
            if effect.action != "OfxImageEffectActionRender":
                self.fault("output asked for outside render")
            buffer, first, row = effect.output_layout
            shown, aspect = effect.output, effect.clips["Source"].source
            aspect = aspect.aspect if aspect else 1.0
        else:
            if effect.action not in ("OfxImageEffectActionRender", "OfxActionInstanceChanged"):
                self.fault(f"picture asked for in {effect.action}")
                return FAILED
            if effect.action == "OfxImageEffectActionRender":
                spans = effect.declared.get(clip.name, [(effect.time, effect.time)])
                if not any(low <= time <= high for low, high in spans):
                    self.fault(f"frame {time:g} of {clip.name} was not declared")
                    return FAILED
            if clip.source is None:
                return FAILED
            shown = clip.source.picture(time)
            if shown is None:
                return FAILED
            if effect.scale != (1.0, 1.0) and effect.shrink:
                shown = effect.shrink(shown)
            aspect = clip.source.aspect
            buffer, first, row = laid_out(shown, effect.padding, effect.reverse)
        props = Props(
            self,
            OfxImagePropData=[first],
            OfxImagePropRowBytes=[row],
            OfxImagePropBounds=list(shown.bounds),
            OfxImagePropRegionOfDefinition=list(shown.bounds),
            OfxImagePropPixelAspectRatio=[aspect],
            OfxImageEffectPropPixelDepth=["OfxBitDepthFloat"],
            OfxImageEffectPropComponents=["OfxImageComponentRGBA"],
            OfxImageEffectPropRenderScale=list(effect.scale),
            OfxImagePropUniqueIdentifier=["always the same"],
        )
        props.owner, props.buffer = effect, buffer
        effect.held.append(props)
        into[0] = props.handle
        return OK

    def _release_image(self, handle: int) -> int:
        props = self._objects.pop(handle, None)
        if props is None:
            self.fault("a picture was released twice")
            return BAD_HANDLE
        props.owner.held.remove(props)
        return OK

    def _clip_rod(self, handle: int, time: float, into: Any) -> int:
        clip = self._of(handle)
        effect = clip.owner
        name = "Source" if clip.name == "Output" else clip.name
        if effect.clips[name].source is None:
            return FAILED
        for k, side in enumerate(effect.rod(name, time)):
            into[k] = side
        return OK

    def _abort(self, handle: int) -> int:
        effect = self._of(handle)
        effect.polls.append(time.monotonic() - effect.away)
        return int(effect.abort())

    def _param_define(self, effect: int, kind: bytes, name: bytes, into: Any) -> int:
        found, name = self._of(effect), name.decode()
        if name in found.params:
            self.fault(f"parameter {name} is defined twice")
            return FAILED
        props = Props(self, "param")
        found.params[name] = Param(kind.decode(), name, props)
        into[0] = props.handle
        return OK

    def _param_handle(self, effect: int, name: bytes, into: Any, props: Any) -> int:
        found = self._of(effect).params.get(name.decode())
        if found is None:
            return UNKNOWN
        into[0] = found.handle
        found.owner = self._of(effect)
        return OK

    def _put(self, param: Param, value: Any, address: int) -> None:
        if param.type == "OfxParamTypeString":
            param.text = c.create_string_buffer(value.encode())
            c.cast(address, c.POINTER(c.c_void_p))[0] = c.addressof(param.text)
        elif param.type == "OfxParamTypeDouble":
            c.cast(address, c.POINTER(c.c_double))[0] = value
        else:
            c.cast(address, c.POINTER(c.c_int))[0] = int(value)

    def _param_get(self, handle: int, address: int) -> None:
        param = self._of(handle)
        self._put(param, param.at(param.owner.time), address)

    def _param_get_at(self, handle: int, time: float, address: int) -> None:
        param = self._of(handle)
        self._put(param, param.at(time), address)

    def _param_set_value(self, handle: int, value: int) -> int:
        param = self._of(handle)
        if param.owner.action != "OfxActionInstanceChanged":
            self.fault(f"parameter {param.name} was set in {param.owner.action}")
            return FAILED
        if param.type == "OfxParamTypeString":
            param.value = c.string_at(value).decode()
            param.owner.changed(param.name, "OfxChangePluginEdited")
            return OK
        return FAILED

    def _key_count(self, handle: int, into: Any) -> None:
        into[0] = len(self._of(handle).keys)

    def _message(self, *_: Any) -> int:
        return OK

    def _threads(self, function: Callable[..., None], count: int, given: int) -> int:
        """Run a function of the plugin in so many threads, which call nothing of the host."""
        rest = [threading.Thread(target=function, args=(i, count, given)) for i in range(1, count)]
        for thread in rest:
            thread.start()
        function(0, count, given)
        for thread in rest:
            thread.join()
        return OK

    def _thread_count(self, into: Any) -> None:
        into[0] = self.threads

    def _persistent(self, handle: int, kind: bytes, _id: bytes, form: bytes, text: bytes) -> int:
        if form != b"%s":
            self.fault("a message is used as a format")
        self._of(handle).message = (kind.decode(), text.decode())
        return OK

    def _clear(self, handle: int) -> None:
        self._of(handle).message = None

    def _progress(self, handle: int, part: float) -> int:
        effect = self._of(handle)
        effect.reports.append(part)
        going = effect.progress(part) if effect.progress else True
        return OK if going else REPLY_NO


def downstream(effect: Effect, first: int, last: int) -> Source:
    """An effect's output as the source of another one, each frame rendered once."""
    done: dict[float, Frame | None] = {}

    def picture(time: float) -> Frame | None:
        if time not in done:
            done[time] = effect.render(time)
        return done[time]

    before = effect.clips["Source"].source
    made = Source(picture, first, last, before.aspect, before.rod)
    if made.rod is None:
        made.rod = before.picture(first).bounds
    made.forget = done.clear
    return made

"""Whether a node's pixels depend on nothing but what it is given, and keep the plate's geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rotograph import exr
from rotograph.declare import NodeType, Result
from rotograph.errors import RotographError
from rotograph.image import Box, Image, ImageSpec
from rotograph.layer import Detections
from rotograph.mask import MaskLogits
from rotograph.matte import Matte
from rotograph.needs import Keys
from rotograph.testing import probes
from rotograph.testing.cases import Case, Workshop
from rotograph.testing.finding import Finding, said
from rotograph.testing.pixels import Made, alike, every_pixel, in_a_render

_MOST = 2
"""Cases that are computed, again and again."""
_ROUNDING = 0.01
"""How far a result may be off where layers are computed together."""
_ODD = {
    "plain": "nothing odd about it",
    "window": "odd windows",
    "wild": "NaN, infinities and huge values",
}


def check_pixels(
    workshop: Workshop, declared: NodeType, cases: Sequence[Case]
) -> Iterator[Finding]:
    """Order of frames, what was given, windows and values; each fault once."""
    told: set[tuple[str, str]] = set()
    for case in cases[:_MOST]:
        order = list(_order(workshop, declared, case))
        # what does not even run has nothing to be measured
        runs = not any(found.rule in ("runs", "params", "result") for found in order)
        for found in (*order, *(_geometry(workshop, declared, case) if runs else ())):
            if (found.rule, found.message) not in told:
                told.add((found.rule, found.message))
                yield found


def _order(workshop: Workshop, declared: NodeType, case: Case) -> Iterator[Finding]:
    broken: list[Finding] = []
    watched = _watched(declared, broken)
    try:
        values: dict[tuple, Any] = {}

        def keep(result: Result, value: Any, keys: Keys) -> None:
            values[result.stage, result.layer, result.frame] = value

        first = every_pixel(workshop, watched, case, seen=keep)
        yield from broken
        ways: list[tuple[str, Made]] = [
            ("a second time", every_pixel(workshop, declared, case)),
            ("backward", every_pixel(workshop, declared, case, lambda r: r[::-1])),
            ("with others at the same time", every_pixel(workshop, declared, case, threads=3)),
            ("alone", every_pixel(workshop, declared, case, lambda r: r[len(r) // 2 :][:1])),
        ]
    except RotographError as error:
        yield from broken
        if not broken:
            yield Finding(
                declared.name,
                "runs",
                f"fails on a plain plate: {said(error)}",
                "run it on a plate of a few pixels, with --debug",
            )
        return
    except TypeError as error:
        yield Finding(
            declared.name,
            "result",
            f"{error}",
            "return an Image, MaskLogits, Matte, Foreground, Detections or a dict of arrays",
        )
        return
    for how, made in ways:
        other = [name for name, digest in made.items() if digest != first[name]]
        if other:
            stage, _, frame = other[0]
            where = "the shot" if frame is None else f"frame {frame}"
            yield Finding(
                declared.name,
                "order",
                f"{where} has other pixels when it is computed {how} ({stage})",
                "keep nothing between calls, and seed what is random by what is given",
            )
            return
    if declared.effect is None:
        yield from _together(workshop, declared, case, values)


def _together(
    workshop: Workshop, declared: NodeType, case: Case, values: dict[tuple, Any]
) -> Iterator[Finding]:
    """A render, which may compute several layers at once, gives what each gives alone."""
    several = [step.name for step in declared.stages.values() if step.together is not None]
    made = in_a_render(workshop, declared, case)
    for name, value in values.items():
        if name not in made or not alike(value, made[name], _ROUNDING if several else 0.0):
            _, layer, frame = name
            yield Finding(
                declared.name,
                "order",
                f"'{layer}' on frame {frame} has other pixels in a render"
                + (f", where {', '.join(several)} computes several layers at once" * bool(several)),
                "let no layer's result depend on which others are there",
            )
            return


def _watched(declared: NodeType, broken: list[Finding]) -> NodeType:
    """The node, with every stage watched for what it does to what it is given."""

    def watch(name: str, compute: Callable[..., Any]) -> Callable[..., Any]:
        def watched(given: Any, context: Any) -> Any:
            before = _hashed(given)
            try:
                value = compute(given, context)
            except KeyError as error:
                wanted = error.args[0] if error.args else None
                if wanted in declared.params and wanted not in context.params:
                    broken.append(
                        Finding(
                            declared.name,
                            "params",
                            f"the stage '{name}' reads '{wanted}', which it did not name",
                            f"add '{wanted}' to its params",
                        )
                    )
                raise
            except ValueError as error:
                if "read-only" in str(error):
                    broken.append(_altered(declared, name))
                raise
            if _hashed(given) != before:
                broken.append(_altered(declared, name))
            return value

        return watched

    stages = {n: replace(s, compute=watch(n, s.compute)) for n, s in declared.stages.items()}
    return replace(declared, stages=stages)


def _altered(declared: NodeType, stage: str) -> Finding:
    return Finding(
        declared.name,
        "given",
        f"the stage '{stage}' writes into what it is given, which others are given too",
        "work on a copy",
    )


def _hashed(value: Any) -> bytes:
    """A digest of everything within a value that a stage could change."""
    hashed = hashlib.blake2b(digest_size=16)

    def add(part: Any) -> None:
        if isinstance(part, np.ndarray):
            hashed.update(np.ascontiguousarray(part).tobytes())
        elif isinstance(part, dict):
            for name, item in part.items():
                hashed.update(repr(name).encode())
                add(item)
        elif isinstance(part, list | tuple):
            hashed.update(b"%d" % len(part))
            for item in part:
                add(item)
        elif is_dataclass(part) and not isinstance(part, type):
            for own in fields(part):
                add(getattr(part, own.name))
        else:
            hashed.update(repr(part).encode())

    add(value)
    return hashed.digest()


def _geometry(workshop: Workshop, declared: NodeType, case: Case) -> Iterator[Finding]:
    wrong: dict[str, str] = {}
    for kind in probes.KINDS:

        def look(result: Result, value: Any, keys: Keys, kind: str = kind) -> None:
            for text in _wrong(value, kind):
                wrong.setdefault(text, kind)

        try:
            every_pixel(workshop, declared, _on(case, kind), seen=look)
        except RotographError as error:
            yield Finding(
                declared.name,
                "plates",
                f"fails on a plate with {_ODD[kind]}: {said(error)}",
                "run it on such a plate, with --debug",
            )
    for text, kind in wrong.items():
        yield Finding(
            declared.name,
            "values" if kind == "wild" else "windows",
            f"{text}, on a plate with {_ODD[kind]}",
            "docs/adding-a-node.md says what each wire carries",
        )


def _on(case: Case, kind: str) -> Case:
    """The case on another kind of plate, with its files and its prompts moved there."""
    params = dict(case.params)
    for name, value in params.items():
        for patterns in (probes.FILES, probes.CRYPTOMATTES):
            if value == patterns["plain"]:
                params[name] = patterns[kind]
        if isinstance(value, list) and value and isinstance(value[0], dict) and "box" in value[0]:
            frame, layer = value[0]["frame"], value[0]["layer"]
            params[name] = [{**value[0], "box": list(probes.box(kind, frame, layer))}]
    return replace(case, kind=kind, params=params)


def _wrong(value: Any, kind: str) -> Iterator[str]:
    """What is wrong with a result, in words."""
    plate = probes.spec(kind)
    match value:
        case Matte():
            yield from _wrong_alpha(value, plate.data)
        case MaskLogits():
            logits, window = value.logits, value.window
            if logits.ndim != 2 or logits.dtype != np.float32:
                yield f"logits are {logits.ndim}-dimensional {logits.dtype}, not (h, w) float32"
            elif not np.isfinite(logits).all():
                yield "logits are not all finite"
            if window.intersect(plate.data) != plate.data:
                yield f"the mask covers {window.to_list()}, not {plate.data.to_list()}"
            if not 0.0 <= value.confidence <= 1.0:
                yield f"the confidence is {value.confidence}, not from 0 to 1"
        case Image():
            yield from _wrong_spec(value.spec, plate)
        case Detections():
            for found in value.boxes:
                x0, y0, x1, y1 = found.box
                if not (x0 < x1 and y0 < y1 and 0.0 <= found.score <= 1.0):
                    yield f"a box is {found.box} with a score of {found.score}"
        case list():
            for path in value:
                yield from _wrong_file(path, plate)


def _wrong_alpha(matte: Matte, data: Box) -> Iterator[str]:
    alpha = matte.alpha
    if matte.window != data or alpha.shape != data.shape:
        yield (
            f"a matte of {alpha.shape[1]}x{alpha.shape[0]} pixels covers {matte.window.to_list()}, "
            f"not the data window {data.to_list()}"
        )
    if alpha.dtype != np.float16:
        yield f"alpha is {alpha.dtype}, not float16"
    if not np.isfinite(alpha).all() or alpha.min(initial=0) < 0 or alpha.max(initial=0) > 1:
        yield "alpha is not all from 0 to 1"


def _wrong_spec(spec: ImageSpec, plate: ImageSpec) -> Iterator[str]:
    if spec.display != plate.display:
        yield (
            f"the display window is {spec.display.to_list()}, not the plate's "
            f"{plate.display.to_list()}"
        )
    if spec.pixel_aspect != plate.pixel_aspect:
        yield f"the pixel aspect is {spec.pixel_aspect}, not the plate's {plate.pixel_aspect}"


def _wrong_file(path: Path, plate: ImageSpec) -> Iterator[str]:
    if not path.exists():
        yield f"'{path.name}' was said to be written, and is not there"
    elif path.suffix == ".exr":
        own = exr.header(path)
        yield from _wrong_spec(own, plate)
        if own.data != plate.data:
            yield f"the data window is {own.data.to_list()}, not the plate's {plate.data.to_list()}"

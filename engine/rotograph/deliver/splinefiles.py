"""A delivery of shapes on disk: one file or more for each host, and the residual matte beside.

A record beside them says what the shapes were made of, and has the shapes. With it a delivery that
was broken off is gone on with, and what is there already is neither made nor written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import xxhash

from rotograph import exr
from rotograph.deliver import aftereffects, natron, nuke, nukenode, silhouette, svg
from rotograph.deliver.rasterise import layer_alpha
from rotograph.deliver.spline import SplineLayer, SplineShot, from_json, to_json
from rotograph.errors import MediaError, WriteError
from rotograph.image import Box, Image, ImageSpec
from rotograph.sequence import at_frame
from rotograph.whole import make_folder, write_whole

FORMATS = ("nuke", "natron", "ae", "silhouette", "svg", "json")
RECORD = "shapes.record.json"
_FILES = {
    "nuke": ("shapes.nuke.py", "shapes.nk"),
    "natron": ("shapes.natron.py",),
    "ae": ("shapes.jsx",),
    "silhouette": ("shapes.fxs",),
    "json": ("shapes.json",),
}
_RESIDUAL, _SVG = "residual", "svg"
_VERSION = 1
_LETTERS = 60  # of a layer's name in the name of a file
_NONSENSE = (OSError, ValueError, KeyError, TypeError, RecursionError, MediaError)


def texts(shot: SplineShot, kind: str) -> Iterator[tuple[str, str]]:
    """(file name, content) of everything that one of ``FORMATS`` is made of."""
    match kind:
        case "nuke":
            yield "shapes.nuke.py", nuke.script(shot)
            yield "shapes.nk", nukenode.node(shot)
        case "natron":
            yield "shapes.natron.py", natron.script(shot)
        case "ae":
            yield "shapes.jsx", aftereffects.script(shot)
        case "silhouette":
            yield "shapes.fxs", silhouette.document(shot)
        case "svg":
            for layer, frame, name in _each(shot, _SVG, "svg"):
                yield name, svg.document(shot, layer, frame)
        case "json":
            yield "shapes.json", to_json(shot)
        case _:
            raise ValueError(kind)


def claim(folder: Path, kinds: Sequence[str], *, residual: bool = True) -> None:
    """Before anything is computed: raise WriteError where files are that no record tells of."""
    if (folder / RECORD).exists():
        return
    for kind in kinds:
        for name in _FILES.get(kind, ()):
            _free(folder / name)
    for wanted, name in ((residual, _RESIDUAL), (_SVG in kinds, _SVG)):
        if wanted and (folder / name).is_dir():
            for path in sorted((folder / name).iterdir())[:1]:
                _free(path)


def source_digest(
    frames: Sequence[int],
    layers: Sequence[str],
    alpha: Callable[[str, int], np.ndarray],
    said: Sequence[object],
) -> str:
    """What shapes are made of, in short: every matte's pixels, and whatever else decides."""
    digest = xxhash.xxh3_128(json.dumps([list(frames), list(layers), *said]).encode())
    for layer in layers:
        for frame in frames:
            digest.update(np.ascontiguousarray(alpha(layer, frame), np.float32))
    return digest.hexdigest()


def recorded(folder: Path, source: str) -> SplineShot | None:
    """The shapes that the folder's record has; None where there is none.

    Raises WriteError when they were made of something else, or the record is no such thing.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    hint = "choose another folder, or say --overwrite"
    try:
        found, shot = _read(path)
    except _NONSENSE:
        raise WriteError("is no record of shapes", file=path, hint=hint) from None
    if found != source:
        raise WriteError("is of shapes of other mattes or settings", file=path, hint=hint)
    return shot


def record(folder: Path, source: str, shot: SplineShot, *, overwrite: bool = False) -> None:
    """Write down what the shapes were made of, and the shapes.

    overwrite: where the folder's record is of something else, its files go, also those of formats
    that are not written now: a later delivery would take them for files of these shapes. Raises
    WriteError.
    """
    make_folder(folder)
    if overwrite:  # before the record is written: it must never tell of files that are not its own
        for name in _outdated(folder, source, shot):
            _remove(folder / name)
    said = {"rotograph_shapes": _VERSION, "source": source, "shapes": json.loads(to_json(shot))}
    write_whole(folder / RECORD, json.dumps(said, ensure_ascii=False).encode("utf-8"))


def write(
    folder: Path,
    shot: SplineShot,
    kinds: Sequence[str],
    *,
    overwrite: bool = False,
    keep: bool = False,
) -> list[Path]:
    """Write the shapes in these formats; gives back the files that were written.

    What is there already stays when ``keep`` is said; else WriteError is raised before any file is
    written, unless ``overwrite`` is.
    """
    made = [(folder / name, text) for kind in kinds for name, text in texts(shot, kind)]
    if keep and not overwrite:
        made = [(path, text) for path, text in made if not path.exists()]
    elif not overwrite:
        for path, _ in made:
            _free(path)
    for path, text in made:
        make_folder(path.parent)
        write_whole(path, text.encode("utf-8"))
    return [path for path, _ in made]


def placed(spec: ImageSpec) -> Box:
    """The data window as shapes count: from the corner of the display window."""
    x, y = spec.display.x0, spec.display.y0
    return Box(spec.data.x0 - x, spec.data.y0 - y, spec.data.x1 - x, spec.data.y1 - y)


def write_residual(
    folder: Path,
    shot: SplineShot,
    alpha: Callable[[str, int], np.ndarray],
    spec: ImageSpec,
    *,
    overwrite: bool = False,
    keep: bool = False,
) -> list[Path]:
    """What the shapes do not carry, for every layer and frame, as 32-bit EXR; gives back the files.

    Channel ``shape.A`` is the shapes' alpha, A what must be added to it, from -1 to 1: their sum is
    the matte; see ``residual``. alpha: (layer, frame) -> ``(H, W)`` in [0, 1] over ``spec.data``.
    Raises WriteError as ``write`` does.
    """
    wanted = [(layer, frame, folder / name) for layer, frame, name in _each(shot, _RESIDUAL, "exr")]
    if keep and not overwrite:
        wanted = [w for w in wanted if not w[2].exists()]
    elif not overwrite:
        for _, _, path in wanted:
            _free(path)
    channels = ("A", "shape.A")
    made = ImageSpec(spec.display, spec.data, channels, spec.pixel_aspect, attributes={})
    for layer, frame, path in wanted:
        shape, left = residual(layer, frame, alpha(layer.name, frame), placed(spec))
        make_folder(path.parent)
        exr.write(path, Image(made, np.stack([left, shape], axis=-1)), compression="zip")
    return [path for _, _, path in wanted]


def residual(
    layer: SplineLayer, frame: int, matte: np.ndarray, window: Box
) -> tuple[np.ndarray, np.ndarray]:
    """The shapes' alpha, and what is left: two ``(H, W)`` float32 whose sum is the matte.

    Exactly, if the matte is in steps of a half, as the shapes' alpha is; of a finer one to within
    the last digit of a float.
    """
    shape = layer_alpha(layer, frame, window).astype(np.float16).astype(np.float32)
    return shape, matte.astype(np.float32) - shape


def file_names(layers: Iterable[str]) -> dict[str, str]:
    """Layer -> a name for its files: no separators, not too long, and no two the same.

    Nor the same where large and small letters are one, as on Windows and macOS.
    """
    out: dict[str, str] = {}
    for layer in dict.fromkeys(layers):
        short = re.sub(r"[^\w-]", "_", layer)[:_LETTERS].lstrip("-") or "_"
        name, count = short, 1
        while name.casefold() in {n.casefold() for n in out.values()}:
            count += 1
            name = f"{short}_{count}"
        out[layer] = name
    return out


def _each(shot: SplineShot, folder: str, suffix: str) -> Iterator[tuple[SplineLayer, int, str]]:
    """Every layer and frame, and the name of its file."""
    names = file_names(layer.name for layer in shot.layers)
    for layer in shot.layers:
        for frame in shot.frames:
            yield layer, frame, f"{folder}/{at_frame(f'{names[layer.name]}.####.{suffix}', frame)}"


def _read(path: Path) -> tuple[str, SplineShot | None]:
    """A record's source and shapes, "" and None when it is of another version of records.

    Raises one of ``_NONSENSE`` when it is no record.
    """
    said = json.loads(path.read_text(encoding="utf-8"))
    if said["rotograph_shapes"] != _VERSION:
        return "", None
    return said["source"], from_json(json.dumps(said["shapes"]))


def _outdated(folder: Path, source: str, shot: SplineShot) -> list[str]:
    """Names of what may lie in the folder and is not of ``source``, if its record is of another."""
    path = folder / RECORD
    if not path.exists():
        return []
    try:
        found, before = _read(path)
    except _NONSENSE:
        found, before = "", None
    if found == source:
        return []
    names = [name for some in _FILES.values() for name in some]
    for one in (shot, before):
        if one is not None:
            names += [name for _, _, name in _each(one, _SVG, "svg")]
            names += [name for _, _, name in _each(one, _RESIDUAL, "exr")]
    return names


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise WriteError(
            f"cannot be removed: {error.strerror}", file=path, hint="choose another folder"
        ) from None


def _free(path: Path) -> None:
    if path.exists():
        raise WriteError(
            "is there already", file=path, hint="choose another folder, or say --overwrite"
        )

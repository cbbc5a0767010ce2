"""A delivery of shapes on disk: one file or more for each host, and the residual matte beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from rotograph import exr, sequence
from rotograph.deliver import aftereffects, natron, nuke, silhouette, svg
from rotograph.deliver.rasterise import layer_alpha
from rotograph.deliver.spline import SplineLayer, SplineShot, to_json
from rotograph.errors import WriteError
from rotograph.image import Box, Image, ImageSpec
from rotograph.whole import write_whole

FORMATS = ("nuke", "natron", "ae", "silhouette", "svg", "json")


def texts(shot: SplineShot, kind: str) -> Iterator[tuple[str, str]]:
    """(file name, content) of everything that one of ``FORMATS`` is made of."""
    match kind:
        case "nuke":
            yield "shapes.nuke.py", nuke.script(shot)
            yield "shapes.nk", nuke.node(shot)
        case "natron":
            yield "shapes.natron.py", natron.script(shot)
        case "ae":
            yield "shapes.jsx", aftereffects.script(shot)
        case "silhouette":
            yield "shapes.fxs", silhouette.document(shot)
        case "svg":
            for layer in shot.layers:
                for frame in shot.frames:
                    name = sequence.output_name("{layer}.####.svg", frame=frame, layer=layer.name)
                    yield f"svg/{name}", svg.document(shot, layer, frame)
        case "json":
            yield "shapes.json", to_json(shot)
        case _:
            raise ValueError(kind)


def write(
    folder: Path, shot: SplineShot, kinds: Sequence[str], *, overwrite: bool = False
) -> list[Path]:
    """Write the shapes in these formats; gives back the files.

    Raises WriteError when one of them is there and ``overwrite`` is not said, before any is
    written.
    """
    made = [(folder / name, text) for kind in kinds for name, text in texts(shot, kind)]
    if not overwrite:
        _free(path for path, _ in made)
    for path, text in made:
        _folder(path.parent)
        write_whole(path, text.encode("utf-8"))
    return [path for path, _ in made]


def placed(spec: ImageSpec) -> Box:
    """The data window as shapes count: from the corner of the display window."""
    x, y = spec.display.x0, spec.display.y0
    return Box(spec.data.x0 - x, spec.data.y0 - y, spec.data.x1 - x, spec.data.y1 - y)


def residual_path(folder: Path, layer: SplineLayer, frame: int) -> Path:
    name = sequence.output_name("{layer}.####.exr", frame=frame, layer=layer.name)
    return folder / "residual" / name


def write_residual(
    folder: Path,
    shot: SplineShot,
    alpha: Callable[[str, int], np.ndarray],
    spec: ImageSpec,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """What the shapes do not carry, for every layer and frame, as 32-bit EXR; gives back the files.

    Channel ``shape.A`` is the shapes' alpha, A what must be added to it, from -1 to 1: their sum is
    the matte, bit for bit. alpha: (layer, frame) -> ``(H, W)`` in [0, 1] over ``spec.data``.
    Raises WriteError as ``write`` does.
    """
    wanted = [(layer, frame) for layer in shot.layers for frame in shot.frames]
    if not overwrite:
        _free(residual_path(folder, layer, frame) for layer, frame in wanted)
    written = []
    channels = ("A", "shape.A")
    made = ImageSpec(spec.display, spec.data, channels, spec.pixel_aspect, attributes={})
    for layer, frame in wanted:
        path = residual_path(folder, layer, frame)
        shape, left = residual(layer, frame, alpha(layer.name, frame), placed(spec))
        _folder(path.parent)
        exr.write(path, Image(made, np.stack([left, shape], axis=-1)), compression="zip")
        written.append(path)
    return written


def residual(
    layer: SplineLayer, frame: int, matte: np.ndarray, window: Box
) -> tuple[np.ndarray, np.ndarray]:
    """The shapes' alpha, in steps of a half, and what is left: two ``(H, W)`` float32.

    Of a matte in steps of a half the sum of both is exact.
    """
    shape = layer_alpha(layer, frame, window).astype(np.float16).astype(np.float32)
    return shape, matte.astype(np.float32) - shape


def _free(paths: Iterator[Path]) -> None:
    for path in paths:
        if path.exists():
            raise WriteError(
                "is there already", file=path, hint="choose another folder, or say --overwrite"
            )


def _folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder cannot be made: {error.strerror}",
            file=folder,
            hint="name another one, or ask for permission",
        ) from None

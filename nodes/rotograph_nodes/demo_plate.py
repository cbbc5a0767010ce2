"""The demo's plate and graph: a moving shot made of a photograph that ships with scikit-image.

The photograph (NASA's portrait of Eileen Collins, public domain) is taken back to scene light
through the inverse of the ACES view, so that through the view it looks as it was shot and its
highlights are well over 1; a camera then pans, pushes in and rolls by hand over it, with some
parallax between the astronaut and the wall behind her, motion blur and grain.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PyOpenColorIO as ocio

from rotograph import colour, exr
from rotograph.errors import ColourError, MediaError, WriteError
from rotograph.image import Box, Image, ImageSpec
from rotograph.timecode import timecode
from rotograph.whole import write_whole

VERSION = 1
FIRST = 1001
FRAMES = 24
SIZE = (720, 480)
PLATE = "plate/plate.####.exr"
MATTES = "mattes/matte.####.exr"
LAYER = "astronaut"
SHUTTER = 0.5
"""Of a frame: 180 degrees."""
SUBSAMPLES = 8
SUPERSAMPLING = 2
GRAIN = 0.028
"""Standard deviation at 18 % grey, over the grey."""
SEED = 5

# x, y in the photograph's 512 x 512 pixels: the astronaut, a little outside her outline
# fmt: off
OUTLINE = np.array([
    (150, 60), (165, 34), (195, 17), (235, 11), (275, 22), (298, 50), (305, 90), (296, 118),
    (280, 132), (270, 165), (300, 200), (308, 245), (345, 262), (362, 300), (368, 352), (440, 340),
    (500, 400), (512, 512), (10, 512), (14, 430), (22, 370), (42, 290), (72, 240), (106, 212),
    (108, 190), (128, 156), (180, 146), (176, 124), (156, 104),
], dtype=np.float64)
# fmt: on
# on the hair, the face, the dark neck, the helmet ring, both shoulders; and on what is behind her
INSIDE = ((226, 40), (222, 110), (215, 185), (122, 205), (296, 230), (90, 290), (310, 290))
OUTSIDE = (
    *((60, 120), (120, 60), (330, 120), (395, 200)),
    *((380, 262), (25, 260), (84, 190), (78, 214)),
)


@dataclass(frozen=True)
class Camera:
    """Where the camera looks at one moment, in the photograph's pixels.

    centre: what lies in the middle of the plate. width: how much of the photograph the plate's
    width shows. roll: radians, clockwise. parallax: how far the astronaut is shifted against the
    wall.
    """

    centre: tuple[float, float]
    width: float
    roll: float
    parallax: tuple[float, float]

    def photograph(self, size: tuple[int, int]) -> np.ndarray:
        """2 x 3: plate pixels (y down) to photograph pixels, of the wall."""
        scale = self.width / size[0]
        c, s = scale * np.cos(self.roll), scale * np.sin(self.roll)
        x, y = size[0] / 2, size[1] / 2
        return np.array(
            [
                [c, -s, self.centre[0] - c * x + s * y],
                [s, c, self.centre[1] - s * x - c * y],
            ]
        )

    def plate(self, points: np.ndarray, size: tuple[int, int], near: bool) -> np.ndarray:
        """``(N, 2)`` points of the photograph as plate pixels. near: on the astronaut."""
        inverse = cv2.invertAffineTransform(self.photograph(size))
        shift = self.parallax if near else (0.0, 0.0)
        return (points + shift) @ inverse[:, :2].T + inverse[:, 2]


def camera(moment: float) -> Camera:
    """moment: 0 on the first frame, 1 on the last of a shot of ``FRAMES``; smooth, and in between
    frames too, for motion blur."""
    ease = moment * moment * (3 - 2 * moment)
    frame = moment * (FRAMES - 1)
    shake_x = 0.9 * np.sin(0.9 * frame) + 0.6 * np.sin(0.37 * frame + 1.0)
    shake_y = 0.8 * np.sin(0.71 * frame + 2.0) + 0.4 * np.sin(1.3 * frame)
    return Camera(
        centre=(228 + 46 * ease + shake_x, 152 - 7 * ease + shake_y),
        width=438 - 34 * ease,
        roll=np.radians(-1.0 + 1.9 * ease + 0.15 * np.sin(0.5 * frame)),
        parallax=(7.0 - 14.0 * ease, 1.5 * np.sin(2 * np.pi * moment)),
    )


def make_demo_plate(
    folder: Path | str,
    frames: int = FRAMES,
    size: tuple[int, int] = SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the plate as ``plate.1001.exr`` … into ``folder`` and return its pattern.

    Half float RGB in ACEScg, values over 1, with chromaticities and an advancing timecode. The
    same pixels each time; a complete plate that is there is left as it is.
    progress: (frames written, of how many). Raises MediaError without scikit-image, WriteError.
    """
    folder = Path(folder)
    pattern = folder / Path(PLATE).name
    recipe = hashlib.sha256(repr((VERSION, frames, size, _photograph_file())).encode()).hexdigest()
    receipt = folder / "plate.json"
    if _complete(receipt, recipe):
        return pattern
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot be made: {error.strerror}", file=folder) from error
    light = _scene_light()
    depth = _depth(light.shape[0] // SUPERSAMPLING)

    def one(index: int) -> tuple[str, int]:
        path = folder / f"plate.{FIRST + index}.exr"
        exr.write(path, _frame(light, depth, index, size))
        return path.name, path.stat().st_size

    sizes = {}
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for done, (name, length) in enumerate(pool.map(one, range(frames)), start=1):
            sizes[name] = length
            if progress:
                progress(done, frames)
    write_whole(receipt, json.dumps({"recipe": recipe, "files": sizes}, indent=1).encode())
    return pattern


def demo_graph(size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """The graph of the demo, for a file beside the folder ``plate``.

    A box and points on the first and the last frame, in plate pixels, from the camera's move.
    """
    prompts: list[dict[str, Any]] = []
    for frame in (FIRST, FIRST + FRAMES - 1):
        at = camera((frame - FIRST) / (FRAMES - 1))
        prompts.append({"frame": frame, "layer": LAYER, "box": _box(at, size)})
        for points, positive in ((INSIDE, True), (OUTSIDE, False)):
            placed = at.plate(np.array(points, dtype=np.float64), size, near=positive)
            for x, y in np.rint(placed).astype(int):
                if 0 <= x < size[0] and 0 <= y < size[1]:
                    point = {"point": [int(x), int(y)], "positive": positive}
                    prompts.append({"frame": frame, "layer": LAYER, **point})
    return {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": PLATE, "colour_space": "ACEScg"},
            "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "prompts": prompts},
            "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
            "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
            "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
            "out": {"type": "Write", "inputs": {"image": "refine"}, "file": MATTES},
        },
    }


def _box(at: Camera, size: tuple[int, int]) -> list[int]:
    """The bounds of the part of the astronaut's outline that the plate shows."""
    seen = np.zeros((size[1], size[0]), dtype=np.uint8)
    cv2.fillPoly(seen, [np.rint(at.plate(OUTLINE, size, near=True)).astype(np.int32)], 1)
    x, y, width, height = cv2.boundingRect(seen)
    return [x, y, x + width, y + height]


def _complete(receipt: Path, recipe: str) -> bool:
    try:
        known = json.loads(receipt.read_text(encoding="utf-8"))
        sizes = known["files"].items()
        return known["recipe"] == recipe and all(
            (receipt.parent / name).stat().st_size == length for name, length in sizes
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def _photograph_file() -> str:
    """The photograph's SHA-256. Raises MediaError when it is not installed."""
    return hashlib.sha256(_photograph().tobytes()).hexdigest()


def _photograph() -> np.ndarray:
    """``(512, 512, 3)`` uint8, sRGB, from inside the scikit-image package; nothing is fetched."""
    try:
        from skimage import data
    except ImportError as error:
        raise MediaError(
            "the demo's photograph comes with scikit-image, which is not installed",
            hint="run: python3 install/bootstrap.py demo",
        ) from error
    return data.astronaut()


def _scene_light() -> np.ndarray:
    """``(1024, 1024, 3)`` float32 ACEScg: the photograph as light, at twice its size.

    Enlarged in ACEScct, where a bright edge does not ring.
    """
    shown = _photograph().astype(np.float32) / 255
    # a print has no pure black or white, and the view reaches white only at infinity
    shown = np.ascontiguousarray(shown * 0.945 + 0.003)
    aces = colour.load(colour.BUILT_IN)
    view = ocio.DisplayViewTransform(
        src="ACEScg",
        display="sRGB - Display",
        view=aces.config.getDefaultView("sRGB - Display"),
        direction=ocio.TRANSFORM_DIR_INVERSE,
    )
    try:
        aces.config.getProcessor(view).getDefaultCPUProcessor().applyRGB(shown)
    except ocio.Exception as error:
        raise ColourError(f"the built-in ACES view cannot be inverted: {error}") from error
    log = aces.convert(shown * 0.75, "ACEScg", "ACEScct")
    side = SUPERSAMPLING * log.shape[0]
    log = cv2.resize(log, (side, side), interpolation=cv2.INTER_LANCZOS4)
    return aces.convert(log, "ACEScct", "ACEScg")


def _depth(side: int) -> np.ndarray:
    """``(side, side)`` float32 in [0, 1]: 1 on the astronaut, falling off smoothly to the wall.

    So wide a slope stretches the wall around her a little and tears nothing.
    """
    near = np.zeros((side, side), dtype=np.uint8)
    cv2.fillPoly(near, [np.rint(OUTLINE).astype(np.int32)], 255)
    near = cv2.dilate(near, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (41, 41)))
    return cv2.GaussianBlur(near.astype(np.float32) / 255, (0, 0), 14)


def _frame(light: np.ndarray, depth: np.ndarray, index: int, size: tuple[int, int]) -> Image:
    width, height = size
    x, y = np.meshgrid(
        np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    )

    def on_wall(at: Camera) -> tuple[np.ndarray, np.ndarray]:
        m = at.photograph(size).astype(np.float32)
        return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]

    near = cv2.remap(
        depth,
        *on_wall(camera(index / (FRAMES - 1))),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    total = np.zeros((height, width, 3), dtype=np.float32)
    for step in range(SUBSAMPLES):
        opened = SHUTTER * ((step + 0.5) / SUBSAMPLES - 0.5)
        at = camera((index + opened) / (FRAMES - 1))
        from_x, from_y = on_wall(at)
        from_x = SUPERSAMPLING * (from_x - near * np.float32(at.parallax[0])) - 0.5
        from_y = SUPERSAMPLING * (from_y - near * np.float32(at.parallax[1])) - 0.5
        total += cv2.remap(light, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    pixels = _grain(total / SUBSAMPLES, index)
    format = Box(0, 0, width, height)
    attributes = {
        "chromaticities": exr.Attribute.of(
            "chromaticities", 0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767
        ),
        "timeCode": timecode("01:00:00:00", Fraction(24), index),
        "framesPerSecond": exr.Attribute.of("rational", 24, 1),
        "comments": "Eileen Collins, NASA, public domain; a made camera move",
    }
    spec = ImageSpec(format, format, colour_space="ACEScg", attributes=attributes)
    return Image(spec, pixels.astype(np.float16))


def _grain(pixels: np.ndarray, index: int) -> np.ndarray:
    """Film grain in linear light: it grows with the square root of the light, over a base fog."""
    random = np.random.default_rng([SEED, index])
    noise = random.standard_normal(pixels.shape, dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6)
    noise /= noise.std()
    amount = GRAIN * np.sqrt(0.18 * np.maximum(pixels, 0) + 0.0004)
    return pixels + amount * noise

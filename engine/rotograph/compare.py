"""Two sequences of mattes side by side, streamed frame by frame to the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import fileseq
import numpy as np

from rotograph import media
from rotograph.errors import ComputeError, MediaError, MissingFrame
from rotograph.frames import format_frames
from rotograph.image import Image
from rotograph.media import Plate
from rotograph.metrics import SequenceScore
from rotograph.picture import Cell, contact_sheet

SHOWN = 5
"""Frames of a difference sheet: the worst."""
_PICTURES = frozenset({".exr", ".png", ".tif", ".tiff", ".dpx", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class Pair:
    """Mattes and the reference they are held against.

    frames: what is compared. missing: frames of the reference that have no matte.
    shift: between the frame numbers of two single pictures.
    """

    mattes: Plate
    reference: Plate
    frames: tuple[int, ...]
    missing: tuple[int, ...] = ()
    layer: str | None = None
    shift: int = 0

    @classmethod
    def open(
        cls,
        mattes: str | Path,
        reference: str | Path,
        *,
        layer: str | None = None,
        frames: Sequence[int] | None = None,
    ) -> Pair:
        """Each a pattern, a folder that holds one sequence, a picture or a movie.

        frames: compare only these, all of which must be in both. By default those of both.
        Raises MediaError, MissingFrame; ComputeError when they have no frame in common.
        """
        found, truth = (media.open(_pattern(text)) for text in (mattes, reference))
        if len(found.frames) == len(truth.frames) == 1 and frames is None:
            frame = found.frames[0]
            return cls(found, truth, (frame,), (), layer, truth.frames[0] - frame)
        if frames is not None:
            for plate in (truth, found):
                lost = sorted(set(frames).difference(plate.frames))
                if lost:
                    raise MissingFrame(
                        "is not there to be compared",
                        frame=lost[0],
                        file=reference if plate is truth else mattes,
                        hint=f"there are {format_frames(plate.frames)}",
                    )
            return cls(found, truth, tuple(sorted(frames)), (), layer)
        both = sorted(set(found.frames).intersection(truth.frames))
        if not both:
            raise ComputeError(
                f"the mattes have frames {format_frames(found.frames)}, the reference "
                f"{format_frames(truth.frames)}: none in common",
                hint="compare sequences of one numbering",
            )
        lost = sorted(set(truth.frames).difference(found.frames))
        return cls(found, truth, tuple(both), tuple(lost), layer)

    def read(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """For each frame ``(frame, alpha, reference)``, ``(H, W)`` float32 over the reference's
        data window; a matte is 0 outside its own.

        Raises MediaError, DamagedFile; ComputeError when formats differ.
        """
        for frame in self.frames:
            matte, truth = self.mattes.read(frame), self.reference.read(frame + self.shift)
            mine, theirs = (i.spec.display.size for i in (matte, truth))
            if mine != theirs:
                raise ComputeError(
                    f"the matte is {mine[0]}x{mine[1]} and the reference {theirs[0]}x{theirs[1]}",
                    frame=frame,
                    hint="compare mattes of the same format",
                )
            window = truth.spec.data
            whole = np.zeros(window.shape, np.float32)
            both = window.intersect(matte.spec.data)
            if both:
                alpha = _alpha(matte, self.layer, self.mattes.file(frame))
                whole[both.within(window)] = alpha[both.within(matte.spec.data)]
            yield frame, whole, _alpha(truth, self.layer, self.reference.file(frame + self.shift))


def difference(alpha: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``(H, W, 3)`` uint8: red where there is too much matte, blue where too little, else the
    reference in dark grey. Errors are shown by their square root, so that small ones are seen."""
    error = np.asarray(alpha, np.float32) - np.asarray(reference, np.float32)
    shade = np.sqrt(np.abs(error))
    grey = 60.0 * np.asarray(reference, np.float32) * (1 - shade)
    paint = np.stack(
        [
            grey + np.where(error > 0, 255, 70) * shade,
            grey + 90 * shade,
            grey + np.where(error > 0, 50, 255) * shade,
        ],
        axis=-1,
    )
    return np.clip(np.rint(paint), 0, 255).astype(np.uint8)


def difference_sheet(
    path: Path | str, pair: Pair, score: SequenceScore, title: str, *, width: int = 400
) -> None:
    """Write a PNG of the frames with the largest mad: matte, reference and their difference.

    Raises WriteError, and MediaError for a frame that is gone since.
    """
    worst = sorted(score.frames, key=lambda s: -s.mad)[:SHOWN]
    figures = {one.frame: one for one in worst}
    cells = []
    for frame, alpha, reference in replace(pair, frames=tuple(sorted(figures))).read():
        scale = min(1.0, width / alpha.shape[1])
        size = (round(alpha.shape[1] * scale), max(1, round(alpha.shape[0] * scale)))
        pictures = (_grey(alpha), _grey(reference), difference(alpha, reference))
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
        cells.append(Cell(f"{frame}  mad {figures[frame].mad:.4f}", *small))
    contact_sheet(
        path, cells, title, "red: too much, blue: too little", ("matte", "reference", "difference")
    )


def _grey(alpha: np.ndarray) -> np.ndarray:
    shown = np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)
    return np.repeat(shown[..., None], 3, axis=2)


def _alpha(image: Image, layer: str | None, file: Path) -> np.ndarray:
    """The layer's channel; an image that knows no layers at all stands for the one asked for."""
    names = [name[:-2] for name in image.spec.channels if name.endswith(".A")]
    if layer is not None and names and layer not in names:
        raise MediaError(f"has no layer '{layer}'", file=file, hint=f"it has {', '.join(names)}")
    return image.coverage(layer)


def _pattern(text: str | Path) -> str:
    """A folder's one sequence of pictures, or the text as it is."""
    if not Path(text).is_dir():
        return str(text)
    try:
        found = [
            s
            for s in fileseq.findSequencesOnDisk(str(text))
            if s.extension().lower() in _PICTURES and not s.basename().startswith(".")
        ]
    except (OSError, fileseq.FileSeqException) as error:
        raise MediaError(f"cannot be read: {error}", file=text, hint="check its rights") from None
    if len(found) != 1:
        names = ", ".join(sorted(f"{s.basename()}{s.padding()}{s.extension()}" for s in found)[:4])
        raise MediaError(
            f"holds {len(found) or 'no'} sequences" if found else "holds no pictures",
            file=text,
            hint=f"name one of {names}" if found else "check the path",
        )
    one = found[0]
    if not one.padding():
        return str(next(iter(one)))
    # not fileseq's padding: its # stands for four digits
    return f"{one.dirname()}{one.basename()}{'#' * one.zfill()}{one.extension()}"

"""A movie file being written by FFmpeg (through PyAV), whole or not at all; and what is there.

In each movie's comment stands the digest of what it shows, so that the same one is not made again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from rotograph.errors import WriteError
from rotograph.timecode import told_timecode

OURS = "Rotograph "
"""How the comment of our movies begins; then comes the digest of what they show."""


def check_movie(path: Path, overwrite: bool = False) -> None:
    """Raise WriteError, before anything is computed, when the movie has no place there: its folder
    is missing, or a file has its name that is no movie of ours."""
    if path.exists() and not overwrite and not shown(path):
        raise WriteError(
            "is there already, and no movie of Rotograph's",
            file=path,
            hint="choose another name, or write over it with --overwrite",
        )
    if not path.absolute().parent.is_dir():
        raise WriteError("its folder is not there", file=path, hint="make the folder first")


def shown(path: Path) -> str:
    """The digest of what a movie of ours shows; "" of any other file, and of none."""
    try:
        with av.open(f"file:{path}") as movie:
            told = movie.metadata.get("comment", "")
    except (av.FFmpegError, OSError, UnicodeDecodeError):
        return ""
    return told.removeprefix(OURS) if told.startswith(OURS) else ""


def resumes(path: Path, digest: str, overwrite: bool) -> bool:
    """Whether the movie is there already; raises WriteError when it shows something else."""
    if not path.exists() or overwrite:
        return False
    if shown(path) != digest:
        raise WriteError(
            "is there already, and shows something else",
            file=path,
            hint="choose another name, or write over it with --overwrite",
        )
    return True


Writer = Callable[[np.ndarray, Any, int], None]


@contextlib.contextmanager
def movie(
    path: Path,
    container: str,
    codec: str,
    pixels: str,
    rate: Fraction,
    options: dict[str, str],
    digest: str,
) -> Iterator[Writer]:
    """A function that appends a picture: ``(H, W, 3)`` uint8 or ``(H, W, 4)`` float32, 0 to 1.

    The movie has its name only once it is whole. Raises WriteError; an error of the caller's own
    stays as it is.
    """
    path = path.absolute()
    part = path.with_name(f".{secrets.token_hex(8)}.rotograph-part")
    try:
        with _writing(path, codec):
            out = av.open(f"file:{part}", "w", format=container)
        try:
            with _writing(path, codec):
                out.metadata["comment"] = f"{OURS}{digest}"
                stream = out.add_stream(codec, rate=rate, options=options)
                stream.pix_fmt = pixels
            size: list[tuple[int, int]] = []

            def write(picture: np.ndarray, spec: Any, number: int) -> None:
                shape = (picture.shape[1], picture.shape[0])
                if not size:
                    size.append(shape)
                    stream.width, stream.height = shape
                    _describe(stream, spec)
                elif size[0] != shape:
                    raise WriteError(
                        f"the picture is {shape[0]}x{shape[1]}, but the movie began as "
                        f"{size[0][0]}x{size[0][1]}",
                        frame=number,
                        file=path,
                        hint="movies need plates of one size",
                    )
                with _writing(path, codec):
                    for packet in stream.encode(_picture(picture, pixels)):
                        out.mux(packet)

            yield write
            with _writing(path, codec):
                for packet in stream.encode(None):
                    out.mux(packet)
                out.close()
        except BaseException:
            with contextlib.suppress(av.FFmpegError, OSError):  # the first error is the one to tell
                out.close()
            raise
        with _writing(path, codec):
            os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


@contextlib.contextmanager
def _writing(path: Path, codec: str) -> Iterator[None]:
    """FFmpeg's and the system's errors as WriteError of this movie."""
    try:
        yield
    except av.codec.codec.UnknownCodecError:
        raise WriteError(
            f"this FFmpeg has no encoder '{codec}'", file=path, hint="install PyAV's own wheel"
        ) from None
    except (av.FFmpegError, OSError) as error:
        raise WriteError(
            f"cannot be written: {getattr(error, 'strerror', None) or error}",
            file=path,
            hint="check the disk and the folder's rights",
        ) from None


def _describe(stream: Any, spec: Any) -> None:
    """What the stream says of itself: BT.709, limited range, the pixels' aspect, timecode."""
    codec = stream.codec_context
    codec.color_primaries = codec.color_trc = codec.colorspace = 1
    codec.color_range = 1
    if spec is None:
        return
    codec.sample_aspect_ratio = Fraction(spec.pixel_aspect).limit_denominator(1000)
    code = told_timecode(spec.attributes)
    if code is not None:
        stream.metadata["timecode"] = code


def _picture(picture: np.ndarray, pixels: str) -> av.VideoFrame:
    if picture.dtype == np.uint8:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    else:
        codes = np.rint(np.clip(picture, 0, 1) * 65535).astype(np.uint16)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format="rgba64le")
    made = frame.reformat(
        format=pixels,
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    made.color_primaries = made.color_trc = 1  # ProRes takes these from the picture
    if picture.shape[2] == 4:
        _set_alpha(made.planes[3], picture[..., 3])
    return made


def _set_alpha(plane: Any, alpha: np.ndarray) -> None:
    """Alpha as the nearest of 10 bits; FFmpeg's own conversion cuts off what is below a step."""
    height, width = alpha.shape
    rows = np.zeros((height, plane.line_size // 2), "<u2")
    rows[:, :width] = np.rint(np.clip(alpha, 0, 1) * 1023)
    plane.update(rows.tobytes())

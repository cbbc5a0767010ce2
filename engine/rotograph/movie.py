"""Movies as plates: any frame by its number, exactly, and quickly when they are asked for in order.

Decoded by FFmpeg through PyAV. Luma and chroma are brought to R, G, B here, in float and
unclamped: what lies above white and below black in limited range survives.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation

from rotograph.attribute import Attribute
from rotograph.errors import DamagedFile, MediaError, MissingFrame
from rotograph.exrheader import MAX_PIXELS
from rotograph.frames import format_frames
from rotograph.image import Box, Image, ImageSpec
from rotograph.regular import open_file, reading
from rotograph.timecode import timecode

EXTENSIONS = (".mov", ".mp4", ".m4v", ".mxf", ".mkv", ".webm", ".avi")
# containers that hold their own pictures; playlists and the like may name other files
_CONTAINERS = {"mov", "mp4", "mxf", "matroska", "webm", "avi"}
# red and blue's weight in luma, by FFmpeg's number of the matrix
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)
_SCALING = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP


class Movie:
    """A movie's first video stream, kept open and stepped.

    frames: the frame numbers, ``start`` and up; the n-th picture shown is ``start`` + n, whatever
    its duration. Safe to use from several threads: they take turns.
    """

    def __init__(self, path: str | Path, *, start: int | None = None) -> None:
        """Open it and count its frames, by reading through the file without decoding.

        start: the number of the first frame, by default 1.
        Raises MediaError (no such file, not a movie) and DamagedFile.
        """
        self.path = Path(path)
        self._lock = threading.Lock()
        self._container: av.container.InputContainer | None = None
        try:
            self._open()
            # one at a time: together they are the whole file
            packets = [
                (p.pts, p.is_keyframe, p.is_discard)
                for p in self._container.demux(self._stream)
                if p.size
            ]
        except (av.FFmpegError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error
        times = [(time, key) for time, key, hidden in packets if not hidden]
        promised = self._stream.frames if "mov" in self._container.format.name else 0
        if len(packets) < promised or not times:
            raise self._damaged(f"truncated: {len(packets)} of {promised} frames are there")
        shown = [time for time, _ in times]
        # without usable times (some AVI) frames are counted from the beginning
        self._times = sorted(shown) if None not in shown and len({*shown}) == len(shown) else None
        self._keys = sorted(t for t, key in times if key) if self._times else []
        first = 1 if start is None else start
        self.frames = range(first, first + len(times))
        self._rewind()

    def __enter__(self) -> Movie:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; reading opens it again."""
        with self._lock:
            if self._container is not None:
                self._container.close()
                self._container = None

    def file(self, frame: int) -> Path:
        """The movie. Raises MissingFrame when it is shorter."""
        self._index(frame)
        return self.path

    def spec(self, frame: int) -> ImageSpec:
        """The frame's spec, without decoding it."""
        index = self._index(frame)
        data = Box(0, 0, *self._size)
        names = ("R", "G", "B", "A") if self._alpha else ("R", "G", "B")
        return ImageSpec(
            display=data,
            data=data,
            channels=names,
            pixel_aspect=self._aspect,
            alpha="straight" if self._alpha else "none",
            attributes=self._attributes(index),
        )

    def read(self, frame: int) -> Image:
        """The frame: ``(H, W, 3 or 4)`` float32, 0 to 1 for black to white, unclamped.

        Colours are as encoded (not linearised), out of luma by the stream's own matrix and range
        (unsaid: limited; BT.709 from 720 lines up, else BT.601).
        Raises MissingFrame, and DamagedFile when it cannot be decoded.
        """
        index = self._index(frame)
        spec = self.spec(frame)
        with self._lock, reading(self.path):
            try:
                picture = self._picture(index)
                if self._spoiled:
                    raise self._damaged("this picture cannot be decoded whole").located(frame=frame)
                pixels = _to_rgb(picture, self._alpha)
            except (av.FFmpegError, UnicodeDecodeError, MemoryError) as error:
                self._position = None
                raise self._damaged(error).located(frame=frame) from error
        if pixels.shape != spec.shape:
            raise self._damaged("its pictures change size").located(frame=frame)
        return Image(spec, pixels)

    def _index(self, frame: int) -> int:
        if frame not in self.frames:
            raise MissingFrame(
                "the movie does not have this frame",
                frame=frame,
                file=self.path,
                hint=f"it has {format_frames(self.frames)}",
            )
        return frame - self.frames.start

    def _damaged(self, why: object) -> DamagedFile:
        text = getattr(why, "strerror", None) or str(why)
        return DamagedFile(
            f"damaged: {' '.join(str(text).split())[:200]}",
            file=self.path,
            hint="copy or export this movie again",
        )

    def _open(self) -> None:
        open_file(self.path).close()
        try:
            # the prefix, or FFmpeg would take 'concat:a.mp4' for an order
            self._container = av.open(
                f"file:{self.path}",
                options={"protocol_whitelist": "file"},
                metadata_errors="replace",
            )
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise MediaError(
                f"cannot be read: {error.strerror}", file=self.path, hint="check path and rights"
            ) from error
        names = set(self._container.format.name.split(","))
        streams = self._container.streams.video
        if not names & _CONTAINERS or not streams:
            self._container.close()
            raise MediaError(
                "is not a movie in a known format", file=self.path, hint="convert it to mov or mp4"
            )
        self._stream = streams[0]
        codec = self._stream.codec_context
        if codec is None or codec.format is None:
            self._container.close()
            raise self._damaged("its pixel format is not stated or its codec is unknown")
        self._stream.thread_type = "AUTO"
        self._size = (codec.width, codec.height)
        if not 0 < codec.width * codec.height <= MAX_PIXELS:
            raise self._damaged(f"{codec.width} x {codec.height} pixels cannot be")
        self._alpha = len(codec.format.components) in (2, 4)
        aspect = self._stream.sample_aspect_ratio
        self._aspect = float(aspect) if aspect else 1.0
        self._rate = self._stream.average_rate
        tags = (*(s.metadata for s in self._container.streams), self._container.metadata)
        self._start = next((tag["timecode"] for tag in tags if "timecode" in tag), None)

    def _rewind(self, time: int | None = None) -> None:
        """To the beginning, or to the key frame at ``time``."""
        if self._container is None:
            self._open()
        if time is not None and time > self._times[0]:
            self._container.seek(time, stream=self._stream, backward=True)
        else:
            # a fresh start: not every container can seek to before its first picture
            self._container.close()
            self._open()
        self._pictures = self._decoded()
        self._position: int | None = 0 if time is None else -1

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Pictures from here on. FFmpeg patches up what is damaged, and what is made from that is
        as wrong, up to the next key frame: ``_spoiled`` says so of the picture that came last.
        """
        self._spoiled = False
        for picture in self._container.decode(self._stream):
            self._spoiled = picture.is_corrupt or (self._spoiled and not picture.key_frame)
            yield picture

    def _picture(self, index: int) -> av.VideoFrame:
        if self._container is None or self._position is None:
            self._rewind()
        if self._times is None:
            return self._counted(index)
        target = self._times[index]
        key = (
            self._keys[max(0, bisect.bisect_right(self._keys, target) - 1)] if self._keys else None
        )
        here = self._position
        # step where that is shorter: no key frame lies between the next picture and the target
        if here < 0 or index < here or (key is not None and key > self._times[here]):
            self._rewind(key)
        for tries in range(2):
            for picture in self._pictures:
                if picture.pts is None or picture.pts < target:
                    continue
                if picture.pts == target:
                    self._position = index + 1
                    return picture
                break
            # the seek landed too late, or pictures are missing: once more from the beginning
            if tries == 0:
                self._rewind()
        self._position = None
        raise self._damaged("this picture is missing or cannot be decoded").located(
            frame=self.frames[index]
        )

    def _counted(self, index: int) -> av.VideoFrame:
        if index < self._position:
            self._rewind()
        for picture in self._pictures:
            self._position += 1
            if self._position == index + 1:
                return picture
        self._position = None
        raise self._damaged("it ends too early").located(frame=self.frames[index])

    def _attributes(self, index: int) -> dict[str, object]:
        rate = self._rate
        if not rate:
            return {}
        out: dict[str, object] = {
            "framesPerSecond": Attribute.of("rational", rate.numerator, rate.denominator)
        }
        if self._start and (code := timecode(self._start, rate, index)) is not None:
            out["timeCode"] = code
        return out


def _to_rgb(picture: av.VideoFrame, alpha: bool) -> np.ndarray:
    """``(H, W, 3 or 4)`` float32 of a decoded picture, unclamped."""
    bits = max(c.bits for c in picture.format.components)
    if picture.format.is_rgb or picture.format.has_palette:
        name = ("rgba" if alpha else "rgb24") if bits <= 8 else ("rgba64le" if alpha else "rgb48le")
        top = 255.0 if bits <= 8 else 65535.0
        return picture.to_ndarray(format=name).astype(np.float32) / np.float32(top)
    full = picture.color_range == 2 or picture.format.name.startswith("yuvj")
    held = 2 if full else 1
    # to 16 bits by shifting, chroma to full size; range and matrix stay as they are
    wide = picture.reformat(
        format="yuva444p16le" if alpha else "yuv444p16le",
        interpolation=_SCALING,
        src_color_range=held,
        dst_color_range=held,
        src_colorspace=1,
        dst_colorspace=1,
    )
    height, width = wide.height, wide.width
    planes = [
        np.frombuffer(plane, np.uint16).reshape(height, -1)[:, :width] for plane in wide.planes
    ]
    highest = float(((1 << bits) - 1) << (16 - bits))
    luma_range, chroma_range = (highest, highest) if full else (219.0 * 256, 224.0 * 256)
    matrix = int(picture.colorspace)
    red, blue = _WEIGHTS.get(matrix, _BT601)
    if matrix in (0, 2) and height >= 720:
        red, blue = _WEIGHTS[1]
    # rows R, G, B over luma, blue difference, red difference
    turn = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / (1 - red - blue), -2 * red * (1 - red) / (1 - red - blue)],
            [1, 2 * (1 - blue), 0],
        ]
    ) / (luma_range, chroma_range, chroma_range)
    zero = turn @ (0 if full else 16 * 256, 32768, 32768)
    codes = cv2.merge(planes[:3]).astype(np.float32)
    out = cv2.transform(codes, np.column_stack([turn, -zero]))
    if alpha:
        out = np.dstack([out, planes[3] / np.float32(highest)])
    return out

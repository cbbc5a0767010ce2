"""What went wrong on many frames is told once for each cause."""

from __future__ import annotations

from rotograph.errors import ComputeError, DamagedFile, MissingFrame
from rotograph.told import by_cause


def test_one_line_for_a_range_of_frames() -> None:
    damaged = [
        DamagedFile("damaged: no end", node="plate", frame=f, file=f"/p/v1001/plate.{f:06d}.exr",
                    hint="copy it again")
        for f in (*range(1001, 1041), 1050)
    ]  # fmt: skip
    other = ComputeError("failed in step", node="track", frame=1003, hint="run with --debug")
    lost = MissingFrame("is missing", node="plate", frame=1060, file="/p/v1001/plate.001060.exr")
    assert by_cause([*damaged[:5], other, *damaged[5:], lost]) == [
        "plate, frames 1001-1040,1050, /p/v1001/plate.######.exr: damaged: no end; copy it again",
        "track, frame 1003: failed in step; run with --debug",
        "plate, frame 1060, /p/v1001/plate.001060.exr: is missing",
    ]

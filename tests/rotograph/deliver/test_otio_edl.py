"""An EDL says less than it means: what is left open is settled as an editor would mean it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotograph.deliver.clips import CutClip, clips_of
from rotograph.deliver.otio_cut import read_cut
from rotograph.errors import MediaError

otio = pytest.importorskip("opentimelineio")
NTSC = 30000 / 1001


def clips(folder: Path, text: str, rate: float | None = None) -> list[CutClip]:
    path = folder / "cut.edl"
    path.write_bytes(text.encode("utf-8"))
    return clips_of(read_cut(path, rate=rate))


def shown(one: CutClip) -> tuple[float, float, float]:
    used = one.used
    return used.start_time.value, used.duration.value, round(used.start_time.rate, 3)


@pytest.mark.parametrize("colon", [":", ";"])
def test_drop_frame_is_told_by_the_header_or_by_a_semicolon(tmp_path, colon):
    header = "DROP FRAME" if colon == ":" else "NON-DROP FRAME"
    (one,) = clips(
        tmp_path,
        f"""TITLE: x
FCM: {header}

001  A001 V     C        00:00:59{colon}28 00:01:00{colon}04 01:00:00{colon}00 01:00:00{colon}04
* FROM CLIP NAME:  sh010
""",
    )
    # 00:00:59;28 is frame 1798, and after 00:00:59;29 comes 00:01:00;02
    assert shown(one) == (1798, 4, round(NTSC, 3))


def test_a_list_may_change_between_drop_frame_and_not(tmp_path):
    one, two = clips(
        tmp_path,
        """TITLE: x
FCM: NON-DROP FRAME
001  A001 V     C        00:01:00:00 00:01:00:10 01:00:00:00 01:00:00:10
FCM: DROP FRAME
002  A002 V     C        00:01:00:02 00:01:00:12 01:00:00:10 01:00:00:20
""",
        rate=29.97,
    )
    assert (shown(one)[0], shown(two)[0]) == (1800, 1800)


def test_thirty_non_drop_at_23_976_counts_whole_frames(tmp_path):
    (one,) = clips(
        tmp_path,
        """TITLE: x
FCM: NON-DROP FRAME
001  A001 V     C        01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00
""",
        rate=23.976,
    )
    assert shown(one) == (86400, 24, 23.976)


OFF = """TITLE: x
FCM: NON-DROP FRAME
001  A001 V     C        00:00:01:00 00:00:03:01 01:00:00:00 01:00:02:00
* FROM CLIP NAME:  sh010
002  A002 V     C        00:00:01:00 00:00:09:00 01:00:02:00 01:00:04:00
* FROM CLIP NAME:  sh020
003  A003 V     C        00:00:01:00 00:00:05:00 01:00:04:00 01:00:06:00
* FROM CLIP NAME:  sh030
M2   A003       048.0                00:00:01:00
"""


def test_lengths_a_frame_apart_are_taken_and_said_and_more_is_refused(tmp_path):
    close, far, fast = clips(tmp_path, OFF)
    assert shown(close) == (24, 48, 24.0) and "49 frames and its record 48" in close.note
    assert "192 frames" in far.refused and "correct the list" in far.refused
    assert not fast.note and fast.speed == 2 and shown(fast) == (24, 95, 24.0)
    # none of the others is shifted by it
    assert [c.start.value - close.start.value for c in (close, far, fast)] == [0, 48, 96]


def test_another_frame_rate_is_asked_for(tmp_path):
    text = OFF.replace("00:00:01:00 00:00:03:01", "00:00:01:24 00:00:03:24")
    with pytest.raises(MediaError, match="--rate 25"):
        clips(tmp_path, text)


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle(tmp_path):
    assert len(clips(tmp_path, "\ufeff" + OFF.replace("\n", "\r\n"))) == 3

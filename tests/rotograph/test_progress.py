"""Progress where nobody sees a bar: a line now and then, for whoever asks for it."""

from __future__ import annotations

from rotograph.commands.progress import Bar


def test_a_log_is_told_the_stage_and_the_frames_now_and_then(capsys):
    with Bar(aloud=1e-9) as bar:
        bar.where = "on frame 1004"
        bar.rendering("segment", 0, 1, 2)
    told = capsys.readouterr().err
    assert told.startswith("rotograph: segment on frame 1004, after ") and told.count("\n") == 1


def test_it_is_not_told_more_often_than_asked_nor_anything_unasked(capsys):
    for bar in (Bar(aloud=3600.0), Bar()):
        for done in range(3):
            bar.rendering("segment", 0, done, 3)
        bar.close()
    assert capsys.readouterr().err == ""

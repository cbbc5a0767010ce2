"""Whose turn it is: even between clients, artists first, and nobody for ever last."""

from __future__ import annotations

import threading
import time

import pytest

from rotograph import scheduler
from rotograph.errors import Cancelled
from rotograph.scheduler import Turns

NEVER = threading.Event()


def work(turns: Turns, client: int, seconds: float, until: float, log: list[int], urgent=False):
    while time.monotonic() < until:
        with turns.turn(client, urgent, NEVER):
            log.append(client)
            time.sleep(seconds)


def run(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_client_with_many_requests_gets_no_more_than_one_with_one():
    turns, log, until = Turns(2), [], time.monotonic() + 1.0
    many = [threading.Thread(target=work, args=(turns, 1, 0.01, until, log)) for _ in range(6)]
    run(*many, *(threading.Thread(target=work, args=(turns, 2, 0.01, until, log)) for _ in "ab"))
    assert 0.6 < log.count(1) / log.count(2) < 1.7


def test_long_turns_count_as_much_as_they_take():
    turns, log, until = Turns(1), [], time.monotonic() + 1.5
    run(
        threading.Thread(target=work, args=(turns, 1, 0.08, until, log)),
        threading.Thread(target=work, args=(turns, 2, 0.01, until, log)),
        threading.Thread(target=work, args=(turns, 2, 0.01, until, log)),
    )
    assert log.count(2) > 3 * log.count(1)


def test_an_artist_goes_first_and_a_batch_does_not_starve(monkeypatch):
    monkeypatch.setattr(scheduler, "PATIENCE", 0.3)
    turns, log, until = Turns(1), [], time.monotonic() + 1.5
    run(
        *(threading.Thread(target=work, args=(turns, 1, 0.02, until, log, True)) for _ in "abc"),
        threading.Thread(target=work, args=(turns, 2, 0.02, until, log)),
    )
    assert 3 <= log.count(2) < log.count(1) / 4
    assert turns.waited < 0.5


def test_who_is_cancelled_while_waiting_leaves_the_queue():
    turns, stop = Turns(1), threading.Event()
    with turns.turn(1, False, NEVER):
        threading.Timer(0.1, stop.set).start()
        with pytest.raises(Cancelled), turns.turn(2, False, stop):
            pass
    with turns.turn(2, False, NEVER):
        assert turns.held
    assert not turns.held


def test_who_waits_for_something_outside_lets_others_on():
    turns, log = Turns(1), []
    with turns.turn(1, False, NEVER):
        with turns.aside():
            until = time.monotonic() + 0.01
            run(threading.Thread(target=work, args=(turns, 2, 0.0, until, log)))
        assert log and turns.held

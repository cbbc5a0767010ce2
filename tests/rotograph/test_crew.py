"""Threads that are used again: few are ever started, nobody waits for one, and nothing is held."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from rotograph.crew import IDLE, Crew, Pool


def settled(crew):
    """Wait until every thread of the crew is idle."""
    for _ in range(500):
        if all(thread.name == IDLE for thread in threads(crew)):
            return
        time.sleep(0.01)
    raise AssertionError([thread.name for thread in threads(crew)])


def threads(crew):
    return [t for t in threading.enumerate() if getattr(t, "_target", None) == crew._serve]


def test_one_task_after_another_takes_one_thread():
    crew, seen = Crew(), set()
    for _ in range(50):
        done = threading.Event()
        crew.start(lambda done=done: (seen.add(threading.get_ident()), done.set()), "task")
        assert done.wait(5)
        settled(crew)
    assert len(seen) == len(threads(crew)) == 1


def test_nobody_waits_for_a_thread():
    crew, all_there = Crew(), threading.Barrier(9)
    for _ in range(8):
        crew.start(lambda: all_there.wait(5), "task")
    all_there.wait(5)


def test_what_a_task_held_is_let_go_with_it():
    class Large:
        pass

    crew, large, begun = Crew(), Large(), threading.Event()
    gone = weakref.ref(large)
    crew.start(lambda large=large: begun.set(), "task")
    del large
    assert begun.wait(5)
    settled(crew)
    gc.collect()
    assert gone() is None


def test_a_task_that_fails_costs_no_thread(caplog):
    crew, begun = Crew(), threading.Event()
    crew.start(lambda: begun.set() or 1 / 0, "odd")
    assert begun.wait(5)
    settled(crew)
    assert len(threads(crew)) == 1 and "odd failed" in caplog.text


@pytest.mark.parametrize("most", [1, 3])
def test_a_pool_runs_so_many_at_once_and_in_order(most):
    crew, began, guard, at_once = Crew(), [], threading.Lock(), []

    def work(n):
        with guard:
            began.append(n)
            at_once.append(sum(t.name == "work" for t in threads(crew)))
        time.sleep(0.01)
        return n * n

    with Pool(crew, most, "work") as pool:
        assert list(pool.map(work, range(12))) == [n * n for n in range(12)]
    assert sorted(began) == list(range(12)) and max(at_once) <= most
    if most == 1:
        assert began == list(range(12))
    settled(crew)
    assert len(threads(crew)) <= most


def test_a_pool_that_ends_drops_what_has_not_begun_and_waits_for_what_has():
    crew, begun, go = Crew(), threading.Event(), threading.Event()
    pool = Pool(crew, 1, "work")
    first = pool.submit(lambda: (begun.set(), go.wait(5)))
    second = pool.submit(lambda: None)
    assert begun.wait(5)
    threading.Timer(0.05, go.set).start()
    pool.shutdown(cancel_futures=True)
    assert first.done() and second.cancelled()


def test_a_pool_ends_where_the_system_gives_no_more_threads(monkeypatch):
    crew = Crew()

    def start(task, name):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(crew, "start", start)
    pool = Pool(crew, 1, "work")
    for _ in range(2):  # the second is not taken for one that waits
        with pytest.raises(RuntimeError, match="new thread"):
            pool.submit(lambda: None)
    pool.shutdown()  # and this does not wait for ever


def test_what_goes_wrong_in_a_pool_is_told_by_the_future():
    with Pool(Crew(), 1, "work") as pool, pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result()

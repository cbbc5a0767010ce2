"""Networks in memory: within the budget, the least recently used goes, one in use never."""

from __future__ import annotations

import threading

import pytest

from rotograph.resident import Resident


def use(resident: Resident, name: str, size: int = 40, loaded: list | None = None) -> str:
    def load():
        if loaded is not None:
            loaded.append(name)
        return f"network {name}", size

    with resident.use(name, load) as network:
        return network


def test_a_network_is_loaded_once_and_stays():
    resident, loaded = Resident(100), []
    assert use(resident, "a", loaded=loaded) == use(resident, "a", loaded=loaded) == "network a"
    assert loaded == ["a"] and resident.sizes() == {"a": 40}


def test_the_least_recently_used_goes_when_there_is_no_room():
    resident = Resident(100)
    for name in ("a", "b", "a", "c"):
        use(resident, name)
    assert resident.sizes() == {"a": 40, "c": 40}


def test_one_in_use_is_never_dropped():
    resident = Resident(100)
    with resident.use("a", lambda: ("network a", 90)):
        use(resident, "b", 90)
        resident.drop()
        assert "a" in resident.sizes()
    assert sum(resident.sizes().values()) <= 100


def test_one_that_is_larger_than_the_budget_runs_alone():
    resident = Resident(100)
    use(resident, "a")
    with resident.use("huge", lambda: ("network huge", 1000)):
        assert list(resident.sizes()) == ["huge"]
    assert resident.sizes() == {}


def test_room_is_made_before_loading_when_the_size_is_known():
    resident = Resident(100)
    use(resident, "a", 80)
    seen = []

    def load():
        seen.append(resident.sizes())
        return "network b", 80

    with resident.use("b", load, expected=80):
        pass
    assert seen == [{}]


def test_two_threads_that_ask_at_once_load_it_once():
    resident, loaded, ready = Resident(), [], threading.Barrier(4)

    def ask():
        ready.wait()
        use(resident, "a", loaded=loaded)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["a"]


def test_what_failed_to_load_takes_no_room():
    resident = Resident(100)
    with pytest.raises(OSError), resident.use("a", _fails):
        pass
    assert resident.sizes() == {} and use(resident, "a") == "network a"


def _fails():
    raise OSError("no such file")

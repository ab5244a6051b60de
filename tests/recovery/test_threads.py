"""Threads that were attached stay in their reservation, whatever others do to them and to its group."""

import json
from collections.abc import Iterator

import pytest

from tests.recovery.conftest import Host
from tests.support.threads import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    with Threads(3) as running:
        yield running


def attach(host: Host, name: str, **targets: tuple[str, list[int]]) -> None:
    host.caller.reserve(name, "size=1ways", **targets)
    host.caller.signals_so_far()


def move(host: Host, thread: int, group: str = "") -> None:
    (host.mount.root / group / "tasks").write_text(f"{thread}\n")


def test_a_removed_group_gets_its_threads_back(host: Host, threads: Threads) -> None:
    """Those of an attached process, and its children as far as they are its children still."""
    attach(host, "a", processes=("au", [threads.pid]))
    later, child = threads.start_thread(), threads.start_child()
    inside = {*threads.ids, later, child}
    assert host.mount.tasks("rdtd.a") == inside
    (host.mount.root / "rdtd.a").rmdir()
    host.drift("rdtd.a", "removed")
    assert host.mount.tasks("rdtd.a") == inside


def test_a_single_thread_gets_back_with_its_own_children_alone(host: Host, threads: Threads) -> None:
    main, *others = threads.ids
    attach(host, "a", tasks=("au", [main]))
    child = threads.start_child()
    (host.mount.root / "rdtd.a").rmdir()
    host.drift("rdtd.a", "removed")
    assert host.mount.tasks("rdtd.a") == {main, child}
    assert host.mount.tasks() >= set(others)


def test_threads_that_are_moved_out(host: Host, threads: Threads) -> None:
    attach(host, "a", processes=("au", [threads.pid]))
    move(host, threads.ids[1])
    details = host.drift("rdtd.a", "tasks")
    assert details["found"] == f"threads are in other groups: {threads.ids[1]}"
    assert host.mount.tasks("rdtd.a") == set(threads.ids)
    (host.mount.root / "other").mkdir()
    try:
        move(host, threads.ids[2], "other")
        host.drift("rdtd.a", "tasks")
        assert host.mount.tasks("other") == set()
    finally:
        (host.mount.root / "other").rmdir()


def test_a_detached_thread_stays_out(host: Host, threads: Threads) -> None:
    """Of a process as well: the rest of it is still remembered."""
    attach(host, "a", processes=("au", [threads.pid]))
    host.caller.detach("a", tasks=("au", [threads.ids[1]]))
    host.caller.call("Reconcile")
    assert threads.ids[1] in host.mount.tasks()
    move(host, threads.ids[2])
    host.drift("rdtd.a", "tasks")
    assert host.mount.tasks("rdtd.a") == set(threads.ids) - {threads.ids[1]}
    host.caller.detach("a", processes=("au", [threads.pid]))
    host.caller.call("Reconcile")
    assert host.mount.tasks("rdtd.a") == set()
    assert host.drifts_so_far() == []


def test_a_thread_belongs_where_it_was_attached_last(host: Host, threads: Threads) -> None:
    attach(host, "a", processes=("au", [threads.pid]))
    attach(host, "b", tasks=("au", [threads.ids[1]]))
    host.caller.call("Reconcile")
    assert host.mount.tasks("rdtd.a") == set(threads.ids) - {threads.ids[1]}
    assert host.mount.tasks("rdtd.b") == {threads.ids[1]}
    host.caller.release("b")
    host.caller.call("Reconcile")
    assert threads.ids[1] in host.mount.tasks()
    assert host.drifts_so_far() == []


def test_threads_that_end_cause_no_work(host: Host) -> None:
    with Threads(3) as threads:
        attach(host, "a", processes=("au", [threads.pid]), tasks=("au", [threads.ids[1]]))
        host.mount.forget_operations()
    assert host.drifts_so_far() == []
    assert host.mount.operations() == {}
    host.caller.call("Reconcile")
    assert host.drifts_so_far() == []
    host.caller.reserve("b", "size=1ways")  # what is saved then has forgotten them
    assert json.loads(host.daemon.state_file.read_text())["members"] == {}


def test_own_moves_are_no_hints(host: Host, threads: Threads) -> None:
    attach(host, "a", processes=("au", [threads.pid]))
    host.caller.detach("a", tasks=("au", [threads.ids[1]]))
    host.caller.signals_so_far()
    host.mount.forget_operations()
    for _ in range(3):
        host.caller.signals_so_far()
    assert host.mount.operations() == {}


def test_moves_of_others_cost_little(host: Host, threads: Threads) -> None:
    """Where nothing was attached, a thread that moves leads to no look at any thread."""
    host.caller.reserve("a", "size=1ways")
    (host.mount.root / "other").mkdir()
    try:
        host.mount.set_masks("L3:0=400;1=400", "other")
        host.caller.call("Reconcile")
        host.mount.forget_operations()
        move(host, threads.pid, "other")
        host.caller.reserve("b", "size=1ways")
        assert "read tasks" not in host.mount.operations()
    finally:
        (host.mount.root / "other").rmdir()


def test_what_was_attached_outlives_rdtd(host: Host, threads: Threads) -> None:
    attach(host, "a", processes=("au", [threads.pid]))
    host.daemon.kill()
    (host.mount.root / "rdtd.a").rmdir()
    host.daemon.start()
    assert host.mount.tasks("rdtd.a") == set(threads.ids)

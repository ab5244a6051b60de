"""Threads, children and CPUs in groups, as the kernel tells it of each thread."""

import pytest

from rdtd.core.cpus import parse_cpus
from tests.support.caller import BusError
from tests.support.threads import Threads
from tests.system.conftest import Host
from tests.system.machine import group_of


def _groups(threads: Threads) -> list[str]:
    return [group_of(threads.pid, thread) for thread in threads.ids]


def test_one_thread(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", host.everywhere(1), tasks=("au", threads.ids[1:2]))
    assert _groups(threads) == ["", "rdtd.a", "", ""]
    host.caller.detach("a", tasks=("au", threads.ids[1:2]))
    assert _groups(threads) == ["", "", "", ""]


def test_a_process_with_all_that_it_starts(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", host.everywhere(1), processes=("au", [threads.pid]))
    assert _groups(threads) == ["rdtd.a"] * 4
    thread, child = threads.start_thread(), threads.start_child()
    assert group_of(threads.pid, thread) == group_of(child) == "rdtd.a"
    host.caller.release("a")
    assert _groups(threads) == [""] * 4
    assert group_of(threads.pid, thread) == group_of(child) == ""


@pytest.mark.usefixtures("room_for_two")
def test_from_one_reservation_to_another(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", host.everywhere(1), processes=("au", [threads.pid]))
    host.caller.reserve("b", host.everywhere(1), tasks=("au", threads.ids[:1]))
    assert _groups(threads) == ["rdtd.b", "rdtd.a", "rdtd.a", "rdtd.a"]


@pytest.mark.usefixtures("room_for_two")
def test_cpus(host: Host) -> None:
    online = parse_cpus(host.mount.cpus())
    last = max(online)
    host.caller.reserve("a", host.everywhere(1), cpus=("s", str(last)))
    assert parse_cpus(host.mount.cpus("rdtd.a")) == {last}
    assert parse_cpus(host.mount.cpus()) == online - {last}
    host.caller.reserve("b", host.everywhere(1))
    with pytest.raises(BusError, match=f"CPU {last} is in reservation 'a'"):
        host.caller.attach("b", cpus=("s", str(last)))
    host.caller.detach("a", cpus=("s", str(last)))
    host.caller.attach("b", cpus=("s", str(last)))
    assert host.mount.cpus("rdtd.a") == ""
    assert parse_cpus(host.mount.cpus("rdtd.b")) == {last}
    host.caller.release("b")
    assert parse_cpus(host.mount.cpus()) == online

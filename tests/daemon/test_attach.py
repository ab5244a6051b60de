"""Threads, processes and CPUs in reservations."""

import subprocess
import sys

from tests.conformance.resctrl import parse_list
from tests.daemon.conftest import Host
from tests.support.caller import PATH, RESERVATION
from tests.support.threads import Threads


def test_two_guests_with_a_real_time_thread_each(host: Host) -> None:
    """The case that rdtd was made for: one thread of a guest has its own ways, the others share the rest."""
    with Threads(2) as vm_a, Threads(2) as vm_b:
        a = host.caller.reserve("VM-A.vcpu-2", "size=5mb,cache-id=0", tasks=("au", [vm_a.ids[1]]))
        b = host.caller.reserve("VM-B.vcpu-2", "size=5mb,cache-id=0", tasks=("au", [vm_b.ids[1]]))
        assert a[0]["mask"] & b[0]["mask"] == 0
        assert host.mount.tasks("rdtd.VM-A.vcpu-2") == {vm_a.ids[1]}
        assert host.mount.tasks("rdtd.VM-B.vcpu-2") == {vm_b.ids[1]}
        assert {vm_a.ids[0], vm_b.ids[0]} <= host.mount.tasks()
        for name in ("VM-A.vcpu-2", "VM-B.vcpu-2"):
            host.caller.release(name)
        assert {*vm_a.ids, *vm_b.ids} <= host.mount.tasks()


def test_every_thread_of_a_process(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=1ways", processes=("au", [threads.pid]))
    assert host.mount.tasks("rdtd.a") == set(threads.ids)
    host.caller.detach("a", processes=("au", [threads.pid]))
    assert host.mount.tasks("rdtd.a") == set()
    assert set(threads.ids) <= host.mount.tasks()


def test_what_starts_later_is_inside(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=1ways", processes=("au", [threads.pid]))
    thread, child = threads.start_thread(), threads.start_child()
    assert host.mount.tasks("rdtd.a") == {*threads.ids, thread, child}


def test_attach_and_detach_single_threads(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=1ways")
    host.caller.attach("a", tasks=("au", threads.ids[:2]))
    host.caller.attach("a", tasks=("au", threads.ids[1:3]))
    assert host.mount.tasks("rdtd.a") == set(threads.ids[:3])
    host.caller.detach("a", tasks=("au", threads.ids[:1]))
    assert host.mount.tasks("rdtd.a") == set(threads.ids[1:3])


def test_a_thread_moves_from_one_reservation_to_another(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=1ways", tasks=("au", threads.ids))
    host.caller.reserve("b", "size=1ways", tasks=("au", threads.ids[:1]))
    assert host.mount.tasks("rdtd.b") == set(threads.ids[:1])
    assert host.mount.tasks("rdtd.a") == set(threads.ids[1:])


def test_reserve_again_attaches_more(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=1ways", tasks=("au", threads.ids[:1]))
    host.caller.reserve("a", "size=1ways", tasks=("au", threads.ids[1:2]), cpus=("s", "2"))
    assert host.mount.tasks("rdtd.a") == set(threads.ids[:2])
    assert host.mount.cpus("rdtd.a") == "2"


def test_resize_keeps_threads_and_cpus(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=1ways", processes=("au", [threads.pid]), cpus=("s", "2"))
    host.caller.call("Resize", "saa{sv}a{sv}", "a", [{"ways": ("u", 4)}], {})
    assert host.mount.tasks("rdtd.a") == set(threads.ids)
    assert host.mount.cpus("rdtd.a") == "2"


def test_cpus(host: Host) -> None:
    path = f"{PATH}/reservation/a"
    before = host.mount.cpus()
    host.caller.reserve("a", "size=1ways", cpus=("s", "0,2-3"))
    assert host.mount.cpus("rdtd.a") == "0,2-3"
    assert parse_list(host.mount.cpus()) == host.machine.rest({0, 2, 3})
    host.caller.signals_so_far()
    host.caller.attach("a", cpus=("s", "1"))
    host.caller.detach("a", cpus=("s", "0,2"))
    assert host.mount.cpus("rdtd.a") == "1,3"
    assert host.caller.get("Cpus", path, RESERVATION) == "1,3"
    told = [signal for signal in host.caller.signals_so_far() if signal.path == path]
    assert [signal.arguments[1] for signal in told] == [{"Cpus": "0-3"}, {"Cpus": "1,3"}]
    host.caller.release("a")
    assert host.mount.cpus() == before


def test_the_objects_own_attach_and_detach(host: Host, threads: Threads) -> None:
    path = f"{PATH}/reservation/a"
    host.caller.reserve("a", "size=1ways")
    targets = {"tasks": ("au", threads.ids[:1]), "cpus": ("s", "2")}
    host.caller.call_of(path, RESERVATION, "Attach", "a{sv}", targets)
    assert host.mount.tasks("rdtd.a") == set(threads.ids[:1])
    assert host.mount.cpus("rdtd.a") == "2"
    host.caller.call_of(path, RESERVATION, "Detach", "a{sv}", targets)
    assert host.mount.tasks("rdtd.a") == set()
    assert host.mount.cpus("rdtd.a") == ""


def test_a_process_that_keeps_starting_threads(host: Host) -> None:
    """Whatever it starts while it is moved is inside in the end."""
    program = (
        "import sys, threading\n"
        "done = threading.Event()\n"
        "print('started', flush=True)\n"
        "for _ in range(200):\n"
        "    threading.Thread(target=done.wait).start()\n"
        "print('all', flush=True)\n"
        "sys.stdin.read()\n"
        "done.set()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        host.caller.reserve("a", "size=1ways", processes=("au", [process.pid]))
        process.stdout.readline()
        assert len(host.mount.tasks("rdtd.a")) == 201
    finally:
        process.communicate()

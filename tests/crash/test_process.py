"""A real rdtd on a real bus, killed with SIGKILL before a system call, and started again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from rdtd.bus.client import BusError
from tests.crash.mortal import MortalDaemon
from tests.support.caller import Caller
from tests.support.daemon import DaemonFailedError
from tests.support.mount import Mount
from tests.support.patience import PATIENCE
from tests.support.threads import Threads

EVERY = bool(os.environ.get("RDTD_CRASH_EVERY"))  # before every call: `make test-crash`
POINTS = 4
NEVER = 1 << 62

Dump = dict[str, tuple[str, str, str, set[int]]]


@dataclass
class Case:
    """What rdtd is doing, and how everything is as before again."""

    do: Callable[[Caller, Mount, Threads], object]
    undo: Callable[[Caller, Mount, Threads], object]
    repairs: bool = False  # nobody asked for it, so it has to be done in any case


def repair_group(caller: Caller, mount: Mount) -> None:
    (mount.root / "rdtd.b").rmdir()
    caller.call("Reconcile")


CASES = {
    "Reserve": Case(
        lambda caller, _, __: caller.reserve("x", "size=2ways", cpus=("s", "6")),
        lambda caller, _, __: caller.release("x"),
    ),
    "Reserve with a process": Case(
        lambda caller, _, threads: caller.reserve("x", "size=1ways", processes=("au", [threads.pid])),
        lambda caller, _, __: caller.release("x"),
    ),
    "Release": Case(
        lambda caller, _, __: caller.release("b"),
        lambda caller, _, __: caller.reserve("b", "size=2ways,cache-id=1", cpus=("s", "3")),
    ),
    "Resize": Case(
        lambda caller, _, __: caller.call("Resize", "saa{sv}a{sv}", "b", [{"ways": ("u", 4)}], {}),
        lambda caller, _, __: caller.call(
            "Resize", "saa{sv}a{sv}", "b", [{"cache-id": ("u", 1), "ways": ("u", 2)}], {}
        ),
    ),
    "Attach": Case(
        lambda caller, _, threads: caller.attach("b", processes=("au", [threads.pid])),
        lambda caller, _, threads: caller.detach("b", processes=("au", [threads.pid])),
    ),
    "Reconcile": Case(
        lambda caller, mount, _: repair_group(caller, mount),
        lambda caller, _, __: None,
        repairs=True,
    ),
}


@contextmanager
def mortal_daemon() -> Iterator[tuple[MortalDaemon, Mount, Threads]]:
    """rdtd with two reservations."""
    with Threads() as threads, MortalDaemon() as daemon:
        with Caller(daemon.address) as caller:
            caller.reserve("a", "size=3ways,cache-id=0")
            caller.reserve("b", "size=2ways,cache-id=1", cpus=("s", "3"))
        yield daemon, Mount(daemon.simulator), threads


def spread(total: int) -> list[int]:
    """The calls before which rdtd dies."""
    if EVERY:
        return list(range(1, total + 2))
    return sorted({1 + total * point // (POINTS + 1) for point in range(1, POINTS + 1)})


@pytest.mark.parametrize("name", CASES)
@pytest.mark.timeout(3600 if EVERY else 300)
def test_killed(name: str) -> None:
    case = CASES[name]
    with mortal_daemon() as (daemon, mount, threads), Caller(daemon.address) as caller:
        before = mount.dump(threads.ids)
        daemon.meter.arm(NEVER)
        case.do(caller, mount, threads)
        total = daemon.meter["calls"]
        daemon.meter.arm(0)
        after = mount.dump(threads.ids)
        case.undo(caller, mount, threads)
        for number in spread(total):
            assert mount.dump(threads.ids) == before
            answered = killed(daemon, number, lambda: case.do(caller, mount, threads))
            left = mount.dump(threads.ids)
            allowed = [after] if case.repairs or answered else [before, after]
            assert without_threads(left) in [without_threads(one) for one in allowed], f"call {number}"
            for thread in threads.ids:
                assert group_of(thread, left) in {group_of(thread, before), group_of(thread, after)}
            assert set(mount.groups()) == {f"rdtd.{name}" for name in caller.names()}
            if not case.repairs:
                if without_threads(left) == without_threads(before):
                    case.do(caller, mount, threads)  # what was not answered can be asked for again
                case.undo(caller, mount, threads)


def killed(daemon: MortalDaemon, number: int, do: Callable[[], object]) -> bool:
    """Whether it was answered before rdtd died. Then rdtd runs again, if it died."""
    assert daemon.process is not None
    daemon.meter.arm(number)
    try:
        do()
        answered = True
    except BusError as error:
        assert error.name == "org.freedesktop.DBus.Error.NoReply"  # noqa: PT017 - one of two outcomes
        answered = False
    if answered:
        daemon.meter.arm(0)
    if daemon.process.poll() is not None or not answered:
        daemon.process.wait(PATIENCE)
        daemon.process = None
        daemon.meter.arm(0)
        daemon.start()
    return answered


@pytest.mark.timeout(3600 if EVERY else 300)
def test_killed_while_it_starts() -> None:
    with mortal_daemon() as (daemon, mount, _):
        before = mount.dump()
        daemon.kill()
        (mount.root / "rdtd.a").rmdir()
        daemon.meter.arm(NEVER)
        daemon.start()
        total = daemon.meter["calls"]
        for number in spread(total)[: total if EVERY else None]:
            daemon.kill()
            (mount.root / "rdtd.a").rmdir()
            mount.set_masks("L3:1=7ff", "rdtd.b")
            daemon.meter.arm(number)
            with pytest.raises(DaemonFailedError):
                daemon.start()
            daemon.meter.arm(0)
            daemon.start()
            assert mount.dump() == before, f"call {number}"


def without_threads(dump: Dump) -> dict[str, tuple[str, str, str]]:
    return {name: files[:3] for name, files in dump.items()}


def group_of(thread: int, dump: Dump) -> str:
    return next(name for name, files in dump.items() if thread in files[3])

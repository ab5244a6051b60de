"""Units and their reservations: systemd tells of a change, the control group tells the processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

import rdtd.units
from rdtd.boot import Boot
from rdtd.bus.connection import Connection
from rdtd.cgroups import Cgroups
from rdtd.core.configured import Configured
from rdtd.core.model import Owner
from rdtd.core.spec import parse_spec
from rdtd.engine import Engine
from rdtd.manager import Manager, Request
from rdtd.resctrl.watch import Watch
from rdtd.simulator.process import SimulatorProcess
from rdtd.threads import Threads
from rdtd.units import Units
from tests.support import threads as processes
from tests.support.mount import Mount
from tests.support.patience import PATIENCE
from tests.support.private_bus import PrivateBus
from tests.support.systemd import FakeSystemd


@pytest.fixture(scope="module")
def bus() -> Iterator[PrivateBus]:
    with PrivateBus() as running:
        yield running


@pytest.fixture
def process() -> Iterator[processes.Threads]:
    with processes.Threads() as running:
        yield running


@pytest.fixture
def other() -> Iterator[processes.Threads]:
    with processes.Threads(2) as running:
        yield running


@pytest_asyncio.fixture
async def systemd(bus: PrivateBus, tmp_path: Path) -> AsyncIterator[FakeSystemd]:
    connection = await Connection.open(bus.address)
    found = FakeSystemd(connection, tmp_path / "cgroup")
    await found.arrive()
    yield found
    await connection.close()


@pytest_asyncio.fixture
async def manager(engine: Engine, watch: Watch) -> AsyncIterator[Manager]:
    """With the configured reservations a and b."""
    found = Manager(engine, Threads(), watch.pending)
    await found.reconcile()
    await Boot(found, lambda *_: None).load(Configured(name, parse_spec("size=2ways")) for name in ("a", "b"))
    yield found
    await found.close()


class Followed:
    """Units that are followed, step by step."""

    def __init__(self, units: Units, reported: list[str]) -> None:
        self.units = units
        self.reported = reported

    async def told(self) -> None:
        """Waits for a signal that makes a difference, and for what it leads to."""
        async with asyncio.timeout(PATIENCE):
            await self.units._wake.wait()
        self.units._wake.clear()
        await self.units.settle()


@pytest_asyncio.fixture
async def followed(bus: PrivateBus, tmp_path: Path, manager: Manager) -> AsyncIterator[Followed]:
    reported: list[str] = []
    units = Units(manager, Cgroups(str(tmp_path / "cgroup")), reported.append)
    connection = await Connection.open(bus.address)
    units.meet(connection)
    units._wake.clear()
    yield Followed(units, reported)
    await connection.close()


def group(mount: Mount, name: str, *of: processes.Threads) -> list[bool]:
    """For each process: whether all its threads are in the group. None may be there in part."""
    inside = mount.tasks(f"rdtd.{name}")
    found = []
    for one in of:
        there = inside & set(one.ids)
        assert there in (set(), set(one.ids))
        found.append(bool(there))
    return found


async def follow(followed: Followed, reservations: dict[str, str]) -> None:
    followed.units.follow(reservations)
    await followed.told()


async def test_what_runs_already(
    followed: Followed,
    systemd: FakeSystemd,
    mount: Mount,
    process: processes.Threads,
    other: processes.Threads,
) -> None:
    systemd.start("web.service", process.pid)
    systemd.start("x.service", other.pid)
    await follow(followed, {"web.service": "a", "idle.service": "b"})
    assert group(mount, "a", process, other) == [True, False]
    assert group(mount, "b", process, other) == [False, False]
    assert followed.reported == []


async def test_what_starts_later_and_starts_again(
    followed: Followed,
    systemd: FakeSystemd,
    mount: Mount,
    process: processes.Threads,
    other: processes.Threads,
) -> None:
    await follow(followed, {"web.service": "a"})
    systemd.start("web.service", process.pid)
    systemd.tell("web.service")
    await followed.told()
    assert group(mount, "a", process, other) == [True, False]
    systemd.stop("web.service")
    systemd.start("web.service", other.pid)
    systemd.tell("web.service")
    await followed.told()
    assert group(mount, "a", other) == [True]


async def test_what_is_below_belongs_to_it_but_for_another_unit(
    followed: Followed,
    systemd: FakeSystemd,
    mount: Mount,
    process: processes.Threads,
    other: processes.Threads,
) -> None:
    systemd.start("all.slice", inside="")
    systemd.start("one.service", process.pid, inside="/all.slice")
    systemd.start("two.service", other.pid, inside="/all.slice")
    await follow(followed, {"all.slice": "a", "two.service": "b"})
    assert group(mount, "a", process, other) == [True, False]
    assert group(mount, "b", process, other) == [False, True]
    systemd.start("three.service", process.start_child(), inside="/all.slice")
    systemd.tell("three.service")  # no change of the slice's own
    await followed.told()
    assert len(mount.tasks("rdtd.a")) == len(process.ids) + 1


async def test_threads_that_somebody_put_elsewhere_stay(
    followed: Followed, systemd: FakeSystemd, mount: Mount, manager: Manager, process: processes.Threads
) -> None:
    await manager.reserve(Request("own", parse_spec("size=1ways"), Owner(1000)))
    (mount.root / "rdtd.own/tasks").write_text(f"{process.ids[1]}\n")
    (mount.root / "rdtd.b/tasks").write_text(f"{process.ids[2]}\n")
    systemd.start("web.service", process.pid)
    await follow(followed, {"web.service": "a"})
    assert mount.tasks("rdtd.own") == {process.ids[1]}
    # What is configured counts for more than what was configured.
    assert mount.tasks("rdtd.a") == {process.ids[0], *process.ids[2:]}


async def test_a_unit_moves_to_another_reservation(
    followed: Followed, systemd: FakeSystemd, mount: Mount, process: processes.Threads
) -> None:
    systemd.start("web.service", process.pid)
    await follow(followed, {"web.service": "a"})
    await follow(followed, {"web.service": "b"})
    assert group(mount, "a", process) == [False]
    assert group(mount, "b", process) == [True]


async def test_a_group_that_was_lost(
    followed: Followed, systemd: FakeSystemd, mount: Mount, manager: Manager, process: processes.Threads
) -> None:
    systemd.start("web.service", process.pid)
    await follow(followed, {"web.service": "a"})
    (mount.root / "rdtd.a").rmdir()
    await manager.reconcile()
    await followed.told()
    assert group(mount, "a", process) == [True]


async def test_a_reservation_that_comes_later(
    followed: Followed, systemd: FakeSystemd, mount: Mount, manager: Manager, process: processes.Threads
) -> None:
    systemd.start("web.service", process.pid)
    await follow(followed, {"web.service": "late"})
    assert followed.reported == []
    boot = Boot(manager, lambda *_: None)
    await boot.load([Configured("late", parse_spec("size=1ways"))])
    await followed.told()
    assert group(mount, "late", process) == [True]


async def test_no_systemd_and_then_one(
    followed: Followed, systemd: FakeSystemd, mount: Mount, process: processes.Threads
) -> None:
    await systemd.leave()
    systemd.start("web.service", process.pid)
    await follow(followed, {"web.service": "a"})
    followed.units.follow({"web.service": "a", "x.service": "b"})
    await followed.told()
    assert followed.reported == ["there is no systemd on this bus"]
    await systemd.arrive()
    await followed.told()
    assert group(mount, "a", process) == [True]


async def test_another_connection(
    followed: Followed, bus: PrivateBus, systemd: FakeSystemd, mount: Mount, process: processes.Threads
) -> None:
    await follow(followed, {"web.service": "a"})
    connection = await Connection.open(bus.address)
    try:
        followed.units.meet(connection)
        await followed.told()
        systemd.start("web.service", process.pid)
        systemd.tell("web.service")
        await followed.told()
        assert group(mount, "a", process) == [True]
    finally:
        await connection.close()


async def test_what_fails_is_tried_again(
    followed: Followed,
    systemd: FakeSystemd,
    mount: Mount,
    process: processes.Threads,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rdtd.units, "_PAUSE", 0.0)
    simulator.control("fail write rdtd.a/tasks EIO 1 not now")
    systemd.start("web.service", process.pid)
    await follow(followed, {"web.service": "a"})
    [told] = followed.reported
    assert told.startswith("the processes of web.service cannot be attached: ")
    await followed.told()
    assert group(mount, "a", process) == [True]


async def test_threads_that_appear_meanwhile(
    manager: Manager, mount: Mount, process: processes.Threads
) -> None:
    """As when a process starts some before it is in the group itself."""
    looks = iter([process.ids[:1], process.ids[:1], process.ids[:3], [999999999, *process.ids]])

    def threads() -> frozenset[int]:
        return frozenset(next(looks, process.ids))

    await manager.gather("a", threads)
    assert group(mount, "a", process) == [True]

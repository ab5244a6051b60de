"""The manager: one turn at a time, the lock's limit, and what it publishes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

import rdtd.engine
from rdtd.core.errors import Busy, NotFound
from rdtd.core.model import Lifetime, Owner
from rdtd.core.plan import Plan, plan
from rdtd.core.spec import parse_spec
from rdtd.engine import Engine
from rdtd.manager import Manager, Published, Request
from rdtd.resctrl.lock import take
from rdtd.resctrl.watch import Watch
from rdtd.simulator.process import SimulatorProcess
from rdtd.threads import Threads
from tests.support.mount import Mount


@pytest_asyncio.fixture
async def manager(engine: Engine, watch: Watch) -> AsyncIterator[Manager]:
    found = Manager(engine, Threads(), watch.pending, lock_wait=0.05)
    await found.reconcile()
    yield found
    await found.close()


def request(name: str, spec: str = "size=1ways", client: str = "") -> Request:
    lifetime = Lifetime.CLIENT if client else Lifetime.PERSISTENT
    return Request(name, parse_spec(spec), Owner(0, client, "bus" if client else ""), lifetime)


async def test_busy_names_the_limit(manager: Manager, mount: Mount) -> None:
    held = take(str(mount.root), exclusive=False)
    try:
        text = f"another program holds the lock on {mount.root}; gave up after 0.05 s"
        with pytest.raises(Busy, match=text):
            await manager.reserve(request("a"))
        assert (await manager.preview(request("a"))).name == "a"
        assert manager.public.reservations == {}
        assert mount.groups() == []
    finally:
        os.close(held)
    await manager.reserve(request("a"))


async def test_the_lock_is_lost_between_two_slices(
    manager: Manager, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn is given up, and what it began is taken back as soon as that is possible."""
    before = mount.dump()
    monkeypatch.setattr(rdtd.engine, "SLICE", 0)
    engine = manager._engine
    resume = engine.resume
    held: list[int] = []

    def resume_when_others_are_in() -> object:
        if not held:
            held.append(take(str(mount.root), exclusive=True))
        return resume()

    monkeypatch.setattr(engine, "resume", resume_when_others_are_in)
    with pytest.raises(Busy):
        await manager.reserve(request("a"))
    assert manager.public.reservations == {}
    monkeypatch.undo()
    os.close(held[0])
    await manager.reconcile()
    assert mount.dump() == before


async def test_a_cancelled_call_ends_its_turn(
    manager: Manager, mount: Mount, simulator: SimulatorProcess
) -> None:
    """Its outcome stands: a turn is never left half-way."""
    simulator.control("delay mkdir rdtd.a 0.1")
    call = asyncio.create_task(manager.reserve(request("a")))
    await asyncio.sleep(0)
    assert manager._turns.one_at_a_time.locked()
    waiting = asyncio.create_task(manager.reserve(request("b")))
    await asyncio.sleep(0)
    call.cancel()
    waiting.cancel()
    assert (await call).name == "a"
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert mount.groups() == ["rdtd.a"]


async def test_reconcile_leaves_the_turn_before_it_alone(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it forgets is not what the other turn has in its hands."""
    loop, calls = asyncio.get_running_loop(), []

    async def reconcile() -> None:
        calls.append(asyncio.create_task(manager.reconcile()))
        await asyncio.sleep(0)  # it has begun

    def interrupted(*arguments: Any) -> Plan:
        steps = plan(*arguments)
        if not steps and not calls:  # all is in place, and the turn is about to say so
            asyncio.run_coroutine_threadsafe(reconcile(), loop).result()
        return steps

    monkeypatch.setattr(rdtd.engine, "plan", interrupted)
    assert (await manager.reserve(request("a"))).name == "a"
    assert await calls[0] == 0


async def test_what_is_published(manager: Manager) -> None:
    told: list[Published] = []
    manager.subscribe(told.append)
    await manager.reserve(request("a"))
    await manager.reserve(request("a"))  # nothing new
    await manager.preview(request("b"))
    with pytest.raises(NotFound):
        await manager.release("b")
    await manager.release("a")
    changes = [(list(one.before.reservations), list(one.after.reservations), one.reason) for one in told]
    assert changes == [([], ["a"], "released"), (["a"], [], "released")]


async def test_clients_that_left(manager: Manager, simulator: SimulatorProcess) -> None:
    for name, client in (("a", ":1.1"), ("b", ":1.2"), ("c", ":1.1"), ("d", "")):
        await manager.reserve(request(name, client=client))
    told: asyncio.Queue[Published] = asyncio.Queue()
    manager.subscribe(told.put_nowait)
    reported: list[Exception] = []
    loop = asyncio.create_task(manager.run(reported.append))
    simulator.control("fail rmdir rdtd.a EBUSY 2 not now")
    manager.leave(":1.1", "bus")
    manager.leave(":1.2", "another bus")
    published = await told.get()
    assert (sorted(published.after.reservations), published.reason) == (["b", "d"], "client-left")
    assert len(reported) == 1
    loop.cancel()
    with suppress(asyncio.CancelledError):
        await loop


async def test_faults_end_no_loop(manager: Manager, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    await manager.reserve(request("a"))
    engine, turn, broken = manager._engine, manager._engine.turn, [True]

    def turn_or_fault(*arguments: object, **options: object) -> object:
        if broken:
            broken.clear()
            raise ZeroDivisionError("a fault")
        return turn(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "turn", turn_or_fault)
    reported: list[Exception] = []
    told: asyncio.Queue[Published] = asyncio.Queue()
    manager.subscribe(told.put_nowait)
    loop = asyncio.create_task(manager.run(reported.append))
    before = mount.dump()
    (mount.root / "rdtd.a").rmdir()
    manager.hint()
    while not (await told.get()).drifts:
        pass
    assert mount.dump() == before
    assert [str(error) for error in reported] == ["a fault"]
    loop.cancel()
    with suppress(asyncio.CancelledError):
        await loop


async def test_callers_at_once(manager: Manager, mount: Mount) -> None:
    requests = [manager.reserve(request(f"n{number}", "size=1ways,cache-id=0")) for number in range(7)]
    granted = await asyncio.gather(*requests)
    masks = [one.granted[0].mask for one in granted]
    assert sum(masks) == (1 << 7) - 1
    await asyncio.gather(*(manager.release(one.name) for one in granted))
    assert mount.groups() == []


async def test_the_last_resort_finds_what_no_event_told(
    engine: Engine, watch: Watch, mount: Mount, simulator: SimulatorProcess
) -> None:
    manager = Manager(engine, Threads(), watch.pending, look_every=0.05)
    await manager.reserve(request("a", "size=2ways"))
    before = mount.dump()
    told: asyncio.Queue[Published] = asyncio.Queue()
    manager.subscribe(told.put_nowait)
    loop = asyncio.create_task(manager.run(lambda error: None))
    simulator.control("kernel-change rdtd.a L3:0=fffff")
    published = await told.get()
    assert [drift.kind for drift in published.drifts] == ["masks"]
    assert mount.dump() == before
    loop.cancel()
    with suppress(asyncio.CancelledError):
        await loop
    await manager.close()


async def test_a_check_tells_and_what_it_found_is_put_right_then(manager: Manager, mount: Mount) -> None:
    await manager.reserve(request("a", "size=2ways"))
    assert await manager.check() == ()
    mount.set_masks("L3:0=fffff", "rdtd.a")
    found = await manager.check()
    assert [(one.group, one.kind) for one in found] == [("rdtd.a", "masks")]
    assert list(manager.public.degraded) == ["a"]
    assert mount.masks("rdtd.a")[0] == 0xFFFFF
    await manager.reconcile()
    assert await manager.check() == ()
    assert manager.public.degraded == {}

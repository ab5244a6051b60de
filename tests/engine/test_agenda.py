"""When a look is due, by a clock that the test turns."""

import asyncio
from collections.abc import Collection

import pytest

from rdtd.agenda import LOOK_EVERY, Agenda
from rdtd.core.drift import Drift
from rdtd.core.patience import AT_ONCE


class Clock:
    """Time that passes when the test says so, and the hints that wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.hints: set[str] = set()

    def __call__(self) -> float:
        return self.now

    def hinted(self, besides: Collection[str]) -> bool:
        return bool(self.hints - set(besides))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def agenda(clock: Clock) -> Agenda:
    return Agenda(clock.hinted, clock=clock)


async def is_due(agenda: Agenda) -> bool:
    """Whether due() comes back without time passing."""
    task = asyncio.ensure_future(agenda.due())
    for _ in range(3):
        await asyncio.sleep(0)
    if task.done():
        return True
    task.cancel()
    await asyncio.wait([task])
    return False


async def test_nothing_is_due_on_an_idle_host(agenda: Agenda, clock: Clock) -> None:
    clock.now += LOOK_EVERY - 1
    assert not await is_due(agenda)


async def test_the_last_resort_reads_everything(agenda: Agenda, clock: Clock) -> None:
    clock.now += LOOK_EVERY
    assert await agenda.due() is True
    assert not await is_due(agenda)
    clock.now += LOOK_EVERY
    assert await agenda.due() is True


async def test_hints_and_pokes_are_due_at_once_and_read_what_they_name(agenda: Agenda, clock: Clock) -> None:
    clock.hints.add("rdtd.a")
    assert await agenda.due() is False
    clock.hints.clear()
    agenda.poke()
    assert await agenda.due() is False
    assert not await is_due(agenda)


async def test_a_waiting_loop_is_woken(agenda: Agenda, clock: Clock) -> None:
    waiting = asyncio.ensure_future(agenda.due())
    await asyncio.sleep(0)
    clock.hints.add("rdtd.a")
    agenda.hint()
    assert await waiting is False


async def test_failures_are_tried_again_after_growing_pauses(agenda: Agenda, clock: Clock) -> None:
    for pause in (0.1, 0.2, 0.4, 0.8, 1.6):
        agenda.failed(again=True)
        clock.now += pause - 0.01
        assert not await is_due(agenda)
        clock.now += 0.02
        assert await is_due(agenda)
    agenda.succeeded()
    agenda.undone()
    assert await is_due(agenda)


async def test_a_hint_waits_a_second_at_most_for_what_failed(agenda: Agenda, clock: Clock) -> None:
    for _ in range(12):
        agenda.failed(again=True)
    clock.hints.add("rdtd.a")
    assert not await is_due(agenda)
    clock.now += 1
    assert await is_due(agenda)


async def test_hints_that_could_not_be_read_are_no_reason_to_look(agenda: Agenda, clock: Clock) -> None:
    """Another program has the lock, or resctrl is not mounted: only time or a poke can help."""
    clock.hints.add("rdtd.a")
    for _ in range(12):
        agenda.failed(again=True)
    clock.now += 59
    assert not await is_due(agenda)
    clock.now += 2
    assert await is_due(agenda)
    agenda.failed(again=False)
    clock.now += 100
    assert not await is_due(agenda)
    clock.hints.clear()  # a call has read them
    assert not await is_due(agenda)
    clock.hints.add("rdtd.a")
    assert await is_due(agenda)


async def test_nothing_is_tried_again_that_cannot_change_by_itself(agenda: Agenda, clock: Clock) -> None:
    agenda.failed(again=False)
    clock.now += 100
    assert not await is_due(agenda)
    agenda.poke()
    assert await is_due(agenda)


async def test_contested_groups_wait_and_others_do_not(agenda: Agenda, clock: Clock) -> None:
    for _ in range(AT_ONCE + 4):
        agenda.weigh((Drift("rdtd.a", "masks"),))
    clock.hints.add("rdtd.a")
    assert not await is_due(agenda)
    clock.hints.add("rdtd.b")
    assert await is_due(agenda)
    clock.hints.remove("rdtd.b")
    assert not await is_due(agenda)
    clock.now += 0.8
    assert await is_due(agenda)
    clock.hints.clear()
    assert not await is_due(agenda)
    clock.now += 10
    assert await is_due(agenda)  # to see that it is over
    assert [drift.kind for drift in agenda.weigh(())] == ["contested"]
    assert not await is_due(agenda)

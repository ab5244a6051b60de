"""rdtd, killed before its N-th system call, and what is left of it."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdtd.core.model import Reservation, Wanted
from rdtd.core.plan import plan
from rdtd.manager import Manager
from tests.core import invariants
from tests.crash.scenarios import Scenario
from tests.model.host import Host, Killed

__all__ = [
    "End",
    "Points",
    "changes",
    "check",
    "end_of",
    "fresh_host",
    "go_on",
    "kill_everywhere",
    "kill_twice",
    "look",
    "operate",
    "prepare",
    "undisturbed",
]

Dump = dict[str, tuple[str, ...]]
Call = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class End:
    """What stands in the kernel, and what is wanted."""

    dump: Dump
    reservations: dict[str, Reservation]


@contextmanager
def fresh_host(scenario: Scenario) -> Iterator[Host]:
    """A host for one run."""
    with tempfile.TemporaryDirectory(prefix="rdtd-crash-", dir="/dev/shm") as directory:
        host = Host(Path(directory), **scenario.options)
        scenario(host)
        with host.in_place():
            yield host


async def prepare(scenario: Scenario, host: Host) -> Manager | None:
    """rdtd before the operation; None when the operation is its start."""
    manager = await host.start()
    await scenario.before(manager)
    if scenario.do is None:
        await host.end(manager)
        scenario.outside(host)
        return None
    scenario.outside(host)
    return manager


async def operate(scenario: Scenario, host: Host, manager: Manager | None) -> Manager:
    """The operation. Raises what it raises; then that life of rdtd is over or goes on with `manager`."""
    if scenario.do is None:
        return await host.start()
    assert manager is not None
    await scenario.do(manager)
    return manager


async def look(host: Host, manager: Manager) -> End:
    """What there is after rdtd has looked once more; it has to be in order."""
    assert await manager.reconcile() == 0, "there was something left to do"
    assert manager.public.state == "ready" or manager.public.degraded, manager.public
    engine = host.engine
    assert engine.snapshot is not None
    assert plan(engine.wanted, engine.snapshot, host.policy) == ()
    assert {f"rdtd.{name}" for name in engine.wanted.reservations} == {
        name for name in host.groups() if name.startswith("rdtd.")
    }
    saved = host.store.load()
    assert saved is not None
    assert saved.reservations == engine.wanted.reservations
    assert sorted(path.name for path in host.run.iterdir()) in (
        ["lock", "state.json"],
        ["lock", "state.json", "state.json.new"],
    )
    if not manager.public.degraded:
        invariants.check_reservations(engine.wanted, engine.snapshot)
    return End(host.dump(), _comparable(saved))


@dataclass
class Points:
    """What was tried."""

    tried: int = 0  # the calls before which rdtd was killed
    states: int = 0  # how many different states that left


def kill_everywhere(scenario: Scenario, *, every: bool) -> Points:
    """Kills rdtd before each call of the operation, and starts it again. An AssertionError tells which call.

    Between two changes nothing differs for whoever comes after: unless `every` is set, one call is tried
    of those.
    """
    before, after, calls = asyncio.run(undisturbed(scenario))
    points = Points()
    ends: dict[str, End] = {}
    changed = True
    for number, (name, arguments) in enumerate([*calls, ("", ())], 1):
        if changed or every:
            asyncio.run(_kill(scenario, number, before, after, ends))
            points.tried += 1
        if name == "write" and isinstance(arguments[1], bytes) and len(arguments[1]) > 100:
            asyncio.run(_kill(scenario, number, before, after, ends, torn=True))
            points.tried += 1
        changed = changes(name, arguments)
    points.states = len(ends)
    return points


def changes(name: str, arguments: tuple[Any, ...]) -> bool:
    """Whether the call leaves anything different."""
    if name == "open":
        return len(arguments) > 1 and bool(arguments[1] & (os.O_CREAT | os.O_TRUNC))
    return name in {"write", "mkdir", "makedirs", "rmdir", "replace", "rename", "unlink", "remove"}


async def undisturbed(scenario: Scenario) -> tuple[End, End, list[Call]]:
    """Where the operation begins and ends, and the calls in between."""
    with fresh_host(scenario) as host:
        manager = await prepare(scenario, host)
        before = end_of(host)
        calls: list[Call] = []
        host.call = lambda _, name, arguments: calls.append((name, arguments))
        manager = await operate(scenario, host, manager)
        host.call = go_on
        after = await look(host, manager)
        await host.end(manager)
    return before, after, calls


def end_of(host: Host) -> End:
    saved = host.store.load()
    assert saved is not None
    return End(host.dump(), _comparable(saved))


async def _kill(
    scenario: Scenario, number: int, before: End, after: End, ends: dict[str, End], *, torn: bool = False
) -> None:
    with fresh_host(scenario) as host:
        answered = await _until_killed(scenario, host, number, torn=torn)
        left = _what_is_left(host)
        if left not in ends:
            ends[left] = await _recovered(host)
        allowed = _allowed(scenario, before, after, answered=answered)
        check(
            f"killed before call {number}{', torn' if torn else ''}",
            ends[left],
            allowed,
            scenario,
            (before, after),
        )


async def _until_killed(scenario: Scenario, host: Host, number: int, *, torn: bool = False) -> bool:
    """Whether the operation was answered before rdtd died."""
    manager = await prepare(scenario, host)
    host.calls, host.call = 0, _killer(number, torn=torn)
    try:
        manager = await operate(scenario, host, manager)
    except Killed:
        return False
    else:
        return True
    finally:
        host.call = go_on
        if manager is not None:
            await manager.close()
        host.dies()


def _killer(number: int, *, torn: bool = False) -> Callable[[int, str, tuple[Any, ...]], None]:
    def kill(count: int, name: str, arguments: tuple[Any, ...]) -> None:
        if count == number:
            if torn:
                os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
            raise Killed

    return kill


async def _recovered(host: Host) -> End:
    manager = await host.start()
    end = await look(host, manager)
    await host.end(manager)
    return end


def _allowed(scenario: Scenario, before: End, after: End, *, answered: bool) -> tuple[End, ...]:
    """What was promised before is there in any case; what was asked for is there as a whole or not at all."""
    return (after,) if answered or scenario.repairs else (before, after)


def kill_twice(scenario: Scenario) -> Points:
    """Kills rdtd before each change of the operation, and then before each change of the recovery."""
    before, after, calls = asyncio.run(undisturbed(scenario))
    points = Points()
    ends: dict[str, End] = {}
    for number in _before_changes(calls):
        recovery = asyncio.run(_recovery(scenario, number))
        for second in _before_changes(recovery):
            asyncio.run(_kill_again(scenario, number, second, (before, after), ends))
            points.tried += 1
    points.states = len(ends)
    return points


def _before_changes(calls: list[Call]) -> list[int]:
    return [number for number, (name, arguments) in enumerate(calls, 1) if changes(name, arguments)]


async def _recovery(scenario: Scenario, number: int) -> list[Call]:
    """The calls with which rdtd starts after it was killed."""
    with fresh_host(scenario) as host:
        await _until_killed(scenario, host, number)
        calls: list[Call] = []
        host.call = lambda _, name, arguments: calls.append((name, arguments))
        await host.end(await host.start())
        return calls


async def _kill_again(
    scenario: Scenario, number: int, second: int, both: tuple[End, End], ends: dict[str, End]
) -> None:
    with fresh_host(scenario) as host:
        await _until_killed(scenario, host, number)
        host.calls, host.call = 0, _killer(second)
        try:
            await host.end(await host.start())
        except Killed:
            host.dies()
        host.call = go_on
        left = _what_is_left(host)
        if left not in ends:
            ends[left] = await _recovered(host)
        allowed = _allowed(scenario, *both, answered=False)
        check(
            f"killed before call {number}, and before call {second} of the start",
            ends[left],
            allowed,
            scenario,
            both,
        )


def check(what: str, end: End, allowed: tuple[End, ...], scenario: Scenario, both: tuple[End, End]) -> None:
    """One of those, with nothing missing and nothing beside it.

    A thread that the operation moves may be where it was before it or where it is after it (`both`).
    """
    found = _without_threads(end, scenario.moves)
    told = "\n  ".join([f"{what}:\n  {end}\nis none of", *map(str, allowed)])
    assert found in [_without_threads(one, scenario.moves) for one in allowed], told
    for thread in scenario.moves:
        assert _group_of(thread, end) in {_group_of(thread, one) for one in both}, f"{thread}: {told}"


def _without_threads(end: End, threads: frozenset[int]) -> End:
    gone = {str(thread) for thread in threads}

    def rest(tasks: str) -> str:
        return " ".join(thread for thread in tasks.split() if thread not in gone)

    return replace(end, dump={name: (*files[:3], rest(files[3])) for name, files in end.dump.items()})


def _group_of(thread: int, end: End) -> str:
    return next(name for name, files in end.dump.items() if str(thread) in files[3].split())


def _what_is_left(host: Host) -> str:
    files = {path.name: path.read_text() for path in host.run.iterdir() if path.is_file()}
    return repr((host.dump(), {name: re.sub(r'"created":\d+', "", text) for name, text in files.items()}))


def _comparable(wanted: Wanted) -> dict[str, Reservation]:
    return {name: replace(one, created_usec=0) for name, one in wanted.reservations.items()}


def go_on(number: int, name: str, arguments: tuple[Any, ...]) -> None:
    """The call is made."""

"""Turns of the loop: slices, what is saved when, and what is left when something fails."""

import errno
import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import rdtd.engine
from rdtd.core.errors import KernelRefused, NoSpace, NotMounted
from rdtd.core.model import Snapshot, Wanted
from rdtd.core.plan import Step
from rdtd.core.space import Policy
from rdtd.engine import Decide, Engine, Outcome
from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.lock import LockedError, take
from rdtd.simulator.process import SimulatorProcess
from rdtd.store import Store
from tests.engine.conftest import nothing, releasing, reserving
from tests.support.mount import Mount

FULL = 0xFFFFF


def names(engine: Engine) -> list[str]:
    return sorted(engine.wanted.reservations)


def saved(engine: Engine) -> list[str]:
    """The reservations in the state file."""
    document = json.loads(Path(engine._saver._store.path).read_text())
    return sorted(one["name"] for one in document["reservations"])


def to_the_end(engine: Engine, decide: Decide) -> Outcome:
    """A turn with all its slices."""
    outcome = engine.turn(decide)
    while not outcome.done:
        outcome = engine.resume()
    return outcome


def test_a_turn(engine: Engine, mount: Mount) -> None:
    outcome = engine.turn(reserving("a", "size=2ways"))
    assert (outcome.done, outcome.steps) == (True, 3)
    assert saved(engine) == names(engine) == ["a"]
    assert mount.masks("rdtd.a") == {0: 0b11, 1: 0b11}
    assert engine.turn(nothing).steps == 0
    engine.turn(releasing("a"))
    assert saved(engine) == names(engine) == []
    assert mount.masks() == {0: FULL, 1: FULL}


def test_a_long_plan_lets_the_lock_go(engine: Engine, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every slice makes progress, however short it is, and others get the lock in between."""
    monkeypatch.setattr(rdtd.engine, "SLICE", 0)
    outcome = engine.turn(reserving("a", "size=2ways"))
    slices = 1
    while not outcome.done:
        take_and_let_go(mount)
        outcome = engine.resume()
        slices += 1
    assert outcome.steps == 3
    assert slices >= 3
    assert mount.masks("rdtd.a") == {0: 0b11, 1: 0b11}
    assert engine.take_drifts() == ()


def take_and_let_go(mount: Mount) -> None:
    os.close(take(str(mount.root), exclusive=True))


def test_work_is_sliced_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdtd.engine, "SLICE", 0)
    done = []

    def work(_: Snapshot) -> Generator[None, None, None]:
        for number in range(5):
            done.append(number)
            yield

    outcome = engine.turn(nothing, work)
    slices = 1
    while not outcome.done:
        outcome = engine.resume()
        slices += 1
    assert done == [0, 1, 2, 3, 4]
    assert slices > 5


def test_another_tool_meets_a_sliced_turn(
    engine: Engine, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes between two slices is put right before the turn ends."""
    monkeypatch.setattr(rdtd.engine, "SLICE", 0)
    outcome = engine.turn(reserving("a", "size=2ways"))
    mount.set_masks(f"L3:0={FULL:x}")
    while not outcome.done:
        outcome = engine.resume()
    assert mount.masks("rdtd.a")[0] & mount.masks()[0] == 0


def test_a_turn_that_is_abandoned(engine: Engine, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mount.dump()
    with monkeypatch.context() as patch:
        patch.setattr(rdtd.engine, "SLICE", 0)
        assert not engine.turn(reserving("a", "size=2ways")).done
    assert mount.groups() == ["rdtd.a"] or mount.dump() != before
    engine.abandon()
    assert saved(engine) == names(engine) == []
    assert engine.restless
    engine.turn(nothing)
    assert mount.dump() == before


def test_abandoned_work_is_undone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdtd.engine, "SLICE", 0)
    undone = []

    def work(_: Snapshot) -> Generator[None, None, None]:
        try:
            while True:
                yield
        except BaseException:
            undone.append("undone")
            raise

    assert not engine.turn(nothing, work).done
    engine.abandon()
    assert undone == ["undone"]


def test_a_decision_that_refuses_changes_nothing(engine: Engine, mount: Mount) -> None:
    mount.forget_operations()
    with pytest.raises(NoSpace):
        engine.turn(reserving("a", "size=21ways"))
    assert mount.changes() == {}
    assert saved(engine) == []


def test_the_lock_of_others(engine: Engine, mount: Mount) -> None:
    held = take(str(mount.root), exclusive=False)
    try:
        with pytest.raises(LockedError):
            engine.turn(reserving("a", "size=1ways"))
        wanted = engine.preview(reserving("a", "size=1ways"))
        assert list(wanted.reservations) == ["a"]
    finally:
        os.close(held)
    assert names(engine) == []


def test_what_is_wanted_is_saved_before_the_kernel_is_touched(
    engine: Engine, mount: Mount, simulator: SimulatorProcess
) -> None:
    simulator.control("fail mkdir * EIO always")
    seen = []
    save = engine._saver._store.save

    def spy(wanted: Wanted) -> None:
        seen.append((sorted(wanted.reservations), mount.groups(), mount.masks()[0]))
        save(wanted)

    engine._saver._store.save = spy  # type: ignore[method-assign]
    with pytest.raises(KernelRefused):
        engine.turn(reserving("a", "size=2ways"))
    assert seen[0] == (["a"], [], FULL)
    assert saved(engine) == []


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_kernel_that_does_not_keep_what_is_written(
    engine: Engine, mount: Mount, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """As on a host where another tool fights back: the turn ends."""
    apply = engine.mount.apply

    def fight(step: object) -> None:
        apply(step)  # type: ignore[arg-type]
        if "rdtd.a" in mount.groups():
            mount.set_masks("L3:0=fffff", "rdtd.a")

    engine.mount.apply = fight  # type: ignore[method-assign]
    monkeypatch.setattr(rdtd.engine, "SLICE", seconds)
    with pytest.raises(KernelRefused, match=r"the kernel does not keep what is written to 'rdtd\.a'"):
        to_the_end(engine, reserving("a", "size=2ways"))
    monkeypatch.undo()
    engine.mount.apply = apply  # type: ignore[method-assign]
    engine.turn(nothing)
    assert mount.groups() == []
    assert mount.masks() == {0: FULL, 1: FULL}


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ValueError("a fault")])
def test_a_fault_in_the_middle(engine: Engine, mount: Mount, error: Exception) -> None:
    """Even a fault of rdtd's own leaves nothing: whoever runs the turn abandons it."""

    def work(_: Snapshot) -> Generator[None, None, None]:
        yield
        raise error

    with pytest.raises(type(error)):
        engine.turn(reserving("a", "size=2ways"), work)
    engine.abandon()
    engine.turn(nothing)
    assert saved(engine) == names(engine) == []
    assert mount.groups() == []


def test_own_writes_are_no_hints(engine: Engine, mount: Mount) -> None:
    engine.turn(reserving("a", "size=2ways"))
    mount.forget_operations()
    engine.turn(nothing)
    assert mount.operations() == {"read schemata": 1}


def test_a_preview_that_sees_a_change_asks_for_a_turn(engine: Engine, mount: Mount) -> None:
    engine.turn(reserving("a", "size=2ways"))
    mount.set_masks("L3:0=ff0")
    engine.preview(nothing)
    assert engine.restless
    assert engine.take_drifts() == ()
    engine.turn(nothing)
    assert [drift.kind for drift in engine.take_drifts()] == ["baseline"]


def test_a_mount_that_goes_away(engine: Engine, mount: Mount) -> None:
    engine.mount.root = str(mount.root / "info")
    with pytest.raises(NotMounted):
        engine.turn(nothing)
    assert engine.snapshot is None


def test_a_long_repair_holds_the_lock_for_a_slice_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred groups, by a clock that each look at it moves on: so many steps make a slice, and no more."""
    step, now, held, holds = 0.005, [0.0], [0], []

    def clock() -> float:
        now[0] += step
        return now[0]

    class Counting(Resctrl):
        def apply(self, one: Step) -> None:
            held[0] += 1
            super().apply(one)

        @contextmanager
        def locked(self, *, exclusive: bool) -> Iterator[None]:
            held[0] = 0
            with super().locked(exclusive=exclusive):
                yield
            holds.append(held[0])

    with SimulatorProcess(["--preset", "large", "--cache-ids", "0"]) as simulator:
        for number in range(100):
            (Path(simulator.root) / f"rdtd.{number}").mkdir()
        mount = Counting(simulator.root, simulator.sysfs)
        engine = Engine(mount, Store(str(tmp_path)), Policy(), Wanted(), clock=clock)
        assert to_the_end(engine, nothing).steps == 100
        assert Mount(simulator).groups() == []
    assert max(holds) == rdtd.engine.SLICE / step + 1
    assert sum(holds) == 100


def test_a_check_changes_nothing(engine: Engine, mount: Mount) -> None:
    """It tells what a repair would do, in the words of the Drift; the repair comes when it may."""
    engine.turn(reserving("a", "size=2ways"))
    engine.turn(reserving("b", "size=2ways"))
    assert engine.check() == ()
    mount.set_masks("L3:0=fffff", "rdtd.a")
    (mount.root / "rdtd.b").rmdir()
    (mount.root / "other").mkdir()
    before = mount.dump()
    found = {(one.group, one.kind): one.details["done"] for one in engine.check()}
    assert found == {
        ("rdtd.a", "masks"): "set to L3:0=3",
        ("rdtd.b", "removed"): "made again",
        ("other", "foreign"): found["other", "foreign"],
    }
    assert mount.dump() == before
    assert engine.restless
    engine.turn(nothing)
    assert {(one.group, one.kind) for one in engine.take_drifts()} == set(found)
    assert [one.kind for one in engine.check()] == ["foreign"]
    (mount.root / "other").rmdir()
    assert engine.check() == ()

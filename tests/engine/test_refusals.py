"""Steps that the kernel refuses: a turn fails if it is about them, and goes on past them if it is not."""

from __future__ import annotations

import pytest

from rdtd.core.allocator import release, resize
from rdtd.core.attachment import attach_cpus
from rdtd.core.errors import KernelRefused, NoClosid, NoRmid
from rdtd.core.lacking import degraded
from rdtd.core.model import Snapshot, Wanted
from rdtd.core.space import Policy
from rdtd.core.spec import parse_spec
from rdtd.engine import Decide, Engine, Outcome
from rdtd.simulator.process import SimulatorProcess
from tests.engine.conftest import nothing, releasing, reserving
from tests.support.mount import Mount


def resizing(name: str, spec: str) -> Decide:
    return lambda wanted, snapshot: resize(wanted, snapshot, Policy(), name, parse_spec(spec))


def finished(engine: Engine, decide: Decide) -> Outcome:
    """A turn with all its slices."""
    outcome = engine.turn(decide)
    while not outcome.done:
        outcome = engine.resume()
    return outcome


def lacking(engine: Engine) -> dict[str, str]:
    return degraded(engine.wanted, engine.snapshot, engine.refused)


@pytest.fixture
def barred(engine: Engine, mount: Mount, simulator: SimulatorProcess) -> Engine:
    """Reservation a is on both caches, b on the first. The kernel takes no write in the second: a foreign
    exclusive group has every way there, since its domain was away."""
    finished(engine, reserving("a", "size=2ways"))
    finished(engine, reserving("b", "size=2ways,cache-id=0"))
    (mount.root / "other").mkdir()
    mount.set_masks("L3:0=800;1=800", "other")
    for group in ("", "rdtd.a", "rdtd.b"):
        masks = mount.masks(group)
        mount.set_masks(f"L3:0={masks[0] & 0x7FF:x};1={masks[1] & 0x7FF:x}", group)
    (mount.root / "other/mode").write_text("exclusive\n")
    finished(engine, nothing)
    engine.take_drifts()
    simulator.control("offline L3 1")
    simulator.control("online L3 1")
    return engine


def test_a_repair_goes_on_past_what_is_refused(barred: Engine, mount: Mount) -> None:
    mount.set_masks("L3:0=7ff", "rdtd.a")
    outcome = finished(barred, nothing)
    assert "Overlaps with exclusive group" in str(outcome.left)
    assert mount.masks("rdtd.a")[0] == 0b11
    assert barred.restless
    assert list(lacking(barred)) == ["a"]
    assert lacking(barred)["a"].startswith("L3 cache 1: the mask is not 3: write 'L3:1=3' to schemata")
    assert "Overlaps with exclusive group" in lacking(barred)["a"]


def test_it_is_put_right_when_it_can_be(barred: Engine, mount: Mount) -> None:
    finished(barred, nothing)
    assert [drift.group for drift in barred.take_drifts()] == ["other"]  # foreign, over a's ways
    (mount.root / "other").rmdir()
    outcome = finished(barred, nothing)
    assert outcome.left is None
    assert lacking(barred) == {}
    assert mount.masks("rdtd.a") == {0: 0b11, 1: 0b11}
    assert {(drift.group, drift.kind) for drift in barred.take_drifts()} >= {("rdtd.a", "masks")}


def test_calls_about_other_caches_succeed(barred: Engine, mount: Mount) -> None:
    finished(barred, nothing)
    assert finished(barred, resizing("b", "size=3ways,cache-id=0")).left is not None
    assert mount.masks("rdtd.b")[0].bit_count() == 3
    finished(barred, releasing("b"))
    assert mount.groups() == ["other", "rdtd.a"]


def test_a_call_about_what_is_refused_fails(barred: Engine, mount: Mount) -> None:
    """Its own write is refused: it is as if it had not been asked."""
    finished(barred, nothing)
    before = barred.wanted.reservations
    with pytest.raises(KernelRefused, match=r"to schemata of group 'rdtd\.a'"):
        finished(barred, resizing("a", "size=2ways,cache-id=0"))
    assert barred.wanted.reservations == before
    assert barred.restless
    with pytest.raises(KernelRefused, match=r"to schemata of group 'rdtd\.c'"):
        finished(barred, reserving("c", "size=1ways,cache-id=0"))
    assert mount.groups() == ["other", "rdtd.a", "rdtd.b"]


def test_groups_that_cannot_be_made(engine: Engine, mount: Mount, simulator: SimulatorProcess) -> None:
    """One of two; what is about the other succeeds, and what is about it does not."""
    finished(engine, reserving("a", "size=2ways"))
    finished(engine, reserving("b", "size=2ways"))
    (mount.root / "rdtd.a").rmdir()
    (mount.root / "rdtd.b").rmdir()
    simulator.control("fail mkdir rdtd.a ENOSPC always Out of CLOSIDs")
    outcome = finished(engine, nothing)
    assert isinstance(outcome.left, NoClosid)
    assert mount.groups() == ["rdtd.b"]
    assert list(lacking(engine)) == ["a"]
    assert "Out of CLOSIDs" in lacking(engine)["a"]
    finished(engine, releasing("b"))
    finished(engine, lambda wanted, _: release(wanted, "a"))
    assert mount.groups() == []


def test_a_group_that_cannot_be_made_bars_no_other(
    engine: Engine, mount: Mount, simulator: SimulatorProcess
) -> None:
    """It would have another shared mask after each of these."""
    finished(engine, reserving("a", "size=2ways,cache-id=0"))
    finished(engine, reserving("b", "size=2ways,cache-id=1"))
    (mount.root / "rdtd.a").rmdir()
    simulator.control("fail mkdir rdtd.a ENOSPC always Out of CLOSIDs")
    finished(engine, nothing)
    assert isinstance(finished(engine, resizing("b", "size=3ways,cache-id=1")).left, NoClosid)
    assert mount.masks("rdtd.b")[1].bit_count() == 3
    assert isinstance(finished(engine, releasing("b")).left, NoClosid)
    assert mount.groups() == []


def test_a_group_that_cannot_be_made_takes_no_cpu(
    engine: Engine, mount: Mount, simulator: SimulatorProcess
) -> None:
    def attaching(wanted: Wanted, snapshot: Snapshot) -> Wanted:
        return attach_cpus(wanted, snapshot, "a", frozenset({1}))

    finished(engine, reserving("a", "size=2ways"))
    (mount.root / "rdtd.a").rmdir()
    simulator.control("fail mkdir rdtd.a EIO always")
    with pytest.raises(KernelRefused, match=r"mkdir 'rdtd\.a'"):
        finished(engine, attaching)
    assert engine.wanted.reservations["a"].cpus == frozenset()


def test_no_rmid(engine: Engine, simulator: SimulatorProcess) -> None:
    simulator.control("fail mkdir rdtd.a EBUSY 1 Out of RMIDs")
    with pytest.raises(NoRmid, match="try again in a second"):
        finished(engine, reserving("a", "size=2ways"))
    finished(engine, reserving("a", "size=2ways"))

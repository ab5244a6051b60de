"""What was written before counts no more when the kernel has reset it without anybody looking."""

import pytest

from rdtd.core.errors import NotMounted
from rdtd.core.model import DEFAULT_GROUP
from rdtd.engine import Engine
from rdtd.resctrl.watch import Watch
from rdtd.simulator.process import SimulatorProcess
from tests.engine.conftest import nothing, reserving
from tests.support.mount import Mount

FULL = 0xFFFFF


def narrowed(engine: Engine, mount: Mount) -> None:
    """The administrator has set the default group, and rdtd knows."""
    mount.set_masks("L3:0=0ff;1=0ff")
    engine.turn(nothing)
    assert [drift.kind for drift in engine.take_drifts()] == ["baseline"]


def test_a_domain_that_was_away_for_a_moment(
    engine: Engine, mount: Mount, simulator: SimulatorProcess
) -> None:
    """There is no reservation that would tell a reset from the administrator's wish for every way."""
    narrowed(engine, mount)
    assert engine.snapshot is not None
    cpus = {key.cache_id: cpus for key, cpus in engine.snapshot.cpus_of.items()}
    simulator.control("offline L3 1")
    simulator.control("online L3 1")
    assert mount.masks() == {0: 0xFF, 1: FULL}
    engine.observer.offline(cpus[1])
    engine.turn(nothing)
    assert mount.masks() == {0: 0xFF, 1: 0xFF}
    assert [drift.kind for drift in engine.take_drifts()] == ["masks"]


def test_a_cpu_that_was_away_alone(engine: Engine, mount: Mount, simulator: SimulatorProcess) -> None:
    """Its domain was not: a mask that is full now is the administrator's."""
    narrowed(engine, mount)
    simulator.control("offline cpu 1")
    simulator.control("online cpu 1")
    mount.set_masks(f"L3:0={FULL:x}")
    engine.observer.offline(frozenset({1}))
    engine.turn(nothing)
    assert mount.masks() == {0: FULL, 1: 0xFF}


def test_events_of_cpus_were_lost(engine: Engine, mount: Mount, simulator: SimulatorProcess) -> None:
    narrowed(engine, mount)
    simulator.control("offline L3 1")
    simulator.control("online L3 1")
    engine.observer.offline(None)
    engine.turn(nothing)
    assert mount.masks() == {0: 0xFF, 1: 0xFF}


def test_mounted_anew_between_two_turns(
    engine: Engine, mount: Mount, watch: Watch, simulator: SimulatorProcess
) -> None:
    """inotify tells of the umount; there is no reservation from which it could be seen."""
    narrowed(engine, mount)
    simulator.control("remount")
    assert mount.masks() == {0: FULL, 1: FULL}
    watch._unmounted = watch._everything = True  # the simulator starts over without a umount
    engine.turn(nothing)
    assert mount.masks() == {0: 0xFF, 1: 0xFF}
    assert engine.wanted.baselines[DEFAULT_GROUP] == dict.fromkeys(mount_domains(engine), 0xFF)


def test_mounted_anew_after_a_turn_that_found_nothing(
    engine: Engine, mount: Mount, simulator: SimulatorProcess
) -> None:
    """Then no event is needed either."""
    narrowed(engine, mount)
    root, engine.mount.root = engine.mount.root, "/nonexistent"
    with pytest.raises(NotMounted):
        engine.turn(nothing)
    engine.mount.root = root
    simulator.control("remount")
    engine.turn(nothing)
    assert mount.masks() == {0: 0xFF, 1: 0xFF}


def test_mounted_anew_with_reservations(engine: Engine, mount: Mount, simulator: SimulatorProcess) -> None:
    """No event is needed: no group is left, and every way is the default group's."""
    narrowed(engine, mount)
    engine.turn(reserving("a", "size=2ways"))
    before = mount.dump()
    simulator.control("remount")
    engine.turn(nothing, fresh=True)
    assert mount.dump() == before
    assert [drift.kind for drift in engine.take_drifts() if not drift.group] == ["masks"]


def mount_domains(engine: Engine) -> list[object]:
    assert engine.snapshot is not None
    return list(engine.snapshot.default.masks)

"""Each invariant is seen to catch a fault: one function at a time is replaced by a faulty one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from rdtd.core import adopt, allocator, masks, plan, space, view
from rdtd.core.model import DEFAULT_GROUP, Kind, Snapshot, Wanted
from rdtd.core.plan import CreateGroup, RemoveGroup, WriteCpus, WriteMasks
from rdtd.core.sizes import Amount, Unit
from tests.core import invariants
from tests.core.invariants import Invariant
from tests.core.machine import Owning
from tests.core.strategies import hosts

Faulty = Callable[..., Any]

# The same examples in every run, and no search for a smaller one: the first failure is the answer.
QUICK = settings(
    max_examples=2000,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class OnSmallHosts(Owning):
    """Faults show on small hosts as well, and sooner."""

    HOSTS = hosts(most_domains=2, most_ways=8)


class OnHostsWithCdp(Owning):
    HOSTS = hosts(most_domains=1, most_ways=6, cdp=st.just(True))


class OnOneCache(Owning):
    HOSTS = hosts(most_domains=1, most_ways=8, cdp=st.just(False))


class OnContiguousHosts(Owning):
    HOSTS = hosts(most_domains=1, most_ways=8, sparse=st.just(False))


@dataclass(frozen=True)
class Fault:
    """`make` turns the function that is there into a faulty one; `caught_by` has to see it alone."""

    name: str
    module: object
    function: str
    make: Callable[[Any], Faulty]
    caught_by: Invariant
    machine: type[Owning] = OnSmallHosts


def _without_floor(_: Faulty) -> Faulty:
    return lambda self, taken, had=0: True


def _no_holders(real: Faulty) -> Faulty:
    return lambda *arguments: replace(real(*arguments), holders=())


def _largest_off(by: int) -> Callable[[Faulty], Faulty]:
    def make(real: Faulty) -> Faulty:
        def told(self: view.Views, wanted: Wanted, snapshot: Snapshot, policy: space.Policy) -> Any:
            views = real(self, wanted, snapshot, policy)
            return {
                key: replace(one, largest=one.largest + one.cache.bytes_of(by) if one.largest else 0)
                for key, one in views.items()
            }

        return told

    return make


def _free_is_everything(real: Faulty) -> Faulty:
    return lambda one: replace(real(one), mask=one.cache.full)


def _only_code_is_reserved(real: Faulty) -> Faulty:
    """Code and data counted apart: what is reserved for data only is free."""

    def reserved(self: Wanted, without: str | None = None) -> Any:
        found: dict[Any, int] = {}
        for reservation in self.reservations.values():
            for granted in reservation.granted:
                if reservation.name != without and granted.kind is not Kind.DATA:
                    found[granted.key] = found.get(granted.key, 0) | granted.mask
        return found

    return reserved


def _nothing_reserved_in_requests(real: Faulty) -> Faulty:
    return lambda cache, reserved, *rest: real(cache, 0, *rest)


def _with_holes(real: Faulty) -> Faulty:
    """Every second way: not what hardware without sparse_masks takes."""

    def made(start: int, length: int) -> Any:
        return real(start, length) & ~(2 << start) if length > 2 else real(start, length)

    return made


def _keeps_everything(_: Faulty) -> Faulty:
    return lambda cache, baseline, reserved: baseline


def _keeps_holes(_: Faulty) -> Faulty:
    return lambda cache, baseline, reserved: baseline & ~reserved


def _always_one_run(_: Faulty) -> Faulty:
    """As if no hardware took sparse masks."""
    return lambda cache, baseline, reserved: masks.largest_run(baseline & ~reserved)


def _does_not_widen(real: Faulty) -> Faulty:
    """Forgets the baseline: what was taken away is not given back."""

    def goal(wanted: Wanted, snapshot: Snapshot, policy: space.Policy) -> Any:
        found = real(wanted, snapshot, policy)
        for domain, mask in found[DEFAULT_GROUP].items():
            found[DEFAULT_GROUP][domain] = mask & snapshot.default.masks[domain] or mask
        return found

    return goal


def _removes_last(real: Faulty) -> Faulty:
    return lambda *arguments: tuple(sorted(real(*arguments), key=lambda step: isinstance(step, RemoveGroup)))


def _gives_first(real: Faulty) -> Faulty:
    """The same writes, in the opposite order."""

    def steps(*arguments: Any) -> Any:
        made = real(*arguments)
        first = [step for step in made if not isinstance(step, WriteMasks)]
        return (*first, *reversed([step for step in made if isinstance(step, WriteMasks)]))

    return steps


def _leftover_groups_stay(real: Faulty) -> Faulty:
    return lambda *arguments: tuple(step for step in real(*arguments) if not isinstance(step, RemoveGroup))


def _no_closid_check(_: Faulty) -> Faulty:
    return lambda wanted, snapshot: None


def _groups_always_made(real: Faulty) -> Faulty:
    """mkdir also for groups that are there: EEXIST."""

    def steps(wanted: Wanted, snapshot: Snapshot, policy: space.Policy) -> Any:
        made = real(wanted, snapshot, policy)
        return (*(CreateGroup(one.group) for one in wanted.reservations.values()), *made) if made else made

    return steps


def _rounds_down(_: Faulty) -> Faulty:
    def ways(self: Amount, cache_size: int, cache_ways: int, minimum: int) -> int:
        per = {Unit.BYTES: cache_size, Unit.PERCENT: 100, Unit.WAYS: cache_ways}[self.unit]
        return max(self.value * cache_ways // per, minimum, 1)

    return ways


def _kernel_mask_is_baseline(real: Faulty) -> Faulty:
    """Takes what the kernel gives a domain that returns for the administrator's doing."""

    def adopted(wanted: Wanted, snapshot: Snapshot, policy: space.Policy) -> Any:
        new, changes = real(wanted, snapshot, policy)
        baseline = dict(new.baselines[DEFAULT_GROUP])
        for domain, mask in snapshot.default.masks.items():
            if domain not in wanted.written.get(DEFAULT_GROUP, {}):
                baseline[domain] = mask
        return replace(new, baselines={**new.baselines, DEFAULT_GROUP: baseline}), changes

    return adopted


def _own_write_is_baseline(real: Faulty) -> Faulty:
    """Does not know its own writes again: whatever the default group has is the new baseline."""

    def adopted(wanted: Wanted, snapshot: Snapshot, policy: space.Policy) -> Any:
        new, changes = real(wanted, snapshot, policy)
        baselines = {**new.baselines, DEFAULT_GROUP: dict(snapshot.default.masks)}
        return replace(new, baselines=baselines), changes

    return adopted


def _baseline_never_changes(real: Faulty) -> Faulty:
    def adopted(wanted: Wanted, snapshot: Snapshot, policy: space.Policy) -> Any:
        new, _ = real(wanted, snapshot, policy)
        return (replace(new, baselines=wanted.baselines) if wanted.baselines else new), ()

    return adopted


def _recorded_too_early(real: Faulty) -> Faulty:
    """The old value gets the reservation before it is known that there is room for it."""

    def asked(wanted: Wanted, snapshot: Snapshot, policy: space.Policy, name: str, regions: Any) -> Any:
        before = dict(wanted.reservations)
        wanted.reservations.pop(name, None)  # type: ignore[attr-defined]
        granted = real(wanted, snapshot, policy, name, regions)
        wanted.reservations.update(before)  # type: ignore[attr-defined]
        return granted

    return asked


def _no_rollback_of_masks(real: Faulty) -> Faulty:
    """Gives a removed or narrowed group back no ways unless another step is needed anyway."""
    return lambda *arguments: steps if len(steps := real(*arguments)) > 1 else ()


def _another_answer(real: Faulty) -> Faulty:
    """A request that is known is placed anew."""

    def reserved(wanted: Wanted, snapshot: Snapshot, policy: space.Policy, asked: Any) -> Any:
        if asked.name in wanted.reservations:
            return real(
                allocator.release(wanted, asked.name), snapshot, policy, replace(asked, created_usec=1)
            )
        return real(wanted, snapshot, policy, asked)

    return reserved


def _release_forgets_the_default_group(real: Faulty) -> Faulty:
    """The baseline is cut for good by what was reserved."""

    def released(wanted: Wanted, name: str) -> Any:
        return replace(real(wanted, name), baselines=wanted.written)

    return released


def _only_the_first_grant(real: Faulty) -> Faulty:
    return lambda *arguments: real(*arguments)[:1]


def _always_written(real: Faulty) -> Faulty:
    return lambda wanted, there, online: (
        WriteCpus(one.group, one.cpus) for one in wanted.reservations.values()
    )


def _only_masks_are_compared(real: Faulty) -> Faulty:
    return lambda wanted, there, online: iter(())


def _owner_has_no_ways(real: Faulty) -> Faulty:
    return lambda space, sizes, had=0: real(space, sizes, 0)


def _full_at_return(real: Faulty) -> Faulty:
    return lambda wanted, snapshot, cache, domain: False


def _always_enough(real: Faulty) -> Faulty:
    return lambda cache, baseline, reserved: True


FAULTS = (
    Fault("placement ignores the floor", space.Space, "spares", _without_floor, Invariant.FLOOR),
    Fault("space ignores foreign groups", allocator, "space_of", _no_holders, Invariant.RESPECT),
    Fault("largest is told too small", view.Views, "compute", _largest_off(-1), Invariant.ONE_MORE),
    Fault("largest is told too large", view.Views, "compute", _largest_off(1), Invariant.LARGEST),
    Fault("free is told too large", view, "free_ways", _free_is_everything, Invariant.FREE),
    Fault(
        "data's ways are free for code",
        Wanted,
        "reserved",
        _only_code_is_reserved,
        Invariant.ONE_OWNER,
        OnHostsWithCdp,
    ),
    Fault(
        "reserved ways are free", allocator, "space_of", _nothing_reserved_in_requests, Invariant.ONE_OWNER
    ),
    Fault("masks with holes", masks, "run", _with_holes, Invariant.ACCEPTED, OnContiguousHosts),
    Fault("the default group keeps all", plan, "share", _keeps_everything, Invariant.APART),
    Fault(
        "the default group keeps two runs", plan, "share", _keeps_holes, Invariant.ACCEPTED, OnContiguousHosts
    ),
    Fault("the default group keeps one run", plan, "share", _always_one_run, Invariant.BASELINE),
    Fault("release does not widen", plan, "targets", _does_not_widen, Invariant.BACK),
    Fault("groups are removed last", plan, "plan", _removes_last, Invariant.TAKE_FIRST),
    Fault("ways are given first", plan, "plan", _gives_first, Invariant.TAKE_FIRST),
    Fault("leftover groups stay", plan, "plan", _leftover_groups_stay, Invariant.ROLLBACK),
    Fault("the CLOSID limit is not seen", allocator, "_check_closids", _no_closid_check, Invariant.ACCEPTED),
    Fault("groups are made again", plan, "plan", _groups_always_made, Invariant.ACCEPTED),
    Fault("sizes are rounded down", Amount, "ways", _rounds_down, Invariant.ROUNDING),
    Fault("the kernel's mask is taken", adopt, "adopt", _kernel_mask_is_baseline, Invariant.BASELINE),
    Fault("own writes are taken", adopt, "adopt", _own_write_is_baseline, Invariant.RESTART),
    Fault("the administrator is not heard", adopt, "adopt", _baseline_never_changes, Invariant.BASELINE),
    Fault("hotplug between two looks", adopt, "_reset_by_kernel", _full_at_return, Invariant.BASELINE),
    Fault("recorded too early", allocator, "_allocate", _recorded_too_early, Invariant.NOTHING),
    Fault("small plans are left out", plan, "plan", _no_rollback_of_masks, Invariant.ROLLBACK),
    Fault("another answer", allocator, "reserve", _another_answer, Invariant.AGAIN),
    Fault("the baseline is cut", allocator, "release", _release_forgets_the_default_group, Invariant.BACK),
    Fault("a part is granted", allocator, "_allocate", _only_the_first_grant, Invariant.IN_PLACE),
    Fault("CPUs are left out", plan, "_cpus", _only_masks_are_compared, Invariant.IN_PLACE),
    Fault("CPUs are written again", plan, "_cpus", _always_written, Invariant.CONVERGES),
    Fault("a resize moves", allocator, "place", _owner_has_no_ways, Invariant.KEEPS, OnOneCache),
    Fault(
        "narrowed to nothing", space, "leaves_enough", _always_enough, Invariant.ACCEPTED, OnContiguousHosts
    ),
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_caught(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(fault.module, fault.function)
    monkeypatch.setattr(fault.module, fault.function, fault.make(real))
    monkeypatch.setattr(invariants, "checked", frozenset({fault.caught_by}))
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(fault.machine, settings=QUICK)
    assert str(caught.value).startswith(f"{fault.caught_by}: ")


def test_every_invariant_catches_a_fault() -> None:
    assert {fault.caught_by for fault in FAULTS} == set(Invariant)

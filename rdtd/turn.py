"""What is under way in a turn: steps of a plan are applied, and those that the kernel refuses set aside.

A turn is *about* what its decision changed. When the kernel refuses a step of that, the turn fails, and goes
back to what was wanted before. Every other step is a repair: what can be applied is, and the rest is told
and tried again by a later turn.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from rdtd.core.drift import Drift
from rdtd.core.errors import KernelRefused, NoClosid, NoRmid, RdtdError
from rdtd.core.model import Domain, Masks, Snapshot, Wanted
from rdtd.core.plan import (
    CreateGroup,
    MoveTask,
    Plan,
    RemoveGroup,
    Step,
    WriteCpus,
    WriteMasks,
    WriteMode,
    targets,
)
from rdtd.core.space import Policy

__all__ = ["Decide", "Outcome", "Turn", "Work"]

ROUNDS = 3  # how often the steps of a plan are tried when the kernel does not keep what was written

Decide = Callable[[Wanted, Snapshot], Wanted]
Work = Callable[[Snapshot], Generator[None, None, None]]
"""What else a turn does when the masks stand: yields after each small change, undoes itself on failure and
when it is closed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a turn ended. `done` is False when it let the lock go and wants to be resumed."""

    wanted: Wanted
    steps: int = 0
    done: bool = True
    left: RdtdError | None = None  # why not all is as it is wanted, beside what the turn was about


Part = tuple[str, Domain | str]
"""A group and what of it is changed: the mask of a domain, or `group`, `mode`, `cpus`, `tasks`."""

_REFUSALS = (KernelRefused, NoClosid, NoRmid)


@dataclass(slots=True)
class Turn:
    """A turn that is under way."""

    before: Wanted  # what failure goes back to
    decided: Wanted
    snapshot: Snapshot  # in which that was decided
    policy: Policy
    work: Generator[None, None, None] | None
    repaired: tuple[Drift, ...]  # what will have been put right when it is done
    unsaved: KernelRefused | None = None  # what is told when the kernel is in order
    failure: RdtdError | None = None  # why it goes back
    steps: int = 0
    refused: dict[Part, RdtdError] = field(default_factory=dict)
    _about: frozenset[Part] | None = None
    _tries: int = 0  # steps since the turn began, or began to go back
    _longest: int = 0  # of the plans since then

    def fail(self, error: RdtdError) -> None:
        """From here on it goes back."""
        self.failure = error
        self._about = frozenset()
        self.refused.clear()
        self._tries = self._longest = 0

    def left(self, steps: Plan) -> Plan:
        """The steps of a plan without what was refused. Raises KernelRefused when no end is in sight."""
        found = tuple(self._left(steps))
        self._longest = max(self._longest, len(found))
        if not found or self._tries < ROUNDS * self._longest:
            return found
        groups = ", ".join(sorted({repr(step.group) for step in found}))
        error = KernelRefused(f"the kernel does not keep what is written to {groups}")
        for step in found:
            self._refuse(step, error)
        return ()

    def _left(self, steps: Plan) -> Iterator[Step]:
        for step in steps:
            missing = self.refused.get((step.group, "group"))
            if isinstance(step, WriteMasks) and missing is None:
                masks = {
                    domain: m for domain, m in step.masks.items() if (step.group, domain) not in self.refused
                }
                if masks:
                    yield step if len(masks) == len(step.masks) else WriteMasks(step.group, masks)
            elif missing is not None and not isinstance(step, CreateGroup | RemoveGroup):
                self._refuse(step, missing)
            elif not any(part in self.refused for part in _parts(step)):
                yield step

    def apply(self, step: Step, change: Callable[[Step], None]) -> Iterator[Step]:
        """Applies a step by `change`; yields what the kernel took.

        Raises what it refused where the turn is about that.
        """
        self.steps += 1
        self._tries += 1
        try:
            change(step)
        except _REFUSALS as error:
            if isinstance(step, WriteMasks) and len(step.masks) > 1 and not self._is_all_about(step):
                # A mask that is refused takes the others of its write with it.
                single = [WriteMasks(step.group, {domain: mask}) for domain, mask in step.masks.items()]
                taken = [done for one in single for done in self.apply(one, change)]
                if not taken:
                    self._refuse(step, error)
                yield from taken
            else:
                self._refuse(step, error)
        else:
            yield step

    def _refuse(self, step: Step, error: RdtdError) -> None:
        if any(self._is_about(part) for part in _parts(step)):
            raise error
        self.refused.update(dict.fromkeys(_parts(step), error))

    def _is_all_about(self, step: Step) -> bool:
        return all(self._is_about(part) for part in _parts(step))

    def _is_about(self, part: Part) -> bool:
        if self._about is None:
            self._about = frozenset(_changes(self.before, self.decided, self.snapshot, self.policy))
        return part in self._about or (part[0], "group") in self._about


def _parts(step: Step) -> Iterator[Part]:
    match step:
        case WriteMasks(group, masks):
            yield from ((group, domain) for domain in masks)
        case WriteMode(group):
            yield group, "mode"
        case WriteCpus(group):
            yield group, "cpus"
        case MoveTask(group):
            yield group, "tasks"
        case CreateGroup(group) | RemoveGroup(group):
            yield group, "group"


def _changes(before: Wanted, after: Wanted, snapshot: Snapshot, policy: Policy) -> Iterator[Part]:
    """What is to be otherwise after a decision than before it.

    The shared masks of a group that is missing are not in it: nobody asked for that group.
    """
    had, goal = targets(before, snapshot, policy), targets(after, snapshot, policy)
    for group in had.keys() ^ goal.keys():
        yield group, "group"
    asked = set(snapshot.groups)
    for name in before.reservations.keys() & after.reservations.keys():
        was, will_be = before.reservations[name], after.reservations[name]
        if was.cpus != will_be.cpus:
            yield will_be.group, "cpus"
        if was.granted != will_be.granted:
            asked.add(will_be.group)
    for group in had.keys() & goal.keys() & asked:
        yield from ((group, domain) for domain in _differing(had[group], goal[group]))


def _differing(one: Masks, other: Masks) -> set[Domain]:
    return {domain for domain in one.keys() | other.keys() if one.get(domain) != other.get(domain)}

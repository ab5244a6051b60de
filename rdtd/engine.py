"""The one loop: observe, compare with what is wanted, apply the difference, verify.

Every trigger is a turn of it: a call, a hint from inotify, a caller that left, the start. A turn decides
what is wanted now (a pure function of what was wanted and what is there), saves that, and then changes the
kernel until a plan has no steps left. What was decided is on disk before the first change, so a turn that
is killed anywhere is finished by the first turn after the start.

The lock on resctrl is held for a slice of a turn at most: long plans let it go and look again, since other
tools wait for it no longer than 100 ms. This module blocks and knows no event loop; the manager runs it in
a thread, one turn at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from rdtd.core.adopt import Adopted, adopt, written_now
from rdtd.core.drift import Drift, drifts
from rdtd.core.errors import KernelRefused, NotMounted, RdtdError
from rdtd.core.model import DEFAULT_GROUP, Snapshot, Wanted
from rdtd.core.plan import Plan, Step, WriteCpus, WriteMasks, plan
from rdtd.core.space import Policy
from rdtd.resctrl.files import READ
from rdtd.resctrl.filesystem import Resctrl
from rdtd.store import Store

__all__ = ["Decide", "Engine", "Outcome", "Work"]

SLICE = 0.03  # seconds for which the lock is held, before a turn lets go and looks again
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


@dataclass(slots=True)
class _Turn:
    """A turn that is under way."""

    before: Wanted  # what failure goes back to
    work: Generator[None, None, None] | None
    repaired: tuple[Drift, ...]  # what will have been put right when it is done
    steps: int = 0
    tries: int = 0  # steps since the turn began, or began to go back
    longest: int = 0  # of the plans since then
    failure: RdtdError | None = None
    unsaved: KernelRefused | None = None  # what is told when the kernel is in order


class Engine:
    """What is wanted and what was last seen, and the turns that bring them together."""

    def __init__(
        self,
        mount: Resctrl,
        store: Store,
        policy: Policy,
        wanted: Wanted,
        hints: Callable[[], dict[str, set[str]] | None] = lambda: None,
    ) -> None:
        """`hints` drains what inotify has told: the groups that changed, or None for "look at everything"."""
        self.mount = mount
        self.policy = policy
        self.wanted = wanted
        self.snapshot: Snapshot | None = None
        self.restless = False  # something differs from what is wanted, and no turn has seen to it yet
        self._drifts: list[Drift] = []
        self._unrepaired: dict[str, Drift] = {}
        self._store = store
        self._hints = hints
        self._saved: Wanted | None = None
        self._touched: dict[str, set[str]] = {}  # the files of groups that were written since they were read
        self._settled: tuple[Wanted, Snapshot] | None = None  # what the last turn left in order
        self._turn: _Turn | None = None

    def turn(self, decide: Decide, work: Work | None = None, *, fresh: bool = False) -> Outcome:
        """One turn. `fresh`: it reads all groups again, whatever the hints say.

        Raises what `decide` raises, KernelRefused, NoClosid, NotMounted; LockedError at once. When it raises,
        everything is as it was before, or a later turn will see to that.
        """
        self._forget_turn()
        if fresh:
            self.snapshot = None
        with self._locked(exclusive=True):
            snapshot = self._observe()
            before, adopted, repairs = self._compare(snapshot)
            found = drifts(adopted, repairs, snapshot)
            self.wanted, self.restless = before, bool(repairs)
            self._drifts += [one for one in found if one.kind == "baseline"]
            wanted = decide(before, snapshot)
            under_way = work(snapshot) if work else None
            unsaved = None
            if work is None and wanted.reservations == before.reservations:
                unsaved = self._want_as_before(wanted)
            else:
                self._want(wanted)
            # What an earlier turn found and could not repair is told as it was found.
            repaired = tuple(self._unrepaired.get(one.group, one) for one in found if one.kind != "baseline")
            self._unrepaired = {one.group: one for one in repaired}
            self._turn = _Turn(before, under_way, repaired, unsaved=unsaved)
            return self._converge()

    def preview(self, decide: Decide, work: Work | None = None) -> Wanted:
        """What a turn would decide. Changes nothing: `work` looks at what it is to do, and is not begun."""
        with self._locked(exclusive=False):
            snapshot = self._observe()
            before, adopted, repairs = self._compare(snapshot)
            self.restless = bool(adopted or repairs)
            wanted = decide(before, snapshot)
            if work is not None:
                work(snapshot).close()
            return wanted

    def check(self) -> tuple[Drift, ...]:
        """Every difference between what is wanted and what is there, all of it read anew. Changes nothing."""
        self._forget_turn()
        self.snapshot = None
        with self._locked(exclusive=False):
            snapshot = self._observe()
            _, adopted, repairs = self._compare(snapshot)
            self.restless = bool(adopted or repairs)
            return drifts(adopted, repairs, snapshot)

    def _compare(self, snapshot: Snapshot) -> tuple[Wanted, tuple[Adopted, ...], Plan]:
        """What is wanted after what was done from outside, and what has to be repaired."""
        if self._settled is not None and self._settled[0] is self.wanted and self._settled[1] is snapshot:
            return self.wanted, (), ()
        before, adopted = adopt(self.wanted, snapshot, self.policy)
        before = written_now(before, snapshot)
        return before, adopted, plan(before, snapshot, self.policy)

    def resume(self) -> Outcome:
        """Goes on with a turn whose outcome was not done."""
        with self._locked(exclusive=True):
            self._observe()
            return self._converge()

    def take_drifts(self) -> tuple[Drift, ...]:
        """What was found to be changed from outside since the last call."""
        found, self._drifts = tuple(self._drifts), []
        return found

    def abandon(self) -> None:
        """Gives up a turn that could not be resumed; the next turn repairs what it left."""
        if self._turn is not None:
            self._go_back(self._turn)
        self._forget_turn()

    def _go_back(self, turn: _Turn) -> None:
        if turn.work is not None:
            turn.work.close()
            turn.work = None
        self.wanted = turn.before
        with suppress(KernelRefused):  # the state that is saved with the next change has it right
            self._want(turn.before)

    def _forget_turn(self) -> None:
        if self._turn is not None:
            self._turn, self.snapshot, self.restless = None, None, True

    def _want(self, wanted: Wanted) -> None:
        """Saves before anything is changed. Raises KernelRefused when it cannot be written."""
        if wanted != self._saved or not self._store.intact():
            try:
                self._store.save(wanted)
            except OSError as error:
                raise KernelRefused(
                    f"cannot save the state to {self._store.path}: {error.strerror}"
                ) from error
            self._saved = wanted
        self.wanted = wanted

    def _want_as_before(self, wanted: Wanted) -> KernelRefused | None:
        """As _want(), for what promises nothing new: that is put right even where it cannot be saved."""
        try:
            self._want(wanted)
        except KernelRefused as error:
            self.wanted = wanted
            return error
        return None

    @contextmanager
    def _locked(self, *, exclusive: bool) -> Iterator[None]:
        try:
            with self.mount.locked(exclusive=exclusive):
                yield
        except NotMounted:
            self.snapshot = None
            raise

    def _observe(self) -> Snapshot:
        # The hints are drained before the groups are read: what was written here raises no second turn,
        # and what somebody else wrote meanwhile is read.
        hints = self._hints()
        dirty = None
        if hints is not None:
            dirty = {
                name: {*hints.get(name, ()), *self._touched.get(name, ())} for name in hints | self._touched
            }
        self._touched = {}
        before, self.snapshot = self.snapshot, None  # on failure nothing is known any more
        self.snapshot = self.mount.observe(before, dirty)
        return self.snapshot

    def _converge(self) -> Outcome:
        """Applies plans until there is nothing left to do, or the slice is over."""
        turn = self._turn
        assert turn is not None, "a turn is under way"
        deadline = time.monotonic() + SLICE
        while True:
            try:
                if not self._apply(turn, deadline) or not self._work(turn, deadline):
                    return Outcome(self.wanted, turn.steps, done=False)
                break
            except RdtdError as error:
                if turn.failure is not None:
                    # Going back failed too. What is wanted stands; a later turn tries again.
                    self._forget_turn()
                    raise turn.failure from error
                self._go_back(turn)
                turn.failure, turn.tries, turn.longest = error, 0, 0
                self.snapshot = None
                self._observe()
        self._turn = None
        self.restless = False
        self._drifts += turn.repaired
        self._unrepaired = {}
        if turn.failure is not None:
            raise turn.failure
        assert self.snapshot is not None, "what was verified was observed"
        self.wanted = written_now(self.wanted, self.snapshot)
        if turn.unsaved is not None:
            raise turn.unsaved
        self._settled = self.wanted, self.snapshot
        return Outcome(self.wanted, turn.steps)

    def _apply(self, turn: _Turn, deadline: float) -> bool:
        """Brings the kernel to what is wanted; False when time is up before that."""
        while True:
            assert self.snapshot is not None, "observed under the same lock"
            steps = plan(self.wanted, self.snapshot, self.policy)
            if not steps:
                return True
            turn.longest = max(turn.longest, len(steps))
            if turn.tries >= ROUNDS * turn.longest:
                left = ", ".join(sorted({repr(step.group) for step in steps}))
                raise KernelRefused(f"the kernel does not keep what is written to {left}")
            for step in steps:
                self.mount.apply(step)
                self._note(turn, step)
                turn.steps += 1
                turn.tries += 1
                if time.monotonic() > deadline:
                    return False
            self._observe()

    def _note(self, turn: _Turn, step: Step) -> None:
        """Remembers what was written, so that it is read again and not taken for another's doing."""
        written = {WriteMasks: ("schemata",), WriteCpus: ("cpus_list",)}.get(type(step), READ)
        self._touched.setdefault(step.group, set()).update(written)
        if not isinstance(step, WriteMasks):
            return
        self.wanted = _with_written(self.wanted, step)
        turn.before = _with_written(turn.before, step)
        if step.group == DEFAULT_GROUP and self.snapshot is not None:
            default = self.snapshot.default
            default = replace(default, masks={**default.masks, **step.masks})
            self.snapshot = replace(self.snapshot, groups={**self.snapshot.groups, DEFAULT_GROUP: default})

    def _work(self, turn: _Turn, deadline: float) -> bool:
        while turn.work is not None:
            if next(turn.work, _END) is _END:
                turn.work = None
            elif time.monotonic() > deadline:
                return False
        return True


_END = object()


def _with_written(wanted: Wanted, step: WriteMasks) -> Wanted:
    """`wanted` that knows of a write to a group that yields."""
    if step.group not in wanted.written:
        return wanted
    masks = {**wanted.written[step.group], **step.masks}
    return replace(wanted, written={**wanted.written, step.group: masks})

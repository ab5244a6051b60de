"""The one loop: observe, compare with what is wanted, apply the difference, verify.

Every trigger is a turn of it: a call, a hint from inotify, a caller that left, the start. A turn decides
what is wanted now (a pure function of what was wanted and what is there), saves that, and then changes the
kernel until a plan has no steps left. What was decided is on disk before the first change, so a turn that
is killed anywhere is finished by the first turn after the start.

The lock on resctrl is held for a slice of a turn at most: long plans let it go and look again, since other
tools wait for it no longer than 100 ms. This module blocks and knows no event loop; rdtd/turns.py runs it in
a thread, one turn at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rdtd.core.adopt import Adopted, adopt, written_now
from rdtd.core.drift import Drift, drifts
from rdtd.core.errors import NotMounted, RdtdError
from rdtd.core.lacking import standing
from rdtd.core.model import DEFAULT_GROUP, Snapshot, Wanted
from rdtd.core.plan import Plan, Step, WriteMasks, plan
from rdtd.core.space import Policy
from rdtd.observer import Observer
from rdtd.resctrl.filesystem import Resctrl
from rdtd.saving import Saver
from rdtd.store import Store
from rdtd.turn import Decide, Outcome, Turn, Work

__all__ = ["Decide", "Engine", "Outcome", "Work"]

SLICE = 0.03  # seconds for which the lock is held, before a turn lets go and looks again


class Engine:
    """What is wanted and what was last seen, and the turns that bring them together."""

    def __init__(
        self,
        mount: Resctrl,
        store: Store,
        policy: Policy,
        wanted: Wanted,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mount = mount
        self.policy = policy
        self.wanted = wanted
        self.snapshot: Snapshot | None = None
        self.refused: dict[str, str] = {}  # by group, what the kernel said to the last turn's repairs
        self.restless = False  # something differs from what is wanted, and no turn has seen to it yet
        self._drifts: list[Drift] = []
        self._unrepaired: tuple[Drift, ...] = ()
        self._standing: dict[tuple[str, str], Drift] = {}
        self._saver = Saver(store)
        self.observer = observer or Observer(mount)
        self._clock = clock
        self._settled: tuple[Wanted, Snapshot] | None = None  # what the last turn left in order
        self._turn: Turn | None = None

    def turn(self, decide: Decide, work: Work | None = None, *, fresh: bool = False) -> Outcome:
        """One turn. `fresh`: it reads all groups again, whatever the hints say.

        Raises what `decide` raises, KernelRefused, NoClosid, NoRmid, NotMounted; LockedError at once. When it
        raises, everything is as it was before, or a later turn will see to that.
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
                unsaved = self._saver.try_to_save(wanted)
            else:
                self._saver.save(wanted)
            self.wanted = wanted
            # What an earlier turn found and could not repair is told as it was found.
            differing = {one.group for one in found if one.kind != "baseline"}
            repaired = [one for one in self._unrepaired if one.group in differing]
            known = {one.group for one in repaired}
            repaired += [one for one in found if one.kind != "baseline" and one.group not in known]
            self._unrepaired = tuple(repaired)
            self._turn = Turn(before, wanted, snapshot, self.policy, under_way, self._unrepaired, unsaved)
            return self._converge(self._turn)

    def resume(self) -> Outcome:
        """Goes on with a turn whose outcome was not done."""
        assert self._turn is not None, "a turn is under way"
        with self._locked(exclusive=True):
            self._observe()
            return self._converge(self._turn)

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
            before, adopted, repairs = self._compare(snapshot)
            self.restless = bool(adopted or repairs)
            return (*drifts(adopted, repairs, snapshot), *standing(before, snapshot).values())

    def take_drifts(self) -> tuple[Drift, ...]:
        """What was found to be changed from outside since the last call."""
        found, self._drifts = tuple(self._drifts), []
        return found

    def abandon(self) -> None:
        """Gives up a turn that could not be resumed; the next turn repairs what it left."""
        if self._turn is not None:
            self._go_back(self._turn)
        self._forget_turn()

    def _compare(self, snapshot: Snapshot) -> tuple[Wanted, tuple[Adopted, ...], Plan]:
        """What is wanted after what was done from outside, and what has to be repaired."""
        if self._settled is not None and self._settled[0] is self.wanted and self._settled[1] is snapshot:
            return self.wanted, (), ()
        before, adopted = adopt(self.wanted, snapshot, self.policy)
        before = written_now(before, snapshot)
        return before, adopted, plan(before, snapshot, self.policy)

    def _go_back(self, turn: Turn) -> None:
        if turn.work is not None:
            turn.work.close()
            turn.work = None
        self.wanted = turn.before
        self._saver.try_to_save(turn.before)  # where it fails, the next change saves it

    def _forget_turn(self) -> None:
        if self._turn is not None:
            self._turn, self.snapshot, self.restless = None, None, True

    @contextmanager
    def _locked(self, *, exclusive: bool) -> Iterator[None]:
        try:
            with self.mount.locked(exclusive=exclusive):
                yield
        except NotMounted:
            self.snapshot = None
            self.wanted = replace(self.wanted, written={})  # the next mount begins with full masks
            raise

    def _observe(self) -> Snapshot:
        turn, before, self.snapshot = self._turn, self.snapshot, None  # on failure nothing is known any more
        # While threads are moved one by one, those are left alone that belonged elsewhere a moment ago.
        moving = None if turn is None or turn.work is None else turn.before.members
        self.wanted, self.snapshot = self.observer.observe(self.wanted, before, moving)
        return self.snapshot

    def _converge(self, turn: Turn) -> Outcome:
        """Applies plans until there is nothing left to do, or the slice is over."""
        deadline = self._clock() + SLICE
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
                turn.fail(error)
                self.snapshot = None
                self._observe()
        self._turn = None
        left = self._finish(turn)
        if turn.failure is not None:
            raise turn.failure
        if turn.unsaved is not None:
            raise turn.unsaved
        return Outcome(self.wanted, turn.steps, left=left)

    def _finish(self, turn: Turn) -> RdtdError | None:
        """Notes how a turn ended; why not all is right, if it is not."""
        assert self.snapshot is not None, "what was verified was observed"
        self.restless = bool(turn.refused)
        self.refused = {group: str(error) for (group, _), error in turn.refused.items()}
        self._unrepaired = tuple(one for one in turn.repaired if one.group in self.refused)
        self._drifts += [one for one in turn.repaired if one.group not in self.refused]
        if turn.failure is not None:
            return None
        self.wanted = written_now(self.wanted, self.snapshot)
        stands = standing(self.wanted, self.snapshot)
        self._drifts += [one for key, one in stands.items() if self._standing.get(key) != one]
        self._standing = stands
        self._settled = None if turn.refused else (self.wanted, self.snapshot)
        return next(iter(turn.refused.values()), None)

    def _apply(self, turn: Turn, deadline: float) -> bool:
        """Brings the kernel to what is wanted; False when time is up before that."""
        while True:
            assert self.snapshot is not None, "observed under the same lock"
            steps = turn.left(plan(self.wanted, self.snapshot, self.policy))
            if not steps:
                return True
            for step in steps:
                if (step.group, "group") in turn.refused:
                    continue  # its group could not be made a moment ago
                self.observer.touched(step)
                for done in turn.apply(step, self.mount.apply):
                    self._note(turn, done)
                if self._clock() > deadline:
                    return False
            self._observe()

    def _note(self, turn: Turn, step: Step) -> None:
        """Remembers what was written, so that it is not taken for another's doing."""
        if not isinstance(step, WriteMasks):
            return
        self.wanted = _with_written(self.wanted, step)
        turn.before = _with_written(turn.before, step)
        if step.group == DEFAULT_GROUP and self.snapshot is not None:
            default = self.snapshot.default
            default = replace(default, masks={**default.masks, **step.masks})
            self.snapshot = replace(self.snapshot, groups={**self.snapshot.groups, DEFAULT_GROUP: default})

    def _work(self, turn: Turn, deadline: float) -> bool:
        """Does the rest of the work, and looks where threads are then; False when time is up before that."""
        while turn.work is not None:
            if next(turn.work, _END) is _END:
                turn.work = None
                self._observe()
                return self._apply(turn, deadline)
            if self._clock() > deadline:
                return False
        return True


_END = object()


def _with_written(wanted: Wanted, step: WriteMasks) -> Wanted:
    """`wanted` that knows of a write to a group that yields."""
    if step.group not in wanted.written:
        return wanted
    masks = {**wanted.written[step.group], **step.masks}
    return replace(wanted, written={**wanted.written, step.group: masks})

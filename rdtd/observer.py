"""What is there, put together from resctrl, procfs, and the hints that tell where to look again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from rdtd.core.members import Members
from rdtd.core.model import Snapshot, Wanted
from rdtd.core.plan import MoveTask, Step, WriteCpus, WriteMasks, WriteMode
from rdtd.resctrl.files import READ, TASKS
from rdtd.resctrl.filesystem import Resctrl
from rdtd.strays import find_strays
from rdtd.threads import Threads

__all__ = ["Observer"]

_WRITES: dict[type[Step], tuple[str, ...]] = {
    WriteMasks: ("schemata",),
    WriteCpus: ("cpus_list",),
    WriteMode: ("mode", "schemata"),
    MoveTask: (),
}


class Observer:
    """Observes under the lock that its caller holds."""

    def __init__(
        self,
        mount: Resctrl,
        threads: Threads | None = None,
        hints: Callable[[], dict[str, set[str]] | None] = lambda: None,
        unmounted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`hints` drains what inotify has told: the groups that changed, or None for "look at everything".

        `unmounted`: whether the resctrl that was observed last was unmounted since.
        """
        self._mount = mount
        self._threads = threads or Threads()
        self._hints = hints
        self._unmounted = unmounted
        self._offline: deque[frozenset[int] | None] = deque()
        self._touched: dict[str, set[str]] = {}  # the files of groups that were written since they were read
        self._looked_for: Mapping[str, Members] = {}  # the members that are in their groups, as last seen

    def offline(self, cpus: frozenset[int] | None) -> None:
        """Says which CPUs went offline, perhaps for a moment; None: nobody knows. From any thread."""
        self._offline.append(cpus)

    def touched(self, step: Step) -> None:
        """Says what is about to be written, so that it is read again."""
        self._touched.setdefault(step.group, set()).update(_WRITES.get(type(step), READ))

    def observe(
        self, wanted: Wanted, before: Snapshot | None, moving: Mapping[str, Members] | None
    ) -> tuple[Wanted, Snapshot]:
        """What is there; and `wanted` without what cannot hold any more: threads that have ended, and what
        was written to masks that the kernel has reset since.

        `before` is the observation before this one. `moving`: the members that there were before threads
        began to be moved; they are looked for only where they belong now as well.
        """
        # The hints are drained before the groups are read: what was written here raises no second turn,
        # and what somebody else wrote meanwhile is read.
        hints = self._hints()
        dirty = None
        if hints is not None:
            dirty = {
                name: {*hints.get(name, ()), *self._touched.get(name, ())} for name in hints | self._touched
            }
        self._touched = {}
        if self._unmounted():
            wanted = replace(wanted, written={})
        wanted = self._forget_reset(wanted, before)
        snapshot = self._mount.observe(before, dirty)
        members = wanted.members if moving is None else _common(wanted.members, moving)
        strays: Mapping[str, tuple[int, ...]] = before.strays if before is not None else {}
        if strays or dirty is None or before is None or self._may_stray(members, before, snapshot, dirty):
            strays, left = find_strays(self._mount, self._threads, members)
            self._looked_for = members
            if moving is None and left != members:
                wanted = replace(wanted, members=left)
                self._looked_for = left
        if strays != snapshot.strays:
            snapshot = replace(snapshot, strays=strays)
        return wanted, snapshot

    def _may_stray(
        self,
        members: Mapping[str, Members],
        before: Snapshot,
        snapshot: Snapshot,
        dirty: Mapping[str, set[str]],
    ) -> bool:
        """A thread moves by a write to the group where it goes, and by the end of the group where it is.

        To a group that is new it may have gone before anybody listened there.
        """
        if not members or members != self._looked_for:
            return bool(members)
        if any(group.name not in before.groups for group in snapshot.foreign):
            return True
        return any(TASKS in files or name not in snapshot.groups for name, files in dirty.items())

    def _forget_reset(self, wanted: Wanted, before: Snapshot | None) -> Wanted:
        """`wanted` without what was written in domains of which every CPU went offline: those are full."""
        offline: set[int] = set()
        everywhere = False
        while self._offline:
            cpus = self._offline.popleft()
            everywhere |= cpus is None
            offline |= cpus or frozenset()
        if not (offline or everywhere) or before is None:
            return wanted
        reset = {
            domain
            for key, cache in before.caches.items()
            if everywhere or _are_in(before.cpus_of.get(key), offline)
            for domain in cache.domains
        }
        written = {
            group: {domain: mask for domain, mask in masks.items() if domain not in reset}
            for group, masks in wanted.written.items()
        }
        return replace(wanted, written=written) if reset else wanted


def _are_in(cpus: frozenset[int] | None, offline: set[int]) -> bool:
    return bool(cpus) and cpus is not None and cpus <= offline


def _common(now: Mapping[str, Members], before: Mapping[str, Members]) -> dict[str, Members]:
    return {
        name: Members(one.tasks & before[name].tasks, one.processes & before[name].processes)
        for name, one in now.items()
        if name in before
    }

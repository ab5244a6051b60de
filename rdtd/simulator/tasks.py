"""The file `tasks`: which thread is in which group.

After the kernel's rdtgroup_tasks_write and show_rdt_tasks. The threads are those of the real machine.
The kernel copies a parent's group when it forks; the simulator cannot see a fork, so it looks at what
exists before every move, and gives a thread that it sees for the first time the group that its thread
group leader or its parent then has. A child whose parent died between two looks is missed.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rdtd.simulator.formats import parse_int, strim
from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.state import Group, State


class Threads(Protocol):
    """The threads of the machine."""

    def snapshot(self) -> Mapping[int, int]:
        """Every thread ID with its process ID, in the order in which `tasks` lists them."""

    def parent_of(self, process: int) -> int:
        """The parent's process ID, 0 if there is none (any more)."""

    def start_of(self, thread: int) -> int:
        """When it started, to tell a reused thread ID; -1 if it is gone."""

    def users_of(self, thread: int) -> tuple[int, int] | None:
        """Its real and its saved user ID, None if it is gone."""


@dataclass(frozen=True)
class Caller:
    """Who does an operation on the file system."""

    uid: int = 0
    gid: int = 0
    thread: int = 0


class TaskTable:
    """The group of every thread. A thread that is in no other group is in the default group."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._known: set[int] = set()
        self._group: dict[int, Group] = {}  # only what is not in the default group itself
        self._start: dict[int, int] = {}  # of the same threads

    def forget(self) -> None:
        """Every thread is in the default group again."""
        self._known.clear()
        self._group.clear()
        self._start.clear()

    def observe(self) -> Mapping[int, int]:
        """Drops what died, lets new threads inherit. Returns the threads that there are."""
        threads = self._threads.snapshot()
        for thread, start in list(self._start.items()):
            if thread not in threads or self._threads.start_of(thread) != start:
                self._set(thread, None)
                self._known.discard(thread)
        self._known &= threads.keys()
        if self._group:
            for thread in threads.keys() - self._known:
                self._inherit(thread, threads)
        self._known.update(threads)
        return threads

    def _inherit(self, thread: int, threads: Mapping[int, int]) -> None:
        """Settles a new thread, and whatever new ones it descends from before it."""
        line = []
        ancestor = thread
        while ancestor in threads and ancestor not in self._known:
            line.append(ancestor)
            self._known.add(ancestor)
            process = threads[ancestor]
            ancestor = process if process != ancestor else self._threads.parent_of(process)
        group = self._group.get(ancestor)
        if group is not None:
            for member in line:
                self._set(member, group)

    def _set(self, thread: int, group: Group | None) -> None:
        if group is None:
            self._group.pop(thread, None)
            self._start.pop(thread, None)
        else:
            self._group[thread] = group
            self._start[thread] = self._threads.start_of(thread)

    def members(self, state: State, group: Group) -> list[int]:
        """The threads that the group's `tasks` lists: a control group's include its monitoring groups'."""
        if group is not state.default_group and not self._group:
            return []
        threads = self.observe()
        if group.parent is not None:
            return [thread for thread in threads if self._group.get(thread) is group]
        default = state.default_group
        return [thread for thread in threads if self._group.get(thread, default).control is group]

    def move(self, state: State, thread: int, group: Group) -> None:
        """Puts one thread into a group. The caller has looked (`observe`) before."""
        default = state.default_group
        old = self._group.get(thread, default)
        if old is group:
            return
        if group.parent is not None and old.control is not group.parent:
            raise state.last_command.refuse("Can't move task to different control group")
        self._set(thread, None if group is default else group)

    def move_all(self, group: Group, target: Group) -> None:
        """Empties a group, and a control group's monitoring groups with it."""
        keep = target if target.name else None
        for thread, old in list(self._group.items()):
            if old is group or (old.control is group and group.parent is None):
                self._set(thread, keep)

    def users_of(self, thread: int) -> tuple[int, int] | None:
        return self._threads.users_of(thread)


def show(state: State, tasks: TaskTable, group: Group) -> str:
    return "".join(f"{thread}\n" for thread in tasks.members(state, group))


def write(state: State, tasks: TaskTable, group: Group, text: str, caller: Caller) -> None:
    """A write to `tasks`: one thread ID, or on later kernels a list. What came before a bad one is moved."""
    text = text.split("\0")[0]
    last = state.last_command
    if not state.kernel.task_lists:
        try:
            thread = parse_int(strim(text))
        except ValueError:
            raise RefusedError(errno.EINVAL) from None
        if thread < 0:
            raise RefusedError(errno.EINVAL)
        last.clear()
        _move(state, tasks, thread, group, caller)
        return
    last.clear()
    rest = text
    while rest and rest[0] != "\n":
        item, _, rest = rest.partition(",")
        item = strim(item)
        try:
            thread = parse_int(item)
        except ValueError:
            raise last.refuse(f"Task list parsing error pid {item}") from None
        if thread < 0:
            raise last.refuse(f"Invalid pid {thread}")
        try:
            _move(state, tasks, thread, group, caller)
        except RefusedError:
            last.say(f"Error while processing task {thread}\n")
            raise


def _move(state: State, tasks: TaskTable, thread: int, group: Group, caller: Caller) -> None:
    number = thread or caller.thread  # 0 is who writes
    tasks.observe()
    users = tasks.users_of(number)
    if users is None:
        raise state.last_command.refuse(f"No task {thread}", errno.ESRCH)
    if caller.uid != 0 and caller.uid not in users:
        raise state.last_command.refuse(f"No permission to move task {number}", errno.EPERM)
    tasks.move(state, number, group)

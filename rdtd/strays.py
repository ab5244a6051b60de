"""Finds the threads that belong in an own group and are elsewhere: moved out, or left when it was removed."""

from __future__ import annotations

from collections.abc import Mapping

from rdtd.core.members import Members, Thread
from rdtd.core.model import DEFAULT_GROUP, group_of
from rdtd.resctrl.filesystem import Resctrl
from rdtd.threads import Threads

__all__ = ["find_strays"]


def find_strays(
    mount: Resctrl, threads: Threads, members: Mapping[str, Members]
) -> tuple[dict[str, tuple[int, ...]], dict[str, Members]]:
    """By group, the threads that are to be put back; and the members without those that have ended.

    Where not one thread is inside that should be, the group was lost with all that was in it: then those
    that its members have started are looked for too, as far as they are still their children. They come
    first in the order, so that whoever is killed in the middle finds the same again.
    """
    strays: dict[str, tuple[int, ...]] = {}
    left: dict[str, Members] = {}
    for name, one in members.items():
        inside = mount.tasks(group_of(name))
        # An ID that is inside needs no further look: that of a thread which has ended is soon found outside.
        alive = Members(_alive(one.tasks, inside, threads), _alive(one.processes, inside, threads))
        if not alive:
            continue
        left[name] = alive
        belong = {task.id for task in alive.tasks}
        for process in alive.processes:
            belong |= threads.of_process(process.id)
        outside = belong - inside
        started: set[int] = set()
        if outside and not belong & inside:
            started = (_started_by(belong, threads) & mount.tasks(DEFAULT_GROUP)) - belong
        if outside:
            strays[group_of(name)] = (*sorted(started), *sorted(outside))
    return strays, left


def _alive(known: frozenset[Thread], inside: frozenset[int], threads: Threads) -> frozenset[Thread]:
    found = frozenset(one for one in known if one.id in inside or threads.started(one.id) == one.started)
    return known if found == known else found


def _started_by(ancestors: set[int], threads: Threads) -> set[int]:
    """Every thread of every process that descends from these threads."""
    found: set[int] = set()
    waiting = set(ancestors)
    while waiting:
        for child in threads.children(waiting.pop()):
            new = threads.of_process(child) - found
            found |= new
            waiting |= new
    return found

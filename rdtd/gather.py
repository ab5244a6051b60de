"""Threads into a reservation's group as they come: those of a unit, however often it starts some."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator

from rdtd.core.model import DEFAULT_GROUP, Snapshot
from rdtd.resctrl.filesystem import Resctrl

__all__ = ["gather"]


def gather(
    mount: Resctrl,
    group: str,
    find: Callable[[], frozenset[int]],
    yielding: Collection[str],
    snapshot: Snapshot,
) -> Generator[None, None, None]:
    """Moves the threads that `find` tells, one at each step, until it tells no new one.

    Those in another group were put there by somebody and stay, unless that group is one of `yielding`. What
    was moved stays when it fails: whoever asks for this asks again.
    """
    others = snapshot.groups.keys() - {DEFAULT_GROUP, group, *yielding}
    seen = set(mount.tasks(group)).union(*(mount.tasks(name) for name in others))
    while new := find() - seen:
        seen |= new
        for thread in sorted(new):
            try:
                mount.move_task(group, thread)
            except ProcessLookupError:
                continue  # it ended
            yield

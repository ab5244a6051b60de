"""Threads into a reservation's group and out of it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass

from rdtd.core.errors import InvalidRequest, NotFound, RdtdError
from rdtd.core.model import DEFAULT_GROUP, Snapshot
from rdtd.resctrl.filesystem import Resctrl
from rdtd.threads import Threads

__all__ = ["Targets", "attach", "detach"]


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be attached: threads, processes with every thread that they have, CPUs.

    `of_user`: the threads must be this user's; None: whoever's.
    """

    tasks: tuple[int, ...] = ()
    processes: tuple[int, ...] = ()
    cpus: frozenset[int] = frozenset()
    of_user: int | None = None

    def __bool__(self) -> bool:
        return bool(self.tasks or self.processes or self.cpus)


def attach(
    mount: Resctrl, threads: Threads, group: str, targets: Targets, snapshot: Snapshot
) -> Generator[None, None, None]:
    """Looks at the targets at once; the generator moves a thread into the group at each step.

    On failure, or closed before its end, it puts those back that were moved. A thread that ends on the way is
    an error where it was named, and none where its process was. Raises NotFound for a thread or process that
    is gone, InvalidRequest for a kernel thread, AccessDenied for one of another user than `targets` say.
    """
    for thread in (*targets.tasks, *targets.processes):
        with threads.of_user(thread, targets.of_user):
            threads.check(thread)
    # A single thread that cannot be moved was not.
    alone = not targets.processes and len(targets.tasks) < 2 and targets.of_user is None
    came_from = {} if alone else _groups_of(mount, snapshot)
    return _attach(mount, threads, group, targets, came_from)


def _attach(
    mount: Resctrl, threads: Threads, group: str, targets: Targets, came_from: Mapping[int, str]
) -> Generator[None, None, None]:
    moved: list[int] = []
    try:
        for thread in targets.tasks:
            with threads.of_user(thread, targets.of_user):
                try:
                    mount.move_task(group, thread)
                except ProcessLookupError:
                    raise NotFound(f"there is no thread {thread}") from None
                moved.append(thread)
            yield
        for process in targets.processes:
            for thread in _every_thread(threads, process):
                moved.append(thread)
                try:
                    with threads.of_user(thread, targets.of_user):
                        mount.move_task(group, thread)
                except (ProcessLookupError, NotFound):
                    moved.pop()
                    if targets.of_user is not None:  # it ended, and who has its ID now is not meant
                        _move(mount, [(came_from.get(thread, DEFAULT_GROUP), thread)])
                    continue
                yield
    except BaseException:
        _move(mount, ((came_from.get(thread, DEFAULT_GROUP), thread) for thread in moved))
        raise


def _every_thread(threads: Threads, process: int) -> Iterator[int]:
    """The threads of a process until none is new: those that a moved one starts inherit the group."""
    seen: set[int] = set()
    while new := threads.of_process(process) - seen:
        seen |= new
        yield from sorted(new)


def detach(mount: Resctrl, threads: Threads, group: str, targets: Targets) -> Generator[None, None, None]:
    """As attach(), to the default group. Raises InvalidRequest for what is not in the group."""
    inside = mount.tasks(group) if targets.tasks or targets.processes else frozenset[int]()
    leaving = set(targets.tasks)
    for process in targets.processes:
        found = threads.of_process(process)
        if not found:
            raise NotFound(f"there is no process {process}")
        if not found & inside:
            raise InvalidRequest(f"no thread of process {process} is in group {group!r}")
        leaving |= found & inside
    for thread in targets.tasks:
        if thread not in inside:
            threads.check(thread)
            raise InvalidRequest(f"thread {thread} is not in group {group!r}")
    return _detach(mount, group, sorted(leaving))


def _detach(mount: Resctrl, group: str, leaving: list[int]) -> Generator[None, None, None]:
    moved: list[int] = []
    try:
        for thread in leaving:
            try:
                mount.move_task(DEFAULT_GROUP, thread)
            except ProcessLookupError:
                continue  # it ended, and with that it left the group
            moved.append(thread)
            yield
    except BaseException:
        _move(mount, ((group, thread) for thread in moved))
        raise


def _groups_of(mount: Resctrl, snapshot: Snapshot) -> dict[int, str]:
    """The group of each thread that is not in the default group."""
    return {thread: name for name in snapshot.groups if name != DEFAULT_GROUP for thread in mount.tasks(name)}


def _move(mount: Resctrl, moves: Iterable[tuple[str, int]]) -> None:
    for group, thread in moves:
        try:
            mount.move_task(group, thread)
        except (ProcessLookupError, RdtdError):
            continue  # it ended, or its group did: nothing is left to put back

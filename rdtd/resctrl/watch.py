"""Hints from inotify: which groups may have changed since they were read.

Events are hints to look again, never facts: a failed write gives the same events as one that worked, and
nothing at all comes for CPU hotplug or for a mount over the directory. Each group's directory has a watch of
its own, dropped by hand, since kernfs does not tell a directory that it was removed.

pyinotify is used for its watches and its queue. Its reading is replaced: it decodes names strictly, so that
one group whose name is no UTF-8 would lose a whole batch of events.
"""

from __future__ import annotations

import os
import struct
import threading
import warnings
from collections.abc import Collection, Iterable
from contextlib import suppress

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, which rdtd does not use
    import pyinotify

from rdtd.core.model import PREFIX
from rdtd.resctrl.files import MONITORS, READ, TASKS

__all__ = ["Watch"]

_HEADER = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, length of the name
_ROOT_MASK = pyinotify.IN_CREATE | pyinotify.IN_DELETE | pyinotify.IN_CLOSE_WRITE | pyinotify.IN_UNMOUNT
_GROUP_MASK = pyinotify.IN_CLOSE_WRITE
# A write to the file on the left changes what is read from the one on the right.
_MEANS = {"schemata": "schemata", "mode": "mode", "cpus": "cpus_list", "cpus_list": "cpus_list"}
_MEANS |= {"tasks": TASKS}
_TAKING = {TASKS, "cpus_list"}
_MONITORS_MASK = pyinotify.IN_CREATE | pyinotify.IN_DELETE


class _Notifier(pyinotify.Notifier):  # type: ignore[misc] # pyinotify has no types
    """pyinotify's queue of events, filled without its decoding."""

    def take(self) -> list[tuple[int, int, str]]:
        """(watch, mask, name) of every event that waits."""
        found: list[tuple[int, int, str]] = []
        while True:
            try:
                batch = os.read(self._fd, 65536)
            except BlockingIOError:
                return found
            offset = 0
            while offset < len(batch):
                watch, mask, _, length = _HEADER.unpack_from(batch, offset)
                offset += _HEADER.size
                name = batch[offset : offset + length].rstrip(b"\0")
                offset += length
                found.append((watch, mask, os.fsdecode(name)))


class Watch:
    """The watches on a mounted resctrl. `fd` becomes readable when there are hints.

    May be used from the thread that does the turns and from the event loop.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._manager = pyinotify.WatchManager()
        self._notifier = _Notifier(self._manager)
        self.fd: int = self._manager.get_fd()
        os.set_blocking(self.fd, False)
        os.set_inheritable(self.fd, False)
        self._groups: dict[int, str] = {}  # watch -> directory below the root: a group, or GROUP/mon_groups
        self._watches: dict[str, int] = {}
        self._dirty: dict[str, set[str]] = {}
        self._everything = True
        self._unmounted = False

    def follow(self, groups: Iterable[str]) -> None:
        """Watches the root and these groups, and no others. Called before the groups are read."""
        with self._lock:
            wanted = {"", *groups}
            wanted |= {f"{group}/{MONITORS}" for group in wanted if group.startswith(PREFIX)}
            for group in self._watches.keys() - wanted:
                self._drop(group)
            for group in wanted - self._watches.keys():
                self._add(group)

    def drain(self) -> dict[str, set[str]] | None:
        """The groups that hints have named since the last call, each with the files that may have changed.

        None means "look at everything".
        """
        with self._lock:
            self._take()
            dirty, self._dirty = self._dirty, {}
            everything, self._everything = self._everything, False
            return None if everything else dirty

    def pending(self, besides: Collection[str] = ()) -> bool:
        """Whether there are hints that drain() would return; with `besides`, hints that concern others.

        A thread and a CPU are taken from a group by a write to another one: such writes concern nobody else.
        """
        with self._lock:
            self._take()
            if self._everything or not besides:
                return self._everything or bool(self._dirty)
            return any(files - _TAKING for name, files in self._dirty.items() if name not in besides)

    def unmounted(self) -> bool:
        """Whether the resctrl that was followed was unmounted since the last call: the next begins anew."""
        with self._lock:
            self._take()
            unmounted, self._unmounted = self._unmounted, False
            return unmounted

    def close(self) -> None:
        """Ends all watches."""
        with self._lock:
            self._notifier.stop()

    def _take(self) -> None:
        for watch, mask, name in self._notifier.take():
            if mask & (pyinotify.IN_Q_OVERFLOW | pyinotify.IN_UNMOUNT):
                self._everything = True
            self._unmounted |= bool(mask & pyinotify.IN_UNMOUNT)
            if mask & pyinotify.IN_IGNORED:
                # The kernel has dropped the watch already: unmounted, or gone with its directory.
                group = self._groups.pop(watch, None)
                self._manager.watches.pop(watch, None)
                if group is not None:
                    self._watches.pop(group, None)
                    self._hint(group.removesuffix(f"/{MONITORS}"), *READ)
                continue
            directory = self._groups.get(watch)
            if directory is None:
                continue  # it was dropped, and what it told is late
            group, _, inside = directory.partition("/")
            if inside:
                self._hint(group, MONITORS)
            elif mask & pyinotify.IN_ISDIR:
                self._hint(name, *READ)
                # Whoever is there under this name by now is another: kernfs tells its watch nothing.
                for stale in (name, f"{name}/{MONITORS}") if mask & pyinotify.IN_DELETE else ():
                    if stale in self._watches:
                        self._drop(stale)
            elif name in _MEANS:
                self._hint(group, _MEANS[name])

    def _hint(self, group: str, *files: str) -> None:
        self._dirty.setdefault(group, set()).update(files)

    def _add(self, group: str) -> None:
        path = os.path.join(self._root, group)
        try:
            mask = _GROUP_MASK if group else _ROOT_MASK
            mask = _MONITORS_MASK if group.endswith(f"/{MONITORS}") else mask
            added = self._manager.add_watch(path, mask | pyinotify.IN_ONLYDIR, quiet=False)
        except (pyinotify.WatchManagerError, UnicodeEncodeError):
            # It went away, or pyinotify cannot name it. Foreign groups are read at each turn anyway, and
            # one of ours that is gone is missed by the next turn.
            return
        for watch in added.values():
            self._groups[watch] = group
            self._watches[group] = watch

    def _drop(self, group: str) -> None:
        watch = self._watches.pop(group)
        self._groups.pop(watch, None)
        with suppress(pyinotify.WatchManagerError):  # the kernel was quicker
            self._manager.rm_watch(watch, quiet=False)

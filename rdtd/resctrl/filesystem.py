"""The one place that touches the mounted resctrl: a snapshot in, steps and threads out."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from rdtd.core.cpus import format_cpus, parse_cpus
from rdtd.core.errors import InvalidRequest, KernelRefused, NotMounted
from rdtd.core.model import DEFAULT_GROUP, PREFIX, Cache, CacheKey, Group, Snapshot
from rdtd.core.plan import CreateGroup, MoveTask, RemoveGroup, Step, WriteCpus, WriteMasks, WriteMode
from rdtd.resctrl.files import MONITORS, READ, TASKS, Told, explain, read_text, write_text
from rdtd.resctrl.lock import take
from rdtd.resctrl.schemata import format_schemata, parse_schemata
from rdtd.resctrl.topology import read_caches, read_closids, read_cpus_of, read_online

__all__ = ["Resctrl"]

Dirty = Mapping[str, Collection[str]]
"""The groups that may have changed, each with the files of it to read again."""

_NOT_GROUPS = {"info", "mon_groups", "mon_data"}
_NO_GROUP = {errno.ENOENT, errno.ENODEV}  # ENODEV: kernfs, when it went between open and read


class Resctrl:
    """resctrl, mounted at `root` or not at the moment. Blocking; for one thread at a time."""

    def __init__(
        self, root: str, sysfs: str = "/sys", follow: Callable[[list[str]], None] = lambda _: None
    ) -> None:
        """`follow` is told which groups there are before they are read, so that no change is missed."""
        self.root = root
        self.sysfs = sysfs
        self._follow = follow

    @contextmanager
    def locked(self, *, exclusive: bool) -> Iterator[None]:
        """The lock on it, for one `with`. Raises LockedError at once, NotMounted where there is nothing."""
        self.check_mounted()
        try:
            lock = take(self.root, exclusive=exclusive)
        except OSError as error:
            raise explain(self.root, f"lock {self.root}", error) from error
        try:
            yield
        finally:
            os.close(lock)

    def check_mounted(self) -> None:
        """Raises NotMounted unless resctrl is there."""
        if not os.path.exists(os.path.join(self.root, "schemata")):
            raise NotMounted(
                f"resctrl is not mounted at {self.root}; mount it with 'mount -t resctrl resctrl {self.root}'"
            )

    def observe(self, before: Snapshot | None = None, dirty: Dirty | None = None) -> Snapshot:
        """What is there now.

        Given an earlier snapshot and the groups that may have changed since (`dirty`), own groups that
        are not among them are taken over from it; everything is read when the default group has another
        mask or another CPU is online than before: no event tells of CPU hotplug.
        Raises NotMounted, and KernelRefused for what cannot be read or understood.
        """
        try:
            return self._observe(before, dirty)
        except OSError as error:
            self.check_mounted()
            raise KernelRefused(f"cannot read {error.filename or self.root}: {error.strerror}") from error
        except (ValueError, InvalidRequest) as error:
            raise KernelRefused(f"cannot understand resctrl at {self.root}: {error}") from error

    def _observe(self, before: Snapshot | None, dirty: Dirty | None) -> Snapshot:
        default = parse_schemata(read_text(self._path(DEFAULT_GROUP, "schemata")))
        online = read_online(self.sysfs)
        if before is not None and (dirty is None or (default, online) != (before.default.masks, before.cpus)):
            before = None
        if before is None:
            caches: Mapping[CacheKey, Cache] = read_caches(self.root, default)
            cpus_of: Mapping[CacheKey, frozenset[int]] = read_cpus_of(self.sysfs, caches, online)
            closids = read_closids(self.root)
        else:
            caches, closids, cpus_of = before.caches, before.closids, before.cpus_of
        groups = {DEFAULT_GROUP: Group(DEFAULT_GROUP, default) if before is None else before.default}
        names = self._group_names()
        self._follow(names)
        for name in names:
            known = before.groups.get(name) if before else None
            # Foreign groups are few, and whoever makes one may be quicker than a watch.
            files = READ if known is None or not known.own else (dirty or {}).get(name, ())
            if before is None and name.startswith(PREFIX):
                files = (*READ, MONITORS)
            group = self._read_group(name, known, files) if files else known
            if group is not None:
                groups[name] = known if known == group else group
        if before is not None:
            self._read_taken_cpus(groups, before, dirty or {})
        found = Snapshot(caches, groups, closids, online, cpus_of)
        # The same object for the same state spares others the comparison.
        return before if before is not None and found == before else found

    def _read_taken_cpus(self, groups: dict[str, Group], before: Snapshot, dirty: Dirty) -> None:
        """A CPU is taken from a group by a write to another one, of which alone a hint tells."""
        lost = any("cpus_list" in files for name, files in dirty.items() if name not in groups or not name)
        new = [group for name, group in groups.items() if group is not before.groups.get(name)]
        for name, group in groups.items():
            if not group.own or not group.cpus or "cpus_list" in dirty.get(name, ()):
                continue
            if lost or any(group.cpus & other.cpus for other in new if other is not group):
                groups[name] = self._read_group(name, group, ("cpus_list",)) or group

    def _group_names(self) -> list[str]:
        with os.scandir(self.root) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name not in _NOT_GROUPS and entry.is_dir(follow_symlinks=False)
            )

    def _read_group(self, name: str, known: Group | None, files: Collection[str]) -> Group | None:
        """The group, with those files read again; None when it went away: not everybody takes the lock."""
        known = known or Group(name, {})
        masks, mode, cpus, monitors = known.masks, known.mode, known.cpus, known.monitors
        try:
            if "schemata" in files:
                masks = parse_schemata(read_text(self._path(name, "schemata")))
            if "mode" in files:
                mode = read_text(self._path(name, "mode")).strip()
            if "cpus_list" in files:
                cpus = parse_cpus(read_text(self._path(name, "cpus_list")))
            if MONITORS in files:
                monitors = self._monitors(name)
        except OSError as error:
            if error.errno in _NO_GROUP:
                return None
            raise
        return Group(name, masks, mode, cpus, monitors)

    def _monitors(self, group: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._path(group, MONITORS)))
        except FileNotFoundError:
            return frozenset()  # a host without monitoring

    def apply(self, step: Step) -> None:
        """One step of a plan. Raises NoClosid, NoRmid, KernelRefused or NotMounted, with its reason."""
        match step:
            case RemoveGroup(group):
                self._change(f"rmdir {group!r}", lambda: os.rmdir(self._path(group)), Told.NOTHING)
            case CreateGroup(group):
                self._change(f"mkdir {group!r}", lambda: os.mkdir(self._path(group), 0o755), Told.LAST)
            case WriteMasks(group, masks):
                for text in format_schemata(masks):
                    self._write(group, "schemata", text)
            case WriteCpus(group, cpus):
                self._write(group, "cpus_list", format_cpus(cpus) + "\n", Told.LAST)
            case WriteMode(group):
                self._write(group, "mode", "shareable\n")
            case MoveTask(group, task):
                with suppress(ProcessLookupError):
                    self.move_task(group, task)

    def move_task(self, group: str, task: int) -> None:
        """Moves one thread. Raises ProcessLookupError when it is gone, else as apply()."""
        try:
            self._write(group, TASKS, f"{task}\n")
        except KernelRefused as error:
            if isinstance(error.__cause__, ProcessLookupError):
                raise error.__cause__ from None
            raise

    def tasks(self, group: str) -> frozenset[int]:
        """The threads of a group; none when there is no such group."""
        try:
            return frozenset(int(line) for line in read_text(self._path(group, TASKS)).split())
        except OSError as error:
            if error.errno in _NO_GROUP:
                return frozenset()
            raise explain(self.root, f"read tasks of group {group!r}", error) from error

    def _write(self, group: str, file: str, text: str, told: Told = Told.ALL) -> None:
        what = f"write {text.strip()!r} to {file} of {f'group {group!r}' if group else 'the default group'}"
        self._change(what, lambda: write_text(self._path(group, file), text), told)

    def _change(self, what: str, change: Callable[[], None], told: Told) -> None:
        try:
            change()
        except OSError as error:
            raise explain(self.root, what, error, told) from error

    def _path(self, group: str, *rest: str) -> str:
        return os.path.join(self.root, group, *rest)

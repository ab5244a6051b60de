"""What inotify would tell of the machine in memory: rdtd/resctrl/watch.py without inotify."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rdtd.resctrl.files import READ

__all__ = ["Hints"]

_MEANS = {"schemata": "schemata", "mode": "mode", "cpus": "cpus_list", "cpus_list": "cpus_list"}
_MEANS |= {"tasks": "tasks"}
_MONITORS = "mon_groups"


class Hints:
    """One process's watches. They tell of every write, of rdtd's own as well."""

    def __init__(self) -> None:
        self._followed: set[str] = set()
        self._dirty: dict[str, set[str]] = {}
        self._everything = True
        self._unmounted = False

    def follow(self, groups: Iterable[str]) -> None:
        self._followed = {"", *groups}

    def drain(self) -> dict[str, set[str]] | None:
        dirty, self._dirty = self._dirty, {}
        everything, self._everything = self._everything, False
        return None if everything else dirty

    def pending(self, besides: Collection[str] = ()) -> bool:
        return self._everything or bool(self._dirty.keys() - set(besides))

    def unmounted(self) -> bool:
        """Whether what was followed was unmounted since the last call."""
        unmounted, self._unmounted = self._unmounted, False
        return unmounted

    def written(self, inside: str) -> None:
        """A file below the mount point was written to."""
        group, _, file = inside.strip("/").rpartition("/")
        if group in self._followed and file in _MEANS:
            self._dirty.setdefault(group, set()).add(_MEANS[file])

    def changed_directory(self, inside: str) -> None:
        """A group came or went."""
        parent, _, name = inside.strip("/").rpartition("/")
        if not parent and self._followed:
            self._dirty.setdefault(name, set()).update(READ)
        elif parent.endswith(f"/{_MONITORS}") and (group := parent.partition("/")[0]) in self._followed:
            self._dirty.setdefault(group, set()).add(_MONITORS)

    def unmount(self) -> None:
        """resctrl is unmounted: every watch on it has ended."""
        self._unmounted |= bool(self._followed)
        self._followed.clear()
        self._everything = True

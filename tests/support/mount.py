"""What stands in a mounted resctrl, and what was done to it, for tests to compare."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

_NOT_GROUPS = {"info", "mon_groups", "mon_data", ".simulator"}


class Mounted(Protocol):
    """A simulator, or the kernel."""

    @property
    def root(self) -> str: ...


class Mount:
    """A mounted resctrl, from outside."""

    def __init__(self, mounted: Mounted) -> None:
        self.root = Path(mounted.root)

    def groups(self) -> list[str]:
        """The control groups beside the default group."""
        return sorted(entry.name for entry in self.root.iterdir() if self._is_group(entry))

    def _is_group(self, entry: Path) -> bool:
        return entry.name not in _NOT_GROUPS and entry.is_dir()

    def masks(self, group: str = "", resource: str = "L3") -> dict[int, int]:
        """The masks of a group by cache ID."""
        for line in (self.root / group / "schemata").read_text().splitlines():
            name, _, rest = line.strip().partition(":")
            if name == resource:
                cells = (cell.split("=") for cell in rest.split(";"))
                return {int(cache_id): int(mask, 16) for cache_id, mask in cells}
        raise AssertionError(f"there is no {resource} in the schemata of {group!r}")

    def set_masks(self, line: str, group: str = "") -> None:
        """What an administrator's echo does."""
        (self.root / group / "schemata").write_text(line + "\n")

    def tasks(self, group: str = "") -> set[int]:
        return {int(line) for line in (self.root / group / "tasks").read_text().split()}

    def cpus(self, group: str = "") -> str:
        return (self.root / group / "cpus_list").read_text().strip()

    def dump(self, threads: Iterable[int] = ()) -> dict[str, tuple[str, str, str, set[int]]]:
        """Each group's schemata, mode, CPUs and which of these threads it has."""
        mine = set(threads)
        return {
            group: (
                (self.root / group / "schemata").read_text(),
                (self.root / group / "mode").read_text(),
                self.cpus(group),
                self.tasks(group) & mine if mine else set(),
            )
            for group in ("", *self.groups())
        }

    def forget_operations(self) -> None:
        (self.root / ".simulator/operations").write_text("reset\n")

    def operations(self) -> dict[str, int]:
        """How often what was done since forget_operations(), by this test as well: `write schemata`: 2."""
        lines = (self.root / ".simulator/operations").read_text().splitlines()
        return {what: int(count) for what, _, count in (line.rpartition(" ") for line in lines)}

    def changes(self) -> dict[str, int]:
        """The operations that change something."""
        return {what: count for what, count in self.operations().items() if not what.startswith("read ")}

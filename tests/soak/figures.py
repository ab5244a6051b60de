"""What a soak counts and measures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Figures", "ViolationError", "memory"]


class ViolationError(AssertionError):
    """Something that must hold does not."""


@dataclass
class Figures:
    """The figures that are printed at the end."""

    operations: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # by the name of the error
    faults: Counter[str] = field(default_factory=Counter)  # everything that others did
    checks: int = 0  # how often everything was in order and looked at
    lost: int = 0  # acknowledged reservations that were not there any more
    violations: int = 0
    longest_turn: float = 0.0  # of the event loop, seconds of CPU time
    longest_hold: float = 0.0  # of the lock on resctrl, seconds of CPU time
    memory_before: int = 0  # bytes, of the process in which rdtd ran
    memory_after: int = 0

    def text(self, *, details: bool = True) -> str:
        """The table."""
        rows = [
            ("operations", f"{self.operations.total()}"),
            ("of them refused", f"{self.refused.total()}"),
            ("faults and changes from outside", f"{self.faults.total()}"),
            ("looks at everything", f"{self.checks}"),
            ("lost reservations", f"{self.lost}"),
            ("violated invariants", f"{self.violations}"),
            ("longest turn of the event loop", _milliseconds(self.longest_turn)),
            ("longest hold of the lock", _milliseconds(self.longest_hold)),
            ("memory", f"{self.memory_before >> 10} KiB at the start, {self.memory_after >> 10} at the end"),
        ]
        lines = [f"{name:34}{value}" for name, value in rows]
        for title, counter in (
            ("operations", self.operations),
            ("refused", self.refused),
            ("from outside", self.faults),
        ):
            if details and counter:
                counted = ", ".join(f"{name} {count}" for name, count in counter.most_common())
                lines.append(f"{title}: {counted}")
        return "\n".join(lines)


def _milliseconds(seconds: float) -> str:
    """CPU time: how long it took besides depends on what else the machine does."""
    return f"{seconds * 1000:.1f} ms of CPU time" if seconds else "not measured"


def memory(pid: int | str = "self") -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

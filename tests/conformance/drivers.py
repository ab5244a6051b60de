"""What a test does to a machine beside the file system: mount, unmount, CPUs that go and come back."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from pathlib import Path
from typing import Protocol


class Driver(Hashable, Protocol):
    """A machine. Whatever the kernel refuses is raised as OSError with the kernel's errno."""

    @property
    def root(self) -> Path:
        """Where resctrl is mounted."""

    @property
    def sysfs(self) -> Path:
        """What is /sys on that machine."""

    def mount(self, options: Sequence[str]) -> None:
        """Mounts with these options. What was mounted before is unmounted."""

    def offline(self, cpus: Collection[int]) -> None: ...

    def online(self, cpus: Collection[int]) -> None: ...

    def reset(self, options: Sequence[str]) -> None:
        """Every CPU online, and a fresh mount."""

    def close(self) -> None: ...

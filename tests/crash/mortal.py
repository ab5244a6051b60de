"""rdtd as a process that can be told before which system call to die."""

from __future__ import annotations

from tests.crash.launcher import Meter
from tests.support.daemon import Daemon

__all__ = ["MortalDaemon"]


class MortalDaemon(Daemon):
    """rdtd that kills itself when its meter says so."""

    def __init__(self, *simulator: str) -> None:
        super().__init__(simulator)
        self.meter = Meter(self.directory / "meter")

    def command(self) -> list[str]:
        python, _, _, *options = super().command()
        return [python, "-m", "tests.crash.launcher", str(self.directory / "meter"), *options]

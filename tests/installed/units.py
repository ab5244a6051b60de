"""Units of a test, and what systemd and the kernel say of others."""

import subprocess
from pathlib import Path

from tests.support.caller import Caller
from tests.system import machine
from tests.system.machine import run, systemctl

BOOT = "boot"
"""The reservation that before-boot configures."""

_DIRECTORY = Path("/run/systemd/system")


class Units:
    """Files in /run/systemd/system."""

    def __init__(self) -> None:
        self._files: list[Path] = []

    def add(self, name: str, text: str) -> None:
        """A unit `name.service`, or a drop-in `name.service.d/mine.conf`."""
        file = _DIRECTORY / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        self._files.append(file)
        systemctl("daemon-reload")

    def remove(self) -> None:
        for file in reversed(self._files):
            unit = file.relative_to(_DIRECTORY).parts[0].removesuffix(".d")
            if unit != "rdtd.service":
                for verb in ("stop", "reset-failed"):
                    subprocess.run(["systemctl", verb, unit], check=False, capture_output=True)
            file.unlink()
        systemctl("daemon-reload")


def start(unit: str) -> None:
    """Starts it. What it said is in the failure."""
    started = run("systemctl", "start", unit, check=False)
    told = run("journalctl", "--boot", "--output=cat", f"--unit={unit}").stdout
    assert started.returncode == 0, f"{started.stderr}{told}"


def property_of(unit: str, name: str) -> str:
    return systemctl("show", f"--property={name}", "--value", unit)


def main_pid(unit: str) -> int:
    return int(property_of(unit, "MainPID"))


def groups_of(process: int) -> list[str]:
    """The group of each thread of a process."""
    threads = sorted(int(path.name) for path in Path(f"/proc/{process}/task").iterdir())
    return [machine.group_of(process, thread) for thread in threads]


def wait_for_owner(caller: Caller) -> None:
    """Returns when the bus tells that somebody has the name org.rdtd1."""
    while not caller.signal("NameOwnerChanged", machine.PATIENCE).arguments[2]:
        pass

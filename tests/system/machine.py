"""The machine: how resctrl is mounted on it, the service, and CPUs that come and go."""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

RESCTRL = Path("/sys/fs/resctrl")
CPUS = Path("/sys/devices/system/cpu")
STATE = Path("/run/rdtd")
PATIENCE = 600.0  # seconds: only what hangs takes that long

Options = tuple[str, ...]
"""Of mount, such as `("cdp",)`."""

_OPTIONS: tuple[Options, ...] = ((), ("cdp",), ("cdpl2",))
_THRESHOLD = RESCTRL / "info/L3_MON/max_threshold_occupancy"
_OCCUPANCY = 1 << 16
"""With how much cache the monitoring ID of a removed group is free again: bytes. Where the kernel makes it 0
of a CPU that tells little, the IDs never come back."""

_DROP_IN = Path("/run/systemd/system/rdtd.service.d/patience.conf")
_PATIENT_UNIT = f"[Service]\nTimeoutStartSec={PATIENCE:.0f}\nWatchdogSec={PATIENCE:.0f}\n"
"""An emulated CPU on a busy machine is slow: that is no reason to end rdtd."""


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def mount(options: Sequence[str]) -> None:
    run("mount", "-t", "resctrl", *(("-o", ",".join(options)) if options else ()), "resctrl", str(RESCTRL))
    if _THRESHOLD.exists():
        _THRESHOLD.write_text(f"{_OCCUPANCY}\n")


def unmount() -> None:
    run("umount", str(RESCTRL))


def mount_options() -> list[Options]:
    """Those that this machine has. Leaves nothing mounted."""
    found: list[Options] = []
    if RESCTRL.is_mount():
        unmount()
    for options in _OPTIONS:
        try:
            mount(options)
        except AssertionError:
            continue
        unmount()
        found.append(options)
    return found


def patient_service() -> None:
    """Lets systemd wait longer for rdtd than its unit says."""
    _DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    _DROP_IN.write_text(_PATIENT_UNIT)
    run("systemctl", "daemon-reload")


def systemctl(*arguments: str) -> str:
    """The output. `start` and `restart` return when rdtd is ready."""
    return run("systemctl", *arguments).stdout.strip()


def main_pid() -> int:
    """The process ID of rdtd; 0 while it does not run."""
    return int(systemctl("show", "--property=MainPID", "--value", "rdtd.service"))


def switch_cpus(cpus: Iterable[int], *, online: bool) -> None:
    for cpu in cpus:
        (CPUS / f"cpu{cpu}/online").write_text(f"{online:d}\n")


def group_of(process: int, thread: int | None = None) -> str:
    """The control group of a thread, as the kernel tells it; "" for the default group."""
    path = f"/proc/{process}/task/{thread or process}/cpu_resctrl_groups"
    lines = dict(line.split(":", 1) for line in Path(path).read_text().splitlines())
    return lines["res"].strip("/")

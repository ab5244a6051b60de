"""Mounts resctrl, with mount(8)."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

__all__ = ["MOUNT", "MountError", "choices", "mount"]

MOUNT = ("mount",)
_PATIENCE = 60  # seconds


class MountError(Exception):
    """It is not mounted. The text says why."""


def choices(*, cdp: bool) -> tuple[str, ...]:
    """The options to mount it with, the best first.

    The kernel refuses the option of a level that has no code and data prioritization, and does not tell
    beforehand which has it.
    """
    return ("cdp,cdpl2", "cdp", "cdpl2", "") if cdp else ("",)


def mount(root: str, options: str, command: Sequence[str] = MOUNT) -> None:
    """Mounts it. `command` stands for mount(8). Blocks. Raises MountError."""
    given = ["-o", options] if options else []
    try:
        done = subprocess.run(
            [*command, "-t", "resctrl", *given, "resctrl", root],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except OSError as error:
        raise MountError(f"cannot run {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise MountError(f"{command[0]} did not end within {_PATIENCE} s") from None
    if done.returncode != 0:
        told = " ".join(done.stderr.split()) or f"{command[0]} ended with status {done.returncode}"
        raise MountError(told)

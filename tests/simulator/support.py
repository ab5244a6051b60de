"""Machines without FUSE, with threads and a clock that the test makes up."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from rdtd.simulator.kernel import KERNELS
from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.machine import Machine
from rdtd.simulator.presets import PRESETS
from rdtd.simulator.state import MountOptions, State
from rdtd.simulator.tasks import Caller


class FakeThreads:
    """Threads as a test describes them: thread ID to (process, parent process, user)."""

    def __init__(self) -> None:
        self.table: dict[int, tuple[int, int, int]] = {1: (1, 0, 0)}
        self.starts: dict[int, int] = {}

    def add(self, thread: int, process: int | None = None, parent: int = 1, uid: int = 0) -> None:
        self.table[thread] = (thread if process is None else process, parent, uid)

    def snapshot(self) -> dict[int, int]:
        return {thread: entry[0] for thread, entry in sorted(self.table.items())}

    def parent_of(self, process: int) -> int:
        return self.table[process][1] if process in self.table else 0

    def start_of(self, thread: int) -> int:
        return self.starts.get(thread, 0) if thread in self.table else -1

    def users_of(self, thread: int) -> tuple[int, int] | None:
        entry = self.table.get(thread)
        return (entry[2], entry[2]) if entry else None


class Bench:
    """A machine, used by path as a shell would use it."""

    def __init__(self, preset: str = "xeon", kernel: str = "6.12", **options: object) -> None:
        chosen = replace(PRESETS[preset], **options)  # type: ignore[arg-type]
        mount = MountOptions(cdp=chosen.cdp, cdpl2=chosen.cdpl2)
        self.threads = FakeThreads()
        self.now = 0.0
        self.slept: list[float] = []
        self.state = State(chosen.topology(), KERNELS[kernel], mount)
        self.machine = Machine(self.state, self.threads, clock=lambda: self.now, sleep=self.slept.append)

    def cat(self, path: str) -> str:
        return self.machine.read(f"/{path}")

    def echo(self, text: str, path: str, caller: Caller | None = None) -> None:
        """Like the shell's echo: with a newline."""
        self.write(text + "\n", path, caller)

    def write(self, text: str, path: str, caller: Caller | None = None) -> None:
        self.machine.write(f"/{path}", text, caller or Caller())

    def mkdir(self, path: str, caller: Caller | None = None) -> None:
        self.machine.mkdir(f"/{path}", 0o755, caller or Caller())

    def rmdir(self, path: str) -> None:
        self.machine.rmdir(f"/{path}")

    def ls(self, path: str = "") -> set[str]:
        return {name for name, _mode in self.machine.listing(f"/{path}")}

    def control(self, command: str) -> None:
        self.echo(command, ".simulator/control")

    def line(self, group: str, name: str) -> str:
        """The cells of one line of a group's schemata."""
        prefix = f"{group}/" if group else ""
        for line in self.cat(f"{prefix}schemata").splitlines():
            found, _, cells = line.strip().partition(":")
            if found == name:
                return cells
        raise AssertionError(f"no line {name}")

    @property
    def status(self) -> str:
        return self.cat("info/last_cmd_status")

    @contextmanager
    def refused(self, code: int, status: str | None = None) -> Iterator[None]:
        """Expects that errno, and afterwards that text in last_cmd_status (without its newline)."""
        with pytest.raises(RefusedError) as caught:
            yield
        assert errno.errorcode[caught.value.errno] == errno.errorcode[code]
        if status is not None:
            assert self.status == status + "\n"

"""rdtctl as a process against a daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.daemon import Daemon


@dataclass(frozen=True)
class Outcome:
    """How a run of rdtctl ended."""

    status: int
    out: str
    err: str


class Rdtctl:
    """Runs rdtctl against one bus, without colours and the like from the environment."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        unwanted = ("NO_COLOR", "TERM", "DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS")
        self.environment = {key: value for key, value in os.environ.items() if key not in unwanted}
        self.environment |= {"RDTD_BUS": daemon.address, "TZ": "UTC"}

    def __call__(self, *arguments: str | bytes) -> Outcome:
        """Run it to its end."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str) -> str:
        """What it prints; it must succeed and say nothing on stderr."""
        outcome = self(*arguments)
        assert (outcome.status, outcome.err) == (0, "")
        return outcome.out

    def json(self, *arguments: str) -> Any:
        """The document that it prints."""
        return json.loads(self.ok("--json", *arguments))

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
        """Start it, with pipes for what it prints unless the settings (of Popen) say otherwise."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(
            self.command(*arguments), env=self.environment, text=True, **(pipes | settings)
        )

    @staticmethod
    def command(*arguments: str | bytes) -> list[str | bytes]:
        return [sys.executable, "-m", "rdtd.rdtctl", *arguments]


@pytest.fixture
def rdtctl(daemon: Daemon) -> Rdtctl:
    """rdtctl with a daemon of the test's own."""
    return Rdtctl(daemon)


@pytest.fixture(scope="module")
def shared_rdtctl() -> Iterator[Rdtctl]:
    """rdtctl with a daemon for tests that leave no reservation behind."""
    with Daemon() as daemon:
        yield Rdtctl(daemon)

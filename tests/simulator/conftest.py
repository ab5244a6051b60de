"""Fixtures of the tests that mount the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from rdtd.simulator.process import SimulatorProcess

Mount = Callable[..., SimulatorProcess]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts a simulator with these arguments for the time of the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(SimulatorProcess(arguments))


@pytest.fixture
def simulator(mount: Mount) -> SimulatorProcess:
    """The default machine, mounted."""
    return mount()

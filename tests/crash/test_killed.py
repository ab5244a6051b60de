"""Killed before any call, rdtd starts again and everything is whole or absent."""

from __future__ import annotations

import os

import pytest

from tests.crash.failing import fail_everywhere
from tests.crash.killing import kill_everywhere, kill_twice
from tests.crash.scenarios import SCENARIOS

EVERY = bool(os.environ.get("RDTD_CRASH_EVERY"))  # every call, every error: `make test-crash`
TWICE = list(SCENARIOS) if EVERY else ["reserve", "resize that changes places"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed(name: str) -> None:
    assert kill_everywhere(SCENARIOS[name], every=EVERY).tried > 4


@pytest.mark.parametrize("name", TWICE)
def test_killed_and_killed_again(name: str) -> None:
    assert kill_twice(SCENARIOS[name]).tried > 10


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_call_fails(name: str) -> None:
    assert fail_everywhere(SCENARIOS[name], every=EVERY).tried > 4

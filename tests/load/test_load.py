"""The crowd, small."""

import os
from collections.abc import Iterator

import pytest

from tests.load.scenarios import POLICIES, SCENARIOS, memory
from tests.support.daemon import Daemon

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

# Kibibytes by which rdtd may have grown when a crowd is gone. A message is 1 MiB at most, and a few are at
# work at a time; what the allocator keeps of that is bounded too.
GROWTH = 96 << 10


@pytest.fixture(scope="module")
def loaded() -> Iterator[Daemon]:
    with Daemon(policies=POLICIES) as daemon:
        yield daemon


@pytest.mark.parametrize("name", SCENARIOS)
def test_everybody_is_answered_and_nothing_is_left(loaded: Daemon, name: str) -> None:
    scenario, small, full = SCENARIOS[name]
    before = memory(loaded)
    scenario(loaded, full if "RDTD_LOAD" in os.environ else small)
    assert memory(loaded) - before < GROWTH
    assert "Traceback" not in loaded.log.read_text()

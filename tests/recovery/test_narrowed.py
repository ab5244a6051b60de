"""ForeignGroups=narrow: groups of others give way together with the default group."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.recovery.conftest import Host


@pytest.fixture(scope="module")
def rdtd_options() -> Iterator[Sequence[str]]:
    with TemporaryDirectory(prefix="rdtd-test-") as directory:
        path = Path(directory, "rdtd.conf")
        path.write_text("[Manager]\nForeignGroups=narrow\n")
        yield ["--config", str(path)]


def test_a_group_over_reserved_ways_is_narrowed(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    host.caller.signals_so_far()
    other = host.mount.root / "other"
    other.mkdir()
    try:
        assert host.drift("other", "masks")["done"] == "set to L3:0=7fc"
        assert host.mount.masks("other") == {0: 0x7FC, 1: 0x7FF}
        assert host.caller.get("State") == "ready"
        host.caller.release("a")
        assert host.mount.masks("other") == {0: 0x7FF, 1: 0x7FF}
    finally:
        other.rmdir()


def test_one_that_would_keep_too_little_is_put_back(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    other = host.mount.root / "other"
    other.mkdir()
    host.drift("other", "masks")
    try:
        host.mount.set_masks("L3:0=003", "other")
        assert host.drift("other", "masks")["done"].startswith("too little is left beside the reservations")
        assert host.mount.masks("other") == {0: 0x7FC, 1: 0x7FF}
        assert host.caller.get("State") == "ready"
    finally:
        other.rmdir()

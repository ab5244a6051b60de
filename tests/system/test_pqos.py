"""pqos beside rdtd."""

import json
from collections.abc import Iterator

import pytest

from tests.support.caller import BusError
from tests.system.conftest import Host, mask_of
from tests.system.machine import RESCTRL, run


@pytest.fixture
def pqos() -> Iterator[None]:
    """Afterwards the classes that pqos made are gone."""
    yield
    for group in RESCTRL.glob("COS*"):
        group.rmdir()


def _pqos(*arguments: str) -> None:
    done = run("pqos", "-I", *arguments, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _held(host: Host, *names: str) -> dict[str, list[int]]:
    """The masks that the kernel has for these reservations on the first cache."""
    cache = host.caches[0]
    return {name: sorted(host.masks(f"rdtd.{name}", cache)) for name in names}


@pytest.mark.usefixtures("pqos")
def test_pqos_sets_classes(host: Host) -> None:
    """It makes a group of each class that is left. None gets a reserved way, and what it gets is its own."""
    cache = host.caches[0]
    mine = mask_of(host.caller.reserve("a", cache.spec(2)))
    before = _held(host, "a")
    _pqos("-e", f"llc@{cache.cache_id}:1=0x3")
    made = [group for group in host.mount.groups() if group.startswith("COS")]
    assert made
    host.caller.call("Reconcile")
    assert _held(host, "a") == before
    assert host.masks("COS1", cache) == {3}
    document = json.loads(run("rdtctl", "--json", "map").stdout)
    [shown] = [one for one in document["caches"] if one["cache_id"] == cache.cache_id]
    assert shown["reserved_mask"] == mine
    foreign = 0
    for group in made:
        for mask in host.masks(group, cache):
            foreign |= mask
    assert shown["foreign_mask"] == foreign
    assert shown["free_mask"] & (foreign | mine) == 0
    picture = run("rdtctl", "--color", "never", "map").stdout
    assert "in a group that rdtd did not make" in picture
    assert "a" in run("rdtctl", "list").stdout
    with pytest.raises(BusError):
        host.caller.reserve("b", cache.spec(1))  # no class is left, nor a way
    assert _held(host, "a") == before


@pytest.mark.usefixtures("pqos")
def test_pqos_changes_what_is_reserved(host: Host) -> None:
    """Its COS0 is the default group: set to ways that are reserved, rdtd takes them out again."""
    cache = host.caches[0]
    mine = mask_of(host.caller.reserve("a", cache.spec(2)))
    host.caller.signals_so_far()
    _pqos("-e", f"llc@{cache.cache_id}:0={(1 << cache.ways) - 1:#x}")
    host.caller.call("Reconcile")
    assert _held(host, "a") == {"a": [mine]}
    for mask in host.masks("", cache):
        assert mask & mine == 0


@pytest.mark.usefixtures("pqos")
def test_pqos_resets_everything(host: Host) -> None:
    """`pqos -R` gives every group every way; rdtd puts its own right, and the default group."""
    cache = host.caches[0]
    mine = mask_of(host.caller.reserve("a", cache.spec(2)))
    _pqos("-R")
    host.caller.call("Reconcile")
    assert host.caller.names() == ["a"]
    assert _held(host, "a") == {"a": [mine]}
    for mask in host.masks("", cache):
        assert mask & mine == 0

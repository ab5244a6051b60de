"""What happens to the machine while rdtd runs, and no call tells it: mounts and CPUs."""

import pytest

from rdtd.core.cpus import parse_cpus
from tests.system import machine
from tests.system.conftest import Host
from tests.system.machine import switch_cpus


@pytest.mark.usefixtures("room_for_two")
def test_a_domain_that_goes_and_comes_back(host: Host) -> None:
    """With its last CPU a domain leaves every schemata; back again, every group has the full mask there."""
    cache = host.caches[-1]
    cpus = sorted(parse_cpus(cache.cpus))
    if 0 in cpus:
        pytest.skip("the only cache has CPU 0, which cannot go offline")
    host.caller.reserve("a", host.everywhere(2))
    host.caller.reserve("b", cache.spec(1))
    before = host.mount.dump()
    host.caller.signals_so_far()
    switch_cpus(cpus, online=False)
    try:
        host.wait_for_state("degraded")
        assert cache.cache_id not in host.mount.masks("rdtd.b", host.resources[0])
    finally:
        switch_cpus(cpus, online=True)
    host.wait_for_state("ready")
    assert host.mount.dump() == before


def test_cpus_that_go_and_come_back(host: Host) -> None:
    """The kernel gives a CPU that comes back to the default group."""
    last = max(parse_cpus(host.mount.cpus()))
    host.caller.reserve("a", host.everywhere(1), cpus=("s", str(last)))
    before = host.mount.dump()
    host.caller.signals_so_far()
    switch_cpus([last], online=False)
    switch_cpus([last], online=True)
    while host.mount.dump() != before:
        host.caller.signal("Drift", machine.PATIENCE)


@pytest.mark.usefixtures("room_for_two")
def test_resctrl_unmounted_and_mounted_again(host: Host) -> None:
    host.caller.reserve("a", host.everywhere(2), cpus=("s", "1"))
    host.caller.reserve("b", host.caches[-1].spec(1))
    before, rows = host.mount.dump(), host.caller.reservations()
    host.caller.signals_so_far()
    machine.unmount()
    try:
        host.wait_for_state("unmounted")
        assert host.caller.names() == ["a", "b"]
    finally:
        machine.mount(host.options)
    host.wait_for_state("ready")
    assert host.mount.dump() == before
    assert host.caller.reservations() == rows

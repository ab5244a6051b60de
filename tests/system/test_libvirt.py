"""libvirt beside rdtd: it lists the caches, and gives a virtual machine ways of its own (`<cachetune>`).

libvirt takes ways that are in no group, not even the default group. So an administrator who wants both keeps
the default group narrow; rdtd takes that for what is wanted.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rdtd.core.cpus import parse_cpus
from tests.system.conftest import Host, mask_of
from tests.system.machine import group_of, run

GROUP = "qemu-*-vmA-vcpus_0"
WAYS = 2
_DOMAIN = """
<domain type="kvm">
  <name>vmA</name>
  <memory unit="MiB">64</memory>
  <vcpu placement="static" cpuset="{cpu}">1</vcpu>
  <cputune>
    <cachetune vcpus="0">
      <cache id="{cache}" level="3" type="both" size="{size}" unit="B"/>
    </cachetune>
  </cputune>
  <os><type arch="x86_64" machine="pc">hvm</type></os>
</domain>
"""


@pytest.fixture
def libvirt() -> None:
    run("systemctl", "start", "libvirtd.service")


@pytest.fixture
def domain(host: Host, libvirt: None, tmp_path: Path) -> Iterator[Path]:
    """The description of a virtual machine, and room for its ways outside the default group."""
    if host.options:
        pytest.skip("with CDP libvirt wants code and data apart")
    if "svm" not in Path("/proc/cpuinfo").read_text().split():
        pytest.skip("this CPU has no virtualization for KVM")
    if "MB:" in (host.mount.root / "schemata").read_text():
        pytest.skip("libvirt cannot start domains with AMD's bandwidth allocation there")
    run("modprobe", "kvm_amd")
    cache = host.caches[0]
    free = next(row for row in host.caller.free() if row[1] == cache.cache_id)
    file = tmp_path / "domain.xml"
    cpu = min(parse_cpus(cache.cpus))
    file.write_text(_DOMAIN.format(cpu=cpu, cache=cache.cache_id, size=WAYS * free[3]))
    [full] = host.masks("", cache)
    host.mount.set_masks(f"L3:{cache.cache_id}={(1 << cache.ways // 2) - 1:x}")
    host.caller.call("Reconcile")
    yield file
    if "vmA" in run("virsh", "list", "--name").stdout.split():
        run("virsh", "destroy", "vmA")
    host.mount.set_masks(f"L3:{cache.cache_id}={full:x}")
    host.caller.call("Reconcile")


def _machine_started(host: Host, domain: Path) -> tuple[Path, int]:
    """The virtual machine's group, which has its vCPU's thread, and its ways on the first cache."""
    run("virsh", "create", str(domain))
    [group] = host.mount.root.glob(GROUP)
    # On later kernels the vCPU starts a worker of KVM as one more thread of QEMU, which inherits the group.
    threads = {thread: _status(thread) for thread in host.mount.tasks(group.name)}
    [vcpu] = [thread for thread, status in threads.items() if status["Name"] == "CPU 0/KVM"]
    assert {status["Tgid"] for status in threads.values()} == {threads[vcpu]["Tgid"]}
    assert group_of(vcpu) == group.name
    [mask] = host.masks(group.name, host.caches[0])
    assert mask.bit_count() == WAYS
    return group, mask


def _status(thread: int) -> dict[str, str]:
    """The fields of /proc/THREAD/status."""
    lines = Path(f"/proc/{thread}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _shown(host: Host) -> tuple[int, int]:
    """What `rdtctl map` tells of the first cache: the reserved ways, and the foreign groups'."""
    document = json.loads(run("rdtctl", "--json", "map").stdout)
    [cache] = [one for one in document["caches"] if one["cache_id"] == host.caches[0].cache_id]
    return cache["reserved_mask"], cache["foreign_mask"]


def test_a_reservation_and_then_a_machine(host: Host, domain: Path) -> None:
    cache = host.caches[0]
    mine = mask_of(host.caller.reserve("a", cache.spec(3)))
    group, its = _machine_started(host, domain)
    assert its & mine == 0
    host.caller.call("Reconcile")
    assert host.masks("rdtd.a", cache) == {mine}
    assert host.masks(group.name, cache) == {its}
    assert _shown(host) == (mine, its)
    run("virsh", "destroy", "vmA")
    assert not group.exists()
    host.caller.call("Reconcile")
    assert _shown(host) == (mine, 0)


def test_a_machine_and_then_reservations(host: Host, domain: Path) -> None:
    cache = host.caches[0]
    group, its = _machine_started(host, domain)
    mine = mask_of(host.caller.reserve("a", cache.spec(3)))
    assert mine & its == 0
    free = next(row for row in host.caller.free() if row[1] == cache.cache_id)
    more = mask_of(host.caller.reserve("b", cache.spec(free[5] // free[3])))
    assert more & (its | mine) == 0
    assert host.masks(group.name, cache) == {its}
    assert _shown(host) == (mine | more, its)
    host.caller.release("a")
    host.caller.release("b")
    assert host.masks(group.name, cache) == {its}


@pytest.mark.usefixtures("libvirt")
def test_libvirt_lists_the_caches(host: Host) -> None:
    host.caller.reserve("a", host.caches[0].spec(2))
    banks = ElementTree.fromstring(run("virsh", "capabilities").stdout).findall("host/cache/bank")
    found = [(int(bank.get("level", "")), int(bank.get("id", ""))) for bank in banks]
    assert [(cache.level, cache.cache_id) for cache in host.caches] == [key for key in found if key[0] == 3]
    before = host.mount.dump()
    assert host.caller.call("Reconcile") == [0]
    assert host.mount.dump() == before

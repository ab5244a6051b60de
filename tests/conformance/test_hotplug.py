"""CPUs and caches that leave and come back. After resctrl_offline_cpu and _online_cpu."""

from tests.conformance.hosts import Bandwidth
from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

pytestmark = needs("domains")


def last(resctrl: Resctrl) -> int:
    """The last domain: the first one has CPU 0, which stays."""
    return resctrl.host.domains[-1]


def test_a_domain_without_cpus_leaves(resctrl: Resctrl) -> None:
    gone = last(resctrl)
    resctrl.mkdir("a")
    resctrl.driver.offline(resctrl.cpus_of_domain(gone))
    for group in ("", "a"):
        for values in resctrl.schemata(group).values():
            assert set(values) == set(resctrl.host.domains) - {gone}
        assert f"{gone}=" not in resctrl.read(group, "size").replace("\n", ";").split(":")[-1].split(";")
    cells = resctrl.read("info", resctrl.host.cache.name, "bit_usage").strip().split(";")
    assert {int(cell.split("=")[0]) for cell in cells} == set(resctrl.host.domains) - {gone}


def test_its_masks_are_lost(resctrl: Resctrl) -> None:
    """It comes back with the full mask in every group, silently."""
    cache, gone = resctrl.host.cache, last(resctrl)
    resctrl.set_mask(0x3)
    resctrl.mkdir("a")
    resctrl.set_mask(0xC, "a")
    cpus = resctrl.cpus_of_domain(gone)
    resctrl.driver.offline(cpus)
    resctrl.driver.online(cpus)
    for group, mask in (("", 0x3), ("a", 0xC)):
        for line in resctrl.host.caches:
            masks = resctrl.masks(group, line.name)
            assert masks.pop(gone) == cache.full
            assert set(masks.values()) == {mask}


@needs("bandwidth")
def test_its_bandwidth_limits_are_lost(resctrl: Resctrl) -> None:
    gone = last(resctrl)
    resctrl.mkdir("a")
    cells = ";".join(f"{domain}=50" for domain in resctrl.host.domains)
    resctrl.echo(f"MB:{cells}", "a/schemata")
    cpus = resctrl.cpus_of_domain(gone)
    resctrl.driver.offline(cpus)
    resctrl.driver.online(cpus)
    values = {domain: int(value) for domain, value in resctrl.schemata("a")["MB"].items()}
    line = next(line for line in resctrl.host.bandwidths if line.name == "MB")
    assert isinstance(line, Bandwidth)
    assert values.pop(gone) == line.maximum
    assert set(values.values()) == {50}


def test_it_cannot_be_written_while_it_is_away(resctrl: Resctrl) -> None:
    cache, gone = resctrl.host.cache, last(resctrl)
    resctrl.driver.offline(resctrl.cpus_of_domain(gone))
    resctrl.fail_before()
    with resctrl.refused(22, "ok"):
        resctrl.echo(f"{cache.name}:{gone}=3", "schemata")


def test_a_group_made_meanwhile_has_all_of_it_too(resctrl: Resctrl) -> None:
    gone = last(resctrl)
    cpus = resctrl.cpus_of_domain(gone)
    resctrl.driver.offline(cpus)
    resctrl.mkdir("a")
    resctrl.driver.online(cpus)
    assert resctrl.masks("a")[gone] == resctrl.host.cache.full


def test_an_exclusive_group_stays_exclusive_and_overlaps(resctrl: Resctrl) -> None:
    gone = last(resctrl)
    resctrl.make_exclusive(0x3, rest=0x4)
    cpus = resctrl.cpus_of_domain(gone)
    resctrl.driver.offline(cpus)
    resctrl.driver.online(cpus)
    assert resctrl.read("ex/mode") == "exclusive\n"
    assert resctrl.masks("ex")[gone] == resctrl.masks()[gone] == resctrl.host.cache.full


def test_cpus_come_back_to_the_default_group(resctrl: Resctrl) -> None:
    cpus = resctrl.cpus_of_domain(last(resctrl))
    resctrl.mkdir("a")
    resctrl.echo(",".join(map(str, cpus)), "a/cpus_list")
    resctrl.driver.offline(cpus)
    assert resctrl.cpus("a") == set()
    assert not resctrl.cpus() & cpus
    resctrl.driver.online(cpus)
    assert resctrl.cpus("a") == set()
    assert cpus <= resctrl.cpus()


@needs("shared")
def test_a_domain_with_a_cpu_left_keeps_its_masks(resctrl: Resctrl) -> None:
    cpus = resctrl.cpus_of_domain(last(resctrl))
    resctrl.set_mask(0x3)
    resctrl.driver.offline([max(cpus)])
    resctrl.driver.online([max(cpus)])
    assert set(resctrl.masks().values()) == {0x3}


@needs("monitoring")
def test_mon_data_follows(resctrl: Resctrl) -> None:
    name = f"mon_L3_{last(resctrl):02d}"
    resctrl.mkdir("a")
    cpus = resctrl.cpus_of_domain(last(resctrl))
    resctrl.driver.offline(cpus)
    for group in ("", "a"):
        assert name not in resctrl.names(group, "mon_data")
    resctrl.driver.online(cpus)
    for group in ("", "a"):
        assert name in resctrl.names(group, "mon_data")
        assert resctrl.names(group, "mon_data", name) == set(resctrl.host.events)

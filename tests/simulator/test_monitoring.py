"""The figures in mon_data."""

from __future__ import annotations

import errno

from tests.simulator.support import Bench


def figure(bench: Bench, group: str, event: str, domain: int = 0) -> int:
    prefix = f"{group}/" if group else ""
    return int(bench.cat(f"{prefix}mon_data/mon_L3_{domain:02d}/{event}"))


def test_occupancy_follows_the_mask() -> None:
    bench = Bench()
    bench.mkdir("a")
    full = figure(bench, "a", "llc_occupancy")
    bench.echo("L3:0=1", "a/schemata")
    assert 0 < figure(bench, "a", "llc_occupancy") < full <= 25344 * 1024
    assert figure(bench, "a", "llc_occupancy", domain=1) == full


def test_byte_counters_only_grow() -> None:
    bench = Bench()
    bench.mkdir("a")
    assert figure(bench, "a", "mbm_total_bytes") == 0
    seen = [0]
    for line in ("L3:0=1", "MB:0=10", "L3:0=7ff"):
        bench.now += 1.0
        bench.echo(line, "a/schemata")
        seen.append(figure(bench, "a", "mbm_total_bytes"))
    assert sorted(set(seen)) == seen
    assert 0 < figure(bench, "a", "mbm_local_bytes") < seen[-1]


def test_a_control_group_includes_its_monitoring_groups() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.mkdir("a/mon_groups/m")
    bench.now += 1.0
    own = figure(bench, "a/mon_groups/m", "mbm_total_bytes")
    assert figure(bench, "a", "mbm_total_bytes") == 2 * own > 0


def test_a_new_group_of_an_old_name_counts_from_zero() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.now += 1.0
    bench.rmdir("a")
    bench.mkdir("a")
    assert figure(bench, "a", "mbm_total_bytes") == 0


def test_bandwidth_counts_where_l3_has_no_allocation() -> None:
    bench = Bench(ways=None)
    bench.now += 1.0
    assert figure(bench, "", "llc_occupancy") == 0
    assert figure(bench, "", "mbm_total_bytes") >= 0


def test_the_occupancy_threshold_can_be_set() -> None:
    bench = Bench()
    file = "info/L3_MON/max_threshold_occupancy"
    bench.echo("200000", file)
    assert bench.cat(file) == "196608\n"  # whole units of 64 KiB
    for text in ("x", "99999999999", str(25344 * 1024 + 1)):
        with bench.refused(errno.EINVAL, "ok"):
            bench.echo(text, file)


def test_counters_cannot_be_assigned() -> None:
    bench = Bench(kernel="7.2")
    file = "info/L3_MON/mbm_assign_mode"
    assert bench.cat(file) == "[default]\n"
    bench.echo("default", file)
    with bench.refused(errno.EINVAL, "mbm_event mode is not supported"):
        bench.echo("mbm_event", file)
    with bench.refused(errno.EINVAL, "Unsupported assign mode"):
        bench.echo("x", file)

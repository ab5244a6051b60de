"""How schemata and size are printed. After rdtgroup_schemata_show and rdtgroup_size_show."""

from tests.conformance.hosts import Bandwidth, Cache, Host
from tests.conformance.resctrl import Resctrl

#: From this version on values are as wide as they are; before, as the widest of all resources.
UNPADDED = (7, 0)


def name_width(host: Host) -> int:
    """Names end in one column, with room for CODE and DATA where CDP is possible but off."""
    return max(
        len(line.name)
        + (4 if isinstance(line, Cache) and line.level in host.cdp_levels and not cdp(line) else 0)
        for line in host.lines
    )


def cdp(cache: Cache) -> bool:
    return cache.name.endswith(("CODE", "DATA"))


def data_width(host: Host) -> int:
    if host.kernel >= UNPADDED:
        return 0
    widths = [cache.digits for cache in host.caches]
    return max(*widths, *(len(str(bandwidth.maximum)) for bandwidth in host.bandwidths), 0)


def expected(host: Host, values: dict[str, list[int]]) -> set[str]:
    lines = set()
    for line in host.lines:
        width = data_width(host)
        form = f"0{width}x" if isinstance(line, Cache) else f"{width or ''}d"
        cells = zip(line.domains, values[line.name], strict=True)
        text = ";".join(f"{domain}={value:{form}}" for domain, value in cells)
        lines.add(f"{line.name:>{name_width(host)}}:{text}")
    return lines


def fresh(host: Host) -> dict[str, list[int]]:
    return {
        line.name: [line.full if isinstance(line, Cache) else line.maximum] * len(line.domains)
        for line in host.lines
    }


def test_a_fresh_mount_has_everything_for_everybody(resctrl: Resctrl) -> None:
    text = resctrl.read("schemata")
    assert set(text.splitlines()) == expected(resctrl.host, fresh(resctrl.host))
    assert text.endswith("\n")


def test_values_are_padded_up_to_kernel_6(resctrl: Resctrl) -> None:
    values = fresh(resctrl.host)
    for cache in resctrl.host.caches:
        values[cache.name][0] = 0x3
    for cache in resctrl.host.caches:
        resctrl.echo(f"{cache.name}:{cache.domains[0]}=3", "schemata")
    for bandwidth in resctrl.host.bandwidths:
        values[bandwidth.name][0] = 20
        resctrl.echo(f"{bandwidth.name}:{bandwidth.domains[0]}=20", "schemata")
    assert set(resctrl.read("schemata").splitlines()) == expected(resctrl.host, values)


def test_the_order_of_lines(resctrl: Resctrl) -> None:
    order = ["SMBA", "MB", "L2DATA", "L2CODE", "L2", "L3DATA", "L3CODE", "L3"]
    names = list(resctrl.schemata())
    assert names == [name for name in order if name in names]
    assert [line.split(":")[0].strip() for line in resctrl.read("size").splitlines()] == names


def test_domains_are_in_order(resctrl: Resctrl) -> None:
    for values in resctrl.schemata().values():
        assert list(values) == sorted(values)


def test_size_divides_before_it_multiplies(resctrl: Resctrl) -> None:
    """20 ways of 16 MiB are 16777200 bytes."""
    cache = resctrl.host.cache
    ways = 5
    resctrl.set_mask((1 << ways) - 1)
    way = resctrl.cache_size() // cache.ways
    sizes = {line.split(":")[0].strip(): line.split(":")[1] for line in resctrl.read("size").splitlines()}
    for line in resctrl.host.caches:
        assert sizes[line.name] == ";".join(f"{domain}={way * ways}" for domain in line.domains)
    resctrl.set_mask(cache.full)
    assert f"{cache.domains[0]}={way * cache.ways}" in resctrl.read("size")


def test_size_of_bandwidth_is_its_value(resctrl: Resctrl) -> None:
    width = name_width(resctrl.host)
    lines = resctrl.read("size").splitlines()
    for line in resctrl.host.lines:
        if isinstance(line, Bandwidth):
            cells = ";".join(f"{domain}={line.maximum}" for domain in line.domains)
            assert f"{line.name:>{width}}:{cells}" in lines

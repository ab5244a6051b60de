"""The directory info. After the kernel's res_common_files."""

import errno

from tests.conformance.hosts import SPARSE_MASKS_FILE, Cache, Host
from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl


def test_directories(resctrl: Resctrl) -> None:
    names = {line.name for line in resctrl.host.lines} | {"last_cmd_status"}
    if resctrl.host.rmids:
        names.add("L3_MON")
    assert resctrl.names("info") == names


def test_files_of_a_cache(resctrl: Resctrl) -> None:
    names = {"bit_usage", "cbm_mask", "min_cbm_bits", "num_closids", "shareable_bits"}
    if resctrl.host.kernel >= SPARSE_MASKS_FILE:
        names.add("sparse_masks")
    for cache in resctrl.host.caches:
        assert resctrl.names("info", cache.name) == names


def test_masks_are_hexadecimal_without_zeros(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    assert resctrl.read("info", cache.name, "cbm_mask") == f"{cache.full:x}\n"
    assert resctrl.read("info", cache.name, "shareable_bits") == f"{cache.shareable:x}\n"


def test_min_cbm_bits_are_the_vendors(resctrl: Resctrl) -> None:
    expected = "0\n" if resctrl.host.vendor == "amd" else "1\n"
    for cache in resctrl.host.caches:
        assert resctrl.read("info", cache.name, "min_cbm_bits") == expected


def test_sparse_masks(resctrl: Resctrl) -> None:
    if resctrl.host.kernel >= SPARSE_MASKS_FILE:
        expected = "1\n" if resctrl.host.vendor == "amd" else "0\n"
        assert resctrl.read("info", resctrl.host.cache.name, "sparse_masks") == expected


@needs("cdp")
def test_cdp_halves_the_closids(resctrl: Resctrl, host: Host) -> None:
    halves = {cache.name: cache.closids for cache in host.caches}
    level = host.cache.level
    assert set(halves) == {f"L{level}CODE", f"L{level}DATA"}
    resctrl.driver.mount(())
    whole = int(resctrl.read(f"info/L{level}/num_closids"))
    assert set(halves.values()) == {whole // 2}


# bit_usage


def usage(resctrl: Resctrl, cache: Cache | None = None) -> dict[int, str]:
    """Cache ID to letters, the lowest way first (the file has it last)."""
    text = resctrl.read("info", (cache or resctrl.host.cache).name, "bit_usage")
    assert text.endswith("\n")
    cells = (cell.split("=") for cell in text.strip().split(";"))
    return {int(domain): letters[::-1] for domain, letters in cells}


def letters_of(cache: Cache, default: str, ways: dict[int, str]) -> str:
    """A letter for each way: X or H for shareable ones (by what it would be), or this one."""
    plain = "".join(ways.get(way, default) for way in range(cache.ways))
    return "".join(
        ("X" if letter == "S" else "H") if cache.shareable >> way & 1 else letter
        for way, letter in enumerate(plain)
    )


def test_all_ways_are_shared_at_first(resctrl: Resctrl) -> None:
    for cache in resctrl.host.caches:
        expected = letters_of(cache, "S", {})
        assert usage(resctrl, cache) == dict.fromkeys(cache.domains, expected)


def test_unused_ways(resctrl: Resctrl) -> None:
    resctrl.set_mask(0x6)
    for cache in resctrl.host.caches:
        assert set(usage(resctrl, cache).values()) == {letters_of(cache, "0", {1: "S", 2: "S"})}


def test_exclusive_ways(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x8)
    cache = resctrl.host.cache
    expected = letters_of(cache, "0", {0: "E", 1: "E", 3: "S"})
    assert set(usage(resctrl).values()) == {expected}


@needs("domains")
def test_usage_of_each_domain(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    resctrl.echo(f"{cache.name}:{cache.domains[-1]}=1", "schemata")
    found = usage(resctrl)
    assert found.pop(cache.domains[-1]) == letters_of(cache, "0", {0: "S"})
    assert set(found.values()) == {letters_of(cache, "S", {})}


@needs("cdp")
def test_usage_of_the_halves_is_counted_apart(resctrl: Resctrl) -> None:
    code, data = sorted(resctrl.host.caches, key=lambda cache: cache.name)
    resctrl.set_mask(0x1, lines=[code.name])
    assert set(usage(resctrl, code).values()) == {letters_of(code, "0", {0: "S"})}
    assert set(usage(resctrl, data).values()) == {letters_of(data, "S", {})}


def test_a_removed_group_uses_nothing(resctrl: Resctrl) -> None:
    resctrl.set_mask(0x1)
    resctrl.mkdir("a")
    resctrl.set_mask(0x6, "a")
    resctrl.rmdir("a")
    assert set(usage(resctrl).values()) == {letters_of(resctrl.host.cache, "0", {0: "S"})}


# L3_MON


@needs("monitoring")
def test_monitoring(resctrl: Resctrl) -> None:
    assert resctrl.read("info/L3_MON/num_rmids") == f"{resctrl.host.rmids}\n"
    # A machine that cannot count bandwidth still has the rest.
    features = resctrl.read("info/L3_MON/mon_features")
    assert features in ("llc_occupancy\n", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n")


@needs("monitoring")
def test_max_threshold_occupancy_refuses(resctrl: Resctrl) -> None:
    before = resctrl.read("info/L3_MON/max_threshold_occupancy")
    for text in ("x", "-1", "4294967295"):
        with resctrl.refused(errno.EINVAL):
            resctrl.echo(text, "info/L3_MON/max_threshold_occupancy")
    assert resctrl.read("info/L3_MON/max_threshold_occupancy") == before


@needs("monitoring")
def test_max_threshold_occupancy_is_cut_to_whole_units(resctrl: Resctrl) -> None:
    before = resctrl.read("info/L3_MON/max_threshold_occupancy").strip()
    resctrl.echo(str(3 * 65536 + 5), "info/L3_MON/max_threshold_occupancy")
    assert resctrl.read("info/L3_MON/max_threshold_occupancy") == f"{3 * 65536}\n"
    resctrl.echo(before, "info/L3_MON/max_threshold_occupancy")

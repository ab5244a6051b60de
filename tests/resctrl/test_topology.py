"""The caches of a host, from files that a test writes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.model import Cache, CacheKey, Domain
from rdtd.resctrl.topology import read_caches, read_closids, read_cpus_of, read_online


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with MBA, an L3 of 20 ways and 16 MiB, and everything at its full mask."""
    write(
        tmp_path,
        {
            "info/last_cmd_status": "ok\n",
            "info/MB/num_closids": "8\n",
            "info/L3_MON/num_rmids": "32\n",
            "info/L3/num_closids": "16\n",
            "info/L3/cbm_mask": "fffff\n",
            "info/L3/min_cbm_bits": "1\n",
            "info/L3/shareable_bits": "c0000\n",
            "size": "    MB:0=  100\n    L3:0=16777200;7=8388600\n",
        },
    )
    return tmp_path


def test_a_cache(root: Path) -> None:
    masks = {Domain("L3", 0): 0xFFFFF, Domain("L3", 7): 0x003FF}
    sixteen = Cache(3, 0, 16 << 20, 20, 1, 0xC0000, sparse=False, cdp=False)
    # On the second the kernel shows half of its ways.
    assert read_caches(str(root), masks) == {
        CacheKey(3, 0): sixteen,
        CacheKey(3, 7): Cache(3, 7, 16 << 20, 20, 1, 0xC0000, sparse=False, cdp=False),
    }


def test_the_scarcest_resource_decides(root: Path) -> None:
    assert read_closids(str(root)) == 8


def test_sparse_masks_and_an_empty_mask(root: Path) -> None:
    write(root, {"info/L3/sparse_masks": "1\n", "info/L3/min_cbm_bits": "0\n"})
    [cache] = read_caches(str(root), {Domain("L3", 0): 0xFFFFF}).values()
    assert (cache.sparse, cache.min_ways, cache.smallest) == (True, 0, 1)


def test_code_and_data_are_one_cache(root: Path) -> None:
    (root / "info/L3").rename(root / "info/L3CODE")
    write(root, {"info/L3DATA/num_closids": "8\n", "size": "L3DATA:0=16777200\nL3CODE:0=8388600\n"})
    masks = {Domain("L3DATA", 0): 0xFFFFF, Domain("L3CODE", 0): 0x3FF}
    [cache] = read_caches(str(root), masks).values()
    assert (cache.key, cache.cdp, cache.size) == (CacheKey(3, 0), True, 16 << 20)


@given(size=st.integers(1, 1 << 20).map(lambda kib: kib << 10), ways=st.integers(1, 32), mask=st.integers(1))
def test_sizes_are_exact_though_the_kernel_cuts(size: int, ways: int, mask: int) -> None:
    """rdtgroup_cbm_to_size(): size / cbm_len * weight, in integers."""
    from rdtd.resctrl.topology import _cache_size

    if size < ways:
        return
    mask = mask % (1 << ways) or 1
    shown = size // ways * mask.bit_count()
    assert _cache_size(shown, mask, ways) == size


def test_cpus(tmp_path: Path) -> None:
    files = {"devices/system/cpu/online": "0-3,6\n"}
    for cpu in (0, 1, 2, 3, 6):
        base = f"devices/system/cpu/cpu{cpu}/cache"
        last = "0-1" if cpu < 2 else "2-3,6"
        files |= {
            f"{base}/index0/level": "1\n",
            f"{base}/index0/id": f"{cpu}\n",
            f"{base}/index0/shared_cpu_list": f"{cpu}\n",
            f"{base}/index3/level": "3\n",
            f"{base}/index3/id": f"{0 if cpu < 2 else 5}\n",
            f"{base}/index3/shared_cpu_list": f"{last}\n",
        }
    write(tmp_path, files)
    online = read_online(str(tmp_path))
    assert online == {0, 1, 2, 3, 6}
    keys = [CacheKey(3, 0), CacheKey(3, 5), CacheKey(3, 9)]
    assert read_cpus_of(str(tmp_path), keys, online) == {keys[0]: {0, 1}, keys[1]: {2, 3, 6}}


def test_a_sysfs_without_cache_ids(tmp_path: Path) -> None:
    write(tmp_path, {"devices/system/cpu/online": "0\n", "devices/system/cpu/cpu0/cache/index3/level": "3\n"})
    assert read_cpus_of(str(tmp_path), [CacheKey(3, 0)], [0]) == {}

"""Reading and writing schemata and size."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.support import Bench


def test_printed_by_6_and_by_7() -> None:
    old, new = (Bench(kernel=kernel, ways=20, shareable_bits=0) for kernel in ("6.12", "7.2"))
    for bench in (old, new):
        bench.echo("L3:0=f;1=f0", "schemata")
    assert old.cat("schemata") == "    MB:0=  100;1=  100\n    L3:0=0000f;1=000f0\n"
    assert new.cat("schemata") == "    MB:0=100;1=100\n    L3:0=f;1=f0\n"


def test_cdp_has_two_lines_without_padding() -> None:
    bench = Bench("xeon-cdp")
    assert bench.cat("schemata") == "L3DATA:0=fffff;1=fffff\nL3CODE:0=fffff;1=fffff\n"
    with bench.refused(errno.EINVAL, "Unknown or unsupported resource name 'L3'"):
        bench.echo("L3:0=f", "schemata")
    assert bench.cat("info/L3CODE/num_closids") == "8\n"
    assert "L3" not in bench.ls("info")


def test_amd_prints_its_bandwidths_first() -> None:
    bench = Bench("amd", cache_ids=(0,))
    assert bench.cat("schemata") == "  SMBA:0=2048\n    MB:0=2048\n    L3:0=ffff\n"


def test_kernel_6_1_does_not_know_smba() -> None:
    bench = Bench("amd", kernel="6.1")
    assert "SMBA" not in bench.ls("info")
    assert "sparse_masks" not in bench.ls("info/L3")


def test_size_divides_before_it_multiplies() -> None:
    bench = Bench(ways=20, cache_size=16 << 20, shareable_bits=0)
    assert bench.cat("size") == "    MB:0=100;1=100\n    L3:0=16777200;1=16777200\n"


def test_caches_with_gaps_in_their_ids() -> None:
    bench = Bench(cache_ids=(4, 0, 9))
    bench.echo("L3:9=1", "schemata")
    assert bench.line("", "L3") == "0=7ff;4=7ff;9=001"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("L3:0=800", "Mask out of range"),
        ("L3:0=0", "Mask out of range"),
        ("L3:0=5", "The mask 5 has non-consecutive 1-bits"),
        ("L3:0=zz", "Non-hex character in the mask zz"),
        ("L3:0=", "Non-hex character in the mask "),
        ("L3:0=1;0=1", "Duplicate domain 0"),
        ("L3:0=1\nL3:0=1", "Duplicate domain 0"),
        ("L3:0", "Missing '=' or non-numeric domain"),
        ("L3: 0=1", "Missing '=' or non-numeric domain"),
        ("L3:0=1;;", "Missing '=' or non-numeric domain"),
        ("L3", "Missing ':'"),
        ("", "Missing ':'"),
        ("L3:0=1\n", "Missing ':'"),
        ("L3:", "Missing 'L3' value"),
        ("L9:0=1", "Unknown or unsupported resource name 'L9'"),
        ("MB:0=5", "MB value 5 out of range [10,100]"),
        ("MB:0=101", "MB value 101 out of range [10,100]"),
        ("MB:0=x", "Invalid MB value x"),
        ("MB:0=4294967306", "Invalid MB value 4294967306"),
        ("L3:2=1", "ok"),
    ],
)
def test_what_is_refused(text: str, status: str) -> None:
    bench = Bench()
    before = bench.cat("schemata")
    with bench.refused(errno.EINVAL, status):
        bench.echo(text, "schemata")
    assert bench.cat("schemata") == before


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("L3:0=f", "0=00f;1=7ff"),
        ("  L3 :0= 0xF ;1=1;", "0=00f;1=001"),
        ("L3:+0=f", "0=00f;1=7ff"),
    ],
)
def test_what_is_accepted(text: str, cells: str) -> None:
    bench = Bench()
    bench.echo(text, "schemata")
    assert bench.line("", "L3") == cells
    assert bench.status == "ok\n"


def test_a_missing_newline_leaves_the_old_status() -> None:
    bench = Bench()
    with bench.refused(errno.EINVAL, "Missing ':'"):
        bench.echo("L3", "schemata")
    with bench.refused(errno.EINVAL, "Missing ':'"):
        bench.write("L3:0=f", "schemata")


def test_one_bad_line_changes_nothing() -> None:
    bench = Bench()
    with bench.refused(errno.EINVAL):
        bench.echo("L3:0=1\nMB:0=1", "schemata")
    assert bench.line("", "L3") == "0=7ff;1=7ff"


def test_bandwidth_is_rounded_up() -> None:
    bench = Bench()
    bench.echo("MB:0=55", "schemata")
    assert bench.line("", "MB") == "0= 60;1=100"


def test_at_least_so_many_bits() -> None:
    bench = Bench(min_cbm_bits=2)
    with bench.refused(errno.EINVAL, "Need at least 2 bits in the mask"):
        bench.echo("L3:0=1", "schemata")


def test_sparse_and_empty_masks_where_the_hardware_has_them() -> None:
    bench = Bench("amd", cache_ids=(0,))
    bench.echo("L3:0=a005", "schemata")
    assert bench.line("", "L3") == "0=a005"
    bench.echo("L3:0=0", "schemata")
    assert bench.line("", "L3") == "0=0000"


def test_a_long_status_is_cut() -> None:
    bench = Bench()
    with bench.refused(errno.EINVAL):
        bench.echo("L3:0=" + "z" * 1000, "schemata")
    assert len(bench.status) == 511


def test_a_long_write_is_too_big() -> None:
    bench = Bench()
    with bench.refused(errno.E2BIG):
        bench.echo("L3:0=" + "0" * 4096, "schemata")


@given(
    st.sampled_from(["xeon", "xeon-cdp", "amd", "l2"]),
    st.sampled_from(["6.1", "6.12", "7.2"]),
    st.data(),
)
def test_what_schemata_prints_can_be_written_back(preset: str, kernel: str, data: st.DataObject) -> None:
    bench = Bench(preset, kernel)
    for schema in bench.state.schemas:
        for domain in bench.state.values[schema.name]:
            if schema.is_cache:
                low = data.draw(st.integers(0, schema.resource.default.bit_length() - 1))
                high = data.draw(st.integers(low, schema.resource.default.bit_length() - 1))
                bench.echo(f"{schema.name}:{domain}={(2 << high) - (1 << low):x}", "schemata")
            else:
                bench.echo(f"{schema.name}:{domain}={data.draw(st.integers(10, 100))}", "schemata")
    printed = bench.cat("schemata")
    other = Bench(preset, kernel)
    other.write(printed, "schemata")
    assert other.cat("schemata") == printed

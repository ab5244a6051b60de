"""Presets, and machines that cannot be."""

from __future__ import annotations

import pytest

from rdtd.simulator.main import build_state
from rdtd.simulator.mounting import SimulatorError
from rdtd.simulator.options import build_parser
from rdtd.simulator.presets import PRESETS
from rdtd.simulator.state import State
from tests.simulator.support import Bench


def state_of(*arguments: str) -> State:
    return build_state(build_parser().parse_args([*arguments, "/nowhere"]))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_machine(preset: str) -> None:
    state = state_of("--preset", preset)
    assert all(state.values[schema.name] for schema in state.schemas)


def test_the_default_has_room_for_ten_mebibytes() -> None:
    state = state_of()
    resource = state.topology.cache_resource(3)
    assert resource is not None
    free = resource.full_mask & ~resource.shareable_bits
    assert resource.bytes_of(free) > 10 << 20


def test_the_large_machine() -> None:
    bench = Bench("large")
    for index in range(255):
        bench.mkdir(f"g{index}")
    assert bench.line("g254", "L3").count(";") == 31


def test_options_change_a_preset() -> None:
    state = state_of(
        "--cache-ids=0,1,4,5",
        "--ways=12",
        "--cache-size=24M",
        "--min-cbm-bits=2",
        "--shareable-bits=0xc00",
        "--no-mb",
        "--closids=32",
        "--cpus-per-cache=2",
        "--sparse",
        "--no-monitoring",
    )
    resource = state.topology.cache_resource(3)
    assert resource is not None
    assert (resource.size, resource.full_mask, resource.shareable_bits) == (24 << 20, 0xFFF, 0xC00)
    assert (resource.min_cbm_bits, resource.sparse_masks) == (2, True)
    assert list(state.values) == ["L3"]
    assert list(state.values["L3"]) == [0, 1, 4, 5]
    assert state.num_closids == 32
    assert state.online_cpus == set(range(8))
    assert state.topology.monitoring is None


def test_l2_beside_l3() -> None:
    state = state_of("--l2-ways=8", "--l2-size=1M", "--l2-cpus=2", "--l2-cdp-capable", "--cdpl2", "--cdp")
    assert [schema.name for schema in state.schemas] == ["MB", "L2DATA", "L2CODE", "L3DATA", "L3CODE"]
    assert list(state.values["L2CODE"]) == list(range(8))
    assert state.num_closids == 2  # L2 has 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--ways=33"], "L3: 33 ways, must be 1 to 32"),
        (["--ways=0"], "L3: 0 ways, must be 1 to 32"),
        (["--cache-size=5"], "L3: a cache of 5 bytes is too small for 11 ways"),
        (["--shareable-bits=800"], "L3: shareable bits 800 beyond 7ff"),
        (["--min-cbm-bits=12"], "L3: min_cbm_bits 12 does not fit 11 ways"),
        (["--closids=0"], "L3: 0 CLOSIDs, must be 1 or more"),
        (["--closids=1", "--cdp"], "CDP halves the CLOSIDs: none is left"),
        (["--cache-ids=1,1"], r"cache IDs \(1, 1\): must be different and not negative"),
        (["--cpus-per-cache=0"], "0 CPUs per cache, must be 1 or more"),
        (["--cdpl2"], "there is no L2 allocation, so no CDP for it"),
        (["--no-cdp-capable", "--cdp"], "L3 has no CDP"),
        (["--preset=l2", "--mb=8"], "MB: there is no level 3 cache"),
    ],
)
def test_machines_that_cannot_be(arguments: list[str], reason: str) -> None:
    with pytest.raises(SimulatorError, match=reason):
        state_of(*arguments)

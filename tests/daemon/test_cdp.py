"""Where code and data are apart."""

from collections.abc import Sequence

import pytest

from tests.daemon.conftest import Host
from tests.daemon.refusal import refused
from tests.support.caller import INVALID_ARGS


@pytest.fixture(scope="module")
def simulator_options() -> Sequence[str]:
    return ["--preset", "xeon-cdp", "--cdp"]


@pytest.fixture(scope="module")
def mount_options() -> Sequence[str]:
    return ["cdp"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("type=code,size=1ways,cache-id=0", "L3 cache 0: type code without data"),
        ("type=data,size=1ways,cache-id=0", "L3 cache 0: type data without code"),
        (
            "type=code,size=1ways,cache-id=0;type=data,size=1ways,cache-id=1",
            "L3 cache 0: type code without data",
        ),
        (
            "type=both,size=1ways;type=code,size=1ways;type=data,size=1ways",
            "type both beside code; ask for both, or for code and data",
        ),
        ("type=code,size=1ways;type=code,size=1ways", "two regions of type code"),
    ],
)
def test_contradictions(host: Host, spec: str, text: str) -> None:
    with refused(host, INVALID_ARGS, text):
        host.caller.reserve("a", spec)


def test_code_and_data_are_ways_of_one_cache(host: Host) -> None:
    spec = "type=code,size=2ways,cache-id=0;type=data,size=3ways,cache-id=0"
    code, data = host.caller.reserve("a", spec)
    assert (code["type"], code["ways"], data["type"], data["ways"]) == ("code", 2, "data", 3)
    assert code["mask"] & data["mask"] == 0
    assert host.mount.masks("rdtd.a", "L3CODE")[0] == code["mask"]
    assert host.mount.masks("rdtd.a", "L3DATA")[0] == data["mask"]
    taken = code["mask"] | data["mask"]
    for resource in ("L3CODE", "L3DATA"):
        assert host.mount.masks("", resource)[0] & taken == 0
    assert host.caller.get("Cdp") is True
    [both] = host.caller.reserve("b", "size=1ways,cache-id=0")
    assert both["mask"] & taken == 0
    assert host.mount.masks("rdtd.b", "L3CODE")[0] == host.mount.masks("rdtd.b", "L3DATA")[0]

"""A tool that changes again what rdtd puts right: some repairs, one warning, then pauses and quiet."""

from rdtd.core.patience import AT_ONCE
from tests.recovery.conftest import Host


def test_a_tool_that_fights_back(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    before = host.mount.dump()
    host.caller.signals_so_far()
    for _ in range(AT_ONCE):
        host.mount.set_masks("L3:0=7ff", "rdtd.a")
        host.drift("rdtd.a", "masks")
    host.mount.set_masks("L3:0=7ff", "rdtd.a")
    details = host.drift("rdtd.a", "contested")
    assert "another program changes it as often as it is put right: 6 times in " in details["found"]
    for _ in range(5):
        host.mount.set_masks("L3:0=7ff", "rdtd.a")
        host.caller.call("Reconcile")  # a call puts right whatever it finds
        assert host.mount.dump() == before
    assert host.drifts_so_far() == []
    assert host.log().count("changes it as often as it is put right") == 1
    host.caller.release("a")
    host.caller.reserve("a", "size=2ways,cache-id=0")
    host.caller.signals_so_far()
    host.mount.set_masks("L3:0=7ff", "rdtd.a")
    host.drift("rdtd.a", "masks")

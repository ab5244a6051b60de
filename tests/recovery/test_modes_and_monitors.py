"""The mode of an own group, and monitoring groups inside it."""

from tests.recovery.conftest import Host


def test_an_exclusive_group_is_made_shareable_again(host: Host) -> None:
    """Only one that shares no way can become exclusive: its ways elsewhere are its own too."""
    host.caller.reserve("a", "size=1ways,cache-id=0;size=1ways,cache-id=1")
    before = host.mount.dump()
    host.caller.signals_so_far()
    (host.mount.root / "rdtd.a/mode").write_text("exclusive\n")
    assert host.drift("rdtd.a", "mode") == {"found": "exclusive", "done": "set to shareable"}
    assert host.mount.dump() == before


def test_a_monitoring_group_is_told_once_and_left_alone(host: Host) -> None:
    host.caller.reserve("a", "size=1ways")
    host.caller.signals_so_far()
    monitor = host.mount.root / "rdtd.a/mon_groups/guest"
    monitor.mkdir()
    details = host.drift("rdtd.a", "mon-group")
    assert details["found"] == "it has the monitoring groups 'guest'"
    assert details["done"] == "left alone: monitoring changes no allocation"
    host.caller.call("Reconcile")
    host.caller.reserve("b", "size=1ways")
    assert host.drifts_so_far() == []
    assert monitor.is_dir()
    assert host.caller.get("State") == "ready"
    host.caller.release("a")
    assert not monitor.exists()

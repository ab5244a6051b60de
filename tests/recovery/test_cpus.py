"""CPUs of a reservation, taken by others and by the kernel."""

from tests.recovery.conftest import Host


def test_another_group_takes_a_cpu(host: Host) -> None:
    """The write goes to the other group: no event tells of the own one."""
    host.caller.reserve("a", "size=1ways", cpus=("s", "2-3"))
    other = host.mount.root / "other"
    other.mkdir()
    try:
        host.caller.signals_so_far()
        (other / "cpus_list").write_text("3\n")
        assert host.drift("rdtd.a", "cpus") == {"found": "2", "done": "set to 2-3"}
        assert (host.mount.cpus("rdtd.a"), host.mount.cpus("other")) == ("2-3", "")
    finally:
        other.rmdir()


def test_a_group_takes_a_cpu_and_goes(host: Host) -> None:
    """The CPU is in the default group then, which nobody has written to."""
    host.caller.reserve("a", "size=1ways", cpus=("s", "2-3"))
    other = host.mount.root / "other"
    host.control("delay read schemata 0.2")  # rdtd is held up until all of it has happened
    host.caller.signals_so_far()
    other.mkdir()
    (other / "cpus_list").write_text("3\n")
    other.rmdir()
    host.drift("rdtd.a", "cpus")
    assert host.mount.cpus("rdtd.a") == "2-3"


def test_the_default_group_takes_a_cpu(host: Host) -> None:
    host.caller.reserve("a", "size=1ways", cpus=("s", "2-3"))
    host.caller.signals_so_far()
    (host.mount.root / "cpus_list").write_text(f"{host.mount.cpus()},3\n")
    host.drift("rdtd.a", "cpus")
    assert host.mount.cpus("rdtd.a") == "2-3"


def test_a_cpu_goes_offline_and_comes_back(host: Host) -> None:
    host.caller.reserve("a", "size=1ways,cache-id=0", cpus=("s", "2-3"))
    host.control("offline cpu 3")
    host.caller.call("Reconcile")
    assert host.mount.cpus("rdtd.a") == "2"
    assert host.lacks("a") == ""
    host.control("online cpu 3")
    assert host.mount.cpus("rdtd.a") == "2"
    host.caller.call("Reconcile")
    assert host.mount.cpus("rdtd.a") == "2-3"

"""Reservations that end when their caller leaves the bus."""

from rdtd.bus import message as messages
from rdtd.bus.wire import encode
from tests.daemon.conftest import Host
from tests.daemon.refusal import refused
from tests.daemon.simulated import with_faults
from tests.support.caller import MANAGER, NAME, PATH, RDTD_ERROR, RESERVATION, Caller

CLIENT = ("s", "client")


def test_it_ends_with_its_client(host: Host) -> None:
    with Caller(host.daemon.address) as other:
        other.reserve("a", "size=1ways", lifetime=CLIENT)
        other.reserve("b", "size=1ways", lifetime=CLIENT)
        other.reserve("c", "size=1ways")
        assert host.caller.get("Lifetime", f"{PATH}/reservation/a", RESERVATION) == "client"
        host.caller.signals_so_far()
    removed = [host.caller.signal("ReservationRemoved").arguments for _ in range(2)]
    assert removed == [[name, f"{PATH}/reservation/{name}", "client-left"] for name in ("a", "b")]
    assert host.mount.groups() == ["rdtd.c"]


def test_it_belongs_to_its_connection(host: Host) -> None:
    with Caller(host.daemon.address) as other:
        first = other.reserve("a", "size=1ways", lifetime=CLIENT)
        assert other.reserve("a", "size=1ways", lifetime=CLIENT) == first
        with refused(host, RDTD_ERROR + "Exists", "belongs to"):
            host.caller.reserve("a", "size=1ways", lifetime=CLIENT)
        host.caller.signals_so_far()
    host.caller.signal("ReservationRemoved")


def test_a_client_that_releases_and_leaves_at_once(host: Host) -> None:
    """Its Release and its leaving meet; what else it has goes too."""
    with Caller(host.daemon.address) as other:
        for name in "abc":
            other.reserve(name, "size=1ways", lifetime=CLIENT)
        host.caller.signals_so_far()
        body = encode("sa{sv}", ["a", {}])
        other.client._send(messages.call(77, NAME, PATH, MANAGER, "Release", body))
    removed = {host.caller.signal("ReservationRemoved").arguments[0] for _ in range(3)}
    assert removed == {"a", "b", "c"}
    assert host.mount.groups() == []


@with_faults
def test_a_client_that_leaves_before_it_is_answered(host: Host) -> None:
    host.control("delay mkdir rdtd.a 0.2")
    host.caller.signals_so_far()
    with Caller(host.daemon.address) as other:
        other.call("Reconcile")  # rdtd has asked the bus who this is: later it could not
        body = encode("ssa{sv}", ["a", "size=1ways", {"lifetime": CLIENT}])
        other.client._send(messages.call(77, NAME, PATH, MANAGER, "ReserveSpec", body))
        other.free()  # answered at once, so the call before it has been taken up
    assert host.caller.signal("ReservationAdded").arguments[0] == "a"
    assert host.caller.signal("ReservationRemoved").arguments[2] == "client-left"
    assert host.mount.groups() == []


@with_faults
def test_the_release_is_tried_until_it_works(host: Host) -> None:
    with Caller(host.daemon.address) as other:
        other.reserve("a", "size=1ways", lifetime=CLIENT)
        host.caller.signals_so_far()
        host.control("fail rmdir rdtd.a EBUSY 2 not now")
    assert host.caller.signal("ReservationRemoved").arguments[2] == "client-left"
    assert host.mount.groups() == []


def test_restarts_with_and_without_the_client(host: Host) -> None:
    daemon = host.daemon
    with Caller(daemon.address) as stays, Caller(daemon.address) as watcher:
        with Caller(daemon.address) as leaves:
            stays.reserve("stays", "size=1ways", lifetime=CLIENT)
            leaves.reserve("leaves", "size=1ways", lifetime=CLIENT)
            watcher.reserve("persistent", "size=1ways")
            assert daemon.stop() == 0
            # Still on the bus when rdtd is back:
            daemon.start()
            assert watcher.names() == ["leaves", "persistent", "stays"]
            assert daemon.stop() == 0
        daemon.start()
        watcher.subscribe()
        while "leaves" in watcher.names():
            watcher.signal("ReservationRemoved")
        assert watcher.names() == ["persistent", "stays"]
        daemon.kill()
        daemon.start()
        assert watcher.names() == ["persistent", "stays"]
        stays.close()
        while "stays" in watcher.names():
            watcher.signal("ReservationRemoved")
        assert watcher.names() == ["persistent"]

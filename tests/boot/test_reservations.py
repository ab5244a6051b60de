"""Reservations that stand in files: there when rdtd is ready, changed by a reload, kept apart from others."""

import signal
from collections.abc import Callable

import pytest

from tests.boot.conftest import Booted, Place
from tests.support.caller import RDTD_ERROR, BusError


def test_in_place_when_rdtd_is_ready(booted: Booted, lib: Place) -> None:
    booted.etc.reservation("web", "Regions=size=2ways,cache-id=0", "CPUs=2-3")
    lib.reservation("db", "Name=the:db", "Regions=size=25%")
    booted.daemon.start()
    assert booted.mount.groups() == ["rdtd.the:db", "rdtd.web"]
    assert booted.mount.cpus("rdtd.web") == "2-3"
    assert booted.mount.masks("rdtd.web")[0].bit_count() == 2
    assert booted.lifetimes() == {"the:db": "configured", "web": "configured"}
    log = booted.said()
    assert "warning" not in log


def test_one_that_is_wrong_is_skipped(booted: Booted) -> None:
    bad = booted.etc.reservation("bad", "Regions=size=lots")
    lacking = booted.etc.reservation("lacking", "", "Regions=size=1ways,cache-id=7")
    large = booted.etc.reservation("large", "Regions=size=12ways,cache-id=0")
    booted.etc.reservation("web", "Regions=size=2ways")
    booted.daemon.start()
    assert booted.mount.groups() == ["rdtd.web"]
    log = booted.said()
    assert f"rdtd: error: {bad}:2: Regions='size=lots': region 1 ('size=lots'): size 'lots'" in log
    assert f"rdtd: error: {lacking}:3: reservation lacking cannot be had now: L3 has no cache 7" in log
    assert f"rdtd: error: {large}:2: reservation large cannot be had now: L3 cache 0: 12 ways" in log


def test_a_reload_does_what_the_files_say(booted: Booted) -> None:
    etc = booted.etc
    etc.reservation("grows", "Regions=size=1ways,cache-id=0")
    going = etc.reservation("goes", "Regions=size=1ways,cache-id=0")
    etc.reservation("stays", "Regions=size=1ways,cache-id=1")
    booted.daemon.start()
    with booted.caller() as caller:
        caller.reserve("own", "size=1ways")
        stays = booted.mount.masks("rdtd.stays")
        etc.reservation("grows", "Regions=size=3ways,cache-id=0", "CPUs=1")
        etc.reservation("new", "Regions=size=1ways,cache-id=0")
        going.unlink()
        caller.subscribe()
        booted.daemon.reload()
        assert caller.signal("ReservationRemoved").arguments[::2] == ["goes", "configuration"]
        assert booted.mount.groups() == ["rdtd.grows", "rdtd.new", "rdtd.own", "rdtd.stays"]
        assert booted.mount.masks("rdtd.grows")[0].bit_count() == 3
        assert booted.mount.cpus("rdtd.grows") == "1"
        assert booted.mount.masks("rdtd.stays")[1] == stays[1]
        etc.reservation("grows", "Regions=size=1ways,cache-id=0")
        booted.daemon.reload()
        assert booted.mount.masks("rdtd.grows")[0].bit_count() == 1
        assert booted.mount.cpus("rdtd.grows") == ""


def test_two_change_places(booted: Booted) -> None:
    """Whichever comes first, it waits for what the other gives up."""
    for turn, sizes in enumerate(((8, 2), (2, 8), (5, 2))):
        for name, ways in zip("ab", sizes, strict=True):
            booted.etc.reservation(name, f"Regions=size={ways}ways,cache-id=0")
        if turn:
            booted.daemon.reload()
        else:
            booted.daemon.start()
        assert tuple(booted.mount.masks(f"rdtd.{name}")[0].bit_count() for name in "ab") == sizes
    log = booted.said()
    assert "error" not in log


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_files_are_compared_with_what_was_saved(booted: Booted, how: signal.Signals) -> None:
    booted.etc.reservation("a", "Regions=size=1ways")
    gone = booted.etc.reservation("b", "Regions=size=1ways")
    booted.daemon.start()
    with booted.caller() as caller:
        caller.reserve("own", "size=1ways")
    if how is signal.SIGKILL:
        booted.daemon.kill()
    else:
        booted.daemon.stop()
    gone.unlink()
    booted.etc.reservation("a", "Regions=size=2ways")
    booted.daemon.start()
    assert booted.lifetimes() == {"a": "configured", "own": "persistent"}
    assert booted.mount.masks("rdtd.a")[0].bit_count() == 2


def test_a_broken_configuration_is_refused_and_all_stays(booted: Booted) -> None:
    booted.etc.settings("DefaultGroupMinimum=9ways")
    booted.etc.reservation("a", "Regions=size=1ways")
    booted.daemon.start()
    path = booted.etc.settings("DefaultGroupMinimum=9ways", "Mount=perhaps")
    booted.etc.reservation("b", "Regions=size=1ways")
    booted.daemon.reload()
    assert booted.lifetimes() == {"a": "configured"}
    with booted.caller() as caller, pytest.raises(BusError, match="the default group keeps 9"):
        caller.reserve("c", "size=3ways")
    log = booted.said()
    assert f"{path}:3: Mount='perhaps': it is yes or no; the configuration stays as it was" in log


def test_settings_come_into_force(booted: Booted) -> None:
    booted.etc.settings("MaxReservations=1")
    booted.daemon.start()
    with booted.caller() as caller:
        caller.reserve("a", "size=1ways")
        with pytest.raises(BusError, match="1 are the most"):
            caller.reserve("b", "size=1ways")
        booted.etc.settings("MaxReservations=2", "DefaultGroupMinimum=9ways", "LogLevel=debug")
        booted.daemon.reload()
        caller.reserve("b", "size=1ways")
        with pytest.raises(BusError, match="the default group keeps 9"):
            caller.call("Resize", "saa{sv}a{sv}", "b", [{"ways": ("u", 3)}], {})
    log = booted.said()
    assert "rdtd: debug: reservation b of user 0 is reserved: L3 cache 0 both" in log
    assert "rdtd: ReserveSpec was refused to :1." in log


def test_released_by_a_call_it_returns_with_the_next_reload(booted: Booted) -> None:
    booted.etc.reservation("a", "Regions=size=1ways")
    booted.daemon.start()
    with booted.caller() as caller:
        caller.release("a")
        assert booted.mount.groups() == []
        caller.reserve("b", "size=1ways")
        assert caller.names() == ["b"]
        booted.daemon.reload()
        assert caller.names() == ["a", "b"]
    log = booted.said()
    assert "reservation a was released by a call; it returns with the next reload" in log


def test_it_is_tried_again_when_something_changes(booted: Booted) -> None:
    group = booted.mount.root / "foreign"
    group.mkdir()
    booted.mount.set_masks("L3:0=7fe;1=7fe", "foreign")
    booted.etc.reservation("a", "Regions=size=4ways")
    booted.daemon.start()
    with booted.caller() as caller:
        caller.subscribe()
        assert caller.names() == []
        group.rmdir()
        assert caller.signal("ReservationAdded").arguments[0] == "a"
    assert booted.mount.masks("rdtd.a")[0].bit_count() == 4
    log = booted.said()
    assert "reservation a cannot be had now: L3 cache 0: 4 ways" in log
    assert log.count("cannot be had now") == 1


def test_names_that_are_taken(booted: Booted) -> None:
    booted.daemon.start()
    with booted.caller() as caller:
        caller.reserve("roots", "size=1ways")
        caller.reserve("clients", "size=1ways", lifetime=("s", "client"))
        path = booted.etc.reservation("clients", "Regions=size=2ways")
        booted.etc.reservation("roots", "Regions=size=2ways")
        booted.daemon.reload()
        assert booted.lifetimes() == {"clients": "client", "roots": "configured"}
        caller.subscribe()
    with booted.caller() as caller:
        caller.subscribe()
        while booted.lifetimes().get("clients") != "configured":
            caller.client.next_signal(30)
    log = booted.said()
    assert f"{path}:2: reservation clients cannot be had now: a reservation of this name" in log


def test_no_call_makes_one(booted: Booted) -> None:
    booted.daemon.start()
    with booted.caller() as caller, pytest.raises(BusError, match="it is 'persistent' or 'client'"):
        caller.reserve("a", "size=1ways", lifetime=("s", "configured"))


def test_a_state_that_was_lost_finds_its_files_again(booted: Booted) -> None:
    booted.etc.reservation("a", "Regions=size=20%,cache-id=1")
    booted.daemon.start()
    before = booted.mount.dump()
    booted.daemon.kill()
    booted.daemon.state_file.unlink()
    booted.daemon.start()
    assert booted.lifetimes() == {"a": "configured"}
    assert booted.mount.dump() == before


def test_the_kernel_refuses_one_and_takes_the_others(booted: Booted) -> None:
    for name in "abc":
        booted.etc.reservation(name, "Regions=size=1ways")
    booted.daemon.simulator.control("fail mkdir rdtd.b EIO always")
    booted.daemon.start()
    assert booted.lifetimes() == {"a": "configured", "c": "configured"}
    booted.daemon.simulator.control("clear")
    log = booted.said()
    assert "reservation b cannot be had now: mkdir 'rdtd.b': Input/output error" in log


def test_resctrl_comes_later(make: Callable[..., Booted]) -> None:
    booted = make()
    booted.etc.reservation("a", "Regions=size=1ways")
    mounted, empty = booted.daemon.root, booted.etc.path / "resctrl"
    empty.symlink_to("nowhere")
    booted.daemon.options += ["--root", str(empty)]
    booted.daemon.start()
    with booted.caller() as caller:
        assert (caller.get("State"), caller.names()) == ("unmounted", [])
        caller.subscribe()
        empty.unlink()
        empty.symlink_to(mounted)
        caller.call("Reconcile")
        assert caller.signal("ReservationAdded").arguments[0] == "a"
    assert booted.mount.groups() == ["rdtd.a"]
    log = booted.said()
    assert "error" not in log


def test_an_error_is_one_of_the_manager_too(booted: Booted) -> None:
    booted.etc.reservation("a", "Regions=size=1ways", "CPUs=1")
    booted.etc.reservation("b", "Regions=size=1ways", "CPUs=1-2")
    booted.daemon.start()
    assert booted.mount.groups() == ["rdtd.a"]
    with booted.caller() as caller, pytest.raises(BusError) as caught:
        caller.call("GetReservation", "s", "b")
    assert caught.value.name == RDTD_ERROR + "NotFound"
    log = booted.said()
    assert "reservation b cannot be had now: CPU 1 is in reservation 'a'" in log

"""rdtd as a process: what it tells the service manager, how it ends, its one line when it cannot start."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rdtd.bus import message as messages
from rdtd.bus.client import BusError, Rule
from rdtd.bus.wire import encode
from rdtd.simulator.process import SimulatorProcess
from tests.conformance.real import Real
from tests.conftest import StartDaemon
from tests.daemon.conftest import IS_REAL
from tests.daemon.machine import read_machine
from tests.daemon.simulated import simulated, with_faults
from tests.support.caller import MANAGER, NAME, PATH, RDTD_ERROR, Caller
from tests.support.daemon import Daemon
from tests.support.mount import Mount
from tests.support.notify_socket import NotifySocket
from tests.support.patience import PATIENCE
from tests.support.private_bus import PrivateBus

BUS = "org.freedesktop.DBus"

beside_the_kernel = simulated("resctrl has no part in it")
other_mounts = simulated("resctrl is in another directory")
own_bus = simulated("the bus is ended")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of the bus on which rdtd is started."""
    if IS_REAL:
        yield "system"
    else:
        with PrivateBus() as running:
            yield running.address


@pytest.fixture(scope="module")
def mounted(request: pytest.FixtureRequest) -> Iterator[Real | SimulatorProcess]:
    if IS_REAL:
        kernel: Real = request.getfixturevalue("kernel")
        kernel.reset(())
        yield kernel
    else:
        with SimulatorProcess() as running:
            yield running


@pytest.fixture
def simulator(mounted: Real | SimulatorProcess) -> SimulatorProcess:
    assert isinstance(mounted, SimulatorProcess)
    return mounted


@pytest.fixture(scope="module")
def closids(mounted: Real | SimulatorProcess) -> int:
    return read_machine(str(mounted.root), str(mounted.sysfs)).closids


@pytest.fixture
def command(address: str, mounted: Real | SimulatorProcess, tmp_path: Path) -> list[str]:
    """How rdtd is started here; options that are added override these."""
    return [
        *(sys.executable, "-m", "rdtd.daemon", "--bus", address),
        *("--root", str(mounted.root), "--sysfs", str(mounted.sysfs), "--state-dir", str(tmp_path / "run")),
    ]


@contextmanager
def running(
    command: Sequence[str], **environment: str
) -> Iterator[tuple["subprocess.Popen[str]", NotifySocket]]:
    """rdtd when it is ready. Its stderr is a pipe."""
    with NotifySocket() as notified:
        environment = {**os.environ, "NOTIFY_SOCKET": notified.path, **environment}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        try:
            wait_until_ready(process, notified)
            yield process, notified
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def wait_until_ready(process: "subprocess.Popen[str]", notified: NotifySocket) -> None:
    end = os.pidfd_open(process.pid)
    try:
        while "READY=1" not in notified.said:
            readable, _, _ = select.select([notified.fileno(), end], [], [], PATIENCE)
            if notified.fileno() in readable:
                notified.wait_for_any()
            else:
                process.kill()
                pytest.fail(f"rdtd did not get ready: {process.communicate()[1]}")
    finally:
        os.close(end)


def ended(process: "subprocess.Popen[str]", status: int = 0) -> str:
    """SIGTERM; what it said on stderr."""
    process.terminate()
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == status, said
    assert "Traceback" not in said
    return said


def fails(command: Sequence[str], *texts: str, **environment: str) -> None:
    """It ends with status 1 and one line about it, which has these texts."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=os.environ | environment, check=False
    )
    assert done.returncode == 1, done.stderr
    *before, line = done.stderr.splitlines()
    assert line.startswith("rdtd: error: ")
    assert [other for other in before if "is mounted at" not in other] == []
    for text in texts:
        assert text in line


def test_what_the_service_manager_is_told(command: list[str], address: str, closids: int) -> None:
    with running(command, WATCHDOG_USEC="100000") as (process, notified):
        assert f"STATUS=0 reservations, {closids - 1} more possible" in notified.said
        notified.wait_for("WATCHDOG=1")
        with Caller(address) as caller:
            caller.reserve("a", "size=1ways")
            notified.wait_for(f"STATUS=1 reservation, {closids - 2} more possible")
            caller.release("a")
            caller.client.call(BUS, "/", BUS, "GetNameOwner", "s", NAME)
        ended(process)
        notified.wait_for("STOPPING=1")


def test_ready_means_that_the_name_is_there(command: list[str], address: str) -> None:
    with running(command) as (process, _), Caller(address) as caller:
        assert caller.get("State") == "ready"
        ended(process)


def test_a_watchdog_for_another_process(command: list[str]) -> None:
    with running(command, WATCHDOG_USEC="1000", WATCHDOG_PID="1") as (process, notified):
        ended(process)
        notified.wait_for("STOPPING=1")
        assert "WATCHDOG=1" not in notified.said


@pytest.mark.parametrize("notify", ["/nonexistent/socket", "@rdtd-test-nobody-listens", "nonsense"])
def test_nobody_listens_at_the_notify_socket(command: list[str], address: str, notify: str) -> None:
    with Caller(address) as caller:
        caller.client.subscribe(Rule(BUS, BUS, "NameOwnerChanged", arg0=NAME))
        environment = os.environ | {"NOTIFY_SOCKET": notify}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        try:
            caller.signal("NameOwnerChanged")
            assert caller.reservations() == []
        finally:
            ended(process)


@with_faults
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_under_way_are_answered_at_the_end(
    command: list[str], address: str, simulator: SimulatorProcess, number: signal.Signals
) -> None:
    simulator.control("delay mkdir * 0.02 always")
    with running(command) as (process, _), Caller(address) as caller:
        client = caller.client
        serials = range(1001, 1041)
        for serial in serials:
            body = encode("ssa{sv}", [f"n{serial}", "size=1ways,cache-id=0", {}])
            client._send(messages.call(serial, NAME, PATH, MANAGER, "ReserveSpec", body))
        caller.free()  # they have been taken up
        process.send_signal(number)
        answered: dict[int, str] = {}
        while len(answered) < len(serials):
            reply = client._receive(None)
            assert reply is not None
            if reply.reply_serial in serials:
                assert reply.reply_serial not in answered
                answered[reply.reply_serial] = reply.error_name
        allowed = {"", RDTD_ERROR + "NotReady", RDTD_ERROR + "NoClosid", RDTD_ERROR + "NoSpace"}
        assert set(answered.values()) <= allowed
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    simulator.control("clear")
    # What was answered is there, and what was not is whole or absent.
    with running(command) as (process, _), Caller(address) as caller:
        names = set(caller.names())
        assert {f"n{serial}" for serial, error in answered.items() if not error} <= names
        assert set(Mount(simulator).groups()) == {f"rdtd.{name}" for name in names}
        for name in names:
            caller.release(name)
        ended(process)


@beside_the_kernel
def test_no_bus(command: list[str], tmp_path: Path) -> None:
    fails([*command, "--bus", f"unix:path={tmp_path}/none"], "cannot connect to the bus", f"{tmp_path}/none")
    fails([*command, "--bus", "nonsense"], "'nonsense' is no address of a bus")
    fails(
        [*command, "--bus", "session"],
        "bus",
        DBUS_SESSION_BUS_ADDRESS=f"unix:path={tmp_path}/no-session",
        XDG_RUNTIME_DIR=str(tmp_path),
    )


def test_the_name_is_taken(command: list[str], address: str, mounted: Real | SimulatorProcess) -> None:
    with Caller(address) as caller:
        caller.client.call(BUS, "/", BUS, "RequestName", "su", NAME, 0)
        group = Path(mounted.root, "rdtd.its")
        group.mkdir()
        fails(command, "the bus name org.rdtd1 is taken")
        group.rmdir()  # the other's groups were left alone


@beside_the_kernel
def test_the_bus_forbids_the_name(command: list[str], tmp_path: Path) -> None:
    policy = tmp_path / "none.conf"
    policy.write_text("<busconfig></busconfig>")
    with PrivateBus(policies=(policy,)) as strict:
        fails([*command, "--bus", strict.address], "cannot serve org.rdtd1 on the bus", "not allowed to own")


def test_another_rdtd(command: list[str], tmp_path: Path) -> None:
    with running(command) as (process, _):
        fails(command, f"another rdtd is running: it has {tmp_path / 'run'}")
        ended(process)


@beside_the_kernel
def test_a_runtime_directory_that_cannot_be(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    fails(command, "cannot use the runtime directory", str(tmp_path / "run"), "File exists")


@beside_the_kernel
def test_a_state_file_that_cannot_be_read(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "run/state.json").mkdir(parents=True)
    fails(command, f"cannot read {tmp_path}/run/state.json: Is a directory")


@beside_the_kernel
def test_a_simulator_that_cannot_be(command: list[str], tmp_path: Path) -> None:
    without_root = [*command[:5], "--simulate=vax"]
    fails(without_root, "cannot simulate: there is no preset 'vax'; there are xeon,")
    fails([*command[:5], "--simulate", "--root", str(tmp_path / "none")], "cannot simulate", "none")


@beside_the_kernel
def test_simulate_sets_everything_up(command: list[str], address: str) -> None:
    with running([*command[:5], "--simulate=amd"]) as (process, _), Caller(address) as caller:
        root = caller.get("Root")
        assert len(caller.free()) == 8
        caller.reserve("a", "size=1ways")
        ended(process)
    assert not Path(root).exists()


CONFIGURATIONS = [
    ("[Manager\n", "rdtd.conf"),
    ("ForeignGroups=narrow\n", "rdtd.conf"),
    ("[Manager]\nForeignGroups\n", "rdtd.conf"),
    ("[Manager]\nForeignGroups=ignore\n", "rdtd.conf:2: ForeignGroups='ignore': it is respect or narrow"),
    ("[Manager]\nDefaultGroupMinimum=many\n", "DefaultGroupMinimum='many': size 'many'"),
    ("[Manager]\nDefaultGroupMinimum=0\n", "DefaultGroupMinimum='0': size 0"),
    ("[Manager]\nDefaultGroupMinimum=\xff\n", "rdtd.conf"),
]


@beside_the_kernel
@pytest.mark.parametrize(("text", "told"), CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_a_configuration_that_is_none(command: list[str], tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "rdtd.conf"
    file.write_text(text, encoding="latin-1")
    fails([*command, "--config", str(file)], str(file), told)


@beside_the_kernel
def test_a_configuration_that_is_missing(command: list[str], tmp_path: Path) -> None:
    fails(
        [*command, "--config", f"{tmp_path}/none.conf"], f"{tmp_path}/none.conf: cannot be read: No such file"
    )


@beside_the_kernel
def test_options_of_a_newer_rdtd(command: list[str], tmp_path: Path, address: str) -> None:
    file = tmp_path / "rdtd.conf"
    file.write_text("# comment\n[Manager]\nColour=red\nDefaultGroupMinimum=9ways\n[Later]\nForeignGroups=x\n")
    with running([*command, "--config", str(file)]) as (process, _), Caller(address) as caller:
        with pytest.raises(BusError, match="the default group keeps 9"):
            caller.reserve("a", "size=3ways")
        said = ended(process)
    assert f"rdtd: warning: {file}:3: unknown option Colour in section [Manager] is ignored" in said
    assert f"rdtd: warning: {file}:6: unknown section [Later] is ignored" in said


def test_lines_for_whoever_is_not_the_journal(command: list[str], closids: int) -> None:
    with running(command, JOURNAL_STREAM="1:2") as (process, _):
        said = ended(process)
    bus, more = "system" if IS_REAL else "given", closids - 1
    assert said.splitlines()[-1] == f"rdtd: ready on the {bus} bus: 0 reservations, {more} more possible"


@other_mounts
def test_resctrl_comes_later_and_goes(command: list[str], address: str, tmp_path: Path) -> None:
    directory = tmp_path / "resctrl"
    directory.mkdir()
    with (
        running([*command, "--root", str(directory)]) as (process, notified),
        Caller(address) as caller,
    ):
        assert f"STATUS=Waiting for resctrl at {directory}" in notified.said
        assert caller.get("State") == "unmounted"
        for call in (
            lambda: caller.reserve("a", "size=1ways"),
            lambda: caller.reserve("a", "size=1ways", dry_run=("b", True)),
            lambda: caller.call("Reconcile"),
            caller.free,
        ):
            with pytest.raises(BusError, match=f"resctrl is not mounted at {directory}") as caught:
                call()
            assert caught.value.name == RDTD_ERROR + "NotMounted"
        assert caller.reservations() == []
        with SimulatorProcess(directory=directory):
            assert caller.call("Reconcile") == [0]
            assert caller.get("State") == "ready"
            caller.reserve("a", "size=1ways")
            caller.subscribe()
        while caller.get("State") != "unmounted":
            caller.signal("PropertiesChanged")
        assert caller.names() == ["a"]
        assert caller.get("State", f"{PATH}/reservation/a", "org.rdtd1.Reservation") == "degraded"
        with pytest.raises(BusError, match="not mounted"):
            caller.release("a")
        with SimulatorProcess(directory=directory) as again:
            caller.call("Reconcile")  # rdtd sees a mount by itself, perhaps before this call
            assert Mount(again).masks("rdtd.a") == {0: 1, 1: 1}
            caller.release("a")
        ended(process)


@other_mounts
def test_an_empty_directory_is_no_resctrl(command: list[str], address: str, tmp_path: Path) -> None:
    with running([*command, "--root", str(tmp_path)]) as (process, _), Caller(address) as caller:
        assert caller.get("State") == "unmounted"
        ended(process)


@other_mounts
def test_a_mount_that_cannot_be_understood(command: list[str], tmp_path: Path) -> None:
    directory = tmp_path / "resctrl"
    directory.mkdir()
    (directory / "schemata").write_text("L3:0=zz\n")
    text = "it cannot be rebuilt from the groups: cannot understand resctrl"
    fails([*command, "--root", str(directory)], text, "'L3:0=zz'")


@own_bus
def test_the_bus_goes_away_and_comes_back(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with Caller(daemon.address) as before:
        before.reserve("persistent", "size=1ways")
        before.reserve("client", "size=1ways", lifetime=("s", "client"))
        daemon.bus.end()
    mount = Mount(daemon.simulator)
    assert mount.groups() == ["rdtd.client", "rdtd.persistent"]
    daemon.bus.start()
    with Caller(daemon.address) as caller:
        wait_for_rdtd(caller)
        caller.subscribe()
        while caller.names() != ["persistent"]:
            assert caller.signal("ReservationRemoved").arguments[2] == "client-left"
        assert mount.groups() == ["rdtd.persistent"]
        caller.reserve("b", "size=1ways", lifetime=("s", "client"))
        assert caller.call_of(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]
    assert daemon.stop() == 0
    log = daemon.log.read_text()
    assert "the bus is gone" in log
    assert "Traceback" not in log


@own_bus
def test_a_stop_without_a_bus(start_daemon: StartDaemon) -> None:
    daemon: Daemon = start_daemon()
    daemon.bus.end()
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log.read_text()


def wait_for_rdtd(caller: Caller) -> None:
    """Returns when its name is on the bus."""
    caller.client.subscribe(Rule(BUS, BUS, "NameOwnerChanged", arg0=NAME))
    if not caller.client.call(BUS, "/", BUS, "NameHasOwner", "s", NAME)[0]:
        caller.signal("NameOwnerChanged")

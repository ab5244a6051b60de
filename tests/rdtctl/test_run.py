"""rdtctl run and reserve --lifetime client: reservations that end with their client."""

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from rdtd.bus.client import Client, Rule
from tests.rdtctl.conftest import Rdtctl


def command_in(rdtctl: Rdtctl, name: str = "job") -> set[str]:
    return set(Path(rdtctl.daemon.root, f"rdtd.{name}", "tasks").read_text().split())


def wait_until_removed(client: Client) -> list[str]:
    """The arguments of the next ReservationRemoved."""
    removed = client.next_signal(timeout=60)
    assert removed is not None
    return [removed.arguments[0], removed.arguments[2]]


@pytest.fixture
def removals(rdtctl: Rdtctl) -> Client:
    """A client that hears of the end of reservations."""
    client = Client.open(rdtctl.daemon.address)
    client.subscribe(Rule("org.rdtd1", "org.rdtd1.Manager", "ReservationRemoved"))
    return client


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_command_and_its_children_are_inside(rdtctl: Rdtctl) -> None:
    """The command is in the group before its first instruction, so its children are born there."""
    script = "cat $ROOT/rdtd.job/tasks; echo $$; sh -c 'echo $$; exec cat $ROOT/rdtd.job/tasks'; :"
    rdtctl.environment["ROOT"] = rdtctl.daemon.root
    seen = rdtctl.ok("run", "--name", "job", "size=2ways,cache-id=0", "--", "sh", "-c", script).split()
    shell = seen[2]
    assert seen[0] == shell  # and the cat, which was a child of it
    child = seen[3]
    assert child in seen[4:]
    assert rdtctl.json("list") == {"reservations": []}


def test_the_reservation_is_a_client_s_and_has_a_name(rdtctl: Rdtctl) -> None:
    listed = rdtctl.ok("run", "size=2ways,cache-id=0", "--", *map(str, rdtctl.command("--no-legend", "list")))
    [name, *_, lifetime, _owner, _cpus] = listed.split()
    assert name.startswith("run.python")
    assert lifetime == "client"


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["true"], 0, ""),
        (["sh", "-c", "exit 3"], 3, ""),
        (["sh", "-c", "kill -KILL $$"], 137, ""),
        (["/nonexistent"], 127, "rdtctl: /nonexistent: No such file or directory\n"),
        (["/etc/passwd"], 126, "rdtctl: /etc/passwd: Permission denied\n"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_the_status_is_the_command_s(
    rdtctl: Rdtctl, command: list[str], status: int, said: str, inside: bool
) -> None:
    spec = "size=2ways,cache-id=0"
    if inside:
        rdtctl.ok("reserve", "job", spec)
    outcome = rdtctl("run", "--name", "job", *([] if inside else [spec]), "--", *command)
    if inside and status == 137:
        status = -9  # rdtctl has become the command
    assert (outcome.status, outcome.out, outcome.err) == (status, "", said)
    assert len(rdtctl.json("list")["reservations"]) == inside


@pytest.mark.parametrize(
    "arguments",
    [
        ["size=40ways", "--", "true"],
        ["size=1xb", "--", "true"],
        ["--name", "nope", "--", "true"],
        ["--name", "../x", "size=1ways", "--", "true"],
        ["--", "true"],
        ["size=1ways", "--"],
        ["size=1ways"],
        ["size=1ways", "extra", "--", "true"],
        ["--bus", "unix:path=/nonexistent", "size=1ways", "--", "true"],
    ],
)
def test_what_fails_before_the_command_is_125(shared_rdtctl: Rdtctl, arguments: list[str]) -> None:
    outcome = shared_rdtctl("run", *arguments)
    assert (outcome.status, outcome.out) == (125, "")
    assert outcome.err.startswith("rdtctl: ")
    assert outcome.err.count("\n") == 1


def test_a_name_that_is_taken_stays_as_it_is(rdtctl: Rdtctl) -> None:
    rdtctl.ok("reserve", "job", "size=2ways,cache-id=0")
    before = rdtctl.json("list")
    assert rdtctl("run", "--name", "job", "size=2ways,cache-id=0", "--", "true").status == 125
    assert rdtctl.json("list") == before


def test_odd_commands_are_passed_on_as_they_are(rdtctl: Rdtctl) -> None:
    outcome = rdtctl("run", "size=1ways", "--", "printf", "%s", "--", b"--json")
    assert (outcome.status, outcome.out) == (0, "----json")
    odd = rdtctl("run", "size=1ways", "--", "sh", "-c", 'test "$1" = "$(printf "\\377")"', "sh", b"\xff")
    assert odd.status == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_go_to_the_command(rdtctl: Rdtctl, number: signal.Signals) -> None:
    # The shell waits in a builtin, which a signal interrupts.
    script = f"trap 'exit 42' {number.value}; echo ready; read line"
    running = rdtctl.start("run", "size=2ways", "--", "sh", "-c", script, stdin=subprocess.PIPE)
    assert line_of(running) == "ready\n"
    running.send_signal(number)
    assert running.wait(60) == 42
    running.communicate()
    assert rdtctl.json("list") == {"reservations": []}


def test_signals_are_as_the_command_expects_them(rdtctl: Rdtctl) -> None:
    status = rdtctl.ok("run", "size=2ways", "--", "cat", "/proc/self/status")
    fields = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    assert int(fields["SigBlk"], 16) == 0
    ignored = int(fields["SigIgn"], 16)
    assert not ignored >> (signal.SIGPIPE - 1) & 1
    assert not ignored >> (signal.SIGINT - 1) & 1


def test_the_reservation_ends_when_rdtctl_is_killed(rdtctl: Rdtctl, removals: Client) -> None:
    running = rdtctl.start(
        "run", "--name", "job", "size=2ways", "--", "sh", "-c", "echo $$; exec cat", stdin=subprocess.PIPE
    )
    command = line_of(running).strip()
    assert command in command_in(rdtctl)
    running.kill()
    running.wait()
    with removals:
        assert wait_until_removed(removals) == ["job", "client-left"]
    assert rdtctl.json("list") == {"reservations": []}
    running.communicate()  # closes its stdin, so that the command ends


def test_a_reservation_that_is_released_meanwhile_is_reported(rdtctl: Rdtctl) -> None:
    script = "echo ready; read line; exit 5"
    running = rdtctl.start(
        "run", "--name", "job", "size=2ways", "--", "sh", "-c", script, stdin=subprocess.PIPE
    )
    assert line_of(running) == "ready\n"
    rdtctl.ok("release", "job")
    _, said = running.communicate("\n")
    assert running.returncode == 5
    assert said == "rdtctl: job was gone before the command ended: there is no reservation 'job'\n"


def test_a_client_reservation_is_held_until_interrupted(rdtctl: Rdtctl, removals: Client) -> None:
    holding = rdtctl.start("reserve", "job", "size=2ways,cache-id=0", "--lifetime", "client")
    lines = [line_of(holding) for _ in range(4)]
    assert lines[3] == "holding job until interrupted\n"
    assert rdtctl.json("show", "job")["lifetime"] == "client"
    holding.send_signal(signal.SIGINT)
    assert holding.communicate() == ("", "")
    assert holding.returncode == 0
    with removals:
        assert wait_until_removed(removals) == ["job", "client-left"]


def test_a_held_reservation_that_is_released_is_reported(rdtctl: Rdtctl) -> None:
    holding = rdtctl.start("reserve", "job", "size=2ways", "--lifetime", "client", "--json")
    assert line_of(holding).startswith('{"name": "job"')
    rdtctl.ok("release", "job")
    assert holding.communicate() == ("", "rdtctl: job is not held any more (released)\n")
    assert holding.returncode == 1


def test_a_held_reservation_outlives_a_restart_of_the_daemon(rdtctl: Rdtctl) -> None:
    holding = rdtctl.start("reserve", "job", "size=2ways,cache-id=0", "--lifetime", "client", "--json")
    granted = json.loads(line_of(holding))["granted"]
    rdtctl.daemon.kill()
    rdtctl.daemon.start()
    assert rdtctl.json("show", "job")["granted"] == granted
    assert holding.poll() is None
    rdtctl.ok("release", "job")
    assert holding.communicate() == ("", "rdtctl: job is not held any more (released)\n")


def test_ctrl_c_reaches_the_command_once(rdtctl: Rdtctl) -> None:
    """The terminal sends it to the command itself, so rdtctl must not send it on."""
    script = (
        "trap 'count=$((count+1)); echo interrupted' INT; trap 'echo $count times; exit 7' USR1; "
        "echo ready; while :; do read line; done"
    )
    ours, theirs = pty.openpty()
    run = rdtctl.command("run", "size=1ways", "--", "sh", "-c", script)
    # rdtctl leads a session on this terminal, and with the command its foreground group.
    process = subprocess.Popen(
        ["setsid", "--ctty", *run], stdin=theirs, stdout=subprocess.PIPE, text=True, env=rdtctl.environment
    )
    os.close(theirs)
    try:
        assert line_of(process) == "ready\n"
        # rdtctl is stopped meanwhile: two signals at once would be one.
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        os.write(ours, b"\x03")
        assert line_of(process) == "interrupted\n"
        process.send_signal(signal.SIGUSR1)  # it takes signals in the order of their numbers
        process.send_signal(signal.SIGCONT)
        assert line_of(process) == "1 times\n"
        assert process.wait(60) == 7
        process.communicate()
    finally:
        os.close(ours)


def test_the_command_has_no_descriptors_of_ours(rdtctl: Rdtctl) -> None:
    listing = rdtctl.ok("run", "size=1ways", "--", "ls", "/proc/self/fd")
    assert listing.split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads

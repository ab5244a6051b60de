"""The verbs against the daemon: what they do, print and answer."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import StartDaemon
from tests.rdtctl.conftest import Rdtctl


def tasks(rdtctl: Rdtctl, name: str) -> set[int]:
    """The threads in a reservation's group."""
    return set(map(int, Path(rdtctl.daemon.root, f"rdtd.{name}", "tasks").read_text().split()))


def test_reserve_look_and_release(rdtctl: Rdtctl) -> None:
    assert rdtctl.ok("reserve", "VM-A.vcpu-2", "type=both,size=4mb,cacheid=0") == (
        "CACHE  TYPE     SIZE    BYTES  WAYS  MASK\n"
        "L3 0   both  4.5 MiB  4718592     2  0x3\n"
    )  # fmt: skip
    assert rdtctl.ok("list") == (
        "NAME            SIZE  CACHES  STATE   LIFETIME    OWNER  CPUS\n"
        "VM-A.vcpu-2  4.5 MiB  L3 0    active  persistent  root   -\n"
    )
    assert rdtctl.ok("free").splitlines() == [
        "CACHE       SIZE  WAYS      FREE  FREE WAYS  LARGEST PIECE",
        "L3 0   24.75 MiB    11    18 MiB          8         18 MiB",
        "L3 1   24.75 MiB    11  22.5 MiB         10       22.5 MiB",
        "",
        "L3 0: 18 MiB of 24.75 MiB free, in one piece",
        "L3 1: 22.5 MiB of 24.75 MiB free, in one piece",
    ]
    assert rdtctl.ok("map") == (
        "L3: 2 caches of 11 ways of 2.25 MiB\n"
        "way     10         5         0\n"
        "cache 0  # . . . . . . . . a a\n"
        "cache 1  # . . . . . . . . . .\n"
        "devices  ^ ^\n"
        "\n"
        "a   VM-A.vcpu-2  4.5 MiB on L3 0\n"
        ".   free; the default group uses it until it is reserved\n"
        "#   the default group keeps it\n"
        "^   devices write to these ways too (shareable_bits)\n"
    )
    shown = rdtctl.ok("show", "VM-A.vcpu-2").splitlines()
    assert shown[0] == "Name:      VM-A.vcpu-2"
    assert shown[-1] == "L3 0   both  4.5 MiB  4718592     2  0x3"
    assert rdtctl.ok("release", "VM-A.vcpu-2") == ""
    assert rdtctl.ok("list") == "no reservations\n"


def test_json(rdtctl: Rdtctl) -> None:
    got = {"type": "both", "level": 3, "cache_id": 1, "mask": 3, "size": 4718592, "ways": 2}
    asked = {"type": "both", "level": 3, "cache_id": 1, "size": 3145728}
    path = "/org/rdtd1/reservation/vm"
    document = rdtctl.json("reserve", "vm", "size=3mb,cache-id=1")
    assert document == {"name": "vm", "path": path, "granted": [got], "dry_run": False}
    [listed] = rdtctl.json("list")["reservations"]
    assert listed.pop("created_usec") > 1_500_000_000_000_000
    assert listed == {
        "name": "vm",
        "path": path,
        "granted": [got],
        "regions": [asked],
        "owner": os.getuid(),
        "lifetime": "persistent",
        "state": "active",
        "state_reason": "",
        "cpus": "",
    }
    assert rdtctl.json("show", "vm").items() >= listed.items()
    caches = rdtctl.json("free")["caches"]
    assert [cache["cache_id"] for cache in caches] == [0, 1]
    assert caches[1]["reserved_mask"] == 3
    # ListFree and the objects' properties, which the map is drawn from, agree.
    assert rdtctl.json("map") == {"caches": caches, "reservations": rdtctl.json("list")["reservations"]}
    assert rdtctl.json("resize", "vm", "size=5ways,cache-id=0", "--dry-run") == {
        "name": "vm",
        "granted": [got | {"cache_id": 0, "mask": 0x1F, "size": 5 * 2359296, "ways": 5}],
        "dry_run": True,
    }
    assert rdtctl.json("reconcile") == {"changes": 0}
    assert rdtctl.json("release", "vm") == {"released": ["vm"]}


def test_dry_runs_change_nothing(rdtctl: Rdtctl) -> None:
    assert rdtctl.ok("reserve", "vm", "size=25%", "--dry-run").endswith("\ndry run: nothing was changed\n")
    assert rdtctl.ok("--no-legend", "list") == ""
    rdtctl.ok("reserve", "vm", "size=2ways,cache-id=any")
    before = rdtctl.json("map")
    rdtctl.ok("resize", "vm", "size=4ways,cache-id=1", "--dry-run")
    assert rdtctl.json("map") == before


def test_resize_understands_what_reserve_does(rdtctl: Rdtctl) -> None:
    rdtctl.ok("reserve", "vm", "size=1ways,cache-id=0")
    for spec in ("size=9mb,cache-id=1", "size=3ways", "size=20%,level=3,cache-id=any", "type=both,size=1;"):
        resized = rdtctl.json("resize", "vm", spec)["granted"]
        again = rdtctl.json("show", "vm")
        assert again["granted"] == resized
        rdtctl.ok("release", "vm")
        assert rdtctl.json("reserve", "vm", spec)["granted"] == resized


def test_targets(rdtctl: Rdtctl) -> None:
    mine = os.getpid()
    rdtctl.ok("reserve", "vm", "size=2ways", "--task", str(mine), "--cpus", "0")
    assert mine in tasks(rdtctl, "vm")
    assert rdtctl.json("show", "vm")["cpus"] == "0"
    rdtctl.ok("detach", "vm", "--process", str(mine), "--cpus", "0")
    assert mine not in tasks(rdtctl, "vm")
    assert rdtctl.json("show", "vm")["cpus"] == ""
    rdtctl.ok("attach", "vm", f"--task={mine},{mine}", "--process", str(mine))
    assert mine in tasks(rdtctl, "vm")


def test_release_of_several_goes_on_after_a_failure(rdtctl: Rdtctl) -> None:
    for name in ("a", "b"):
        rdtctl.ok("reserve", name, "size=1ways,cache-id=0")
    outcome = rdtctl("release", "a", "nope", "b", "--json")
    assert outcome.status == 3
    assert outcome.out == '{"released": ["a", "b"]}\n'
    assert outcome.err == "rdtctl: there is no reservation 'nope'\n"


def test_reserve_says_who_is_in_the_way(rdtctl: Rdtctl) -> None:
    rdtctl.ok("reserve", "vm", "size=8ways,cache-id=0")
    full = rdtctl("reserve", "other", "size=5ways,cache-id=0")
    assert full.status == 5
    assert "L3 cache 0: 5 ways (11.25 MiB) asked" in full.err
    assert full.err.count("\n") == 1
    taken = rdtctl("reserve", "vm", "size=1ways,cache-id=0")
    assert taken.status == 6


def test_code_and_data(start_daemon: StartDaemon) -> None:
    rdtctl = Rdtctl(start_daemon(["--preset", "xeon-cdp"]))
    granted = rdtctl.json("reserve", "vm", "type=code,size=2ways,cacheid=0;type=data,size=3ways,cacheid=0")
    assert [(one["type"], one["ways"]) for one in granted["granted"]] == [("code", 2), ("data", 3)]
    assert "a   vm  5.5 MiB for code on L3 0; 8.25 MiB for data on L3 0\n" in rdtctl.ok("map")
    resized = rdtctl.json("resize", "vm", "type=data,size=1ways,cacheid=1;type=code,size=1ways,cacheid=1")
    assert {one["type"] for one in resized["granted"]} == {"code", "data"}
    for spec in ("type=code,size=1ways", "size=1ways;type=code,size=1ways;type=data,size=1ways"):
        assert rdtctl("reserve", "other", spec).status == 2


def test_no_closid_left(rdtctl: Rdtctl) -> None:
    for number in range(7):
        rdtctl.ok("reserve", f"vm-{number}", "size=1ways,cache-id=0")
    assert rdtctl("reserve", "one-more", "size=1ways,cache-id=1").status == 5


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["reserve", "", "size=1ways"], 2),
        (["reserve", "../x", "size=1ways"], 2),
        (["reserve", "a\nb", "size=1ways"], 2),
        (["reserve", "x" * 201, "size=1ways"], 2),
        (["reserve", "\N{SNOWMAN}", "size=1ways"], 2),
        (["reserve", b"\xff", "size=1ways"], 2),
        (["reserve", "x", b"size=\xff"], 2),
        (["reserve", "x", ""], 2),
        (["reserve", "x", "size=0"], 2),
        (["reserve", "x", "size=-1"], 2),
        (["reserve", "x", "size=1e3"], 2),
        (["reserve", "x", "size=10xb"], 2),
        (["reserve", "x", "size=9223372036854775808"], 2),
        (["reserve", "x", "size=1tb"], 2),
        (["reserve", "x", "size=100gb"], 5),
        (["reserve", "x", "size=1ways,cacheid=7"], 2),
        (["reserve", "x", "size=1ways,cacheid=99999999999"], 2),
        (["reserve", "x", "type=code,size=1ways"], 1),
        (["reserve", "x", "type=code,size=1ways;type=data,size=1ways"], 1),
        (["reserve", "x", "size=1ways;type=code,size=1ways;type=data,size=1ways"], 1),
        (["reserve", "x", "size=1ways,cacheid=0;size=2ways,cacheid=0"], 2),
        (["reserve", "x", ";".join(f"size=1ways,cacheid={n}" for n in range(5000))], 2),
        (["reserve", "x", "size=1ways", "--task", "4294967295"], 3),
        (["reserve", "x", "size=1ways", "--task", "4294967296"], 2),
        (["reserve", "x", "size=1ways", "--task", "-1"], 2),
        (["reserve", "x", "size=1ways", "--process", "me"], 2),
        (["reserve", "x", "size=1ways", "--cpus", "1-"], 2),
        (["reserve", "x", "size=1ways", "--cpus", "5000"], 3),
        (["reserve", "x", "size=1ways", "--lifetime", "eternal"], 2),
        (["resize", "x", "size=1ways"], 3),
        (["resize", "x", "size=5000000000ways"], 2),
        (["resize", "x", "size=10xb"], 2),
        (["resize", "x", ""], 2),
        (["release", "x"], 3),
        (["release", "--", "-x"], 2),
        (["release", "--", b"\xff"], 2),
        (["attach", "x"], 2),
        (["attach", "x", "--task", "1"], 3),
        (["detach", "x"], 2),
        (["show", "x"], 3),
        (["show"], 2),
        (["free", "x"], 2),
        (["free", "--byte"], 2),
        (["frob"], 2),
        ([], 2),
        (["--colour"], 2),
        (["--color", "pink", "free"], 2),
    ],
)
def test_bad_input_is_one_clear_line(
    shared_rdtctl: Rdtctl, arguments: list[str | bytes], status: int
) -> None:
    outcome = shared_rdtctl(*arguments)
    assert outcome.out == ""
    assert outcome.err.startswith("rdtctl: ")
    assert outcome.err.count("\n") == 1
    assert len(outcome.err) < 500
    assert outcome.status == status


def test_bad_input_has_changed_nothing(shared_rdtctl: Rdtctl) -> None:
    assert shared_rdtctl.json("list") == {"reservations": []}


def test_others_may_look_but_not_change(start_daemon: StartDaemon) -> None:
    policy = Path(__file__).parents[2] / "dbus" / "org.rdtd1.conf"
    rdtctl = Rdtctl(start_daemon(policies=(policy,)))

    def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
        become = ["setpriv", "--reuid=65534", "--clear-groups"]
        command = [*become, *map(str, rdtctl.command(*arguments))]
        return subprocess.run(command, env=rdtctl.environment, capture_output=True, text=True)

    assert as_nobody("free").returncode == 0
    denied = as_nobody("reserve", "vm", "size=1ways")
    assert denied.returncode == 4
    assert denied.stderr.startswith("rdtctl: user 65534 may ")


def test_no_daemon(rdtctl: Rdtctl) -> None:
    rdtctl.daemon.stop()
    outcome = rdtctl("free")
    assert outcome.status == 7
    assert outcome.err == "rdtctl: rdtd is not running on this bus (nobody owns the name org.rdtd1)\n"


@pytest.mark.parametrize("bus", ["unix:path=/nonexistent/bus", "tcp:host=localhost", "nonsense", "session"])
def test_no_bus(shared_rdtctl: Rdtctl, bus: str) -> None:
    outcome = shared_rdtctl("free", "--bus", bus)
    assert outcome.status == 7
    assert outcome.err.startswith("rdtctl: ")
    assert outcome.err.count("\n") == 1


def test_not_mounted(start_daemon: StartDaemon, tmp_path: Path) -> None:
    rdtctl = Rdtctl(start_daemon(options=["--root", str(tmp_path)]))
    outcome = rdtctl("reserve", "vm", "size=1ways")
    assert outcome.status == 8
    assert outcome.err.count("\n") == 1
    assert rdtctl.ok("map") == "no cache can be allocated here\n"

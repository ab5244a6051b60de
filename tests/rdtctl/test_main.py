"""How rdtctl starts and ends: imports, help, output that fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rdtd
from rdtd.rdtctl.exits import EXPLAINED
from rdtd.rdtctl.verbs import VERBS
from tests.rdtctl.conftest import Rdtctl


def modules_after(*arguments: str) -> set[str]:
    """The modules that a run of rdtctl has imported at its end."""
    script = (
        "import sys\n"
        "from rdtd.rdtctl.main import main\n"
        f"main({list(arguments)!r})\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "rdtd.rdtctl", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"rdtctl {rdtd.__version__}\n")


def test_a_verb_imports_what_it_needs_and_no_more() -> None:
    """`free` is typed most: no event loop, no other verb, none of the daemon's modules."""
    imported = modules_after("free", "--bus", "unix:path=/nonexistent")
    slow = {"asyncio", "logging", "subprocess", "shutil", "json", "rdtd.core.model", "rdtd.core.spec"}
    assert not imported & slow
    others = {f"rdtd.rdtctl.{verb.module}" for verb in VERBS.values()} - {"rdtd.rdtctl.free"}
    assert not imported & others


def test_version_imports_no_bus() -> None:
    assert not {name for name in modules_after("--version") if name.startswith(("rdtd.bus", "dbus_next"))}


@pytest.mark.parametrize("verb", VERBS)
def test_only_the_client_and_pure_helpers_are_imported(verb: str) -> None:
    code = f"import sys, rdtd.rdtctl.{VERBS[verb].module}, rdtd.rdtctl.daemon; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("rdtd.")}
    foreign = {name for name in ours if not name.startswith(("rdtd.rdtctl", "rdtd.core", "rdtd.bus"))}
    assert not foreign


def test_help() -> None:
    done = subprocess.run([sys.executable, "-m", "rdtd.rdtctl", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert EXPLAINED in done.stdout
    for name in VERBS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rdtd.rdtctl", verb, "--help"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: rdtctl {verb} ")


def test_a_reader_that_has_seen_enough(shared_rdtctl: Rdtctl) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = shared_rdtctl.start("free", stdout=writer)
    os.close(writer)
    assert process.communicate()[1] == ""
    assert process.returncode == 1


def test_a_full_disk(shared_rdtctl: Rdtctl) -> None:
    with Path("/dev/full").open("w") as full:
        process = shared_rdtctl.start("free", stdout=full)
        assert process.communicate()[1] == "rdtctl: No space left on device\n"
    assert process.returncode == 1


def test_stdout_closed_from_the_start(shared_rdtctl: Rdtctl) -> None:
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *map(str, shared_rdtctl.command("free"))]
    done = subprocess.run(closing, env=shared_rdtctl.environment, stderr=subprocess.PIPE, text=True)
    assert done.stderr == ""


def test_options_before_and_behind_the_verb(shared_rdtctl: Rdtctl) -> None:
    bus = shared_rdtctl.environment.pop("RDTD_BUS")
    try:
        before = shared_rdtctl("--bus", bus, "--json", "free")
        behind = shared_rdtctl("free", "--json", f"--bus={bus}")
        neither = shared_rdtctl("free")
    finally:
        shared_rdtctl.environment["RDTD_BUS"] = bus
    assert before == behind
    assert before.status == 0
    assert neither.status == 7 or neither.err == ""  # there may be a system bus with rdtd
    assert shared_rdtctl("free", "--bus", "unix:path=/nonexistent").status == 7


def test_colour_on_demand(shared_rdtctl: Rdtctl) -> None:
    assert "\033[" not in shared_rdtctl.ok("map")
    assert "\033[" in shared_rdtctl.ok("map", "--color=always")

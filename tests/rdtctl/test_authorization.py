"""rdtctl where polkit decides: it lets the user be asked, unless it is told not to."""

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.conftest import POLICY, ROOT, on_the_system_bus
from tests.access.fake_authority import CHALLENGE, YES, AuthorityThread
from tests.rdtctl.conftest import Rdtctl
from tests.support.daemon import Daemon
from tests.support.users import NOBODY

pytestmark = ROOT
FAKE = POLICY.parents[1] / "tests/access/fake-authority.conf"

# In place of polkit's: says that it is there, and waits to be ended.
AGENT = """#!/bin/sh
echo "$@" >"$0.arguments"
eval "exec ${2#--notify-fd=}>&-"
trap 'echo ended >"$0.ended"; exit' TERM
while :; do sleep 0.1; done
"""


@pytest.fixture
def rdtctl() -> Iterator[Rdtctl]:
    """rdtctl with a daemon that asks a polkit where a password is needed for everything."""
    daemon = Daemon(policies=(POLICY, FAKE))
    with on_the_system_bus(daemon), daemon, AuthorityThread(daemon.address) as polkit:
        polkit.authority.decide = lambda question: YES if question.interactive else CHALLENGE
        yield Rdtctl(daemon)


def as_nobody(rdtctl: Rdtctl, *arguments: str, stdin: int = subprocess.DEVNULL) -> tuple[int, str]:
    """The exit status and what it says on stderr."""
    become = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"]
    command = [*become, *map(str, rdtctl.command(*arguments))]
    done = subprocess.run(command, env=rdtctl.environment, stdin=stdin, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_the_user_may_be_asked_or_not(rdtctl: Rdtctl) -> None:
    status, text = as_nobody(rdtctl, "reserve", "vm", "size=1ways", "--no-ask-password")
    assert (status, "must authenticate for org.rdtd1.reserve" in text) == (4, True)
    assert as_nobody(rdtctl, "reserve", "vm", "size=1ways") == (0, "")
    [listed] = rdtctl.json("list")["reservations"]
    assert listed["owner"] == NOBODY
    assert as_nobody(rdtctl, "release", "vm") == (0, "")


def test_owners_that_are_not_told(rdtctl: Rdtctl) -> None:
    rdtctl.ok("reserve", "vm", "size=1ways")
    for verb in (["list"], ["show", "vm"], ["map"]):
        assert as_nobody(rdtctl, *verb) == (0, "")
    become = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *map(str, rdtctl.command("--json", "list"))]
    printed = subprocess.run(become, env=rdtctl.environment, capture_output=True, text=True, check=True)
    assert '"owner": null' in printed.stdout


def test_at_a_terminal_an_agent_is_there_as_long_as_it_is_needed(rdtctl: Rdtctl, tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(0o777)
    agent = tmp_path / "pkttyagent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    rdtctl.environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    controller, terminal = pty.openpty()
    try:
        assert as_nobody(rdtctl, "reserve", "vm", "size=1ways", stdin=terminal) == (0, "")
    finally:
        os.close(controller)
        os.close(terminal)
    arguments = Path(f"{agent}.arguments").read_text().split()
    assert [argument.partition("=")[0] for argument in arguments] == [
        "--process",
        "--notify-fd",
        "--fallback",
    ]
    assert Path(f"{agent}.ended").read_text() == "ended\n"

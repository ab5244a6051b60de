"""Who may do what, as the real polkitd decides, with the rules of an administrator."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.caller import Caller
from tests.system import machine
from tests.system.machine import run

RULE = Path("/etc/polkit-1/rules.d/50-rdtd-test.rules")
ALLOWED = "daemon"
"""A user of every system, which the rule lets reserve."""
DENIED = 4
"""rdtctl's exit status."""


@pytest.fixture
def rule() -> Iterator[None]:
    RULE.write_text(
        "polkit.addRule(function(action, subject) {"
        f' if (action.id == "org.rdtd1.reserve" && subject.user == "{ALLOWED}")'
        " return polkit.Result.YES; });\n"
    )
    RULE.chmod(0o644)
    run("systemctl", "restart", "polkit.service")
    yield
    RULE.unlink()
    run("systemctl", "restart", "polkit.service")


def rdtctl(user: str, *arguments: str) -> int:
    done = subprocess.run(
        ["runuser", "-u", user, "--", "rdtctl", *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode


def test_nobody_may_look_and_no_more(caller: Caller) -> None:
    rows = caller.reservations()
    assert rdtctl("nobody", "list") == 0
    assert rdtctl("nobody", "reserve", "mine", "size=1ways") == DENIED
    assert rdtctl("nobody", "release", "boot") == DENIED
    assert rdtctl("nobody", "attach", "boot", "--cpus=0") == DENIED
    assert caller.reservations() == rows


@pytest.mark.usefixtures("rule")
def test_a_user_that_a_rule_allows(caller: Caller) -> None:
    """It reserves, attaches its own processes and nobody else's, and releases what is its own."""
    assert rdtctl("nobody", "reserve", "mine", "size=1ways") == DENIED
    assert rdtctl(ALLOWED, "reserve", "mine", "size=1ways") == 0
    own = subprocess.Popen(["setpriv", f"--reuid={ALLOWED}", "--clear-groups", "sh", "-c", "echo; read _"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert own.stdout is not None
        own.stdout.readline()
        assert rdtctl(ALLOWED, "attach", "mine", f"--process={own.pid}") == 0
        assert machine.group_of(own.pid) == "rdtd.mine"
        assert rdtctl(ALLOWED, "attach", "mine", "--process=1") == DENIED
        assert machine.group_of(1) == ""
        assert rdtctl(ALLOWED, "release", "boot") == DENIED
        assert rdtctl("nobody", "release", "mine") == DENIED
        assert rdtctl(ALLOWED, "release", "mine") == 0
    finally:
        own.communicate()
    assert "mine" not in caller.names()

"""The real polkitd with rdtd's actions, on a bus like the system's: its defaults and an admin's rules."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdtd.bus.client import BusError, Client
from rdtd.bus.rules import BUS_NAME, Rule
from tests.access.conftest import DBUS, POLICY, ROOT, As, on_the_system_bus
from tests.access.test_actions import Sleeper, denied, manager, reserve
from tests.support.caller import ACCESS_DENIED, MANAGER, PATH
from tests.support.daemon import Daemon
from tests.support.users import NOBODY, SOMEBODY

POLKITD = next(filter(os.path.exists, ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")), "")
BUS_POLICY = Path("/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf")
NAME = "org.freedesktop.PolicyKit1"

pytestmark = [
    ROOT,
    pytest.mark.skipif(
        not (POLKITD and BUS_POLICY.exists()) and "CI" not in os.environ, reason="polkitd is not installed"
    ),
]

# The administrator lets the user `nobody` reserve, if the name begins with vm-; daemon may after a password.
RULES = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.rdtd1.reserve" && subject.user == "nobody")
        return action.lookup("reservation").indexOf("vm-") == 0 ? polkit.Result.YES : polkit.Result.NO;
    if (action.id == "org.rdtd1.reserve" && subject.user == "daemon")
        return polkit.Result.AUTH_ADMIN;
    if (action.id == "org.rdtd1.manage-others" && subject.user == "daemon")
        return polkit.Result.YES;
});
"""

# polkitd looks where it was built to look, so it gets a view of the file system of its own.
_START = """
mount --bind "$1" /usr/share/polkit-1/actions
mount --bind "$2" /usr/share/polkit-1/rules.d
mount --bind "$2" /etc/polkit-1/rules.d
exec "$0" --no-debug
"""


@pytest.fixture(scope="module")
def rdtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """rdtd on a bus where polkitd is, with the rules."""
    directory = tmp_path_factory.mktemp("polkit")
    for name in ("actions", "rules"):
        (directory / name).mkdir(mode=0o755)
    for parent in (directory, *directory.parents[:-2]):
        parent.chmod(0o755)  # polkitd reads as a user of its own
    shutil.copy(DBUS / "org.rdtd1.policy", directory / "actions")
    (directory / "rules" / "50-rdtd.rules").write_text(RULES)
    daemon = Daemon(policies=(POLICY, BUS_POLICY))
    with on_the_system_bus(daemon), daemon, Client.open(daemon.address) as client:
        client.subscribe(Rule(BUS_NAME, BUS_NAME, "NameOwnerChanged", arg0=NAME))
        inside = [POLKITD, str(directory / "actions"), str(directory / "rules")]
        command = ["unshare", "--mount", "--propagation=private", "sh", "-ec", _START, *inside]
        polkitd = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            came = client.next_signal(60)
            assert came is not None, "polkitd does not start"
            yield daemon
        finally:
            polkitd.terminate()
            polkitd.wait()


def test_who_a_rule_allows_may(caller: As) -> None:
    user = caller(NOBODY)
    user.call_of(*reserve("vm-1"))
    user.call_of(*manager("Resize", "saa{sv}a{sv}", "vm-1", [{"ways": ("u", 2)}], {}))
    assert user.names() == ["vm-1"]
    user.release("vm-1")
    assert user.names() == []


def test_a_rule_knows_the_reservations_name(caller: As) -> None:
    text = denied(caller(NOBODY), *reserve("db"))
    assert text == f"user {NOBODY} may not do this (org.rdtd1.reserve): polkit says no"


def test_own_processes_alone(caller: As) -> None:
    user = caller(NOBODY)
    own, others = Sleeper(NOBODY), Sleeper(0)
    try:
        user.call_of(*reserve("vm-1", own.target))
        assert "org.rdtd1.attach-others" in denied(user, *manager("Attach", "sa{sv}", "vm-1", others.target))
        assert "org.rdtd1.attach-others" in denied(
            user, *manager("Attach", "sa{sv}", "vm-1", {"cpus": ("s", "1")})
        )
    finally:
        own.close()
        others.close()


def test_others_reservations_by_rule_and_by_default(caller: As) -> None:
    caller(0).call_of(*reserve("roots"))
    assert "org.rdtd1.manage-others" in denied(caller(NOBODY), *manager("Release", "sa{sv}", "roots", {}))
    caller(SOMEBODY).release("roots")


def test_the_defaults_outside_a_session(caller: As) -> None:
    user = caller(NOBODY)
    assert "org.rdtd1.reconcile" in denied(user, PATH, MANAGER, "Reconcile")
    caller(0).call_of(*reserve("roots"))
    [row] = user.reservations()
    assert "owner" not in row[3]


def test_a_password_would_do(caller: As) -> None:
    user = caller(SOMEBODY)
    with pytest.raises(BusError, match="must authenticate") as caught:
        user.call_of(*reserve("x"))
    assert caught.value.name == "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
    # The call lets a person be asked, but none is there: nobody at a terminal or a desktop.
    call = ("org.rdtd1", *reserve("x"))
    with pytest.raises(BusError, match="nobody authenticated") as caught:
        user.client.call(*call, interactive=True)
    assert caught.value.name == ACCESS_DENIED


def test_every_action_is_one_that_polkit_knows(rdtd: Daemon) -> None:
    with Client.open(rdtd.address) as client:
        [rows] = client.call(NAME, f"/{NAME.replace('.', '/')}/Authority", f"{NAME}.Authority",
                             "EnumerateActions", "s", "")  # fmt: skip
    from rdtd.bus import access

    known = {row[0] for row in rows}
    asked = {
        value for value in vars(access).values() if isinstance(value, str) and value.startswith("org.rdtd1.")
    }
    assert known == asked

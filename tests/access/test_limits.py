"""How much of rdtd a user may have: the limits that rdtd.conf sets."""

import threading

import pytest

from rdtd.bus.client import BusError
from tests.access.conftest import ROOT, As
from tests.access.fake_authority import YES, AuthorityThread
from tests.support.caller import Caller
from tests.support.users import NOBODY, SOMEBODY

pytestmark = ROOT
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"


@pytest.fixture(scope="module")
def rdtd_options(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    file = tmp_path_factory.mktemp("etc") / "rdtd.conf"
    file.write_text(
        "[Manager]\nMaxReservations=4\nMaxReservationsPerUser=2\nMaxRegionsPerCall=3\nMaxMessageSize=64K\n"
    )
    return ("--config", str(file))


@pytest.fixture(autouse=True)
def everybody_may(polkit: AuthorityThread) -> None:
    polkit.authority.decide = lambda _: YES


def exceeded(client: Caller, name: str, spec: str = "size=1ways,cache-id=0") -> str:
    """The text of the LimitsExceeded that Reserve gets."""
    with pytest.raises(BusError) as caught:
        client.reserve(name, spec)
    assert caught.value.name == LIMITS_EXCEEDED, caught.value.text
    return caught.value.text


def test_reservations_of_a_user_and_of_all(caller: As) -> None:
    root, user, other = caller(0), caller(NOBODY), caller(SOMEBODY)
    for name in ("a", "b"):
        user.reserve(name, "size=1ways,cache-id=0")
    assert exceeded(user, "c") == (
        f"user {NOBODY} has 2 reservations, and 2 are the most: "
        "release one, or have MaxReservationsPerUser= in rdtd.conf raised"
    )
    user.reserve("a", "size=1ways,cache-id=0")  # the same again is no new one
    other.reserve("c", "size=1ways,cache-id=0")
    root.reserve("d", "size=1ways,cache-id=0")
    text = "there are 4 reservations, and 4 are the most: release one, or have MaxReservations="
    for client in (root, other):
        assert exceeded(client, "e").startswith(text)
    root.release("a")
    user.reserve("e", "size=1ways,cache-id=0")
    assert user.names() == ["b", "c", "d", "e"]


def test_root_has_no_limit_of_its_own(caller: As) -> None:
    for name in "abcd":
        caller(0).reserve(name, "size=1ways,cache-id=0")


def test_calls_at_once_do_not_pass_a_limit(caller: As) -> None:
    callers = [caller(NOBODY) for _ in range(6)]
    refused: list[str] = []

    def reserve(number: int) -> None:
        try:
            callers[number].reserve(f"r{number}", "size=1ways,cache-id=0")
        except BusError as error:
            refused.append(error.name)

    threads = [threading.Thread(target=reserve, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [LIMITS_EXCEEDED] * 4
    assert len(callers[0].names()) == 2


def test_regions_and_bytes_of_a_call(caller: As) -> None:
    root = caller(0)
    spec = ";".join(f"size=1ways,cache-id={number}" for number in range(4))
    text = (
        "4 regions in one call, and 3 are the most: "
        "take fewer, or have MaxRegionsPerCall= in rdtd.conf raised"
    )
    assert exceeded(root, "a", spec) == text
    with pytest.raises(BusError) as caught:
        root.reserve_regions("a", [{"ways": ("u", 1)}] * 4)
    assert (caught.value.name, caught.value.text) == (LIMITS_EXCEEDED, text)
    assert exceeded(root, "a", "size=" + "0" * (64 << 10)) == (
        "the arguments of ReserveSpec are larger than 65536 bytes: send less, or have MaxMessageSize= in "
        "rdtd.conf raised"
    )
    assert root.names() == []

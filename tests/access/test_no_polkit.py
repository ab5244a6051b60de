"""polkit is not there: nobody but root may change anything, and everybody may still look."""

import pytest

from rdtd.bus.client import BusError
from tests.access.conftest import ROOT, As
from tests.support.caller import ACCESS_DENIED
from tests.support.users import NOBODY

pytestmark = ROOT


def test_without_polkit_root_alone_may(caller: As) -> None:
    root, user = caller(0), caller(NOBODY)
    root.reserve("vm", "size=1ways")
    with pytest.raises(BusError, match="polkit, which decides it, gave no answer") as caught:
        user.reserve("b", "size=1ways")
    assert caught.value.name == ACCESS_DENIED
    [row] = user.reservations()
    assert (row[0], "owner" in row[3]) == ("vm", False)
    assert user.free()
    root.release("vm")

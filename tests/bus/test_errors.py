"""Exceptions and the D-Bus errors that they become."""

import pytest

from rdtd.bus.errors import BusError, Refused, error_reply
from rdtd.core import errors as core


@pytest.mark.parametrize(
    ("exception", "name"),
    [
        (core.NoSpace("text"), "org.rdtd1.Error.NoSpace"),
        (core.NoClosid("text"), "org.rdtd1.Error.NoClosid"),
        (core.Exists("text"), "org.rdtd1.Error.Exists"),
        (core.NotFound("text"), "org.rdtd1.Error.NotFound"),
        (core.Unsupported("text"), "org.rdtd1.Error.Unsupported"),
        (core.NotMounted("text"), "org.rdtd1.Error.NotMounted"),
        (core.Busy("text"), "org.rdtd1.Error.Busy"),
        (core.KernelRefused("text"), "org.rdtd1.Error.KernelRefused"),
        (core.NotReady("text"), "org.rdtd1.Error.NotReady"),
        (core.InvalidRequest("text"), "org.freedesktop.DBus.Error.InvalidArgs"),
        (core.AccessDenied("text"), "org.freedesktop.DBus.Error.AccessDenied"),
        (core.LimitsExceeded("text"), "org.freedesktop.DBus.Error.LimitsExceeded"),
        (type("Special", (core.NoSpace,), {})("text"), "org.rdtd1.Error.NoSpace"),
        (type("New", (core.RdtdError,), {})("text"), "org.freedesktop.DBus.Error.Failed"),
        (Refused("a.b.C", "text"), "a.b.C"),
    ],
)
def test_the_table(exception: Exception, name: str) -> None:
    assert error_reply(exception) == (name, "text")


@pytest.mark.parametrize("fault", [KeyError("secret"), BusError("a.b", "secret"), OSError(5, "secret")])
def test_a_fault_is_not_shown_to_the_caller(fault: Exception) -> None:
    name, text = error_reply(fault)
    assert name == "org.rdtd1.Error.Internal"
    assert "secret" not in text
    assert "journal" in text


def test_every_error_of_the_core_has_a_name() -> None:
    """Its own, or that of the error of which it is a kind."""
    classes = [
        each for each in vars(core).values() if isinstance(each, type) and issubclass(each, core.RdtdError)
    ]
    for each in classes:
        name = error_reply(each("text"))[0].rpartition(".")[2]
        assert name in {ancestor.__name__ for ancestor in each.__mro__} or each in (
            core.RdtdError,
            core.InvalidRequest,
        )

"""A call that is refused and changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.daemon.conftest import Host
from tests.support.caller import BusError


@contextmanager
def refused(host: Host, name: str, *texts: str, threads: tuple[int, ...] = ()) -> Iterator[None]:
    """The body fails with that error, its text has all of those, and nothing has changed."""
    groups, rows = host.mount.dump(threads), host.caller.reservations()
    with pytest.raises(BusError) as caught:
        yield
    assert caught.value.name == name, caught.value.text
    for text in texts:
        assert text in caught.value.text
    assert (host.mount.dump(threads), host.caller.reservations()) == (groups, rows)

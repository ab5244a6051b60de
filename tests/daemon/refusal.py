"""A call that is refused and changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.daemon.conftest import Host
from tests.support.caller import BusError
from tests.support.daemon import Daemon


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


@contextmanager
def nothing_written(host: Host) -> Iterator[None]:
    """The body leaves everything as it is; the simulator also sees that nothing was written."""
    groups = host.mount.dump()
    counts = isinstance(host.daemon, Daemon)
    if counts:
        host.mount.forget_operations()
    yield
    if counts:
        assert host.mount.changes() == {}
    assert host.mount.dump() == groups

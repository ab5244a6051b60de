"""Callers that are other users: what counts for a bus is who connects."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.caller import Caller

NOBODY = 65534
SOMEBODY = 1  # daemon, on every system; a bus refuses users that have no name


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """Lets this process act as another user for the length of a block. Needs root."""
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def caller_as(uid: int, address: str) -> Caller:
    """A connection of that user's."""
    with as_user(uid):
        return Caller(address)

"""Counting what is at work."""

import pytest

from rdtd.bus.errors import LIMITS_EXCEEDED, Refused
from rdtd.bus.work import Account, Bound


def test_calls_and_bytes_of_each_key_are_bounded() -> None:
    account = Account(Bound(calls=2, size=100), "your connection's")
    account.begin("a", 60)
    with pytest.raises(Refused, match=r"60 bytes of your connection's calls .* this one has 41; 100"):
        account.begin("a", 41)
    account.begin("a", 40)
    with pytest.raises(Refused, match="2 of your connection's calls are at work; 2 are the most") as caught:
        account.begin("a", 0)
    assert caught.value.name == LIMITS_EXCEEDED
    account.begin("b", 5000)  # alone, it is as large as messages may be
    account.end("a", 60)
    account.begin("a", 60)
    for key, size in (("a", 60), ("a", 40), ("b", 5000)):
        account.end(key, size)
    assert not account._calls
    assert not account._sizes

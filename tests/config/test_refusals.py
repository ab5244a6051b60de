"""Calls that were refused are told, but not by the thousand."""

import logging

import pytest

from rdtd.daemon.refusals import Refusals
from rdtd.messages import Message


def test_a_few_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    refusals = Refusals(lambda: now)
    with caplog.at_level(logging.INFO, "rdtd"):
        for number in range(25):
            refusals(f":1.{number}", "Reserve", "not you")
        assert len(caplog.messages) == 10
        assert caplog.messages[3] == "Reserve was refused to :1.3: not you"
        now += 60
        refusals(":1.5", "Release", "nor you")
    assert caplog.messages[10:] == ["15 more calls were refused", "Release was refused to :1.5: nor you"]
    fields = caplog.records[3].__dict__["journal"]
    assert fields["RDTD_CALLER"] == ":1.3"
    assert fields["MESSAGE_ID"] == Message.REFUSED

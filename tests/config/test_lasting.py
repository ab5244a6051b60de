"""Work of the event loop goes on after a fault."""

import asyncio
import logging

import pytest

from rdtd.daemon import serving


async def test_work_is_begun_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "AFTER_FAULT", 0.0)
    begun: list[int] = []

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) == 1:
            raise ZeroDivisionError("a fault")
        raise asyncio.CancelledError

    with caplog.at_level(logging.ERROR, "rdtd"), pytest.raises(asyncio.CancelledError):
        await serving._lasting(work, "testing")
    assert begun == [0, 1]
    assert caplog.messages == ["a fault of rdtd in testing"]

"""Lines for a person, entries for the journal, and neither waits for whoever takes them."""

import io
import logging
import os
import queue
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rdtd import log
from rdtd.log import Journal, Line, Queue, entry, set_level, start_logging
from rdtd.messages import Message


def record(level: int, text: str, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("rdtd", level, "/file.py", 7, text, None, None, "function")
    made.__dict__.update(extra)
    return made


@pytest.fixture(autouse=True)
def logger() -> Iterator[None]:
    yield
    logging.getLogger("rdtd").handlers = []


def test_for_a_person() -> None:
    assert Line().format(record(logging.INFO, "ready")) == "rdtd: ready"
    assert Line().format(record(logging.WARNING, "odd")) == "rdtd: warning: odd"


def test_for_the_journal() -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    handler = Journal(lambda text, **fields: sent.append((text, fields)))
    extra = entry(Message.DEGRADED, reservation="web", cache="", mask=None, group="\udcff", line=3)
    handler.emit(record(logging.ERROR, "bad\nworse \udcff", **extra))
    handler.emit(record(logging.DEBUG, "plain"))
    where = {"CODE_FILE": "/file.py", "CODE_LINE": 7, "CODE_FUNC": "function", "SYSLOG_IDENTIFIER": "rdtd"}
    assert sent == [
        (
            "bad\nworse \ufffd",
            {
                **where,
                "PRIORITY": "3",
                "MESSAGE_ID": Message.DEGRADED.value,
                "RDTD_RESERVATION": "web",
                "RDTD_GROUP": "\ufffd",
                "RDTD_LINE": "3",
            },
        ),
        ("plain", {**where, "PRIORITY": "7"}),
    ]


def test_a_journal_that_is_gone_is_no_error() -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    Journal(refuse).emit(record(logging.INFO, "text"))


def test_stderr_tells_whether_it_is_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryFile("w") as file:
        monkeypatch.setattr("sys.stderr", file)
        there = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
        assert isinstance(log._handler(), Journal)
        monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino + 1}")
        assert isinstance(log._handler(), logging.StreamHandler)
        monkeypatch.delenv("JOURNAL_STREAM")
        assert isinstance(log._handler(), logging.StreamHandler)


def test_nobody_waits_for_whoever_reads() -> None:
    lines: queue.Queue[logging.LogRecord] = queue.Queue(2)
    handler = Queue(lines)
    for number in range(5):
        handler.emit(record(logging.INFO, str(number)))
    assert [lines.get_nowait().getMessage() for _ in range(2)] == ["0", "1"]


def test_a_journal_that_is_stuck_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, released = threading.Event(), threading.Event()

    def send(*_: object, **__: object) -> None:
        stuck.set()
        assert released.wait(60)

    monkeypatch.setattr(log, "_handler", lambda: Journal(send))
    monkeypatch.setattr(log, "_LONGEST_QUEUE", 3)
    monkeypatch.setattr(log, "_PATIENCE", 0.01)
    listener = start_logging("info")
    thread = listener._thread
    assert thread is not None
    for number in range(10):
        logging.getLogger("rdtd").info("%s", number)
    assert stuck.wait(60)
    listener.stop()  # comes back though nothing is taken
    assert thread.is_alive()
    released.set()
    assert isinstance(listener.queue, queue.Queue)
    listener.queue.put(None)  # the end that found no room in the queue
    thread.join(60)
    assert not thread.is_alive()


def test_stop_writes_what_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    listener = start_logging("warning")
    for number in range(100):
        logging.getLogger("rdtd").warning("line %s", number)
        logging.getLogger("rdtd.part").info("not this")
    set_level("info")
    logging.getLogger("rdtd").info("this")
    listener.stop()
    expected = [f"rdtd: warning: line {number}\n" for number in range(100)]
    assert stderr.getvalue() == "".join([*expected, "rdtd: this\n"])

"""The lines on stderr."""

import io
import logging
import queue

import pytest

from rdtd.log import _Formatter, _Queue, start_logging


def record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord("rdtd", level, "file", 1, text, None, None)


def test_for_a_person() -> None:
    formatter = _Formatter(journal=False)
    assert formatter.format(record(logging.INFO, "ready")) == "rdtd: ready"
    assert formatter.format(record(logging.WARNING, "odd")) == "rdtd: warning: odd"


def test_for_the_journal() -> None:
    formatter = _Formatter(journal=True)
    assert formatter.format(record(logging.ERROR, "bad\nworse")) == "<3>bad\n<3>worse"
    assert formatter.format(record(logging.DEBUG, "detail")) == "<7>detail"


def test_nobody_waits_for_whoever_reads() -> None:
    lines: queue.Queue[logging.LogRecord] = queue.Queue(2)
    handler = _Queue(lines)
    for number in range(5):
        handler.emit(record(logging.INFO, str(number)))
    assert [lines.get_nowait().getMessage() for _ in range(2)] == ["0", "1"]


def test_stop_writes_what_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    listener = start_logging("warning")
    for number in range(100):
        logging.getLogger("rdtd").warning("line %s", number)
        logging.getLogger("rdtd.part").info("not this")
    listener.stop()
    assert stderr.getvalue() == "".join(f"rdtd: warning: line {number}\n" for number in range(100))

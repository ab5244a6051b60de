"""rdtctl verify: files of a configuration, read as the daemon reads them and compared with this host."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rdtd.core.configured import SECTION as RESERVATION
from rdtd.core.configured import Configured, read_reservation
from rdtd.core.ini import Problem, parse_ini
from rdtd.core.options import SECTION as MANAGER
from rdtd.core.options import Settings, read_settings
from rdtd.core.spec import format_spec
from rdtd.rdtctl import documents
from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.exits import DENIED, DONE, EXISTS, FAILED, NO_SPACE, PASSING, Failure, Unreachable
from rdtd.rdtctl.labels import in_words
from rdtd.rdtctl.reserve import wire
from rdtd.rdtctl.values import Granted

if TYPE_CHECKING:
    from rdtd.rdtctl.daemon import Daemon

# What says nothing about the file: the caller may not ask, or rdtd cannot tell now.
_NO_ANSWER = (DENIED, PASSING)


@dataclass(slots=True)
class _File:
    path: str
    problems: tuple[Problem, ...] = ()
    reservation: Configured | None = None
    """None for a rdtd.conf, and for a reservation that is wrong."""
    granted: tuple[Granted, ...] | None = None
    refused: str = ""

    @property
    def wrong(self) -> bool:
        return any(problem.fatal for problem in self.problems)


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="a file of reservations.d, or a rdtd.conf")
    parser.add_argument("--offline", action="store_true", help="do not ask rdtd whether it fits this host")


def _verify(context: Context) -> int:
    """0: all is well; 1: a file is wrong; 5: the files are right, but this host cannot grant one now."""
    files = [_read(path) for path in context.arguments.files]
    _check_names(files)
    note = "" if context.arguments.offline else _ask(context, files)
    if context.json:
        documents.emit({"files": [_document(file) for file in files], "note": note})
    else:
        _print(files, note, legend=context.legend)
    if any(file.wrong for file in files):
        return FAILED
    return NO_SPACE if any(file.refused for file in files) else DONE


def _read(path: str) -> _File:
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        return _File(path, (Problem(path, 0, f"cannot be read: {error.strerror}"),))
    except UnicodeDecodeError:
        return _File(path, (Problem(path, 0, "is not UTF-8"),))
    name = os.path.basename(path)
    sections = {one.section for one in parse_ini(text, path)[0]}
    if MANAGER in sections or (RESERVATION not in sections and name == "rdtd.conf"):
        return _File(path, read_settings(Settings(), text, path)[1])
    reservation, problems = read_reservation(text, path, name.removesuffix(".conf"))
    return _File(path, problems, reservation)


def _check_names(files: list[_File]) -> None:
    """Of two files with one name rdtd takes the first."""
    first: dict[str, str] = {}
    for file in files:
        if (one := file.reservation) is None:
            continue
        if (other := first.setdefault(one.name, file.path)) != file.path:
            text = f"reservation {one.name!r} is in {other} already"
            file.problems = (*file.problems, Problem(file.path, one.line, text))
            file.reservation = None


def _ask(context: Context, files: list[_File]) -> str:
    """Has the daemon say what each would get by itself; a note where it does not say."""
    asked = [file for file in files if file.reservation is not None]
    if not asked:
        return ""
    try:
        with context.daemon() as daemon:
            for file in asked:
                assert file.reservation is not None, "chosen by that"
                try:
                    file.granted = _grant(daemon, file.reservation)
                except Unreachable:
                    raise
                except Failure as failure:
                    if failure.status in _NO_ANSWER:
                        return f"not compared with this host: {failure.text}"
                    file.refused = failure.text
    except Unreachable as failure:
        return f"not compared with this host: {failure.text}"
    return ""


def _grant(daemon: Daemon, one: Configured) -> tuple[Granted, ...]:
    options: dict[str, tuple[str, Any]] = {"dry-run": ("b", True)}
    try:
        return daemon.reserve(one.name, format_spec(one.regions), options)[1]
    except Failure as failure:
        if failure.status != EXISTS or not _is_there(daemon, one.name):
            raise
    return daemon.resize(one.name, [wire(region) for region in one.regions], options)


def _is_there(daemon: Daemon, name: str) -> bool:
    return any(reservation.name == name for reservation in daemon.reservations())


def _print(files: list[_File], note: str, *, legend: bool) -> None:
    for file in files:
        for problem in file.problems:
            print(f"{problem}{'' if problem.fatal else ' (warning)'}", file=sys.stderr)
        if file.refused and file.reservation is not None:
            print(f"{file.reservation.where}: {file.refused}", file=sys.stderr)
        if file.wrong or not legend:
            continue
        if file.granted is not None and file.reservation is not None:
            print(f"{file.path}: {file.reservation.name} would have {in_words(file.granted)}")
        elif not file.refused:
            print(f"{file.path}: nothing is wrong")
    if note:
        print(note, file=sys.stderr)


def _document(file: _File) -> dict[str, Any]:
    one = file.reservation
    return {
        "file": file.path,
        "problems": [{"line": one.line, "text": one.text, "fatal": one.fatal} for one in file.problems],
        "name": one.name if one is not None else None,
        "granted": None if file.granted is None else documents.granted(file.granted),
        "refused": file.refused,
    }


COMMANDS = {"verify": Command(_add_arguments, _verify)}

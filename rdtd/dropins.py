"""Configuration files as systemd looks for them: systemd.unit(5) and the like call it drop-ins.

Of files with one name the one in the directory that comes first counts. A link to /dev/null, or an empty
file, is there to say that there is none. What is left is ordered by name, whatever directory it is in.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from rdtd.core.ini import Problem

__all__ = ["DIRECTORIES", "find", "first", "read"]

DIRECTORIES = ("/etc/rdtd", "/run/rdtd", "/usr/lib/rdtd")
"""Where rdtd's configuration is looked for: the administrator's, this boot's, the packages'."""

_LARGEST = 1 << 20  # bytes: what is longer is no configuration


def find(directories: Sequence[str], folder: str) -> tuple[list[str], list[Problem]]:
    """The files *.conf of a folder in these directories; directories that cannot be listed are problems."""
    chosen: dict[str, str] = {}
    problems = []
    for directory in directories:
        path = os.path.join(directory, folder)
        try:
            names = os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problems.append(Problem(path, 0, f"cannot be listed: {error.strerror}"))
            continue
        for name in names:
            if name.endswith(".conf") and not name.startswith("."):
                chosen.setdefault(name, os.path.join(path, name))
    return [path for _, path in sorted(chosen.items()) if not _masks(path)], problems


def first(directories: Sequence[str], name: str) -> str | None:
    """The file of that name that counts; None where there is none, or where it says so."""
    for directory in directories:
        path = os.path.join(directory, name)
        if os.path.lexists(path):
            return None if _masks(path) else path
    return None


def _masks(path: str) -> bool:
    try:
        return os.path.realpath(path) == os.devnull or (os.path.isfile(path) and not os.path.getsize(path))
    except OSError:
        return False  # reading it will tell


def read(path: str) -> tuple[str, list[Problem]]:
    """The text of a file; what keeps it from being read is a problem."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            return "", [Problem(path, 0, f"is longer than {_LARGEST >> 20} MiB; it is no configuration")]
        return data.decode(), []
    except OSError as error:
        return "", [Problem(path, 0, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "", [Problem(path, line, "is not UTF-8")]

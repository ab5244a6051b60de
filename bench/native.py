"""The programs in C, built for one run."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter")


@dataclass(frozen=True, slots=True)
class Programs:
    """Each is described at the head of its source."""

    service: Path
    client: Path
    files: Path


@contextmanager
def built() -> Iterator[Programs]:
    """The programs, until the end of the `with`. Raises CalledProcessError if they do not compile."""
    answer = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libsystemd"], check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory(prefix="rdtd-bench-") as directory:
        programs = Programs(*(Path(directory, name) for name in ("service", "client", "files")))
        for program in (programs.service, programs.client, programs.files):
            source = _SOURCES / f"{program.name}.c"
            libraries = shlex.split(answer.stdout)
            subprocess.run(["gcc", *_FLAGS, "-o", str(program), str(source), *libraries], check=True)
        yield programs


def built_static(name: str, directory: Path) -> Path:
    """One program, in `directory`, that runs on any Linux of this architecture. Raises CalledProcessError."""
    program = directory / name
    source = _SOURCES / f"{name}.c"
    subprocess.run(["gcc", "-static", *_FLAGS, "-o", str(program), str(source)], check=True)
    return program


def samples(*command: str | Path) -> list[int]:
    """What `client` or `files` measured: nanoseconds. Raises CalledProcessError; the reason is on stderr."""
    run = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True)
    return [int(line) for line in run.stdout.split()]

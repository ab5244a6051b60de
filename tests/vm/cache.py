"""What takes long to build is kept in ``$XDG_CACHE_HOME/rdtd-vm``, under a name that tells its inputs.

Rules: an entry is a directory whose name ends in a hash of its inputs, so other inputs are another entry
and nothing is ever changed in place. It is built under another name and renamed when it is whole; a build
that was killed leaves a ``.partial`` that the next one removes. One builder at a time for each name; the
others wait and find its entry.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .errors import VmError
from .host import need_space, say

KEPT_SECONDS = 7 * 24 * 3600
"""An older entry of the same name may serve another checkout: it goes when it was not used for a week."""


_ANY_KEY = "[0-9a-f]" * 16


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the cache is (XDG Base Directory Specification: a relative path is to be ignored)."""
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "rdtd-vm"


def key_of(inputs: Mapping[str, object]) -> str:
    """A hash of values that JSON can hold; their order does not matter."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def text_of(*files: Path) -> list[str]:
    """The contents of files, as an input of an entry."""
    return [path.read_text() for path in files]


class Cache:
    """The directory, as a store of entries."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(
        self, name: str, inputs: Mapping[str, object], build: Callable[[Path], None], space: int = 0
    ) -> Path:
        """The directory of the entry; `build` fills an empty one when there is none for these inputs.

        `space` is how many bytes must be free before a build starts.
        """
        entry = self._root / f"{name}-{key_of(inputs)}"
        try:
            if not entry.exists():
                self._root.mkdir(parents=True, exist_ok=True)
                with self._locked(name):
                    if not entry.exists():
                        self._build(name, entry, build, space)
            os.utime(entry)
        except OSError as error:
            raise VmError(f"the cache {self._root} cannot be used: {error}") from error
        return entry

    def _build(self, name: str, entry: Path, build: Callable[[Path], None], space: int) -> None:
        for leftover in self._root.glob(f"{name}-{_ANY_KEY}.partial"):
            shutil.rmtree(leftover)
        need_space(self._root, space)
        say(f"building {entry.name}")
        partial = entry.with_name(f"{entry.name}.partial")
        partial.mkdir()
        try:
            build(partial)
            partial.rename(entry)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        for other in self._root.glob(f"{name}-{_ANY_KEY}"):
            if other != entry and time.time() - other.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(other)

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._root / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another process that builds {name}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

"""The system calls of rdtd: counted, and hindered where a test wants it.

rdtd's modules find `os` and `fcntl` in their own names, so that is where others can be put: no hook is needed
in rdtd itself. What the event loop's thread does by itself (inotify, sd_notify) is left out; every call that
is left comes from the one thread that does the turns, or from the start, so that a run can be repeated.
"""

from __future__ import annotations

import builtins
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["CALLS", "Facade", "Hook", "installed", "replace_in_rdtd"]

CALLS = frozenset(
    {"open", "read", "write", "close", "mkdir", "makedirs", "rmdir", "replace", "rename", "unlink", "remove"}
    | {"scandir", "listdir", "stat", "lstat", "fstat", "statvfs", "access", "exists", "flock"}
)
_LEFT_OUT = (
    "rdtd.bus",
    "rdtd.rdtctl",
    "rdtd.simulator",
    "rdtd.resctrl.watch",
    "rdtd.triggers",
    "rdtd.notify",
)

Hook = Callable[[str, tuple[Any, ...]], None]
"""Called before each call with its name and arguments. What it raises, the call raises."""


class Facade:
    """Stands for a module: its functions that are system calls tell the hook first."""

    def __init__(self, module: Any, hook: Hook) -> None:
        self._module = module
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if name == "path":
            found = Facade(found, self._hook)
        elif name in CALLS and callable(found):
            found = self._counted(name, found)
        setattr(self, name, found)  # the next time it is found at once
        return found

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        hook = self._hook

        def call(*arguments: Any, **options: Any) -> Any:
            hook(name, arguments)
            return function(*arguments, **options)

        return call


def replace_in_rdtd(system: Any, locks: Any, opener: Callable[..., Any]) -> Callable[[], None]:
    """Puts these in place of `os`, `fcntl` and open() in every module of rdtd that is loaded.

    Returns what takes that back.
    """
    undo: list[tuple[ModuleType, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if not name.startswith("rdtd.") or name.startswith(_LEFT_OUT):
            continue
        for attribute, original, other in (("os", os, system), ("fcntl", fcntl, locks)):
            if vars(module).get(attribute) is original:
                undo.append((module, attribute, original))
                setattr(module, attribute, other)
        undo.append((module, "open", vars(module).get("open", builtins.open)))
        vars(module)["open"] = opener

    def restore() -> None:
        for module, attribute, original in undo:
            if attribute == "open" and original is builtins.open:
                del vars(module)["open"]
            else:
                setattr(module, attribute, original)

    return restore


@contextmanager
def installed(system: Any, locks: Any, opener: Callable[..., Any]) -> Iterator[None]:
    """replace_in_rdtd() for one `with`."""
    restore = replace_in_rdtd(system, locks, opener)
    try:
        yield
    finally:
        restore()

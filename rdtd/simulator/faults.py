"""Operations that a test lets fail or take long, and the count of operations."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rdtd.simulator.lastcmd import LastCommand, RefusedError

OPERATIONS = ("mkdir", "rmdir", "read", "write")
#: Stands for a fault that stays until it is cleared.
ALWAYS = -1


@dataclass
class Fault:
    """The next `left` operations of a kind on a path fail (`code`) or are slow (`seconds`)."""

    operation: str
    pattern: str  # of the path below the root, without a leading slash; * matches slashes too
    left: int
    code: int = 0
    status: str | None = None  # what last_cmd_status then says; None: it stays as it is
    seconds: float = 0.0

    def __str__(self) -> str:
        count = "always" if self.left == ALWAYS else str(self.left)
        if self.seconds:
            return f"delay {self.operation} {self.pattern} {self.seconds:g} {count}"
        name = errno.errorcode.get(self.code, str(self.code))
        return f"fail {self.operation} {self.pattern} {name} {count} {self.status or ''}".rstrip()


class Faults:
    """What is to go wrong. The oldest fault that matches an operation is the one that hits it."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.pending: list[Fault] = []
        self.read_only = False
        self._sleep = sleep

    def clear(self) -> None:
        self.pending.clear()
        self.read_only = False

    def hit(self, operation: str, path: str, last: LastCommand) -> None:
        """Called before an operation. Waits for a delay; raises RefusedError for a failure."""
        if self.read_only and operation != "read":
            raise RefusedError(errno.EROFS)
        if not self.pending:
            return
        for is_delay in (True, False):
            for fault in self.pending:
                if fault.operation != operation or bool(fault.seconds) is not is_delay:
                    continue
                if fnmatchcase(path.strip("/"), fault.pattern.strip("/")):
                    self._use(fault, last)
                    break

    def _use(self, fault: Fault, last: LastCommand) -> None:
        if fault.left != ALWAYS:
            fault.left -= 1
            if not fault.left:
                self.pending.remove(fault)
        if fault.seconds:
            self._sleep(fault.seconds)
            return
        if fault.status is not None:
            last.clear()
            last.say(fault.status + "\n")
        raise RefusedError(fault.code)


class OperationCount:
    """How often what was done: "write schemata 12". A file that is read in pieces counts once."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def add(self, operation: str, name: str = "") -> None:
        self._count[f"{operation} {name}".rstrip()] += 1

    def reset(self) -> None:
        self._count.clear()

    def __str__(self) -> str:
        return "".join(f"{what} {count}\n" for what, count in sorted(self._count.items()))

"""One system call of rdtd fails, or all of a kind from there on; then the machine is sound again."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from typing import Any

from rdtd.core.errors import RdtdError
from rdtd.startup import StartError
from tests.crash.killing import (
    End,
    Points,
    changes,
    check,
    fresh_host,
    go_on,
    look,
    operate,
    prepare,
    undisturbed,
)
from tests.crash.scenarios import Scenario
from tests.model.files import ROOT

__all__ = ["fail_everywhere"]

_CHANGES = (errno.EIO, errno.ENOSPC, errno.EBUSY, errno.EROFS)
_SAVES = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.ENOENT)
_READS = (errno.EIO,)


def fail_everywhere(scenario: Scenario, *, every: bool) -> Points:
    """Lets each call of the operation fail in each way that it can; once, and with all like it that follow.

    Without `every`: each change in one of the ways, and some of the reads.
    """
    before, after, calls = asyncio.run(undisturbed(scenario))
    points = Points()
    for number, (name, arguments) in enumerate(calls, 1):
        ways = list(_ways(name, arguments))
        if not every and ways:
            ways = ways[number % len(ways) :][: changes(name, arguments) or number % 23 == 0]
        for code in ways:
            for lasting in (False, True) if every else (number % 2 == 0,):
                asyncio.run(_fail(scenario, number, code, lasting, before, after))
                points.tried += 1
    return points


def _ways(name: str, arguments: tuple[Any, ...]) -> Iterator[int]:
    """The errors that such a call can end with: what was closed or unlocked was, and no lock is refused."""
    if name in {"close", "flock", "exists", "stat", "fstat"}:
        return
    if name in {"unlink", "remove"}:  # of what could not be written
        yield errno.EIO
    elif changes(name, arguments):
        yield from _CHANGES if _is_of_resctrl(name, arguments) else _SAVES
    else:
        yield from _READS


def _is_of_resctrl(name: str, arguments: tuple[Any, ...]) -> bool:
    place = arguments[0]
    return place >= 1 << 20 if isinstance(place, int) else str(place).startswith(ROOT)


async def _fail(scenario: Scenario, number: int, code: int, lasting: bool, before: End, after: End) -> None:
    with fresh_host(scenario) as host:
        manager = await prepare(scenario, host)
        failed: list[str] = []

        def fail(count: int, name: str, arguments: tuple[Any, ...]) -> None:
            again = lasting and failed and code in _ways(name, arguments) and name == failed[0]
            if count == number or again:
                failed.append(name)
                where = arguments[0] if isinstance(arguments[0], str) else None
                raise OSError(code, os.strerror(code), where)

        host.calls, host.call = 0, fail
        answered, at_once = True, not lasting and not scenario.repairs
        life = manager
        try:
            life = await operate(scenario, host, manager)
        except (RdtdError, StartError):
            answered = False
        except OSError as error:
            # procfs that cannot be read is nothing to tell about resctrl: the caller is told of a fault.
            if not str(error.filename).startswith(str(host.processes.procfs)):
                raise
            answered = at_once = False
        finally:
            host.call = go_on
        what = f"call {number} ({failed[:1]}) {errno.errorcode[code]}{' from then on' if lasting else ''}"
        if life is None or (scenario.do is None and not answered):
            host.dies()
            life = await host.start()
        left = await life.reconcile()
        if not answered and at_once:
            assert left == 0, f"{what}: {left} changes were not taken back at once"
        end = await look(host, life)
        await host.end(life)
        whole = (after,) if answered or scenario.repairs else (before,)
        check(what + (": answered" if answered else ": refused"), end, whole, scenario, (before, after))

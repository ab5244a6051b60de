"""The options of rdtd.conf(5): one table for reading, for defaults and for what the manual page must list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rdtd.core.errors import InvalidRequest, quoted
from rdtd.core.ini import Assignment, Problem, parse_ini, unknown
from rdtd.core.limits import Limits
from rdtd.core.sizes import Unit, parse_amount
from rdtd.core.space import ForeignGroups, Policy
from rdtd.core.spec import MAXIMUM_REGIONS, format_size

__all__ = ["LOG_LEVELS", "OPTIONS", "SECTION", "Option", "Settings", "defaults", "read_settings"]

SECTION = "Manager"
LOG_LEVELS = ("debug", "info", "warning", "error")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "sec": 1.0, "min": 60.0}
_TIME = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*([a-z]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator chose."""

    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    mount: bool = False
    cdp: bool = False
    log_level: str = "info"


class Option(NamedTuple):
    """One option. `take` raises ValueError, or InvalidRequest, with what would work."""

    take: Callable[[Settings, str], Settings]
    show: Callable[[Settings], str]
    meaning: str


def _policy(name: str, read: Callable[[str], Any]) -> Callable[[Settings, str], Settings]:
    return lambda settings, text: replace(settings, policy=replace(settings.policy, **{name: read(text)}))


def _limit(name: str, read: Callable[[str], Any]) -> Callable[[Settings, str], Settings]:
    return lambda settings, text: replace(settings, limits=replace(settings.limits, **{name: read(text)}))


def _own(name: str, read: Callable[[str], Any]) -> Callable[[Settings, str], Settings]:
    return lambda settings, text: replace(settings, **{name: read(text)})


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    known = tuple(words)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"it is {', '.join(known[:-1])} or {known[-1]}")
        return text

    return read


def _yes_or_no(text: str) -> bool:
    """As systemd.syntax(7) has it."""
    word = text.lower()
    if word in ("yes", "y", "true", "t", "on", "1"):
        return True
    if word in ("no", "n", "false", "f", "off", "0"):
        return False
    raise ValueError("it is yes or no")


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise ValueError(f"it is a number from {least} to {most}")
        return int(text)

    return read


def _bytes(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        amount = parse_amount(text)
        if amount.unit is not Unit.BYTES or not least <= amount.value <= most:
            raise ValueError(f"it is a size from {format_size(least)} to {format_size(most)}")
        return amount.value

    return read


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        match = _TIME.fullmatch(text)
        seconds = float(match[1]) * _SECONDS.get(match[2], 0.0) if match else 0.0
        if not least <= seconds <= most:
            raise ValueError(f"it is a time from {_time(least)} to {_time(most)}, such as 5s or 500ms")
        return seconds

    return read


def _time(seconds: float) -> str:
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"


OPTIONS: dict[str, Option] = {
    "ForeignGroups": Option(
        _policy("foreign", lambda text: ForeignGroups(_one_of(ForeignGroups)(text))),
        lambda settings: settings.policy.foreign.value,
        "respect: the ways of groups that rdtd did not make are not given out; narrow: where such a group "
        "overlaps the default group, it is narrowed together with it",
    ),
    "DefaultGroupMinimum": Option(
        _policy("default_minimum", parse_amount),
        lambda settings: str(settings.policy.default_minimum),
        "what the default group keeps of each cache at least: ways, bytes or per cent, as a region's size",
    ),
    "Mount": Option(
        _own("mount", _yes_or_no),
        lambda settings: "yes" if settings.mount else "no",
        "whether rdtd mounts resctrl where nobody else has",
    ),
    "Cdp": Option(
        _own("cdp", _yes_or_no),
        lambda settings: "yes" if settings.cdp else "no",
        "whether it is mounted with code and data prioritization, for each level that has it",
    ),
    "MaxReservations": Option(
        _limit("reservations", _number(1, 65536)),
        lambda settings: str(settings.limits.reservations),
        "reservations of all users together",
    ),
    "MaxReservationsPerUser": Option(
        _limit("reservations_per_user", _number(0, 65536)),
        lambda settings: str(settings.limits.reservations_per_user),
        "reservations of one user; root is not counted",
    ),
    "MaxRegionsPerCall": Option(
        _limit("regions_per_call", _number(1, MAXIMUM_REGIONS)),
        lambda settings: str(settings.limits.regions_per_call),
        "regions in one call",
    ),
    "MaxMessageSize": Option(
        _limit("message_size", _bytes(4 << 10, 64 << 20)),
        lambda settings: format_size(settings.limits.message_size),
        "how long the arguments of one call may be",
    ),
    "LockTimeout": Option(
        _limit("lock_timeout", _seconds(0.01, 60)),
        lambda settings: _time(settings.limits.lock_timeout),
        "how long rdtd waits for another program's lock on resctrl",
    ),
    "LogLevel": Option(
        _own("log_level", _one_of(LOG_LEVELS)),
        lambda settings: settings.log_level,
        "what is logged: this and whatever is more important",
    ),
}


def defaults() -> dict[str, str]:
    """The options with their defaults, as they would stand in the file."""
    return {name: option.show(Settings()) for name, option in OPTIONS.items()}


def read_settings(settings: Settings, text: str, path: str) -> tuple[Settings, tuple[Problem, ...]]:
    """The settings after one file: later assignments count, an empty one puts the default back."""
    assignments, syntax = parse_ini(text, path)
    problems = list(syntax)
    for one in assignments:
        if (warning := unknown(one, {SECTION: tuple(OPTIONS)}, path)) is not None:
            problems.append(warning)
            continue
        try:
            option = OPTIONS[one.name]
            settings = option.take(settings, one.value or option.show(Settings()))
        except (ValueError, InvalidRequest) as error:
            problems.append(_wrong(one, path, error))
    return settings, tuple(problems)


def _wrong(one: Assignment, path: str, error: Exception) -> Problem:
    return Problem(path, one.line, f"{one.name}={quoted(one.value)}: {error}")

"""What the administrator wrote: rdtd.conf with its drop-ins, and the reservations of reservations.d."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rdtd import dropins
from rdtd.core.configured import Configured, format_configured, read_reservation
from rdtd.core.ini import Problem
from rdtd.core.options import OPTIONS, SECTION, Settings, read_settings

__all__ = ["Config", "ConfigError", "describe", "load"]


class ConfigError(Exception):
    """The configuration cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Config:
    """What the administrator chose, from which files, and what was skipped or ignored of it."""

    settings: Settings = field(default_factory=Settings)
    reservations: tuple[Configured, ...] = ()
    files: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def load(path: str | None = None, directories: Sequence[str] = dropins.DIRECTORIES) -> Config:
    """The configuration in these directories, the most important one first.

    A `path` is read in place of rdtd.conf and its drop-ins. Raises ConfigError for a file that is asked for
    and missing, and for anything wrong in rdtd.conf. A wrong reservation is left out, and `problems` says so.
    """
    files, problems = ([path], []) if path is not None else _settings_files(directories)
    settings = Settings()
    for file in files:
        text, unreadable = dropins.read(file)
        settings, found = read_settings(settings, text, file)
        problems += [*unreadable, *found]
    if fatal := [problem for problem in problems if problem.fatal]:
        raise ConfigError(fatal)
    reservations, read, skipped = _reservations(directories)
    return Config(settings, reservations, (*files, *read), (*problems, *skipped))


def _settings_files(directories: Sequence[str]) -> tuple[list[str], list[Problem]]:
    main = dropins.first(directories, "rdtd.conf")
    files, problems = dropins.find(directories, "rdtd.conf.d")
    return [main, *files] if main else files, problems


def _reservations(directories: Sequence[str]) -> tuple[tuple[Configured, ...], list[str], list[Problem]]:
    """The reservations by name, their files, and what is wrong with those that are left out."""
    files, problems = dropins.find(directories, "reservations.d")
    found: dict[str, Configured] = {}
    units: dict[str, str] = {}
    for file in files:
        text, unreadable = dropins.read(file)
        problems += unreadable
        if unreadable:
            continue
        one, wrong = read_reservation(text, file, os.path.basename(file).removesuffix(".conf"))
        problems += wrong
        if one is None:
            continue
        if one.name in found:
            other = found[one.name].path
            problems.append(Problem(file, one.line, f"reservation {one.name!r} is in {other} already"))
            continue
        for unit in one.units:
            if units.setdefault(unit, one.name) != one.name:
                text = f"unit {unit} is in reservation {units[unit]!r} already, and stays there"
                problems.append(Problem(file, one.line, text, fatal=False))
        found[one.name] = replace(one, units=tuple(unit for unit in one.units if units[unit] == one.name))
    return tuple(found[name] for name in sorted(found)), files, problems


def describe(config: Config) -> str:
    """The effective values, as files that say the same."""
    lines = [f"# {file}" for file in config.files]
    lines.append(f"[{SECTION}]")
    lines += [f"{name}={option.show(config.settings)}" for name, option in OPTIONS.items()]
    for one in config.reservations:
        lines += ["", f"# {one.path}", format_configured(one)]
    return "\n".join(lines)

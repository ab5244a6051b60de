"""Reservations that stand in a file of reservations.d, one in each.

    [Reservation]
    Description=The packet path
    Regions=size=4mb,cache-id=0;size=4mb,cache-id=1
    CPUs=2-3
    Units=dpdk.service

A file's name without `.conf` is the reservation's name, unless Name= gives another. Regions=, CPUs= and
Units= add to what stands before them; an empty one drops it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rdtd.core.cpus import format_cpus, parse_cpus
from rdtd.core.errors import InvalidRequest, quoted
from rdtd.core.ini import Assignment, Problem, parse_ini, unknown
from rdtd.core.model import Region, check_name
from rdtd.core.request import normalize
from rdtd.core.spec import format_spec, parse_spec

__all__ = ["OPTIONS", "SECTION", "Configured", "format_configured", "read_reservation"]

SECTION = "Reservation"

OPTIONS = {
    "Name": "the reservation's name, in place of the file's",
    "Description": "for people",
    "Regions": "the regions, as in 'rdtctl reserve'",
    "CPUs": "CPUs whose tasks use the reservation, unless they are in another group: 3,5-7",
    "Units": "systemd units whose processes belong in it, separated by spaces",
}

# The kinds of units that have processes: see systemd.unit(5). A template by itself has none.
_UNIT = re.compile(r"(?!@)[A-Za-z0-9:_.\\@-]+(?<!@)\.(?:service|scope|slice|socket|mount|swap)", re.ASCII)
_LONGEST_UNIT = 255


@dataclass(frozen=True, slots=True)
class Configured:
    """One file's reservation. `line` is where its regions begin, for what is said later of it."""

    name: str
    regions: tuple[Region, ...]
    cpus: frozenset[int] = frozenset()
    units: tuple[str, ...] = ()
    description: str = ""
    path: str = ""
    line: int = 0

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(slots=True)
class _Reading:
    """What the assignments add up to so far."""

    name: str
    description: str = ""
    regions: tuple[Region, ...] = ()
    cpus: frozenset[int] = frozenset()
    units: tuple[str, ...] = ()
    line: int = 0

    def take(self, one: Assignment) -> None:
        """Raises InvalidRequest with what would work."""
        match one.name:
            case "Name":
                self.name = check_name(one.value)
            case "Description":
                self.description = one.value
            case "Regions":
                self.regions = self.regions + parse_spec(one.value) if one.value else ()
                self.line = self.line or one.line
            case "CPUs":
                self.cpus = self.cpus | parse_cpus(one.value) if one.value else frozenset()
            case "Units":
                added = tuple(_check_unit(unit) for unit in one.value.split())
                self.units = tuple(dict.fromkeys(self.units + added)) if added else ()


def read_reservation(text: str, path: str, stem: str) -> tuple[Configured | None, tuple[Problem, ...]]:
    """The reservation of one file, None where a problem is fatal. `stem`: the file's name without `.conf`."""
    assignments, syntax = parse_ini(text, path)
    problems = list(syntax)
    reading = _Reading(stem)
    for one in assignments:
        if (warning := unknown(one, {SECTION: tuple(OPTIONS)}, path)) is not None:
            problems.append(warning)
            continue
        try:
            reading.take(one)
        except InvalidRequest as error:
            problems.append(Problem(path, one.line, f"{one.name}={quoted(one.value)}: {error}"))
    if not problems or not any(problem.fatal for problem in problems):
        problems += _check(reading, path)
    if any(problem.fatal for problem in problems):
        return None, tuple(problems)
    return (
        Configured(
            reading.name,
            normalize(reading.regions),
            reading.cpus,
            reading.units,
            reading.description,
            path,
            reading.line,
        ),
        tuple(problems),
    )


def _check(reading: _Reading, path: str) -> list[Problem]:
    if not reading.regions:
        example = "write [Reservation] and Regions=size=10mb,cache-id=0"
        return [Problem(path, reading.line, f"no region is asked for; {example}")]
    try:
        check_name(reading.name)
        normalize(reading.regions)
    except InvalidRequest as error:
        return [Problem(path, reading.line, str(error))]
    return []


def _check_unit(unit: str) -> str:
    if _UNIT.fullmatch(unit) is None or len(unit) > _LONGEST_UNIT:
        raise InvalidRequest(
            f"{quoted(unit)} is no unit with processes; they end in .service, .scope, .slice, .socket, "
            ".mount or .swap, and a template needs its instance"
        )
    return unit


def format_configured(one: Configured) -> str:
    """The text that read_reservation() reads back as the same reservation."""
    lines = {
        "Name": one.name,
        "Description": one.description,
        "Regions": format_spec(one.regions),
        "CPUs": format_cpus(one.cpus),
        "Units": " ".join(one.units),
    }
    return "\n".join([f"[{SECTION}]", *(f"{name}={value}" for name, value in lines.items() if value)])

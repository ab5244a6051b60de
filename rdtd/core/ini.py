"""Configuration files as systemd.syntax(7) has them, with the line of everything.

    [Section]
    # a comment, and ; another
    Option=value
    Option=a value that goes on \\
           in the next line

Options may be repeated; what that means, and what an empty value means, is the option's matter. Sections and
options that start with `X-` are for other programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rdtd.core.errors import quoted

__all__ = ["Assignment", "Problem", "parse_ini", "unknown"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something about a file that its author should know. `line` is 0 where it concerns the whole file."""

    path: str
    line: int
    text: str
    fatal: bool = True
    """Whether the file cannot be used. Otherwise it is a warning, and what is wrong is ignored."""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.text}"


class Assignment(NamedTuple):
    """`name=value` in a section, at a line. A value has no spaces around it."""

    section: str
    name: str
    value: str
    line: int


def parse_ini(text: str, path: str) -> tuple[tuple[Assignment, ...], tuple[Problem, ...]]:
    """What a text assigns, in its order, and what is wrong with its syntax."""
    found: list[Assignment] = []
    problems: list[Problem] = []
    section = ""
    for number, line in _logical_lines(text):
        if line.startswith("["):
            section = line[1:-1] if line.endswith("]") else ""
            if not section or "[" in section or "]" in section:
                section = ""
                problems.append(
                    Problem(path, number, f"{quoted(line)} is no section; write it as [Reservation]")
                )
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name:
            problems.append(Problem(path, number, f"{quoted(line)} is not Option=value"))
        elif not section:
            problems.append(Problem(path, number, f"{name}= stands in no section"))
        elif not section.startswith("X-") and not name.startswith("X-"):
            found.append(Assignment(section, name, value, number))
    return tuple(found), tuple(problems)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """The lines that say something, each with the number of its first; continued ones are put together."""
    found: list[tuple[int, str]] = []
    start = 0
    parts: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith(("#", ";")) or (not line and not parts):
            continue  # comments may stand between the lines of a value
        start = start if parts else number
        parts.append(line.removesuffix("\\").rstrip())
        if not line.endswith("\\"):
            found.append((start, " ".join(parts).strip()))
            parts = []
    if parts:
        found.append((start, " ".join(parts).strip()))
    return [(number, line) for number, line in found if line]


def unknown(one: Assignment, sections: dict[str, tuple[str, ...]], path: str) -> Problem | None:
    """The warning for an option that nobody knows. `sections` are the known ones with their options."""
    if one.section not in sections:
        known = " and ".join(f"[{name}]" for name in sections)
        text = f"unknown section [{one.section}] is ignored; there is {known}"
    elif one.name not in sections[one.section]:
        known = ", ".join(sections[one.section])
        text = f"unknown option {one.name} in section [{one.section}] is ignored; there are {known}"
    else:
        return None
    return Problem(path, one.line, text, fatal=False)

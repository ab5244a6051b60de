"""The options of rdtd.conf: one table for what is read, what is shown and what the defaults are."""

from pathlib import Path

import pytest

from rdtd.core.limits import Limits
from rdtd.core.options import OPTIONS, Settings, defaults, read_settings
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import ForeignGroups, Policy

OTHERS = {
    "ForeignGroups": "narrow",
    "DefaultGroupMinimum": "10%",
    "Mount": "yes",
    "Cdp": "yes",
    "MaxReservations": "7",
    "MaxReservationsPerUser": "0",
    "MaxRegionsPerCall": "12",
    "MaxMessageSize": "64kb",
    "LockTimeout": "250ms",
    "LogLevel": "debug",
}


def read(*lines: str, settings: Settings | None = None) -> Settings:
    found, problems = read_settings(settings or Settings(), "[Manager]\n" + "\n".join(lines), "f")
    assert problems == ()
    return found


def test_every_option() -> None:
    assert OTHERS.keys() == OPTIONS.keys()
    found = read(*(f"{name} = {value}" for name, value in OTHERS.items()))
    assert found == Settings(
        Policy(ForeignGroups.NARROW, Amount(10, Unit.PERCENT)),
        Limits(7, 0, 12, 65536, 0.25),
        mount=True,
        cdp=True,
        log_level="debug",
    )
    assert {name: option.show(found) for name, option in OPTIONS.items()} == OTHERS


def test_what_is_shown_reads_back_as_the_same() -> None:
    assert read(*(f"{name}={value}" for name, value in defaults().items())) == Settings()


def test_later_counts_and_empty_is_the_default() -> None:
    assert read("Mount=yes", "Mount=no") == Settings()
    assert read("LogLevel=debug", "LogLevel=") == Settings()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ForeignGroups=ignore", "ForeignGroups='ignore': it is respect or narrow"),
        ("DefaultGroupMinimum=many", "DefaultGroupMinimum='many': size 'many': write it as"),
        ("Mount=perhaps", "Mount='perhaps': it is yes or no"),
        ("Cdp=2", "Cdp='2': it is yes or no"),
        ("MaxReservations=0", "MaxReservations='0': it is a number from 1 to 65536"),
        ("MaxReservations=\u0661", "it is a number from 1"),
        ("MaxReservationsPerUser=-1", "it is a number from 0"),
        ("MaxRegionsPerCall=1025", "it is a number from 1 to 1024"),
        ("MaxMessageSize=1kb", "it is a size from 4kb to 64mb"),
        ("MaxMessageSize=3ways", "it is a size from 4kb to 64mb"),
        ("LockTimeout=5 hours", "it is a time from 10ms to 60s, such as 5s or 500ms"),
        ("LockTimeout=0", "it is a time from 10ms"),
        ("LogLevel=chatty", "it is debug, info, warning or error"),
    ],
)
def test_a_wrong_value(line: str, told: str) -> None:
    settings, problems = read_settings(Settings(), f"[Manager]\n\n{line}\n", "dir/rdtd.conf")
    assert settings == Settings()
    [problem] = problems
    assert problem.fatal
    assert (problem.path, problem.line) == ("dir/rdtd.conf", 3)
    assert told in problem.text


def test_what_is_unknown_is_ignored_with_a_warning() -> None:
    text = "[Manager]\nmount=yes\nMount=yes\n[Other]\nMount=no\n"
    settings, problems = read_settings(Settings(), text, "f")
    assert settings.mount
    assert [(one.line, one.fatal) for one in problems] == [(2, False), (5, False)]
    assert problems[0].text.startswith("unknown option mount in section [Manager] is ignored; there are Fore")
    assert problems[1].text == "unknown section [Other] is ignored; there is [Manager]"


def test_the_packaged_file_has_the_defaults() -> None:
    path = Path(__file__).parents[2] / "packaging/etc/rdtd.conf"
    text = path.read_text()
    assert read_settings(Settings(mount=True), text, "f") == (Settings(mount=True), ())
    shown = dict(
        line.removeprefix("#").split("=") for line in text.splitlines() if line[:1] == "#" and "=" in line
    )
    assert shown == defaults()

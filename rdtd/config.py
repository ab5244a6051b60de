"""The configuration file: INI, with the options of the table below."""

from __future__ import annotations

import configparser
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rdtd.core.errors import InvalidRequest
from rdtd.core.sizes import parse_amount
from rdtd.core.space import ForeignGroups, Policy

__all__ = ["DEFAULT_PATH", "Config", "ConfigError", "load"]

DEFAULT_PATH = "/etc/rdtd/rdtd.conf"
SECTION = "Manager"


class ConfigError(Exception):
    """The file cannot be used. The text names the file and the option."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the administrator chose. `warnings` are for the log."""

    policy: Policy = field(default_factory=Policy)
    warnings: tuple[str, ...] = ()


def _foreign_groups(config: Config, text: str) -> Config:
    if text not in list(ForeignGroups):
        raise ValueError("it is 'respect' or 'narrow'")
    return replace(config, policy=replace(config.policy, foreign=ForeignGroups(text)))


def _default_group_minimum(config: Config, text: str) -> Config:
    try:
        return replace(config, policy=replace(config.policy, default_minimum=parse_amount(text)))
    except InvalidRequest as error:
        raise ValueError(str(error)) from None


_OPTIONS: dict[str, Callable[[Config, str], Config]] = {
    # respect: the ways of groups that rdtd did not make are not given out; narrow: where such a group
    # overlaps the default group it is narrowed together with it.
    "ForeignGroups": _foreign_groups,
    # What the default group keeps of each cache at least: ways, bytes or per cent, as in a region's size.
    "DefaultGroupMinimum": _default_group_minimum,
}


def load(path: str | None) -> Config:
    """The configuration in that file; the defaults where no path was given and there is no file.

    Raises ConfigError for a file that is asked for and missing, for broken syntax and for a wrong value.
    Unknown options are left for a newer rdtd, with a warning.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=True, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names of options have capitals
    try:
        with open(path or DEFAULT_PATH, encoding="utf-8") as file:
            parser.read_file(file)
    except FileNotFoundError:
        if path is not None:
            raise ConfigError(f"{path}: there is no such file") from None
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path or DEFAULT_PATH}: {error}") from None
    except configparser.Error as error:
        raise ConfigError(" ".join(str(error).split())) from None
    return _apply(parser, path or DEFAULT_PATH)


def _apply(parser: Any, path: str) -> Config:
    config = Config()
    warnings = []
    for section in parser.sections():
        for option, text in parser.items(section):
            take = _OPTIONS.get(option) if section == SECTION else None
            if take is None:
                warnings.append(f"{path}: unknown option {option} in section [{section}] is ignored")
                continue
            try:
                config = take(config, text.strip())
            except ValueError as error:
                raise ConfigError(f"{path}: {option}={text}: {error}") from None
    return replace(config, warnings=tuple(warnings))

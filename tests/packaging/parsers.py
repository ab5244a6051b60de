"""What the parsers of the programs know: verbs, and the long options of each."""

import argparse
from collections.abc import Mapping
from importlib import import_module

from rdtd.rdtctl import main as rdtctl
from rdtd.rdtctl.verbs import VERBS

Options = Mapping[str, tuple[str, ...]]
"""Long options, with the values that can be chosen."""


def long_options(parser: argparse.ArgumentParser) -> Options:
    """Those that `--help` shows."""
    return {
        option: tuple(map(str, action.choices or ()))
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and action.help != argparse.SUPPRESS
    }


def of_rdtctl() -> Options:
    """The options that may stand before the verb."""
    return long_options(rdtctl._parser())


def of_verbs() -> Mapping[str, Options]:
    """Each verb's own options, without the global ones."""
    found = {}
    for name, verb in VERBS.items():
        command = import_module(f"rdtd.rdtctl.{verb.module}").COMMANDS[name]
        options = long_options(rdtctl._verb_parser(name, command))
        found[name] = {option: options[option] for option in options.keys() - of_rdtctl().keys()}
    return found

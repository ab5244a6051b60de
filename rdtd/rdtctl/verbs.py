"""The table of verbs. A verb's module is imported when the verb is asked for."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb's module in rdtd.rdtctl, whose COMMANDS has it, and its line in the help."""

    module: str
    summary: str


VERBS = {
    "reserve": Verb("reserve", "reserve cache: reserve NAME SPEC"),
    "release": Verb("reserve", "give reservations back: release NAME..."),
    "resize": Verb("reserve", "replace the regions of a reservation: resize NAME SPEC"),
    "attach": Verb("attach", "put threads, processes or CPUs into a reservation"),
    "detach": Verb("attach", "put them back into the default group"),
    "free": Verb("free", "how much of each cache is free, and how much in one piece"),
    "list": Verb("reservations", "the reservations"),
    "show": Verb("reservations", "one reservation in full: show NAME"),
    "map": Verb("map", "a picture of every cache: who holds which way"),
    "watch": Verb("watch", "the picture, live"),
    "run": Verb("run", "run a command in a reservation: run [--name NAME] [SPEC] -- COMMAND"),
    "verify": Verb("verify", "whether files of a configuration are right, and fit this host: verify FILE..."),
    "status": Verb("status", "what rdtd knows, in one page"),
    "check": Verb("status", "every difference between what is wanted and what is there; for monitoring"),
    "reconcile": Verb("upkeep", "compare what is wanted with what the kernel has, and put it right"),
}

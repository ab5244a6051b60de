"""The options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rdtd import __version__
from rdtd.core.options import LOG_LEVELS
from rdtd.dropins import DIRECTORIES

__all__ = ["parse"]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options. Ends the program with status 2, and a line on stderr, where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="rdtd",
        description="The daemon that owns the CPU caches of this host: it reserves ways of them over D-Bus.",
    )
    parser.add_argument(
        "--bus", default="system", metavar="BUS", help="'system' (the default), 'session' or a D-Bus address"
    )
    parser.add_argument("--root", metavar="DIR", help="where resctrl is mounted (default: /sys/fs/resctrl)")
    parser.add_argument(
        "--simulate",
        nargs="?",
        const="xeon",
        metavar="PRESET",
        help="bring up a simulated resctrl, at --root or in a temporary directory; PRESET as for "
        "rdtd-simulator --preset (default: xeon)",
    )
    parser.add_argument(
        "--sysfs", default="/sys", metavar="DIR", help="where sysfs is; a simulator has one of its own"
    )
    parser.add_argument(
        "--config", metavar="FILE", help="read this in place of rdtd.conf and the files in rdtd.conf.d"
    )
    parser.add_argument(
        "--config-dir",
        metavar="DIR",
        action="append",
        help="where rdtd.conf, rdtd.conf.d and reservations.d are looked for; repeatable, the most important "
        f"first (default: {', '.join(DIRECTORIES)})",
    )
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="print the configuration with all its values, and what is wrong with it; exit status 1 if "
        "anything cannot be used",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where the state is kept while the machine runs (default: $RUNTIME_DIRECTORY, or /run/rdtd)",
    )
    parser.add_argument(
        "--cgroups",
        default="/sys/fs/cgroup",
        metavar="DIR",
        help="where control groups are mounted (default: /sys/fs/cgroup)",
    )
    parser.add_argument(
        "--mount-command",
        metavar="COMMAND",
        help="what mounts resctrl, called as mount(8) (default: systemd where it is, else mount)",
    )
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="default: as configured with LogLevel=")
    parser.add_argument("--version", action="version", version=f"rdtd {__version__}")
    return parser.parse_args(arguments)

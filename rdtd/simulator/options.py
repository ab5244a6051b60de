"""The command line of rdtd-simulator."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import Any

from rdtd import __version__
from rdtd.simulator.kernel import DEFAULT_KERNEL, KERNELS
from rdtd.simulator.presets import DEFAULT_PRESET, PRESETS, Preset

_DESCRIPTION = """\
Mounts a file system that behaves as the kernel's resctrl does: groups are made with mkdir and removed
with rmdir, schemata, tasks, cpus and mode are read and written, and what the kernel refuses is refused
with its errno and its text in info/last_cmd_status. No hardware is needed, and nothing is allocated.
It runs in the foreground until SIGINT or SIGTERM, and unmounts when it ends.
"""

_EXAMPLES = """\
presets:
{presets}

examples:
  mkdir /tmp/resctrl
  rdtd-simulator /tmp/resctrl &
  cat /tmp/resctrl/schemata
  mkdir /tmp/resctrl/mine
  echo 'L3:0=0f' > /tmp/resctrl/mine/schemata
  cat /tmp/resctrl/info/last_cmd_status
  echo $$ > /tmp/resctrl/mine/tasks

  # a Xeon with CDP, as kernel 6.1 shows it
  rdtd-simulator --preset xeon-cdp --kernel 6.1 /tmp/resctrl

  # four caches with gaps in their IDs, 12 ways, at least 2 bits in a mask
  rdtd-simulator --cache-ids 0,1,4,5 --ways 12 --cache-size 24M --min-cbm-bits 2 \\
      --shareable-bits 0 --no-mb /tmp/resctrl

  # what a client must expect from the machine, but cannot do itself
  echo 'offline L3 1' > /tmp/resctrl/.simulator/control
  cat /tmp/resctrl/.simulator/control
"""


def build_parser() -> argparse.ArgumentParser:
    presets = "\n".join(f"  {name:10}{preset.summary}" for name, preset in PRESETS.items())
    parser = argparse.ArgumentParser(
        prog="rdtd-simulator",
        usage="rdtd-simulator [OPTION...] MOUNTPOINT",
        description=_DESCRIPTION,
        epilog=_EXAMPLES.format(presets=presets),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="MOUNTPOINT", help="an existing directory")
    parser.add_argument("--version", action="version", version=f"rdtd-simulator {__version__}")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default=DEFAULT_PRESET,
        help=f"the machine to start from (default: {DEFAULT_PRESET})",
    )
    parser.add_argument(
        "--kernel",
        choices=KERNELS,
        default=DEFAULT_KERNEL.version,
        help=f"the kernel whose resctrl it is (default: {DEFAULT_KERNEL.version})",
    )
    mount = parser.add_argument_group("mount options")
    mount.add_argument("--cdp", action=_ON_OFF, help="code and data apart in L3")
    mount.add_argument("--cdpl2", action=_ON_OFF, help="code and data apart in L2")
    mount.add_argument("--debug", action="store_true", help="files ctrl_hw_id and mon_hw_id in groups")
    _add_machine_options(parser)
    parser.add_argument("--supervisor", type=int, help=argparse.SUPPRESS)  # a socket, see process.py
    return parser


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    l3 = parser.add_argument_group("L3 cache (defaults: the preset's)")
    l3.add_argument("--ways", type=_number, metavar="N", help="length of the capacity bitmask")
    l3.add_argument("--cache-size", type=_size, metavar="SIZE", help="of one cache: bytes, or with K or M")
    l3.add_argument("--cache-ids", type=_ids, metavar="IDS", help="one cache each: 0,1,4 (gaps are fine)")
    l3.add_argument("--cpus-per-cache", type=_number, metavar="N", help="CPUs that share an L3")
    l3.add_argument("--closids", type=_number, metavar="N", help="without CDP; CDP halves them")
    l3.add_argument("--min-cbm-bits", type=_number, metavar="N", help="the shortest mask; 0: may be empty")
    l3.add_argument("--shareable-bits", type=_hex, metavar="HEX", help="ways that devices use too")
    l3.add_argument("--sparse", action=_ON_OFF, help="masks may have holes")
    l3.add_argument("--cdp-capable", action=_ON_OFF, help="--cdp is possible")
    l2 = parser.add_argument_group("L2 cache")
    l2.add_argument("--l2-ways", type=_number, metavar="N", help="makes L2 allocatable")
    l2.add_argument("--l2-size", type=_size, metavar="SIZE", help="of one L2")
    l2.add_argument("--l2-closids", type=_number, metavar="N", help="without CDP")
    l2.add_argument("--l2-cpus", type=_number, metavar="N", help="CPUs that share an L2")
    l2.add_argument("--l2-cdp-capable", action=_ON_OFF, help="--cdpl2 is possible")
    other = parser.add_argument_group("bandwidth and monitoring")
    other.add_argument("--mb", type=_number, metavar="N", help="memory bandwidth allocation with N CLOSIDs")
    other.add_argument("--no-mb", action="store_const", const=0, dest="mb", help="none")
    other.add_argument("--smba", type=_number, metavar="N", help="slow memory (AMD) with N CLOSIDs")
    other.add_argument("--no-smba", action="store_const", const=0, dest="smba", help="none")
    other.add_argument("--rmids", type=_number, metavar="N", help="how many groups can be monitored")
    other.add_argument(
        "--no-monitoring", action="store_const", const=0, dest="rmids", help="no mon_data, no mon_groups"
    )


def chosen_preset(options: argparse.Namespace) -> Preset:
    """The preset with the options that were given. Raises ValueError where they cannot be."""
    given: dict[str, Any] = {
        field.name: value
        for field in fields(Preset)
        if (value := getattr(options, field.name, None)) is not None
    }
    for optional in ("mb", "smba", "rmids"):
        if given.get(optional) == 0:
            given[optional] = None
    return replace(PRESETS[options.preset], **given)


_ON_OFF = argparse.BooleanOptionalAction


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _hex(text: str) -> int:
    return int(text, 16)


def _size(text: str) -> int:
    units = {"K": 1 << 10, "M": 1 << 20}
    unit = units.get(text[-1:].upper(), 0)
    return _number(text[:-1]) * unit if unit else _number(text)


def _ids(text: str) -> tuple[int, ...]:
    return tuple(_number(part) for part in text.split(","))

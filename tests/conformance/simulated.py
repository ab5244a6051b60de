"""Machines of the simulator: the CPUs of tests/vm/cpus.py, and kernels beyond those of the guests."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from rdtd.simulator.machine import Machine
from rdtd.simulator.main import build_state
from rdtd.simulator.options import build_parser
from rdtd.simulator.process import SimulatorProcess
from rdtd.simulator.procfs import ProcThreads
from tests.conformance.hosts import Host, Vendor, describe

#: Arguments of rdtd-simulator.
MACHINES: dict[str, tuple[Vendor, str]] = {
    "intel-20": (
        "intel",
        "--preset=xeon --ways=20 --shareable-bits=c0000 --cache-size=16M --cpus-per-cache=2 --rmids=64",
    ),
    "intel-11": (
        "intel",
        "--preset=xeon --cache-ids=0 --cpus-per-cache=2 --cache-size=16M --rmids=64",
    ),
    "intel-l2": ("intel", "--preset=l2 --l2-cpus=1 --l2-cdp-capable --l2-size=1280K"),
    "amd": (
        "amd",
        "--preset=amd --cache-ids=0,1,2,3 --cpus-per-cache=2 --cache-size=32M --rmids=64",
    ),
}

#: Machine, kernel, options of mount.
PLAN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    *((machine, kernel, ()) for kernel in ("6.1", "6.12") for machine in MACHINES),
    *(("intel-20", kernel, ("cdp",)) for kernel in ("6.1", "6.12")),
    ("amd", "6.12", ("cdp",)),
    ("intel-l2", "6.12", ("cdpl2",)),
    *((machine, "7.2", ()) for machine in ("intel-20", "amd")),
)


def hosts() -> Iterator[Host]:
    """Every machine of the plan. Nothing is mounted for this: the simulator is asked within this process."""
    for machine, kernel, options in PLAN:
        vendor, arguments = MACHINES[machine]
        words = [*arguments.split(), f"--kernel={kernel}", *(f"--{option}" for option in options), "/"]
        state = build_state(build_parser().parse_args(words))
        simulated = Machine(state, ProcThreads())
        major, minor = kernel.split(".")
        yield describe(
            name="-".join((machine, *options, kernel)),
            kernel=(int(major), int(minor)),
            vendor=vendor,
            options=options,
            cdp_levels=frozenset(
                schema.resource.level for schema in state.schemas if schema.resource.cdp_capable
            ),
            is_real=False,
            cpus=len(state.topology.cpus),
            read=partial(_read, simulated),
        )


def _read(machine: Machine, path: str) -> str:
    return machine.read(f"/{path}")


class Simulated:
    """A Driver. One process serves all hosts that differ in their mount options only."""

    def __init__(self, host: Host) -> None:
        machine, kernel = process_of(host)
        self._process = SimulatorProcess([*MACHINES[machine][1].split(), f"--kernel={kernel}"])
        self._process.start()
        self.root = Path(self._process.root)
        self.sysfs = Path(self._process.sysfs)
        self._control_path = self.root / ".simulator/control"

    def mount(self, options: Sequence[str]) -> None:
        self._control(" ".join(("remount", *options)))

    def offline(self, cpus: Collection[int]) -> None:
        self._control(f"offline cpu {','.join(map(str, cpus))}")

    def online(self, cpus: Collection[int]) -> None:
        self._control(f"online cpu {','.join(map(str, cpus))}")

    def reset(self, options: Sequence[str]) -> None:
        self._control("online cpu all")
        self.mount(options)

    def close(self) -> None:
        self._process.stop()

    def _control(self, command: str) -> None:
        fd = os.open(self._control_path, os.O_WRONLY)
        try:
            os.write(fd, f"{command}\n".encode())
        finally:
            os.close(fd)


def process_of(host: Host) -> tuple[str, str]:
    """Machine and kernel: what tells the processes of the simulator apart."""
    kernel = f"{host.kernel[0]}.{host.kernel[1]}"
    machine = next(name for name in MACHINES if host.name == "-".join((name, *host.options, kernel)))
    return machine, kernel

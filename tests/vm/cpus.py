"""CPUs with cache allocation, as values: what QEMU is asked for, and what CPUID answers.

QEMU's software CPU knows nothing of RDT, but the kernel learns of RDT from CPUID alone, and QEMU ignores
writes to MSRs that it does not know. So a CPU here is a CPU model of QEMU plus the leaves in which it
differs:

==============  =============================================================================================
leaf            says (Intel SDM volume 3, "Resource Director Technology"; AMD APM volume 3, appendix E)
==============  =============================================================================================
0x7.0           EBX bit 12: monitoring; bit 15: allocation
0xF.0, .1       monitoring: the number of RMIDs, bytes per unit of a counter, the events of the L3
0x10.0          EBX bit 1: L3 can be allocated; bit 2: L2; bit 3: memory bandwidth (Intel)
0x10.1, .2      L3 and L2: EAX ways - 1, EBX shareable ways, ECX bit 2 CDP, bit 3 sparse, EDX CLOSIDs - 1
0x10.3          memory bandwidth (Intel): EAX the largest delay - 1, ECX bit 2 linear, EDX CLOSIDs - 1
0x80000001      ECX bit 22: the leaves that tell who shares a cache can be asked (AMD)
0x80000008      EBX bit 6: memory bandwidth (AMD)
0x80000020.0    EBX bit 1: memory bandwidth; bit 2: slow memory bandwidth (AMD)
0x80000020.1    memory bandwidth; .2 the slow one: EAX the length of a limit, EDX CLOSIDs - 1 (AMD)
==============  =============================================================================================

The kernel reads them in arch/x86/kernel/cpu/resctrl/core.c.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

RMIDS = 64
COUNTER_BYTES = 65536
OCCUPANCY, BANDWIDTH = 0b001, 0b110
"""The events of an L3: how much is in it; its traffic, in all and to its own memory."""

INTEL_MAX_DELAY = 90
"""Percent of bandwidth that can be taken away; the kernel makes min_bandwidth and bandwidth_gran of it."""
AMD_LIMIT_BITS = 11
"""A limit is a number of 1/8 GB/s; 1 << 11 stands for "no limit"."""


MODELS = MappingProxyType(
    {
        # Not a Skylake: on some of them the kernel turns L3 allocation off.
        "intel": "Icelake-Server,level=0x16,cx16=off",
        "amd": "EPYC-Milan,level=0x16,xlevel=0x80000021,cx16=off",
    }
)
"""QEMU's CPU models, with the levels that the leaves above need.

Without CMPXCHG16B: QEMU 7.2 leaves wrong flags behind that instruction, and an interrupt that comes right
then saves and restores them. Linux 6.12 has it in every small allocation and panics within seconds.
"""


@dataclass(frozen=True)
class Registers:
    """The four registers that CPUID writes."""

    eax: int = 0
    ebx: int = 0
    ecx: int = 0
    edx: int = 0


@dataclass(frozen=True)
class CacheAllocation:
    """How one level of cache can be allocated: what resctrl shows in info/L3 or info/L2."""

    ways: int
    closids: int
    shareable: int = 0
    cdp: bool = False
    sparse: bool = False

    def registers(self) -> Registers:
        """The answer to the level's subleaf of 0x10."""
        return Registers(
            eax=self.ways - 1,
            ebx=self.shareable,
            ecx=(self.cdp << 2) | (self.sparse << 3),
            edx=self.closids - 1,
        )


@dataclass(frozen=True)
class Cpu:
    """The processors of one emulated machine. Every die of every socket has one L3, and every core an L2."""

    name: str
    vendor: Literal["intel", "amd"]
    sockets: int
    dies: int
    cores: int
    l3: CacheAllocation | None = None
    l2: CacheAllocation | None = None
    bandwidth_closids: int = 0
    """CLOSIDs of memory bandwidth allocation; 0: there is none."""
    counts_bandwidth: bool = False
    """Whether the L3 counts its traffic. Not where all CPUs of a domain can go offline: the kernel then frees
    the domain while its own look at the counters, once a second, may wait to use it (mbm_handle_overflow()
    starts itself again on no CPU). With CPUs as slow as these, it hangs or panics now and then."""

    def qemu_options(self) -> tuple[str, ...]:
        """QEMU's -cpu and -smp."""
        count = self.sockets * self.dies * self.cores
        topology = f"sockets={self.sockets},dies={self.dies},cores={self.cores},threads=1"
        return ("-cpu", MODELS[self.vendor], "-smp", f"{count},{topology}")

    def leaves(self) -> frozenset[int]:
        """The leaves whose answers differ from those of QEMU's CPU model."""
        return frozenset(leaf for leaf, _ in {**self._answers(), **self._additions()})

    def answer(self, leaf: int, subleaf: int, real: Registers) -> Registers:
        """What CPUID answers for a leaf and subleaf to which QEMU's CPU model answers `real`."""
        added = self._additions().get((leaf, subleaf), Registers())
        answer = self._answers().get((leaf, subleaf), real)
        return replace(answer, ebx=answer.ebx | added.ebx, ecx=answer.ecx | added.ecx)

    def _additions(self) -> Mapping[tuple[int, int], Registers]:
        """The feature bits that QEMU's CPU model lacks, in leaves that it has."""
        additions = {(0x7, 0): Registers(ebx=1 << 12 | 1 << 15)}
        if self.vendor == "amd":
            # TOPOEXT. Without it the kernel does not ask which CPUs share an L3; QEMU would answer it.
            additions[0x80000001, 0] = Registers(ecx=1 << 22)
            if self.bandwidth_closids > 0:
                additions[0x80000008, 0] = Registers(ebx=1 << 6)
        return additions

    def _answers(self) -> Mapping[tuple[int, int], Registers]:
        """The leaves of which QEMU's CPU model knows nothing, whole."""
        answers: dict[tuple[int, int], Registers] = {}
        resources = 0
        if self.l3 is not None:
            resources |= 1 << 1
            answers[0x10, 1] = self.l3.registers()
            answers[0xF, 0] = Registers(ebx=RMIDS - 1, edx=1 << 1)
            events = OCCUPANCY | (BANDWIDTH if self.counts_bandwidth else 0)
            answers[0xF, 1] = Registers(ebx=COUNTER_BYTES, ecx=RMIDS - 1, edx=events)
        if self.l2 is not None:
            resources |= 1 << 2
            answers[0x10, 2] = self.l2.registers()
        if self.bandwidth_closids > 0 and self.vendor == "intel":
            resources |= 1 << 3
            answers[0x10, 3] = Registers(eax=INTEL_MAX_DELAY - 1, ecx=1 << 2, edx=self.bandwidth_closids - 1)
        if self.bandwidth_closids > 0 and self.vendor == "amd":
            limit = Registers(eax=AMD_LIMIT_BITS, edx=self.bandwidth_closids - 1)
            answers |= {(0x80000020, 0): Registers(ebx=0b110), (0x80000020, 1): limit, (0x80000020, 2): limit}
        answers[0x10, 0] = Registers(ebx=resources)
        return answers


def _by_name(*cpus: Cpu) -> Mapping[str, Cpu]:
    return MappingProxyType({cpu.name: cpu for cpu in cpus})


_AMD_L3 = CacheAllocation(ways=16, closids=16, cdp=True, sparse=True)

CPUS = _by_name(
    Cpu(
        "intel-20",
        "intel",
        sockets=2,
        dies=1,
        cores=2,
        # The two highest ways are those that DDIO writes to.
        l3=CacheAllocation(ways=20, closids=16, shareable=0xC0000, cdp=True),
        bandwidth_closids=8,
    ),
    Cpu(
        "intel-11",
        "intel",
        sockets=1,
        dies=1,
        cores=2,
        l3=CacheAllocation(ways=11, closids=16, shareable=0x600, cdp=True),
        bandwidth_closids=8,
        # CPU 0 cannot go offline, so its domain stays.
        counts_bandwidth=True,
    ),
    Cpu("intel-l2", "intel", sockets=1, dies=1, cores=4, l2=CacheAllocation(ways=8, closids=4, cdp=True)),
    Cpu("amd", "amd", sockets=2, dies=2, cores=1, l3=_AMD_L3, bandwidth_closids=16),
    # libvirt 9 gives up on a host that has SMBA: the CPU to start its domains on has no bandwidth allocation.
    Cpu("amd-libvirt", "amd", sockets=2, dies=2, cores=1, l3=_AMD_L3),
)
"""The CPUs that the command line knows."""

"""What CPUID answers on each of the named CPUs."""

import pytest

from tests.vm.cpus import CPUS, Cpu, Registers

REAL = Registers(eax=0x11, ebx=0x10, ecx=0x22, edx=0x33)
LEAVES = (0x0, 0x1, 0x4, 0x7, 0xF, 0x10, 0x80000001, 0x80000008, 0x8000001D, 0x80000020)


def test_intel_with_20_ways() -> None:
    cpu = CPUS["intel-20"]
    assert cpu.answer(0x10, 0, REAL) == Registers(ebx=0b1010)
    assert cpu.answer(0x10, 1, REAL) == Registers(eax=19, ebx=0xC0000, ecx=1 << 2, edx=15)
    assert cpu.answer(0x10, 3, REAL) == Registers(eax=89, ecx=1 << 2, edx=7)
    assert cpu.answer(0xF, 0, REAL) == Registers(ebx=63, edx=1 << 1)
    assert cpu.answer(0xF, 1, REAL) == Registers(ebx=65536, ecx=63, edx=1)
    assert CPUS["intel-11"].answer(0xF, 1, REAL) == Registers(ebx=65536, ecx=63, edx=7)


def test_intel_with_11_ways() -> None:
    assert CPUS["intel-11"].answer(0x10, 1, REAL) == Registers(eax=10, ebx=0x600, ecx=1 << 2, edx=15)


def test_l2_only_has_neither_l3_nor_monitoring() -> None:
    cpu = CPUS["intel-l2"]
    assert cpu.answer(0x10, 0, REAL) == Registers(ebx=0b100)
    assert cpu.answer(0x10, 2, REAL) == Registers(eax=7, ecx=1 << 2, edx=3)
    assert cpu.answer(0x10, 1, REAL) == REAL
    assert cpu.answer(0xF, 1, REAL) == REAL


def test_amd_has_sparse_masks_and_its_own_leaves_of_bandwidth() -> None:
    cpu = CPUS["amd"]
    assert cpu.answer(0x10, 0, REAL) == Registers(ebx=0b10)
    assert cpu.answer(0x10, 1, REAL) == Registers(eax=15, ecx=0b1100, edx=15)
    assert cpu.answer(0x10, 3, REAL) == REAL
    assert cpu.answer(0x80000008, 0, REAL) == Registers(eax=0x11, ebx=0x50, ecx=0x22, edx=0x33)
    assert cpu.answer(0x80000020, 0, REAL) == Registers(ebx=0b110)
    assert cpu.answer(0x80000020, 1, REAL) == Registers(eax=11, edx=15)
    assert cpu.answer(0x80000020, 2, REAL) == Registers(eax=11, edx=15)
    assert cpu.answer(0x80000001, 0, REAL).ecx == 0x22 | 1 << 22


def test_amd_for_libvirt_has_no_bandwidth_allocation() -> None:
    cpu = CPUS["amd-libvirt"]
    assert cpu.answer(0x80000008, 0, REAL) == REAL
    assert cpu.answer(0x80000020, 0, REAL) == REAL
    assert cpu.answer(0x10, 1, REAL) == CPUS["amd"].answer(0x10, 1, REAL)


@pytest.mark.parametrize("cpu", CPUS.values(), ids=CPUS)
def test_bits_are_added_to_what_the_model_has(cpu: Cpu) -> None:
    assert cpu.answer(0x7, 0, REAL) == Registers(eax=0x11, ebx=0x9010, ecx=0x22, edx=0x33)
    assert cpu.answer(0x7, 1, REAL) == REAL


@pytest.mark.parametrize("cpu", CPUS.values(), ids=CPUS)
def test_leaves_are_those_that_differ(cpu: Cpu) -> None:
    """The emulation looks at leaves() first: one that is missing there would never be answered."""
    changed = {leaf for leaf in LEAVES for subleaf in range(4) if cpu.answer(leaf, subleaf, REAL) != REAL}
    assert changed == cpu.leaves()


@pytest.mark.parametrize("cpu", CPUS.values(), ids=CPUS)
def test_qemu_is_given_as_many_cpus_as_the_topology_has(cpu: Cpu) -> None:
    topology = cpu.qemu_options()[3]
    assert topology.startswith(f"{cpu.sockets * cpu.dies * cpu.cores},")

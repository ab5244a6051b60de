"""Run a command on a real kernel, on an emulated CPU that has cache allocation, with the project installed.

No hardware with Intel RDT or AMD QoS is needed, and no KVM. The parts, from the bottom up:

- errors.py, host.py: what can go wrong, and the programs of the host that the others call.
- cache.py: whatever takes long is built once, outside the checkout, and kept until its inputs change.
- packages.py, kernels.py, rootfs.py: an unmodified Debian kernel and a root file system to boot it with.
- cpus.py: a CPU as a value, and what CPUID answers on it.
- gdb.py, cpuid.py: QEMU stopped at the kernel's one CPUID instruction, and the answers put into registers.
- project.py: the files that go in, and the files and the exit status that come out.
- guest.py, runner.py: QEMU from start to end, and a job with all that it needs.
- cli.py: ``python3 -m tests.vm``.

docs/real-kernel.md tells how to use it.
"""

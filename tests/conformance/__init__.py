"""What resctrl does, seen through its file system alone. One suite for the simulator and for real kernels.

By default it runs on machines of the simulator (simulated.py). With RDTD_RESCTRL=real it runs on the kernel
that it finds, as root: whatever is mounted at /sys/fs/resctrl is unmounted first, and groups are lost. A
guest of tests/vm is the place for that:

    python3 -m tests.vm run --kernel 6.12 --cpu amd -- \\
        env RDTD_RESCTRL=real python3 -m pytest tests/conformance

hosts.py says what a machine can do, read from its info/. A test names what it needs (`@needs("cdp")`) and is
collected for the machines that have it, so that nothing is skipped. Where kernels differ, the test knows the
version with the difference; "either is fine" is no test.
"""

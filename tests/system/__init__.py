"""rdtd on a real system: the kernel's resctrl, the system bus, systemd and its unit, real threads and CPUs.

It owns the machine that it runs on: it mounts and unmounts resctrl, takes CPUs offline, kills rdtd. So it is
collected only where RDTD_RESCTRL=real says that this is meant, as root; a guest of tests/vm is the place.
Every test runs with each option of mount that the machine has: plain, with CDP.

Nothing here sleeps or measures time: what rdtd does by itself is waited for by a signal of its own.
"""

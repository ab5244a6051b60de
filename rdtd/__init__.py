"""rdtd: the daemon that owns the CPU caches of a Linux host."""

__version__ = "0.1.0"

"""A file system that behaves as the kernel's resctrl, for machines without the hardware.

Theory of operation. `state` holds what the kernel holds: groups, CLOSIDs, RMIDs and the values in the
hardware. The modules around it are the kernel's rules, each with one subject and named for it: `groups`,
`schemata`, `modes`, `cpus`, `tasks`, `hotplug`, `monitoring`. They take text and refuse with an errno and
a line in last_cmd_status. `layout` says which files there are, `machine` turns paths into calls and adds
what tests need (`control`, `faults`). Nothing up to here does I/O, apart from `procfs`, which looks at the
real threads. `filesystem` puts a machine on FUSE, `main` is the command, and `process` runs it as a child.
"""

"""rdtd as its package installs it, on a system booted with it: units, activation, polkit, the journal.

Like tests/system it owns the machine. `before-boot` installs the package and does what an administrator would
have done, before systemd starts; `python3 -m tests.vm matrix --suite installed` arranges that.
"""

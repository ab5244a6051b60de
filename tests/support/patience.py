"""How long a test waits for what must come: a bound for what hangs, not a measure."""

import os

#: Seconds. Where the kernel is real, the CPU may be an emulated one on a busy machine.
PATIENCE = 600.0 if os.environ.get("RDTD_RESCTRL") == "real" else 60.0

"""What differs between the kernels whose resctrl is simulated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """The behaviours of one kernel version that a client of resctrl can tell apart."""

    version: str
    #: schemata pads every value to the widest one of all resources ("MB:0=  100", "L3:0=0000f").
    padded_values: bool
    #: info/L3/sparse_masks exists.
    sparse_masks_file: bool
    #: One write to tasks may name several threads, separated by commas.
    task_lists: bool
    #: A monitoring group can be renamed; before, every rename was EPERM.
    rename: bool
    #: SMBA (AMD's slow memory bandwidth) is known.
    smba: bool
    #: mkdir and a write to cpus start with a clear last_cmd_status; before, their lines were added to
    #: whatever it said. With it came ENODEV for a mkdir below info, which was EPERM.
    always_clears_status: bool
    #: A new control group takes its CLOSID first, then its RMID; before, the other way round.
    closid_first: bool
    #: The option debug of mount.
    debug: bool
    #: info/L3_MON/mbm_assign_mode exists.
    assign_mode_file: bool


V6_1 = Kernel(
    version="6.1",
    padded_values=True,
    sparse_masks_file=False,
    task_lists=False,
    rename=False,
    smba=False,
    always_clears_status=False,
    closid_first=False,
    debug=False,
    assign_mode_file=False,
)
V6_12 = Kernel(
    version="6.12",
    padded_values=True,
    sparse_masks_file=True,
    task_lists=True,
    rename=True,
    smba=True,
    always_clears_status=False,
    closid_first=True,
    debug=True,
    assign_mode_file=False,
)
V7_2 = Kernel(
    version="7.2",
    padded_values=False,
    sparse_masks_file=True,
    task_lists=True,
    rename=True,
    smba=True,
    always_clears_status=True,
    closid_first=True,
    debug=True,
    assign_mode_file=True,
)

KERNELS = {kernel.version: kernel for kernel in (V6_1, V6_12, V7_2)}
DEFAULT_KERNEL = V6_12

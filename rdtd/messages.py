"""The messages that an administrator may act on: each has an ID, and its explanation in systemd/rdtd.catalog.

The IDs are for good: who searches the journal with `journalctl MESSAGE_ID=...` relies on them. They were made
with `systemd-id128 new`.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Message"]


class Message(StrEnum):
    """A kind of message, as the journal's MESSAGE_ID."""

    READY = "c41bf64f85784065a811981900c0b005"
    REPAIRED = "611fe5a775cf48a0b7c25d9c62726e07"  # something was not as rdtd left it
    BASELINE = "4e2ee0c709c74ce8b72545c016d695a3"  # an administrator set the default group
    CONTESTED = "36a1139f422048cc930bc20debd7117e"  # another program changes a group again and again
    OVERLAP = "62c436faa3de4f5ca6fb2bf17bf00b37"  # others' groups that rdtd leaves alone
    DEGRADED = "71de89dfc9114d0293f1e3fc483346f0"  # a reservation is not whole
    WHOLE = "bdef5a973c8b4dac9d2f3c6621691e75"  # it is again
    CANNOT_REPAIR = "32800ca362494e27be9274eca2f8042d"  # the kernel refuses, or another tool fights back
    UNMOUNTED = "c86d2efbff864694b7a00573362dac4a"
    MOUNTED = "998451f6e0fd44bcb822ab0dfef62d85"
    CANNOT_MOUNT = "8b629dcadba1438985c4596b404e645f"
    NO_CDP = "bbdc01a932ee46b3a3de453be1caebe5"  # mounted without, though Cdp=yes
    CONFIGURATION_REFUSED = "1b778aec5ba04399b29a23a55e032cf8"
    CONFIGURATION_DOUBTFUL = "35ae7d23c85047fc8e22f7e8b249d9a0"  # something in it is ignored
    RESERVATION_SKIPPED = "2726edd2703e4c8ebdf082b62bae7749"  # a configured one cannot be had
    RESERVATION_RELEASED = "4ebf9e7435bd4b8dbcb1f5e18be6e7db"  # a configured one, by a call
    NO_UNITS = "94a58d0393104e4e9bdbddc5d2224bcc"  # units of reservations are not followed
    STATE_LOST = "146b8197bec44167975d7ed84afeb791"
    BUS_GONE = "8557e729aabb48f8bc2fd815542cd3a1"
    CHANGED = "739966b2188e409dbe63d2b53a744571"  # a reservation came, went or was resized: at LogLevel=debug
    REFUSED = "d3a2e21c6bd24d648f2cb0c4c347333d"  # a call that is not allowed, or over a limit
    FAULT = "f227323f18e24161a91f4788e4c1b109"

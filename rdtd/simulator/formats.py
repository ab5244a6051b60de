"""Numbers and sets of CPUs as the kernel reads and prints them (lib/kstrtox.c, lib/bitmap-str.c)."""

from __future__ import annotations

import errno
import re
from collections.abc import Collection

from rdtd.simulator.lastcmd import RefusedError

#: What the kernel's isspace() takes for a space, for strim().
SPACE = " \t\n\v\f\r\xa0"

_DIGITS = {8: r"[0-7]+", 10: r"[0-9]+", 16: r"[0-9a-fA-F]+"}


def strim(text: str) -> str:
    return text.strip(SPACE)


def parse_unsigned(text: str, base: int, bits: int = 64) -> int:
    """kstrtoul and its kin: no space, one "+" and one trailing newline allowed, no overflow.

    Base 0 finds out (0x, leading 0); base 16 takes an 0x before it.
    """
    digits = text.removesuffix("\n").removeprefix("+")
    if base == 0:
        is_hex = re.match(r"0[xX][0-9a-fA-F]", digits)
        base = 16 if is_hex else 8 if digits.startswith("0") else 10
    if base == 16 and digits[:2] in ("0x", "0X"):
        digits = digits[2:]
    if not re.fullmatch(_DIGITS[base], digits):
        raise ValueError(f"no number: {text!r}")
    number = int(digits, base)
    if number >> bits:
        raise ValueError(f"too large: {text!r}")
    return number


def parse_int(text: str) -> int:
    """kstrtoint with base 0: a 32-bit number with a sign."""
    if text.startswith("-"):
        number = -parse_unsigned(text[1:], 0) if not text.startswith("-+") else None
    else:
        number = parse_unsigned(text, 0)
    if number is None or not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"no int: {text!r}")
    return number


def format_cpu_mask(cpus: Collection[int], nr_cpus: int) -> str:
    """The kernel's "%*pb": groups of 32 bits in hex, highest first, as many digits as nr_cpus needs."""
    value = sum(1 << cpu for cpu in cpus)
    groups = []
    for low in range(0, nr_cpus, 32):
        bits = min(32, nr_cpus - low)
        groups.append(f"{value >> low & (1 << bits) - 1:0{(bits + 3) // 4}x}")
    return ",".join(reversed(groups))


def format_cpu_list(cpus: Collection[int]) -> str:
    """The kernel's "%*pbl": 0-3,8."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def parse_cpu_mask(text: str, nr_cpus: int) -> set[int]:
    """bitmap_parse: hex groups of up to 32 bits, separated by commas or spaces.

    Raises RefusedError with EINVAL (no hex digit) or EOVERFLOW (more CPUs than there are).
    """
    groups = [group for group in re.split(rf"[,{SPACE}]+", text.split("\n")[0]) if group]
    value = 0
    for index, group in enumerate(reversed(groups)):
        if index >= (nr_cpus + 31) // 32:
            raise RefusedError(errno.EOVERFLOW)
        # The kernel reads a group from its end: what it meets first decides between the two errors.
        if not re.fullmatch(r"[0-9a-fA-F]+", group[-8:]):
            raise RefusedError(errno.EINVAL)
        if len(group) > 8:
            raise RefusedError(errno.EOVERFLOW if re.match(r"[0-9a-fA-F]", group[-9]) else errno.EINVAL)
        value |= int(group, 16) << 32 * index
    if value >> nr_cpus:
        raise RefusedError(errno.EOVERFLOW)
    return {cpu for cpu in range(nr_cpus) if value >> cpu & 1}


_REGION = re.compile(r"(?:([aA][lL][lL])|([0-9]+|N)(?:-([0-9]+|N))?)(?::([0-9]+|N)/([0-9]+|N))?")


def parse_cpu_list(text: str, nr_cpus: int) -> set[int]:
    """bitmap_parselist: 0-3,8 or "all" or 0-15:2/4 (two of every four); N is the last CPU.

    Raises RefusedError with EINVAL (not a list), ERANGE (a CPU that cannot exist) or EOVERFLOW.
    """
    cpus: set[int] = set()
    for region in re.split(rf"[,{SPACE}]+", text):
        if not region:
            continue
        match = _REGION.fullmatch(region)
        if not match:
            raise RefusedError(errno.EINVAL)
        whole, first, last, used, group = match.groups()
        if used and not whole and last is None:  # a single number takes no pattern
            raise RefusedError(errno.EINVAL)
        start = 0 if whole else _cpu_number(first, nr_cpus)
        end = nr_cpus - 1 if whole else _cpu_number(last or first, nr_cpus)
        off, size = end + 1, end + 1
        if used:
            off, size = _cpu_number(used, nr_cpus), _cpu_number(group, nr_cpus)
        if start > end or size == 0 or off > size:
            raise RefusedError(errno.EINVAL)
        if end >= nr_cpus:
            raise RefusedError(errno.ERANGE)
        cpus.update(cpu for cpu in range(start, end + 1) if (cpu - start) % size < off)
    return cpus


def _cpu_number(digits: str, nr_cpus: int) -> int:
    value = nr_cpus - 1 if digits == "N" else int(digits)
    if value >> 32:
        raise RefusedError(errno.EOVERFLOW)
    return value

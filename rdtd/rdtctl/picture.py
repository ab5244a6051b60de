"""The picture of the caches: one cell per way, the highest way first, as the kernel's bit_usage has them.

    L3: 2 caches of 11 ways of 1 MiB
    way      10        5         0
    cache 0   . . a a a a . . . . #
    cache 1   . . . . . . . . . . #
    devices   ^ ^

Free and shared overlap by design: the default group uses the free ways until they are reserved. So a cell
says what can be done with its way, and the legend below says who uses it meanwhile. Colours say nothing that
the letters do not. 32 ways fit into 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from string import ascii_lowercase

from rdtd.core.texts import format_bytes
from rdtd.rdtctl.labels import in_words
from rdtd.rdtctl.values import Cache, Picture, Reservation

FREE, UNUSED, KEPT, FOREIGN, MIXED, LEFT, UNKNOWN = ".", "_", "#", "F", "M", "-", "?"
CONFLICT = "!"
DEVICES = "^"

_MEANINGS = {
    FREE: "free; the default group uses it until it is reserved",
    UNUSED: "free; no group uses it",
    KEPT: "the default group keeps it",
    FOREIGN: "in a group that rdtd did not make",
    MIXED: "in a group that rdtd did not make, and the default group uses it too",
    LEFT: "in no group, and not to be reserved",
    CONFLICT: "reserved, but another group has it too",
    UNKNOWN: "reserved",
    DEVICES: "devices write to these ways too (shareable_bits)",
}

_STYLES = {
    FREE: "2",
    UNUSED: "2",
    KEPT: "30;47",
    FOREIGN: "97;100",
    MIXED: "97;100",
    LEFT: "2",
    CONFLICT: "1;97;41",
    UNKNOWN: "7",
    DEVICES: "33",
}
_RESERVED_STYLES = ("30;42", "30;46", "30;43", "30;45", "97;44", "30;102", "30;106", "30;103", "30;105")


class Codes:
    """A short code for each reservation, which it keeps as long as it is there.

    a to z, then Aa, Ab...: the cell of a way is two characters wide. F and M begin no code, they have
    meanings of their own.
    """

    _ALL = tuple(ascii_lowercase) + tuple(
        first + second
        for first in ascii_lowercase.upper()
        if first not in (FOREIGN, MIXED)
        for second in ascii_lowercase
    )

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def assign(self, names: Iterable[str]) -> dict[str, str]:
        """The code of each of these reservations; others lose theirs. Those beyond the last code get `?`."""
        wanted = list(names)
        kept = {name: self._of[name] for name in wanted if name in self._of}
        taken = set(kept.values())
        unused = (code for code in self._ALL if code not in taken)
        self._of = {name: kept.get(name) or next(unused, UNKNOWN) for name in wanted}
        return self._of

    @classmethod
    def style(cls, code: str) -> str:
        """The colours of a cell, as the parameters of an SGR sequence."""
        if code in _STYLES:
            return _STYLES[code]
        return _RESERVED_STYLES[cls._ALL.index(code) % len(_RESERVED_STYLES)]


def draw(picture: Picture, codes: dict[str, str], *, color: bool, legend: bool = True) -> list[str]:
    """The lines of the picture. `codes` has a code for each reservation by name."""
    if not picture.caches:
        return ["no cache can be allocated here"]
    lines: list[str] = []
    seen: set[str] = set()
    for _, alike in groupby(picture.caches, key=lambda cache: (cache.level, cache.ways, cache.size)):
        if lines:
            lines.append("")
        lines += _block(list(alike), picture.reservations, codes, seen, color)
    if legend:
        lines.append("")
        lines += _legend(picture.reservations, codes, seen, color)
    return lines


def _block(
    caches: Sequence[Cache],
    reservations: Sequence[Reservation],
    codes: dict[str, str],
    seen: set[str],
    color: bool,
) -> Iterator[str]:
    """Caches of one kind, under a ruler. Adds the symbols that occur to `seen`."""
    first = caches[0]
    count = f"{len(caches)} caches" if len(caches) > 1 else "1 cache"
    yield f"L{first.level}: {count} of {first.ways} ways of {format_bytes(first.way_size)}"
    labels = [f"cache {cache.cache_id}" for cache in caches]
    width = max(len(label) for label in [*labels, "devices"])
    yield f"{'way':<{width}} {_ruler(first.ways)}"
    for label, cache in zip(labels, caches, strict=True):
        holders = [(codes[one.name], mask) for one in reservations if (mask := one.ways_in(cache))]
        cells = [_symbol(way, cache, holders) for way in range(cache.ways - 1, -1, -1)]
        seen.update(CONFLICT if CONFLICT in cell else cell for cell in cells)
        painted = "".join(_paint(f"{cell:<2}", cell, color) for cell in cells)
        yield f"{label:<{width}}  {painted}".rstrip()
    shareable = first.shareable_mask
    if shareable:
        seen.add(DEVICES)
        marks = [DEVICES if shareable >> way & 1 else " " for way in range(first.ways - 1, -1, -1)]
        yield f"{'devices':<{width}}  " + _paint(" ".join(marks).rstrip(), DEVICES, color)


def _ruler(ways: int) -> str:
    """Numbers over the highest way, every fifth and way 0; each ends over its cell."""
    line = [" "] * (2 * ways)
    for way in range(ways):
        text = str(way)
        # The highest way has its number in any case; the next must not touch it.
        if way == ways - 1 or (way % 5 == 0 and 2 * (ways - 1 - way) > len(text)):
            end = 2 * (ways - 1 - way) + 2  # the line begins one column before the cells
            line[end - len(text) : end] = text
    return "".join(line).rstrip()


def _symbol(way: int, cache: Cache, holders: Sequence[tuple[str, int]]) -> str:
    """What stands in the cell of a way: one or two characters. `holders`: codes with their masks."""
    bit = 1 << way
    shared, foreign = bool(cache.shared_mask & bit), bool(cache.foreign_mask & bit)
    if cache.reserved_mask & bit:
        found = [code for code, mask in holders if mask & bit]
        code = found[0] if found else UNKNOWN
        return code[0] + CONFLICT if shared or foreign or len(found) > 1 else code
    if cache.free_mask & bit:
        return FREE if shared else UNUSED
    if foreign:
        return MIXED if shared else FOREIGN
    return KEPT if shared else LEFT


def _paint(text: str, symbol: str, color: bool) -> str:
    if not color:
        return text
    style = Codes.style(CONFLICT if CONFLICT in symbol else symbol)
    return f"\033[{style}m{text}\033[0m"


def _legend(
    reservations: Sequence[Reservation], codes: dict[str, str], seen: set[str], color: bool
) -> Iterator[str]:
    named = [(codes[one.name], one.name, in_words(one.granted)) for one in reservations]
    width = max((len(name) for _, name, _ in named), default=0)
    for code, name, words in named:
        yield f"{_paint(f'{code:<2}', code, color)}  {name:<{min(width, 40)}}  {words}"
    for symbol, meaning in _MEANINGS.items():
        if symbol in seen:
            yield f"{_paint(f'{symbol:<2}', symbol, color)}  {meaning}"

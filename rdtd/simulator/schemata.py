"""The files `schemata` and `size`: text to values and back.

After the kernel's rdtgroup_schemata_write and _show (ctrlmondata.c) and rdtgroup_size_show.
"""

from __future__ import annotations

import errno

from rdtd.simulator import modes
from rdtd.simulator.formats import parse_unsigned, strim
from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.state import Group, Mode, Schema, State
from rdtd.simulator.topology import BandwidthResource, CacheResource

#: What a write asks for: (name of the line, domain) to value.
Staged = dict[tuple[str, int], int]


def show(state: State, group: Group) -> str:
    pad = max(schema.resource.data_width for schema in state.schemas) if state.kernel.padded_values else 0
    lines = []
    for schema in state.schemas:
        form = f"{{}}={{:0{pad}x}}" if schema.is_cache else f"{{}}={{:{pad or ''}d}}"
        cells = (form.format(domain, values[group.closid]) for domain, values in _domains(state, schema))
        lines.append(f"{schema.name:>{_name_width(state)}}:{';'.join(cells)}\n")
    return "".join(lines)


def show_size(state: State, group: Group) -> str:
    lines = []
    for schema in state.schemas:
        resource = schema.resource
        cells = []
        for domain, values in _domains(state, schema):
            value = values[group.closid]
            size = resource.bytes_of(value) if isinstance(resource, CacheResource) else value
            cells.append(f"{domain}={size}")
        lines.append(f"{schema.name:>{_name_width(state)}}:{';'.join(cells)}\n")
    return "".join(lines)


def _domains(state: State, schema: Schema) -> list[tuple[int, list[int]]]:
    return list(state.values[schema.name].items())


def _name_width(state: State) -> int:
    """The kernel leaves room for CODE and DATA where CDP is possible, so that columns stay in place."""
    return max(
        len(schema.name) + (4 if schema.resource.cdp_capable and schema.peer is None else 0)
        for schema in state.schemas
    )


def write(state: State, group: Group, text: str) -> None:
    """A write to `schemata`: every line is parsed and checked before any value changes."""
    if not text.endswith("\n"):
        raise RefusedError(errno.EINVAL)
    state.last_command.clear()
    staged: Staged = {}
    for line in text[:-1].split("\0")[0].split("\n"):
        _parse_line(state, group, line, staged)
    apply(state, group, staged)


def apply(state: State, group: Group, staged: Staged) -> None:
    for (name, domain), value in staged.items():
        state.values[name][domain][group.closid] = value


def _parse_line(state: State, group: Group, line: str, staged: Staged) -> None:
    last = state.last_command
    name, colon, rest = line.partition(":")
    name = strim(name)
    if not colon:
        raise last.refuse("Missing ':'")
    if not rest:
        raise last.refuse(f"Missing '{name}' value")
    schema = state.schema.get(name)
    if schema is None:
        raise last.refuse(f"Unknown or unsupported resource name '{name}'")
    while rest:
        cell, _, rest = rest.partition(";")
        number, equals, value = cell.partition("=")
        try:
            domain = parse_unsigned(number, 10) if equals else -1
        except ValueError:
            domain = -1
        if domain < 0:
            raise last.refuse("Missing '=' or non-numeric domain")
        if domain not in state.values[name]:
            raise RefusedError(errno.EINVAL)  # and the status says nothing
        if (name, domain) in staged:
            raise last.refuse(f"Duplicate domain {domain}")
        staged[name, domain] = _parse_value(state, group, schema, domain, strim(value))


def _parse_value(state: State, group: Group, schema: Schema, domain: int, text: str) -> int:
    if isinstance(schema.resource, BandwidthResource):
        return parse_bandwidth(state, schema.resource, text)
    mask = parse_mask(state, schema.resource, text)
    if modes.overlaps(state, schema, domain, mask, group.closid, exclusive=True):
        raise state.last_command.refuse("Overlaps with exclusive group")
    if group.mode is Mode.EXCLUSIVE and modes.overlaps(
        state, schema, domain, mask, group.closid, exclusive=False
    ):
        raise state.last_command.refuse("Overlaps with other group")
    return mask


def parse_bandwidth(state: State, resource: BandwidthResource, text: str) -> int:
    """bw_validate: a number in range, rounded up to the granularity."""
    last = state.last_command
    try:
        value = parse_unsigned(text, 10, bits=32)
    except ValueError:
        raise last.refuse(f"Invalid MB value {text}") from None
    if not resource.minimum <= value <= resource.maximum:
        raise last.refuse(f"MB value {value} out of range [{resource.minimum},{resource.maximum}]")
    return -(-value // resource.granularity) * resource.granularity


def parse_mask(state: State, resource: CacheResource, text: str) -> int:
    """cbm_validate: what the hardware takes as a mask. Without a regard to other groups."""
    last = state.last_command
    try:
        mask = parse_unsigned(text, 16)
    except ValueError:
        raise last.refuse(f"Non-hex character in the mask {text}") from None
    if (resource.min_cbm_bits > 0 and mask == 0) or mask > resource.full_mask:
        raise last.refuse("Mask out of range")
    run = lowest_run(mask)
    if not resource.sparse_masks and mask != run:
        raise last.refuse(f"The mask {mask:x} has non-consecutive 1-bits")
    if run.bit_count() < resource.min_cbm_bits:
        raise last.refuse(f"Need at least {resource.min_cbm_bits} bits in the mask")
    return mask


def lowest_run(mask: int) -> int:
    """The lowest consecutive ones of a mask."""
    lowest = mask & -mask
    return mask & ~(mask + lowest)

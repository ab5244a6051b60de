"""CPUs and caches that go offline and come back. After resctrl_offline_cpu and _online_cpu."""

from __future__ import annotations

from collections.abc import Iterable

from rdtd.simulator.state import State


def offline(state: State, cpus: Iterable[int]) -> None:
    """Takes CPUs away from whatever group has them; a domain without CPUs leaves every schemata."""
    gone = set(cpus) & state.online_cpus
    state.online_cpus -= gone
    for group in state.all_groups():
        group.cpus -= gone
    state.update_domains()


def online(state: State, cpus: Iterable[int]) -> None:
    """Gives CPUs to the default group; a domain that comes back has the full mask in every group."""
    new = set(cpus) - state.online_cpus
    state.online_cpus |= new
    state.default_group.cpus |= new
    state.update_domains()

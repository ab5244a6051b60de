"""rdtctl watch: the picture, drawn again whenever the daemon says that something changed.

On a terminal the picture stays in its place; elsewhere each one follows the last. Signals come in bursts (a
reservation, its caches' properties), so what comes within a moment makes one picture.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING

from rdtd.rdtctl import documents
from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.exits import DONE, Failure
from rdtd.rdtctl.picture import Codes, draw
from rdtd.rdtctl.table import on_terminal, put, wants_color
from rdtd.rdtctl.values import Picture

if TYPE_CHECKING:
    from rdtd.bus.client import Signal
    from rdtd.rdtctl.daemon import Daemon

# Seconds: a burst ends with a pause of _PAUSE, but a steady stream is shown every _PATIENCE.
_PAUSE = 0.02
_PATIENCE = 0.25

# Terminal controls (ECMA-48; DECAWM is DEC's): long lines are cut while the picture is drawn.
_CLEAR, _HOME, _CLEAR_LINE, _CLEAR_BELOW = "\033[2J", "\033[H", "\033[K", "\033[J"
_NO_WRAP, _WRAP = "\033[?7l", "\033[?7h"

_EVENTS_SHOWN = 5


def _no_arguments(parser: Parser) -> None:
    pass


def _watch(context: Context) -> int:
    try:
        with context.daemon() as daemon:
            daemon.subscribe()
            view = _view(context)
            view.show([], daemon.picture())
            while True:
                signals = _burst(daemon)
                events = [event for signal in signals if (event := describe(signal))]
                view.show(events, _look(daemon, events))
    except KeyboardInterrupt:
        return DONE


def _burst(daemon: Daemon) -> list[Signal]:
    """Wait for a signal; all that come in short order."""
    signals: list[Signal] = []
    end = time.monotonic() + _PATIENCE
    while True:
        signal = daemon.wait(_PAUSE if signals else None)
        if signal is None:
            return signals
        if not signals:
            end = time.monotonic() + _PATIENCE
        signals.append(signal)
        if time.monotonic() > end:
            return signals


def _look(daemon: Daemon, events: list[str]) -> Picture | None:
    """The picture, None while there is none; the reason is then among the events.

    If it is the bus that is gone, the next wait for a signal finds that out.
    """
    try:
        return daemon.picture()
    except Failure as failure:
        events.append(failure.text)
        return None


def describe(signal: Signal) -> str | None:
    """A signal in words. None for those that only mean that something looks different now."""
    match signal.member, signal.arguments:
        case "ReservationAdded", [name, _]:
            return f"{name} was reserved"
        case "ReservationRemoved", [name, _, "released"]:
            return f"{name} was released"
        case "ReservationRemoved", [name, _, "client-left"]:
            return f"{name} was released: its owner left the bus"
        case "ReservationRemoved", [name, _, reason]:
            return f"{name} was released: {reason}"
        case "Drift", [group, kind, details]:
            found = ", ".join(f"{key} {value}" for key, value in details.items())
            where = f"group {group}" if group else "the default group"
            return f"drift in {where}: {kind}" + (f" ({found})" if found else "")
        case "PropertiesChanged", ["org.rdtd1.Manager", {"State": state}, _]:
            return f"rdtd is {state}"
        case "NameOwnerChanged", [_, _, ""]:
            return "rdtd left the bus"
        case "NameOwnerChanged", [_, _, _]:
            return "rdtd is on the bus"
    return None


class _View:
    """Shows each state as it comes; this one as JSON."""

    def show(self, events: list[str], picture: Picture | None) -> None:
        documents.emit({"events": events, **(documents.picture(picture) if picture else {})})
        print(end="", flush=True)


class _Drawing(_View):
    """Pictures one after the other."""

    def __init__(self, context: Context) -> None:
        self._codes = Codes()
        self._color = wants_color(context.color)
        self._legend = context.legend

    def show(self, events: list[str], picture: Picture | None) -> None:
        put([*_stamped(events), *self._draw(picture), ""])
        print(end="", flush=True)

    def _draw(self, picture: Picture | None) -> list[str]:
        if picture is None:
            return []
        codes = self._codes.assign(one.name for one in picture.reservations)
        return draw(picture, codes, color=self._color, legend=self._legend)


class _InPlace(_Drawing):
    """One picture, redrawn, with the last events below it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._events: deque[str] = deque(maxlen=_EVENTS_SHOWN)
        print(end=_CLEAR)

    def show(self, events: list[str], picture: Picture | None) -> None:
        self._events.extend(_stamped(events))
        lines = self._draw(picture) or ["waiting for rdtd"]
        lines += ["", *self._events] if self._events else []
        height = os.get_terminal_size().lines - 1
        if 0 < height < len(lines):
            lines = [*lines[: height - 1], f"({len(lines) - height + 1} more lines: the window is too low)"]
        shown = "".join(f"{line}{_CLEAR_LINE}\r\n" for line in lines)
        print(_NO_WRAP, _HOME, shown, _CLEAR_BELOW, _WRAP, sep="", end="", flush=True)


def _stamped(events: list[str]) -> list[str]:
    now = time.strftime("%H:%M:%S")
    return [f"{now} {event}" for event in events]


def _view(context: Context) -> _View:
    if context.json:
        return _View()
    return _InPlace(context) if on_terminal() else _Drawing(context)


COMMANDS = {"watch": Command(_no_arguments, _watch)}

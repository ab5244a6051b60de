"""Somebody to ask for a password at a terminal: pkttyagent(1), which comes with polkit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_this_terminal() -> Iterator[None]:
    """Has polkit's questions about this process asked here for the length of the block.

    Without a terminal, or without pkttyagent, nobody is asked here; a desktop may have an agent of its own,
    and then that one is asked (--fallback).
    """
    if not os.isatty(sys.stdin.fileno()):
        yield
        return
    reader, writer = os.pipe()
    try:
        command = ["pkttyagent", f"--process={os.getpid()}", f"--notify-fd={writer}", "--fallback"]
        agent = subprocess.Popen(command, pass_fds=[writer])
    except OSError:
        agent = None
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as notified:
        notified.read()  # until the agent is registered, or has failed
    try:
        yield
    finally:
        if agent is not None:
            agent.terminate()
            agent.wait()

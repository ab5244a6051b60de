"""`make run`: rdtd in the foreground, on a simulated host and a private bus, and how to talk to it."""

import subprocess
import sys

from tests.support.private_bus import PrivateBus

_HELP = """\
rdtd runs on a simulated host. In another terminal:

  export RDTD_BUS={address}
  .venv/bin/rdtctl map
  .venv/bin/rdtctl reserve VM-A.vcpu-2 'type=both,size=10mb,cache-id=0'
  .venv/bin/rdtctl free

  busctl --address=$RDTD_BUS tree org.rdtd1
  busctl --address=$RDTD_BUS introspect org.rdtd1 /org/rdtd1
  busctl --address=$RDTD_BUS call org.rdtd1 /org/rdtd1 org.rdtd1.Manager ListFree

Ctrl-C ends it.
"""


def main() -> int:
    """Runs until rdtd ends; its exit status."""
    with PrivateBus() as bus:
        print(_HELP.format(address=bus.address), flush=True)
        daemon = subprocess.Popen(
            [sys.executable, "-m", "rdtd.daemon", "--simulate", "--bus", bus.address, *sys.argv[1:]]
        )
        while True:
            try:
                return daemon.wait()
            except KeyboardInterrupt:
                continue  # Ctrl-C reaches rdtd as well, which ends in order


if __name__ == "__main__":
    sys.exit(main())

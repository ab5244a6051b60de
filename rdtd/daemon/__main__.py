"""`python -m rdtd.daemon`."""

from __future__ import annotations

import sys

from rdtd.daemon.main import main

sys.exit(main())

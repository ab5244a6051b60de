"""``python3 -m tests.vm``: see cli.py."""

import sys

from .cli import main

sys.exit(main())

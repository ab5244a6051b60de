"""`python -m rdtd.rdtctl`: rdtctl where it is not installed."""

import sys

from rdtd.rdtctl.main import main

sys.exit(main())

"""`python -m raysweep`."""

from __future__ import annotations

import sys

from raysweep.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

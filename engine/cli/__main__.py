"""``python -m engine.cli`` is ``streamgauge``."""

import sys

from engine.cli.app import main

if __name__ == "__main__":
    sys.exit(main())

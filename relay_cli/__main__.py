"""`python -m relay_cli`: the same as `relay`."""

import sys

from relay_cli.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m opusagent`, and the `opusagent` command."""

import os
import sys

from opusagent.cli import main


def run() -> int:
    """The command line of this process."""
    return main(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(run())

"""`python -m opusagent`, and the `opusagent` command."""

import os
import sys

from opusagent.cli import main


def run() -> int:
    """The command line of this process.

    Many small products on few cores: a second thread of OpenBLAS would only be waited for. It reads this when numpy is
    imported, which no command has done yet.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return main(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(run())

"""Measurements as commands that print tables."""

import os

# As in the daemon, and before numpy is imported: a second thread of OpenBLAS would only be waited for.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

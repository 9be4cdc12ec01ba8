"""How hypothesis runs here: no deadlines, no memory between runs, and in CI the same examples every time."""

import os

from hypothesis import settings


def load_profile() -> None:
    """Choose by the environment's CI.

    A shared machine may stop a test for a second, so time limits would only find that: none. At a desk the examples
    are random and a failure prints the line that repeats it; under CI they are derived from the test, so that a red
    run is about the change and not about luck.
    """
    settings.register_profile("desk", deadline=None, database=None, print_blob=True)
    settings.register_profile("ci", deadline=None, database=None, derandomize=True)
    settings.load_profile("ci" if os.environ.get("CI") == "true" else "desk")

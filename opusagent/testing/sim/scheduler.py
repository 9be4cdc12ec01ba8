"""trio's scheduler, decided by a seed.

trio runs the tasks that are ready in a random order, and says by which switch and which dice only to Hypothesis: its
plugin, which Hypothesis loads when it is imported, sorts and then shuffles each batch with dice that are registered
with Hypothesis (`trio._core._run._hypothesis_plugin_setup`). So it is Hypothesis that is asked to seed whatever is
registered with it. No private name of trio is touched; `deterministic_PRNG` is of Hypothesis's `internal` package,
which has no public way to choose the seed. A release that changes either is found by the test that a seed repeats.

The one thing that trio leaves to the interpreter is the order in which tasks are cancelled together: they become ready
in some order, and are sorted before they run.
"""

from collections.abc import Generator
from contextlib import contextmanager

from hypothesis.internal.entropy import deterministic_PRNG


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Until left, the scheduler, `random` and numpy are decided by `seed`; then they are as they were."""
    with deterministic_PRNG(seed):
        yield

"""Which file descriptors this process has, told so that two looks can be compared."""

import os
from pathlib import Path

OPEN = Path("/proc/self/fd")


def descriptors() -> frozenset[tuple[str, str]]:
    """Each with its number and what it leads to, as Linux names it (proc(5)).

    What is in a second look and not in the first was opened in between and is open still. That holds whatever else was
    closed meanwhile, by the garbage collector or a thread, for somebody who was there before.

    >>> before = descriptors()
    >>> reading, writing = os.pipe()
    >>> sorted(int(number) for number, _ in descriptors() - before) == sorted([reading, writing])
    True
    >>> os.close(reading)
    >>> os.close(writing)
    >>> descriptors() - before
    frozenset()
    """
    found: set[tuple[str, str]] = set()
    for number in os.listdir(OPEN):  # noqa: PTH208 - names; the one that the listing itself opens is closed below
        try:
            found.add((number, os.readlink(OPEN / number)))  # noqa: PTH115 - what it leads to need not be a path
        except FileNotFoundError:
            continue
    return frozenset(found)

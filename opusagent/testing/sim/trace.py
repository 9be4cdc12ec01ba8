"""What has happened in a world, as a hash: two runs are the same if their hashes are."""

import hashlib
from collections.abc import Callable

import attrs
import trio


def keep_quiet(line: str) -> None:
    """Nobody reads along."""


@attrs.define(eq=False)
class Trace:
    """Every delivery, fault and end of a run. `tell` is given each line, for whoever replays a seed.

    Nothing goes in that differs from process to process though nothing is different: no random names, no contents.
    """

    tell: Callable[[str], None] = keep_quiet
    lines: int = attrs.field(default=0, init=False)
    _hash: bytes = attrs.field(default=b"", init=False)

    def note(self, *words: object) -> None:
        """Something happens now."""
        line = f"{trio.current_time():12.6f} {' '.join(map(str, words))}"
        self._hash = hashlib.sha256(self._hash + line.encode()).digest()
        self.lines += 1
        self.tell(line)

    @property
    def digest(self) -> str:
        """The hash of everything so far: of each line and of the hash before it."""
        return self._hash.hex()

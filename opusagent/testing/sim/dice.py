"""Chance, by name: each part of the world throws its own dice, all of them loaded by one seed."""

import random
from collections.abc import Iterator

import attrs


@attrs.frozen
class Dice:
    """The source of every choice. What one part draws changes nothing of what another part draws."""

    seed: int

    def of(self, name: str) -> random.Random:
        """The dice of the part called `name`, always the same for the same seed.

        >>> Dice(1).of("disk").random() == Dice(1).of("disk").random() != Dice(2).of("disk").random()
        True
        """
        return random.Random(f"{self.seed}/{name}")  # noqa: S311 - a world, not a secret; a str is hashed by SHA-512


def uniform(dice: random.Random, low: float, high: float) -> Iterator[float]:
    """Numbers between `low` and `high`, without end."""
    while True:
        yield dice.uniform(low, high)

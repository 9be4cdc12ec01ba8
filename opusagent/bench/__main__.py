"""`python -m opusagent.bench NAME`: one table of figures, and exit status 1 if a bar in it is missed."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opusagent.bench import attacks, audio, cost, kills, quality, upgrades, vad
from opusagent.bench.load import churn, command, guard

BENCHES: Final[Mapping[str, Callable[[], int]]] = {
    "attacks": attacks.main,
    "audio": audio.main,
    "churn": churn.main,
    "cost": cost.main,
    "guard": guard.main,
    "kills": kills.main,
    "load": command.main,
    "quality": quality.main,
    "upgrades": upgrades.main,
    "vad": vad.main,
}


def main(arguments: Sequence[str]) -> int:
    """Run the one that is named; 2 and the names that there are for anything else."""
    match arguments:
        case [name] if name in BENCHES:
            return BENCHES[name]()
        case ["kills", count] if count.isdecimal() and int(count):
            return kills.main(int(count))
        case _:
            print(f"usage: python -m opusagent.bench {'|'.join(BENCHES)}", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

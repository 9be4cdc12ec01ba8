"""`python -m opusagent.testing.sim`: runs many seeds, or one with its trace, and says which break a law.

    $ python -m opusagent.testing.sim --seeds 1000 --mode safety
    $ python -m opusagent.testing.sim --seed 417 --mode safety --trace

The exit status is 1 if any seed broke a law, and 2 if the command makes no sense.
"""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence

from opusagent.testing.sim.plan import Mode, Plan
from opusagent.testing.sim.trace import keep_quiet
from opusagent.testing.sim.world import Outcome, run


def main(arguments: Sequence[str]) -> int:
    """Run the seeds that are wanted."""
    parser = ArgumentParser(prog="python -m opusagent.testing.sim", description="The daemon in a simulated world.")
    parser.add_argument(
        "--mode", type=Mode, choices=list(Mode), help="what is asked of every run; all three if not given"
    )
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="how many seeds (default 100)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="this one alone")
    parser.add_argument("--trace", action="store_true", help="print what happens, line by line")
    wanted = parser.parse_args(arguments)
    first, count = (wanted.first, wanted.seeds) if wanted.seed is None else (wanted.seed, 1)
    modes = list(Mode) if wanted.mode is None else [wanted.mode]
    return run_seeds(range(first, first + count), modes, trace=wanted.trace)


def run_seeds(seeds: range, modes: Sequence[Mode], *, trace: bool = False) -> int:
    """Run them, say how each failing one is replayed, and sum up."""
    begun, failed, lines, seconds = time.process_time(), 0, 0, 0.0
    ends: Counter[str] = Counter()
    for seed in seeds:
        for mode in modes:
            outcome = run(Plan.of(seed, mode), print if trace else keep_quiet)
            if trace:
                print(f"{outcome.lines} lines, trace {outcome.digest}")
            failed += bool(outcome.breaches)
            print(complaint(outcome), end="", flush=True)
            lines, seconds, ends = lines + outcome.lines, seconds + outcome.seconds, ends + outcome.ends
    spent = time.process_time() - begun
    print(f"{len(seeds) * len(modes)} runs, {ends.total()} calls, {lines} events, {failed} failed")
    print(f"{seconds:.0f} s of the world in {spent:.1f} s of CPU")
    for end, number in ends.most_common():
        print(f"{number:8d}  {end}")
    return 1 if failed else 0


def complaint(outcome: Outcome) -> str:
    """What a run broke, and how it is replayed; nothing if it broke nothing."""
    if not outcome.breaches:
        return ""
    plan = outcome.plan
    faults = ", ".join(sorted(fault.value for fault in plan.faults)) or "none"
    broken = "".join(f"  {breach}\n" for breach in outcome.breaches)
    replay = f"python -m opusagent.testing.sim --seed {plan.seed} --mode {plan.mode.value} --trace"
    return f"seed {plan.seed} in mode {plan.mode.value} (faults: {faults})\n{broken}  replay: {replay}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

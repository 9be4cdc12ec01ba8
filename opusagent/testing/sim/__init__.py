"""The daemon in a simulated world: one seed decides everything that happens, and the same seed decides it again.

    $ python -m opusagent.testing.sim --seeds 1000 --mode safety
    $ python -m opusagent.testing.sim --seed 417 --mode safety --trace

The program under test is the real one from its listening sockets down: steward, front door, WebSockets, calls,
recordings. What it stands on is simulated: TCP (`network`, through trio's own hooks for virtual networking), the disk
(`disk`), the clock (`trio.testing.MockClock`), the platforms and their callers (`platforms`), the model's service
(`backend`), an operator (`operator`), and what goes wrong (`faults`). `world` puts them together, `laws` says what must
hold, and `plan` is what the seed has decided.
"""

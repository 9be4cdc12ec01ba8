"""What goes wrong, and when: at random moments one of the faults that this run's plan has enabled."""

import errno
from random import Random
from typing import Final, assert_never

import attrs
import trio

from opusagent.errors import OpusagentError
from opusagent.testing.sim.backend import CLOSES, FATAL, RECOVERABLE, Service
from opusagent.testing.sim.disk import SimDisk
from opusagent.testing.sim.network import Network
from opusagent.testing.sim.operator import Operator
from opusagent.testing.sim.plan import Fault, Plan
from opusagent.testing.sim.platforms import Platforms
from opusagent.testing.sim.trace import Trace

FOREVER: Final = 1e9
"""Until it is healed."""

GARBAGE: Final = 0.003
"""How often a message of a peer with bad manners has garbage before it."""

HANG_SECONDS: Final = 6.0
"""The longest time for which a disk does nothing. What the program promises of its ends is promised beside that."""

ERRNOS: Final = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)


@attrs.define(eq=False)
class Trouble:
    """Makes it. `heal` undoes all that can be undone."""

    plan: Plan
    dice: Random
    network: Network
    disk: SimDisk
    platforms: Platforms
    service: Service
    operator: Operator
    trace: Trace

    async def make(self, scenery: trio.Nursery) -> None:
        """Trouble, until cancelled. What takes time happens in `scenery`."""
        faults = sorted(self.plan.faults, key=lambda fault: fault.value)
        if Fault.MALFORMED_PLATFORM in faults:
            self.platforms.manners.garbage = GARBAGE
        if Fault.MALFORMED_MODEL in faults:
            self.service.manners.garbage = GARBAGE
        self.platforms.vanishing = Fault.CALLER_VANISHES in faults
        while faults:
            await trio.sleep(self.dice.expovariate(1 / self.plan.fault_every))
            fault = self.dice.choice(faults)
            self.trace.note("fault:", fault.value)
            scenery.start_soon(self._happen, fault)

    def heal(self) -> None:
        """From now on all is well."""
        self.trace.note("healed")
        self.network.heal()
        self.disk.heal()
        self.service.heal()
        self.platforms.manners.heal()
        self.platforms.vanishing = False

    async def _happen(self, fault: Fault) -> None:
        await trio.lowlevel.checkpoint()
        now, seconds = trio.current_time(), self.dice.uniform(0.1, 8.0)
        match fault:
            case Fault.RESET | Fault.BLACKHOLE | Fault.ONE_WAY | Fault.STALL | Fault.HALF_CLOSE | Fault.TRICKLE:
                self._hurt_line(fault, now, seconds)
            case Fault.REFUSED:
                self.network.refused_until = now + seconds
            case Fault.ACCEPT_FAILS:
                self.network.accept_failures = self.dice.randint(1, 3)
            case Fault.DISK_FAILS:
                self.disk.fail(self.dice.choice(ERRNOS), self.dice.choice((1, 2, None)))
            case Fault.DISK_SLOW:
                self.disk.slow_down(self.dice.uniform(0.05, 1.0))
            case Fault.DISK_HANGS:
                self.disk.hang(now + self.dice.uniform(0.1, HANG_SECONDS))
            case Fault.MODEL_REFUSES:
                self.service.refuses_until = now + seconds
            case Fault.MODEL_SILENT:
                self.service.manners.silent_until = now + seconds
            case Fault.MODEL_LEAVES | Fault.MODEL_ERRS:
                await self._upset_model(fault)
            case Fault.OPERATOR_HANGS_UP:
                self.operator.hang_up()
            case Fault.RELOAD:
                await self.operator.reload()
            case Fault.BAD_RELOAD:
                await self.operator.reload_badly()
            case Fault.DRAIN:
                self.operator.drain()
            case Fault.MALFORMED_PLATFORM | Fault.MALFORMED_MODEL | Fault.CALLER_VANISHES:
                pass  # these are manners, not moments
            case _:
                assert_never(fault)

    def _hurt_line(self, fault: Fault, now: float, seconds: float) -> None:
        alive = self.network.alive
        if not alive:
            return
        line = self.dice.choice(alive)
        pipe = self.dice.choice(line.pipes)
        self.trace.note("to", line.name)
        match fault:
            case Fault.RESET:
                line.reset()
            case Fault.BLACKHOLE:
                line.block(now, FOREVER)
            case Fault.ONE_WAY:
                pipe.block(now, FOREVER)
            case Fault.STALL:
                pipe.block(now, now + seconds)
            case Fault.HALF_CLOSE:
                pipe.end(now)
            case _:
                pipe.weather = attrs.evolve(pipe.weather, bytes_per_second=self.dice.uniform(500, 20_000))

    async def _upset_model(self, fault: Fault) -> None:
        alive = self.service.alive
        if not alive:
            return
        model = self.dice.choice(alive)
        try:
            if fault is Fault.MODEL_LEAVES:
                await model.hang_up(self.dice.choice(CLOSES), "goodbye")
            else:
                await model.error(self.dice.choice(RECOVERABLE + FATAL))
        except OpusagentError:
            return

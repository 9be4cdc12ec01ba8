"""An operator: reloads, well and badly, hangs up on callers, drains. Through the daemon's own `Control`."""

from random import Random

import attrs
import trio

from opusagent.daemon.config import Config
from opusagent.daemon.control import Control
from opusagent.errors import ConfigError
from opusagent.testing.sim.trace import Trace


@attrs.define(eq=False)
class Shelf:
    """The configuration file: what reading it gives, unless it is broken."""

    config: Config
    is_broken: bool = False

    async def load(self) -> Config:
        """Read it. Raises `ConfigError`."""
        await trio.lowlevel.checkpoint()
        if self.is_broken:
            raise ConfigError(["`sever` is no table: did you mean `server`?"])
        return self.config


@attrs.define(eq=False)
class Operator:
    """Somebody with orders. `reloads` is how many were done."""

    control: Control
    shelf: Shelf
    dice: Random
    trace: Trace
    reloads: int = attrs.field(default=0, init=False)
    complaints: list[str] = attrs.field(factory=list[str], init=False)
    """How the daemon answered as it may not."""
    _hands: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    def hang_up(self) -> None:
        """End one call, if there is one."""
        calls = self.control.calls()
        if calls:
            self.control.hang_up(self.dice.choice(calls).call_id)

    async def reload(self) -> None:
        """Give new calls another configuration."""
        async with self._hands:
            config = self.shelf.config
            agent = attrs.evolve(config.agent, greeting=self.dice.choice((None, "Say hello.")))
            self.shelf.config = attrs.evolve(config, agent=agent)
            verdict = await self.control.reload()
        self.reloads += verdict.is_done
        self.trace.note("reload:", "done" if verdict.is_done else "refused", verdict.generation)

    async def reload_badly(self) -> None:
        """A configuration that nobody can read: refused, and nothing changes."""
        async with self._hands:
            before = self.control.status().generation
            self.shelf.is_broken = True
            verdict = await self.control.reload()
            self.shelf.is_broken = False
        self.trace.note("bad reload:", verdict.generation)
        if verdict.is_done or verdict.generation != before:
            self.complaints.append(f"a broken configuration was taken: generation {verdict.generation}")

    def drain(self) -> None:
        """Take no new calls, and end."""
        self.control.drain(self.dice.choice((0.0, 1.0, 5.0)))

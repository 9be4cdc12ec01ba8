"""This process among others: the port that they come to, and the entries that tell where it is."""

from collections.abc import Sequence
from typing import Final

import attrs
import trio

from opusagent.daemon.config_cluster import Cluster
from opusagent.daemon.frontage import Frontage
from opusagent.daemon.relay import SeatSite
from opusagent.daemon.roster import Roster
from opusagent.net.limits import ListenerLimits
from opusagent.net.listener import Listener, bound_port, open_listeners, serve

LIMITS: Final = ListenerLimits(half_open=64)


@attrs.frozen(eq=False)
class Companionship:
    """A process that the others can reach, and does not say so yet."""

    settings: Cluster
    listeners: Sequence[Listener]

    @property
    def address(self) -> str:
        """What the others dial."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"{host}:{bound_port(self.listeners)}"

    async def keep(self, roster: Roster, frontage: Frontage) -> None:
        """Carry sockets both ways, until cancelled."""
        from opusagent.daemon.cluster import Companions

        companions = Companions(self.settings, self.address, roster.seats)
        roster.elsewhere = companions
        async with trio.open_nursery() as both:
            both.start_soon(serve, self.listeners, SeatSite(self.settings.secret, frontage.readmit), LIMITS)
            both.start_soon(companions.run)


async def open_companionship(settings: Cluster | None) -> Companionship | None:
    """Listen for the other processes, if there are any. Raises `CannotBind`."""
    if settings is None:
        await trio.lowlevel.checkpoint()
        return None
    return Companionship(settings, await open_listeners(settings.host, 0))

"""The admin side's port: what the control socket answers, for whoever shows a token.

Where nobody but our own user reaches the Unix socket, anybody may reach a port; so nothing is answered there without a
token, not even whether we are ready. It speaks TLS with the calls' certificate if there is one.
"""

from collections.abc import Callable, Sequence
from typing import Final

import attrs
import trio

from opusagent.daemon.config import Config
from opusagent.daemon.doorstep import Doorstep, adopted
from opusagent.daemon.systemd import InheritedSocket
from opusagent.errors import CannotBind
from opusagent.net.auth import BearerTokens
from opusagent.net.http import Request, Response, Site, Upgrade
from opusagent.net.listener import open_listeners

ADMIN: Final = "admin"
"""What an inherited socket is called that is the admin side's (FileDescriptorName= of a socket unit)."""

NOT_YOU: Final = Response(
    401, b"the admin side needs one of its bearer tokens\n", headers=(("www-authenticate", "Bearer"),)
)


@attrs.frozen
class TokenSite:
    """`site`, behind whichever tokens `config` has at the moment of asking. Compared in constant time."""

    site: Site
    config: Callable[[], Config]

    async def answer(self, request: Request) -> Response | Upgrade:
        """The site's answer, or 401 without a token."""
        tokens = BearerTokens(token.reveal() for token in self.config().admin.tokens)
        if tokens.recognise(request.header("authorization")) is None:
            await trio.lowlevel.checkpoint()
            return NOT_YOU
        return await self.site.answer(request)


async def open_admin(config: Config, inherited: Sequence[InheritedSocket]) -> Doorstep | None:
    """The admin side's sockets: those that are there already, or what `[admin] listen` says; None without it.

    Raises:
        CannotBind: the address cannot be listened at.
    """
    listen = config.admin.listen
    handed_over = Doorstep(tuple(map(adopted, inherited)))
    if listen is None:
        for each in handed_over.sockets:
            await each.aclose()
        return None
    if inherited:
        return handed_over
    try:
        opened = await open_listeners(listen.host, listen.port)
    except CannotBind as error:
        raise CannotBind(f"{error}, at admin.listen") from error
    return Doorstep(tuple(each for each in opened if isinstance(each, trio.SocketListener)))

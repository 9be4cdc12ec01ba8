"""Who stands in for the rest of the world, on loopback: the receiver of webhooks, and Twilio's REST API."""

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import attrs
import trio

from opusagent.daemon.config import Config, TwilioRest
from opusagent.daemon.config_values import is_loopback
from opusagent.demo.lines import AnyCaller
from opusagent.errors import ConfigError
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.listener import Listener, open_listeners
from opusagent.secret import Secret
from opusagent.testing.twilio_messages import Identity
from opusagent.tools.webhook import Webhook

LOOPBACK: Final = "127.0.0.1"
JSON: Final = "application/json"
SENT: Final = b'{"sent":true}'

Say = Callable[[str], None]


@attrs.frozen
class Receiver:
    """Answers every webhook: what was asked for is done."""

    say: Say

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        self.say(f"webhook {request.path} receives {request.body.decode('utf-8', 'replace')}")
        return Response(200, SENT, JSON) if request.method == "POST" else Response(405)


@attrs.define(eq=False)
class TwilioApi:
    """Twilio's Call resource, for the one call that `caller` makes. Whatever is done with it ends its media stream."""

    say: Say
    ends: trio.Nursery
    identity: Identity = attrs.field(factory=Identity)
    caller: AnyCaller | None = None
    asked: list[str] = attrs.field(factory=list[str], init=False)

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        path = f"/2010-04-01/Accounts/{self.identity.account_sid}/Calls/{self.identity.call_sid}.json"
        if self.caller is None or self.caller.ended is not None or (request.method, request.path) != ("POST", path):
            return Response(404, b'{"code":20404,"message":"not found"}', JSON)
        wish = ", ".join(f"{name}={value}" for name, value in request.form.items())
        self.asked.append(wish)
        self.say(f"Twilio is asked: {' '.join(wish.split())}")
        self.ends.start_soon(self.caller.hang_up)
        return Response(200, b"{}", JSON)

    def account(self, port: int) -> TwilioRest:
        """What a configuration has to say to ask here and not there."""
        name = self.identity.account_sid
        return TwilioRest(account_sid=name, user=name, password=Secret("not a secret"), url=f"http://{LOOPBACK}:{port}")


async def open_receivers(config: Config) -> Sequence[Listener]:
    """Listen where the webhooks of `config` will be asked.

    Raises:
        ConfigError: one is asked elsewhere than on this machine, and nothing leaves it.
        CannotBind: its port is taken.
    """
    ports = webhook_ports(config)
    return [listener for port in ports for listener in await open_listeners(LOOPBACK, port)]


def webhook_ports(config: Config) -> Sequence[int]:
    """The ports of the webhooks. Raises `ConfigError` if one is not on loopback in plain HTTP."""
    urls = {tool.url for tool in config.tools if isinstance(tool, Webhook)}
    parts = [urlsplit(url) for url in sorted(urls)]
    problems = [
        f"`webhook` must be http:// and a loopback address with a port in a demo, from which nothing leaves this "
        f"machine, not {part.geturl()}, at tools"
        for part in parts
        if part.scheme != "http" or not is_loopback(part.hostname or "") or part.port is None
    ]
    if problems:
        raise ConfigError(problems)
    return sorted({part.port for part in parts if part.port is not None})

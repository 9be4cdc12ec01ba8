"""What a generation's calls can do beside talking: made once, when the generation is, and handed to each call."""

import ssl
from collections.abc import Mapping
from typing import Final

import attrs

from opusagent.call.caller import Caller
from opusagent.call.hands import HandsFor
from opusagent.daemon.config import Config
from opusagent.daemon.config_tools import transfer_targets
from opusagent.daemon.hands import NoSwitch, Switch, TwilioSwitch, hands_for
from opusagent.daemon.routing import Inbound
from opusagent.daemon.site import stream_url
from opusagent.daemon.tickets import Tickets
from opusagent.daemon.twilio_calls import TwilioCalls
from opusagent.net.client import HttpClient
from opusagent.net.reach import Reach
from opusagent.platforms.twilio_rest import TwilioAccount
from opusagent.realtime.sessions import Tool as SessionTool
from opusagent.tools.built_in import BuiltIn
from opusagent.tools.declared import Declared, built_ins, open_toolbox, session_tools
from opusagent.tools.spec import ToolContext
from opusagent.tools.threads import ToolThreads
from opusagent.tools.toolbox import Toolbox
from opusagent.units import CallId


@attrs.frozen(eq=False)
class Kit:
    """The tools of one agent: what its model is told of them, and what runs them."""

    session_tools: tuple[SessionTool, ...]
    toolbox: Toolbox
    built_in: Mapping[str, BuiltIn]


class Workshop:
    """The tools of one configuration, and Twilio's REST API if there are credentials for it."""

    def __init__(self, config: Config, trust: ssl.SSLContext) -> None:
        client, threads = HttpClient(ssl_context=trust), ToolThreads()

        def kit(tools: tuple[Declared, ...]) -> Kit:
            return Kit(session_tools(tools), open_toolbox(tools, client, threads), built_ins(tools))

        self._config: Final = config
        self._kits: Final = {name: kit(config.of(name).tools) for name in config.crew}
        self._targets: Final = transfer_targets(config.tools)
        self._twilio: Final = twilio_calls(config, client)
        self._tickets: Final = Tickets(config.twilio)

    def session_tools(self, agent: str) -> tuple[SessionTool, ...]:
        """What an agent's model is told of its tools."""
        return self._kits[agent].session_tools

    def hands(self, call_id: CallId, agent: str, call: Inbound, caller: Caller) -> HandsFor:
        """The hands of one call of the agent's."""
        who, kit = caller.started, self._kits[agent]
        context = ToolContext(
            call_id=call_id,
            platform_call_id=who.platform_call_id,
            caller=who.caller,
            callee=who.callee,
            parameters=who.parameters,
        )
        switch = self._switch(call, caller)
        return hands_for(kit.toolbox, kit.built_in, self._targets, context, switch, caller.dialect)

    def _switch(self, call: Inbound, caller: Caller) -> Switch | None:
        """How the line is switched; None: in the platform's own words, over the call's socket."""
        if call.platform != "twilio":
            return None
        if self._twilio is None:
            return NoSwitch()
        url = stream_url(self._config, call.path)
        return TwilioSwitch(self._twilio, caller.started, url, self._tickets.parameters)


def twilio_calls(config: Config, client: HttpClient) -> TwilioCalls | None:
    """Twilio's REST API on behalf of `[twilio_rest]`."""
    rest = config.twilio_rest
    if rest is None:
        return None
    account = TwilioAccount(account_sid=rest.account_sid, user=rest.user, password=rest.password, url=rest.url)
    # The address is the operator's own choice; a stand-in on this machine is one too.
    return TwilioCalls(account, client, Reach.PRIVATE)

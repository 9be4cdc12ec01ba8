"""What a generation's calls can do beside talking: made once, when the generation is, and handed to each call."""

import ssl
from collections.abc import Mapping
from typing import Final

from opusagent.call.caller import Caller
from opusagent.call.hands import HandsFor
from opusagent.daemon.config import Config
from opusagent.daemon.hands import NoSwitch, Switch, TwilioSwitch, hands_for
from opusagent.daemon.site import stream_url
from opusagent.daemon.tickets import Tickets
from opusagent.daemon.twilio_calls import TwilioCalls
from opusagent.net.client import HttpClient
from opusagent.net.reach import Reach
from opusagent.platforms.twilio_rest import TwilioAccount
from opusagent.realtime.sessions import Tool as SessionTool
from opusagent.tools.built_in import BuiltIn
from opusagent.tools.declared import built_ins, open_toolbox, session_tools
from opusagent.tools.spec import ToolContext
from opusagent.tools.threads import ToolThreads
from opusagent.tools.toolbox import Toolbox
from opusagent.units import CallId


class Workshop:
    """The tools of one configuration, and Twilio's REST API if there are credentials for it."""

    def __init__(self, config: Config, trust: ssl.SSLContext) -> None:
        client = HttpClient(ssl_context=trust)
        self.session_tools: Final[tuple[SessionTool, ...]] = session_tools(config.tools)
        self._toolbox: Final[Toolbox] = open_toolbox(config.tools, client, ToolThreads())
        self._built_in: Final[Mapping[str, BuiltIn]] = built_ins(config.tools)
        self._twilio: Final = twilio_calls(config, client)
        self._stream_url: Final = stream_url(config)
        self._tickets: Final = Tickets(config.twilio)

    def hands(self, call_id: CallId, platform: str, caller: Caller) -> HandsFor:
        """The hands of one call."""
        who = caller.started
        context = ToolContext(
            call_id=call_id,
            platform_call_id=who.platform_call_id,
            caller=who.caller,
            callee=who.callee,
            parameters=who.parameters,
        )
        return hands_for(self._toolbox, self._built_in, context, self._switch(platform, caller), caller.dialect)

    def _switch(self, platform: str, caller: Caller) -> Switch | None:
        """How the line is switched; None: in the platform's own words, over the call's socket."""
        if platform != "twilio":
            return None
        if self._twilio is None:
            return NoSwitch()
        return TwilioSwitch(self._twilio, caller.started, self._stream_url, self._tickets.parameters)


def twilio_calls(config: Config, client: HttpClient) -> TwilioCalls | None:
    """Twilio's REST API on behalf of `[twilio_rest]`."""
    rest = config.twilio_rest
    if rest is None:
        return None
    account = TwilioAccount(account_sid=rest.account_sid, user=rest.user, password=rest.password, url=rest.url)
    # The address is the operator's own choice; a stand-in on this machine is one too.
    return TwilioCalls(account, client, Reach.PRIVATE)

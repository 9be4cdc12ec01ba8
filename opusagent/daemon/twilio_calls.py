"""Calls of Twilio's that are hung up, transferred or sent through keys: its REST API, asked with our credentials."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.errors import OpusagentError
from opusagent.net.client import ClientLimits, HttpClient
from opusagent.net.reach import Reach
from opusagent.platforms.twilio_rest import (
    Again,
    Outcome,
    RestRequest,
    TwilioAccount,
    Verdict,
    go_on_with,
    hang_up,
    judge,
)
from opusagent.platforms.twiml import dial, play_digits

TRIES: Final = 2
"""A request that Twilio refuses for being one too many (429) is made again once. One that failed there (5xx) may have
been carried out all the same: a hang-up is made again then, but keys would be pressed twice, a telephone rung twice."""

PAUSE_SECONDS: Final = 0.5

LIMITS: Final = ClientLimits(total_seconds=5.0)
"""Of one try. A caller waits for a transfer and is charged for a hang-up that does not come."""

log: FilteringBoundLogger = structlog.get_logger()


@attrs.frozen(eq=False)
class TwilioCalls:
    """What can be done to a call from outside its media stream. Failures are told as values, and logged once.

    Whatever is done ends the media stream: Twilio closes the socket, and only `send_digits` opens it again.
    """

    _account: TwilioAccount
    _client: HttpClient
    _reach: Reach = Reach.PUBLIC
    _limits: ClientLimits = LIMITS
    _pause_seconds: float = PAUSE_SECONDS

    async def hang_up(self, call_sid: str) -> Verdict:
        """End the call. A call that is over already is a success: `Outcome.OVER`."""
        return await self._ask("hang up", call_sid, lambda: hang_up(self._account, call_sid), [Again.IF_HARMLESS])

    async def transfer(self, call_sid: str, target: str, caller_id: str | None = None) -> Verdict:
        """Put the caller through to `target`, a number or a SIP address of the configuration.

        `caller_id` is shown to whoever is called, and has to be a number that the account may show.
        """
        return await self.go_on_with(call_sid, dial(target, caller_id))

    async def send_digits(self, call_sid: str, digits: str, stream_url: str, parameters: Mapping[str, str]) -> Verdict:
        """Play the tones of `digits` into the call and connect it to us again, as a new stream of the same call."""
        return await self.go_on_with(call_sid, play_digits(digits, stream_url, parameters))

    async def go_on_with(self, call_sid: str, twiml: str) -> Verdict:
        """Have the call go on with `twiml`."""
        return await self._ask("redirect", call_sid, lambda: go_on_with(self._account, call_sid, twiml), [])

    async def _ask(
        self, what: str, call_sid: str, render: Callable[[], RestRequest], also: Collection[Again]
    ) -> Verdict:
        try:
            verdict = await self._try(render(), (Again.YES, *also))
        except OpusagentError as error:
            verdict = Verdict(Outcome.FAILED, str(error))
        if verdict.outcome is Outcome.FAILED:
            log.warning("twilio did not do it", what=what, platform_call=call_sid, why=verdict.why)
        return verdict

    async def _try(self, request: RestRequest, again: Collection[Again]) -> Verdict:
        verdict = await self._once(request)
        for _ in range(TRIES - 1):
            if verdict.again not in again:
                break
            await trio.sleep(self._pause_seconds)
            verdict = await self._once(request)
        return verdict

    async def _once(self, request: RestRequest) -> Verdict:
        response = await self._client.request(
            "POST", request.url, request.headers, request.body, self._limits, reach=self._reach
        )
        return judge(response.status, response.body)

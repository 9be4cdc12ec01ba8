"""The tickets of one configuration: minted for our TwiML, asked for in a stream's `start`."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from opusagent.daemon.config_tables import Twilio
from opusagent.platforms.twilio_signature import ticket_keys
from opusagent.platforms.twilio_ticket import PARAMETER, SpentTickets, TicketFault, TicketOffice


class Tickets:
    """None are given and none asked for where Twilio's calls are `insecure`, or `ticket` is false."""

    def __init__(self, twilio: Twilio | None) -> None:
        wanted = twilio is not None and twilio.ticket and not twilio.insecure
        self._office: Final = TicketOffice(ticket_keys(twilio.keys)) if twilio is not None and wanted else None

    def parameters(self, call_sid: str) -> Mapping[str, str]:
        """What a stream of the call has to show."""
        if self._office is None:
            return {}
        return {PARAMETER: self._office.mint(call_sid, datetime.now(UTC), secrets.token_hex(16)).text}

    def fault(self, shown: str | None, call_sid: str, spent: SpentTickets) -> TicketFault | None:
        """Why what the call has `shown` does not let it in. If it does, it is used up."""
        if self._office is None:
            return None
        ticket = self._office.read(shown, call_sid)
        return ticket if isinstance(ticket, TicketFault) else spent.spend(ticket, datetime.now(UTC))

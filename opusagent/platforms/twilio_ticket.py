"""One-time tickets: what our TwiML gives to a call, so that its media stream can show whose it is.

A ticket is `EXPIRES.NONCE.MAC`: it says until when it holds, and its MAC covers that, the nonce and the call's SID. It
holds for one call, once, for a minute. Who mints keeps nothing: any process with the same keys can check, after a
reload, an upgrade, or behind a load balancer. Only that it was used is kept, by the process that it was shown to.
"""

import enum
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Final

import attrs

PARAMETER: Final = "ticket"
"""The `<Parameter>` that carries it."""

LIFETIME_SECONDS: Final = 60
"""From TwiML to `start` it is a second or two; a slow handshake and clocks that differ fit in."""

MOST_SPENT: Final = 65_536
"""Tickets that are remembered, 1092 calls a second for a minute; beyond that nobody enters. 10 MB."""

_FORM: Final = re.compile(r"([0-9]{1,12})\.([0-9a-f]{16,64})\.([0-9a-f]{64})")


class TicketFault(enum.Enum):
    """Why a ticket does not let a call in."""

    MISSING = "missing"
    FORGED = "forged"
    """Not of our making, or made for another call: the MAC cannot tell the two apart."""
    EXPIRED = "expired"
    SPENT = "spent"


@attrs.frozen
class Ticket:
    """A ticket as it is written."""

    expires: int
    nonce: str
    mac: str

    @property
    def text(self) -> str:
        """For a `<Parameter>`: digits, dots and hexadecimal digits, under 150 characters."""
        return f"{self.expires}.{self.nonce}.{self.mac}"


@attrs.frozen
class TicketOffice:
    """Mints and reads tickets. The first of `keys` mints, any of them reads: keys can follow each other."""

    keys: tuple[bytes, ...] = attrs.field(repr=False)

    def mint(self, call_sid: str, now: datetime, nonce: str) -> Ticket:
        """A ticket for the call; `nonce` is 16 to 64 random hexadecimal digits."""
        expires = int(now.timestamp()) + LIFETIME_SECONDS
        return Ticket(expires, nonce, _mac(self.keys[0], call_sid, expires, nonce))

    def read(self, text: str | None, call_sid: str) -> Ticket | TicketFault:
        """The ticket in `text`, if it was minted for this call. Whether it still holds, `SpentTickets` know."""
        if not text:
            return TicketFault.MISSING
        form = _FORM.fullmatch(text)
        if form is None:
            return TicketFault.FORGED
        ticket = Ticket(int(form[1]), form[2], form[3])
        right = [_equal(ticket.mac, _mac(key, call_sid, ticket.expires, ticket.nonce)) for key in self.keys]
        return ticket if any(right) else TicketFault.FORGED


@attrs.define(eq=False)
class SpentTickets:
    """The tickets that were used and have not expired. No ticket is taken twice, however the clock is turned."""

    _until: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    _latest: datetime = attrs.field(default=datetime(1970, 1, 1, tzinfo=UTC), init=False)

    def spend(self, ticket: Ticket, now: datetime) -> TicketFault | None:
        """Use a ticket that was read; why it cannot be, or None.

        A wall clock may be set back. What has expired stays so, or what is forgotten here would hold again.
        """
        self._latest = max(self._latest, now)
        moment = self._latest.timestamp()
        if ticket.expires <= moment:
            return TicketFault.EXPIRED
        if ticket.mac in self._until:
            return TicketFault.SPENT
        if len(self._until) >= MOST_SPENT:
            self._until = {mac: until for mac, until in self._until.items() if until > moment}
        if len(self._until) >= MOST_SPENT:
            return TicketFault.SPENT
        self._until[ticket.mac] = ticket.expires
        return None


def _mac(key: bytes, call_sid: str, expires: int, nonce: str) -> str:
    signed = f"{expires}.{nonce}.{call_sid}"
    return hmac.new(key, signed.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())

"""Tickets: one call, once, for a minute, whatever is shown and however the wall clock is turned."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from opusagent.platforms.twilio_ticket import LIFETIME_SECONDS, SpentTickets, Ticket, TicketFault, TicketOffice

MORNING = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
OFFICE = TicketOffice((b"a key", b"the key before"))

nonces = st.text("0123456789abcdef", min_size=16, max_size=64)
sids = st.one_of(st.text("0123456789abcdef", min_size=32, max_size=32).map(lambda digits: f"CA{digits}"), st.text())
seconds = st.integers(-10_000, 10_000)


def read(text: str | None, sid: str, office: TicketOffice = OFFICE) -> Ticket:
    ticket = office.read(text, sid)
    assert isinstance(ticket, Ticket)
    return ticket


@given(sids, nonces, st.integers(0, LIFETIME_SECONDS - 1))
def test_a_ticket_lets_its_call_in_within_its_minute(sid: str, nonce: str, later: int) -> None:
    ticket = OFFICE.mint(sid, MORNING, nonce)
    assert read(ticket.text, sid) == ticket
    assert SpentTickets().spend(ticket, MORNING + timedelta(seconds=later)) is None


@given(sids, sids, nonces)
def test_no_other_call_gets_in_by_it(sid: str, other: str, nonce: str) -> None:
    shown = OFFICE.mint(sid, MORNING, nonce).text
    assert isinstance(OFFICE.read(shown, other), TicketFault) == (sid != other)


@given(sids, nonces, st.lists(seconds, min_size=2, max_size=12))
def test_it_is_taken_once_at_most_however_the_clock_is_turned(sid: str, nonce: str, moments: list[int]) -> None:
    ticket, spent = OFFICE.mint(sid, MORNING, nonce), SpentTickets()
    faults = [spent.spend(ticket, MORNING + timedelta(seconds=moment)) for moment in moments]
    assert faults.count(None) <= 1
    assert (faults[0] is None) == (moments[0] < LIFETIME_SECONDS)


@given(sids, nonces, st.data())
def test_a_ticket_with_one_character_changed_is_none(sid: str, nonce: str, data: st.DataObject) -> None:
    text = OFFICE.mint(sid, MORNING, nonce).text
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[at]))
    assert OFFICE.read(text[:at] + other + text[at + 1 :], sid) is TicketFault.FORGED


@given(st.text(), sids)
def test_anything_else_is_none(text: str, sid: str) -> None:
    assert OFFICE.read(text, sid) is (TicketFault.FORGED if text else TicketFault.MISSING)


@given(sids, nonces)
def test_keys_follow_each_other(sid: str, nonce: str) -> None:
    """The old key's tickets hold as long as it is among the keys, in whatever place, and no longer."""
    before, after = TicketOffice((b"the key before",)), TicketOffice((b"a new key",))
    ticket = before.mint(sid, MORNING, nonce)
    assert read(ticket.text, sid) == ticket
    assert after.read(ticket.text, sid) is TicketFault.FORGED

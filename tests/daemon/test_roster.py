"""The calls that there are: listed, counted, ended, and found out when they hang."""

from datetime import UTC, datetime

import attrs
from structlog.testing import capture_logs
from typing_extensions import override

from opusagent.audio.media import PCM16_24K
from opusagent.call.ending import Ending
from opusagent.call.progress import Progress
from opusagent.call.reasons import End, EndReason
from opusagent.call.switch import RecordingSwitch
from opusagent.call.vitals import Duty, Vitals
from opusagent.daemon.admission import Rules, Slot
from opusagent.daemon.control import CallOnLine
from opusagent.daemon.roster import Conversation, Roster
from opusagent.daemon.vigil import DUTIES
from opusagent.errors import GOING_AWAY
from opusagent.platforms.dialect import CallerNamed, CallStarted
from opusagent.units import CallId, LoopTime

MORNING = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SHUT_DOWN = End(EndReason.SHUTTING_DOWN, close_code=GOING_AWAY)


def conversation(name: str, generation: int = 1) -> Conversation:
    who = CallStarted(f"CA-{name}", f"MZ-{name}", PCM16_24K, caller="+15550100", callee="+15550199")
    return Conversation(CallId(name), "twilio", who, MORNING, LoopTime(10.0), generation, Ending(), RecordingSwitch())


def test_a_call_is_seen_as_long_as_it_is_listed() -> None:
    roster = Roster()
    call = conversation("a", generation=3)
    slot = roster.reserve("192.0.2.1", Rules(1), LoopTime(0.0))
    assert isinstance(slot, Slot)
    with roster.listed(call):
        assert (roster.connections, roster.conversations) == (1, (call,))
        assert call.seen(LoopTime(72.26)) == CallOnLine(
            call_id=CallId("a"),
            platform="twilio",
            platform_call_id="CA-a",
            caller="+15550100",
            callee="+15550199",
            started=MORNING,
            seconds=62.3,
            generation=3,
            ending=False,
        )
    roster.release(slot)
    assert (roster.connections, roster.conversations) == (0, ())


def test_one_call_is_hung_up_and_no_other() -> None:
    roster, one, other = Roster(), conversation("one"), conversation("other")
    with roster.listed(one), roster.listed(other):
        assert (roster.hang_up(CallId("one")), roster.hang_up(CallId("nobody"))) == (True, False)
    assert (one.ending.end_of_call, other.ending.end_of_call) == (End(EndReason.OPERATOR), None)


def test_a_closed_door_ends_no_call() -> None:
    roster, call = Roster(), conversation("a")
    with roster.listed(call):
        roster.close_door()
        assert (roster.is_closing, call.ending.end_of_call) == (True, None)


def test_the_end_reaches_every_call_and_whichever_begins_nevertheless() -> None:
    roster, early, late = Roster(), conversation("early"), conversation("late")
    with roster.listed(early):
        roster.end_calls()
        with roster.listed(late):
            assert [call.ending.end_of_call for call in (early, late)] == [SHUT_DOWN, SHUT_DOWN]


def test_a_call_that_does_not_end_is_stuck_after_half_a_minute_and_logged_once() -> None:
    roster, call, healthy = Roster(), conversation("a"), conversation("b")
    with roster.listed(call), roster.listed(healthy), capture_logs() as logs:
        assert roster.count_stuck(LoopTime(0.0)) == 0
        call.ending.shut_down()
        assert [roster.count_stuck(LoopTime(float(now))) for now in (5, 34, 35, 36)] == [0, 0, 1, 1]
    assert [(line["event"], line["call"]) for line in logs] == [("a call hangs in its end", "a")]
    assert roster.count_stuck(LoopTime(99.0)) == 0


@attrs.frozen
class Dead:
    """A call that owes its caller something and does nothing."""

    def named(self) -> CallerNamed:
        return CallerNamed("+15550102", "+15550103", {})

    def vitals(self) -> Vitals:
        return Vitals(caller_hears=Duty(7, is_due=True))

    def progress(self) -> Progress:
        return Progress()

    def pause_recording(self) -> None:
        """It does nothing."""

    def resume_recording(self) -> None:
        """It does nothing."""


def test_whom_the_platform_names_later_is_seen_from_then_on() -> None:
    """What was said at the start stands."""
    call = conversation("a")
    unnamed = attrs.evolve(call, who=attrs.evolve(call.who, callee=""))
    assert unnamed.seen(LoopTime(11.0)).callee == ""
    unnamed.switch.arm(Dead())
    seen = unnamed.seen(LoopTime(12.0))
    assert (seen.caller, seen.callee) == ("+15550100", "+15550103")


def test_a_call_that_does_not_move_while_it_talks_is_stuck_and_logged_once() -> None:
    """Until it is told to end: then it has half a minute for that."""
    roster, call, healthy = Roster(), conversation("a"), conversation("b")
    call.switch.arm(Dead())
    with roster.listed(call), roster.listed(healthy), capture_logs() as logs:
        assert [roster.count_stuck(LoopTime(float(now))) for now in range(13)] == [0] * 10 + [1] * 3
        assert roster.hanging == 1
        call.ending.shut_down()
        assert roster.count_stuck(LoopTime(13.0)) == 0
    assert [(line["event"], line["call"], line["what"]) for line in logs] == [
        ("a call hangs while it talks", "a", DUTIES["caller_hears"])
    ]


@attrs.frozen
class Broken(Dead):
    """A call with a bug."""

    @override
    def vitals(self) -> Vitals:
        raise ZeroDivisionError


def test_a_call_that_cannot_be_looked_at_is_stuck_logged_once_and_ends_no_other() -> None:
    roster, call, healthy = Roster(), conversation("a"), conversation("b")
    call.switch.arm(Broken())
    with roster.listed(call), roster.listed(healthy), capture_logs() as logs:
        assert [roster.count_stuck(LoopTime(float(now))) for now in range(3)] == [1] * 3
    assert [(line["event"], line["call"]) for line in logs] == [("fault in a call: it cannot be looked at", "a")]
    assert roster.count_stuck(LoopTime(3.0)) == 0


def test_a_conversation_is_a_value_of_its_own() -> None:
    """Two calls with equal fields are two calls."""
    call = conversation("a")
    assert attrs.evolve(call) != call

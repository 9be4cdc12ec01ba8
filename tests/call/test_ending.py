"""The one owner of a call's end: the first reason wins, whoever comes and whenever."""

import pytest
import trio

from opusagent.call.ending import Ending
from opusagent.call.reasons import CALLER_LEG, MODEL_LEG, End, EndReason, LegReasons, end_of_leg
from opusagent.errors import LocalProtocolError, PeerGone, PeerRefused, PeerStalled, RemoteProtocolError


def test_the_first_reason_wins() -> None:
    """What comes later is a consequence of it, or too late."""
    ending = Ending()
    ending.end(EndReason.CALLER_HUNG_UP, "goodbye")
    ending.end(EndReason.FAULT, "so what", 1011)
    ending.shut_down()
    assert ending.end_of_call == End(EndReason.CALLER_HUNG_UP, "goodbye", 1000)


def test_a_daemon_that_stops_is_going_away() -> None:
    ending = Ending()
    ending.shut_down()
    assert ending.end_of_call == End(EndReason.SHUTTING_DOWN, "", 1001)


async def test_an_end_cancels_the_talk_and_says_why() -> None:
    ending = Ending()
    with trio.CancelScope() as talk:
        ending.arm(talk)
        ending.end(EndReason.TOO_LONG)
        await trio.sleep_forever()
    assert talk.cancelled_caught


async def test_a_call_that_ended_before_it_began_never_talks() -> None:
    ending = Ending()
    ending.shut_down()
    talked = False
    with trio.CancelScope() as talk:
        ending.arm(talk)
        await trio.lowlevel.checkpoint()
        talked = True
    assert not talked


LOSSES = [
    (CALLER_LEG, PeerGone("bye", code=1000), End(EndReason.CALLER_CLOSED, "bye", 1000)),
    (CALLER_LEG, PeerGone("bye", code=1001), End(EndReason.CALLER_CLOSED, "bye", 1000)),
    (CALLER_LEG, PeerGone("bye", code=1005), End(EndReason.CALLER_CLOSED, "bye", 1000)),
    (CALLER_LEG, PeerGone("reset"), End(EndReason.CALLER_LOST, "reset", 1000)),
    (CALLER_LEG, PeerStalled("no bytes"), End(EndReason.CALLER_STALLED, "no bytes", 1008)),
    (
        CALLER_LEG,
        RemoteProtocolError("too big", close_code=1009),
        End(EndReason.CALLER_BROKE_PROTOCOL, "too big", 1009),
    ),
    (MODEL_LEG, PeerGone("bye", code=1000), End(EndReason.MODEL_LEFT, "bye", 1011)),
    (MODEL_LEG, PeerGone("reset"), End(EndReason.MODEL_LOST, "reset", 1011)),
    (MODEL_LEG, PeerStalled("no bytes"), End(EndReason.MODEL_STALLED, "no bytes", 1011)),
    (MODEL_LEG, RemoteProtocolError("too big", close_code=1009), End(EndReason.MODEL_BROKE_PROTOCOL, "too big", 1011)),
    (MODEL_LEG, PeerRefused("429", status=429), End(EndReason.MODEL_UNREACHABLE, "429", 1011)),
]


@pytest.mark.parametrize(("leg", "error", "end"), LOSSES)
def test_losing_a_leg_ends_the_call_with_the_legs_reason(leg: LegReasons, error: Exception, end: End) -> None:
    """A platform reads what it did wrong; what the model did is no fault of the platform's: 1011."""
    ending = Ending()
    with ending.if_lost(leg):
        raise error
    assert (end_of_leg(leg, error), ending.end_of_call) == (end, end)


@pytest.mark.parametrize("leg", [CALLER_LEG, MODEL_LEG])
@pytest.mark.parametrize("error", [LocalProtocolError("a bug"), ValueError("another")])
def test_a_bug_of_ours_is_not_the_loss_of_a_leg(leg: LegReasons, error: Exception) -> None:
    """It passes, to where bugs are told with their traceback."""
    ending = Ending()
    with pytest.raises(type(error)), ending.if_lost(leg):
        raise error
    assert ending.end_of_call is None


def test_work_that_ends_by_itself_ends_no_call() -> None:
    ending = Ending()
    with ending.if_lost(CALLER_LEG):
        pass
    assert ending.end_of_call is None


def test_every_reason_reads_differently() -> None:
    """Operators tell ends apart by these words; they are also what the platform reads as the reason of the close."""
    words = [reason.value for reason in EndReason]
    assert len(set(words)) == len(words)
    assert max(len(each.encode()) for each in words) <= 123

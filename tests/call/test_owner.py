"""Silences that a session owns, decision by decision."""

from collections.abc import Sequence

import pytest

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.commands import Command, DropModel, Note, TellModel
from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.moments import CallerPaused, SilenceBroken
from opusagent.call.playout import Playout
from opusagent.call.policy import Patience, Policy, TurnPolicy
from opusagent.call.reasons import End, EndReason
from opusagent.call.session import Session
from opusagent.realtime.events import InputAudioBufferCommit, SessionCreated
from opusagent.realtime.events import Session as ServiceSession
from opusagent.units import LoopTime
from tests.call.test_session import CONFIGURED, OPENING, SPEECH_STARTED, SPEECH_STOPPED

T0 = LoopTime(100.0)
COMMIT = TellModel(InputAudioBufferCommit())


def at(seconds: float) -> LoopTime:
    return LoopTime(T0 + seconds)


def talking(turns: TurnPolicy | None = None) -> Session:
    """A session that is configured, and nothing has been said in it."""
    # Nobody tells these sessions of the sound that comes, so they are patient.
    policy = Policy("Be brief.", turns=turns or TurnPolicy(), patience=Patience(no_audio_seconds=600))
    session = Session(OPENING, Playout(PCM16_24K, MULAW_8K), policy)
    session.begin(T0, is_listening=True)
    for event in (SessionCreated(session=ServiceSession()), CONFIGURED):
        session.on_model(event, T0)
    return session


def until(session: Session, end: LoopTime) -> list[tuple[float, Command]]:
    """What is decided by the clock alone, with the seconds since `T0`."""
    acts: list[tuple[float, Command]] = []
    now = T0
    while (due := session.deadline(now)) is not None and due <= end:
        now = LoopTime(max(now, due))
        acts += [(round(now - T0, 3), command) for command in session.on_time(now)]
    return acts


def told(acts: Sequence[tuple[float, Command]], kind: type[object]) -> list[float]:
    """When a moment of this kind was noted."""
    return [when for when, act in acts if isinstance(act, Note) and isinstance(act.moment, kind)]


def when_dropped(acts: Sequence[tuple[float, Command]]) -> list[float]:
    return [when for when, act in acts if isinstance(act, DropModel)]


@pytest.mark.parametrize("longest_lag", [0.5, 8.0])
def test_a_caller_who_has_stopped_is_not_waited_for_though_the_service_never_says_so(longest_lag: float) -> None:
    """The service heard them begin, and went silent. Our ears end the turn, and the silence has its bound."""
    session = talking(TurnPolicy(longest_lag=longest_lag))
    session.on_model(SPEECH_STARTED, at(1))
    session.on_ear(speaking=True, now=at(1))
    session.on_ear(speaking=False, now=at(3))
    acts = until(session, at(30))
    stopped = 3 + longest_lag + DEAD_AIR_SECONDS / 2
    assert [when for when, act in acts if act == COMMIT] == told(acts, CallerPaused) == [stopped]
    assert told(acts, SilenceBroken)[0] == when_dropped(acts)[0] == 3 + longest_lag + DEAD_AIR_SECONDS


def test_a_caller_who_goes_on_after_a_pause_is_not_cut_short() -> None:
    session = talking()
    session.on_model(SPEECH_STARTED, at(1))
    for number in range(10):
        session.on_ear(speaking=True, now=at(1 + 2 * number))
        session.on_ear(speaking=False, now=at(2 + 2 * number))
        assert until(session, at(3 + 2 * number)) == []


def test_where_the_service_says_it_in_time_or_we_have_no_ears_nothing_is_done() -> None:
    said, deaf = talking(), talking()
    for session in (said, deaf):
        session.on_model(SPEECH_STARTED, at(1))
    said.on_ear(speaking=True, now=at(1))
    said.on_ear(speaking=False, now=at(3))
    said.on_model(SPEECH_STOPPED, at(3.4))
    assert COMMIT not in [act for _, act in until(said, at(30))]
    assert until(deaf, at(300)) == []


def test_what_is_said_while_nobody_is_there_ends_then_and_not_when_it_is_heard() -> None:
    """Of a session that has not been lost nothing is believed to have come so late."""
    session = talking()
    session.silence.on_said(at(-9), at(1.5))
    session.on_model(SPEECH_STARTED, at(1.5))
    session.on_model(SPEECH_STOPPED, at(1.5))
    assert session.silence.deadline(speaking=False) == at(1.5 + DEAD_AIR_SECONDS)
    session.on_model_lost(End(EndReason.MODEL_LOST), at(2))
    for event in (SessionCreated(session=ServiceSession()), CONFIGURED, SPEECH_STARTED):
        session.on_model(event, at(5))
    session.silence.on_said(at(3.5), at(5))
    session.on_model(SPEECH_STOPPED, at(5))
    assert session.silence.deadline(speaking=False) == at(4 + DEAD_AIR_SECONDS)


def test_what_a_frozen_model_was_silent_for_counts_for_that_silence_alone() -> None:
    """It was noticed three seconds late, so the caller hears a sound a second later; the next silence has its bound."""
    session = talking()
    session.on_model(SPEECH_STARTED, at(1))
    session.on_model(SPEECH_STOPPED, at(2))
    session.on_model_lost(End(EndReason.MODEL_STALLED), at(5))
    assert told(until(session, at(6)), SilenceBroken) == [6.0]
    for event in (SessionCreated(session=ServiceSession()), CONFIGURED, SPEECH_STARTED, SPEECH_STOPPED):
        session.on_model(event, at(20))
    assert told(until(session, at(24.5)), SilenceBroken) == [24.0]

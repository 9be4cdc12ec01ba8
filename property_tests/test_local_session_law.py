"""Whatever a client says, and whenever, the embedded backend's session stays consistent."""

from collections import Counter
from collections.abc import Iterable

import hypothesis.strategies as st
from hypothesis import given

from opusagent.local.answers import Pace
from opusagent.local.script import Script as Play
from opusagent.local.script import Spoke, Step
from opusagent.local.session import LocalSession
from opusagent.local.voices import Invocation, Parrot, Reply, Utterance, Voice, chime
from opusagent.realtime.events import (
    ClientEvent,
    ResponseCancel,
    ResponseCreated,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseOutputAudioDelta,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ServerEvent,
    UnknownEvent,
)
from opusagent.units import LoopTime
from property_tests.strategies_local import client_events

Script = list[tuple[float, ClientEvent | UnknownEvent]]
SCRIPTS = st.lists(st.tuples(st.sampled_from([0.0, 0.02, 0.2, 2.0]), client_events()), max_size=14)
CALLS = (Invocation("find", '{"day":"tuesday","after":"10:00"}'), Invocation("book"))
PLAY = Play((Step(Spoke(1), Reply(calls=CALLS)),), Reply(Utterance(chime(), "Goodbye."), CALLS[:1]))
VOICES = st.sampled_from([Parrot(), PLAY])


def opened(voice: Voice) -> LocalSession:
    return LocalSession(
        tag="law", model="m", voice=voice, opened=LoopTime(0.0), expires_at=3600, pace=Pace(thinking=0.05)
    )


def played(session: LocalSession, script: Script) -> tuple[list[ServerEvent], LoopTime]:
    """Everything the session said to `script`, whose times are pauses, and when the script was over."""
    said, now = list(session.opening()), LoopTime(0.0)
    for pause, event in script:
        now = LoopTime(now + pause)
        said += session.hear(event, now)
    return said, now


def finished(session: LocalSession, now: LoopTime) -> list[ServerEvent]:
    """What it says after its client has cancelled everything: no idle prompt can begin another answer."""
    said: list[ServerEvent] = []
    while session.active and session.goodbye is None:
        said += session.hear(ResponseCancel(response_id=session.active[0]), now)
    return said


def active_after(events: Iterable[ServerEvent]) -> list[str | None]:
    """The conversations of the responses that are active after `events`; raises where the law is broken."""
    active: dict[str, str | None] = {}
    for event in events:
        match event:
            case ResponseCreated(response=response):
                assert response.id not in active
                assert response.conversation_id is None or response.conversation_id not in active.values()
                active[response.id] = response.conversation_id
            case ResponseDone(response=response):
                del active[response.id]
            case ResponseOutputAudioDelta() | ResponseOutputTextDelta() | ResponseFunctionCallArgumentsDelta():
                assert event.response_id in active
            case _:
                pass
    return list(active.values())


@given(SCRIPTS, VOICES)
def test_one_answer_at_a_time_each_created_once_and_done_once_with_its_deltas_between(
    script: Script, voice: Voice
) -> None:
    session = opened(voice)
    said, now = played(session, script)
    rest = finished(session, now)
    if session.goodbye is None:
        assert active_after([*said, *rest]) == []
    else:
        active_after(said)
    created = Counter(event.response.id for event in said if isinstance(event, ResponseCreated))
    assert set(created.values()) <= {1}


@given(SCRIPTS, VOICES)
def test_event_ids_are_unique_and_none_is_missing(script: Script, voice: Voice) -> None:
    said, _ = played(opened(voice), script)
    ids = [event.event_id for event in said]
    assert None not in ids
    assert len(set(ids)) == len(ids)


@given(SCRIPTS, VOICES)
def test_the_same_script_gives_the_same_events_however_late_the_ticks_come(script: Script, voice: Voice) -> None:
    """Ticked at every due time, or not at all: only the order in which things become due counts."""
    lazy, eager = opened(voice), opened(voice)
    late, now = played(lazy, script)
    prompt, at = list(eager.opening()), LoopTime(0.0)
    for pause, event in script:
        at = LoopTime(at + pause)
        prompt += ticked(eager, at)
        prompt += eager.hear(event, at)
    assert prompt + ticked(eager, LoopTime(now + 0.3)) == late + list(lazy.tick(LoopTime(now + 0.3)))


@given(SCRIPTS, VOICES)
def test_every_item_that_began_is_done_once_and_no_other_begins_in_its_response_meanwhile(
    script: Script, voice: Voice
) -> None:
    session = opened(voice)
    said, now = played(session, script)
    rest = finished(session, now)
    under_way: dict[str, str | None] = {}
    for event in [*said, *rest]:
        match event:
            case ResponseOutputItemAdded(response_id=response, item=item):
                assert response not in under_way
                under_way[response] = item.id
            case ResponseOutputItemDone(response_id=response, item=item):
                assert under_way.pop(response) == item.id
            case _:
                pass
    assert session.goodbye is not None or under_way == {}


def ticked(session: LocalSession, until: LoopTime) -> list[ServerEvent]:
    said: list[ServerEvent] = []
    while (due := session.next_due()) is not None and due <= until:
        said += session.tick(due)
    return said

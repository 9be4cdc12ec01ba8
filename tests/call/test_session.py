"""What the session decides, event by event."""

import math
from collections.abc import Sequence

import attrs

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.clips import NO_CLIPS, Clips, built_in
from opusagent.call.commands import (
    AcceptCaller,
    ClearCaller,
    Command,
    DropModel,
    EndCall,
    Note,
    SeatModel,
    TellCaller,
    TellModel,
)
from opusagent.call.keypad import ONE_GO
from opusagent.call.moments import AnswerBegan, CallerPaused, Interrupted, KeysCame, ModelErred, ModelReady
from opusagent.call.playout import Cut, Playout
from opusagent.call.policy import Budget, Policy, TurnPolicy
from opusagent.call.reasons import End, EndReason
from opusagent.call.session import Session
from opusagent.errors import INTERNAL_ERROR
from opusagent.platforms.dialect import KeysPressed, MarkReached, SpeechSign, Unknown
from opusagent.realtime.events import (
    ConversationItemCreate,
    ConversationItemTruncate,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    Response,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputItemDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    StatusDetails,
    UnknownEvent,
    Usage,
)
from opusagent.realtime.events import (
    Session as ServiceSession,
)
from opusagent.realtime.responses import OutputTokens
from opusagent.realtime.settings import greeting_response, session_update
from opusagent.units import ItemId, LoopTime, Ms

OPENING = session_update(instructions="Be brief.", voice="marin", audio="pcm", caller=MULAW_8K)
SPEECH_STARTED = InputAudioBufferSpeechStarted(item_id="caller-1", audio_start_ms=0)
SPEECH_STOPPED = InputAudioBufferSpeechStopped(item_id="caller-1", audio_end_ms=500)
CONFIGURED = SessionUpdated(session=ServiceSession())


NEVER = LoopTime(math.inf)
BY_SERVICE = TurnPolicy()
UNBOUNDED = Budget()


class Scene:
    """A session whose time a test turns by hand."""

    def __init__(
        self,
        greeting: str | None = None,
        clips: Clips = NO_CLIPS,
        turns: TurnPolicy = BY_SERVICE,
        budget: Budget = UNBOUNDED,
    ) -> None:
        self.now = LoopTime(50.0)
        self.marks: dict[LoopTime, str] = {}
        self.playout = Playout(PCM16_24K, MULAW_8K)
        self.session = Session(OPENING, self.playout, Policy("Be brief.", greeting, turns, clips=clips, budget=budget))

    def hear(self, *events: ServerEvent | UnknownEvent) -> list[Command]:
        return [command for event in events for command in self.session.on_model(event, self.now)]

    def listen(self, seconds: float) -> bytes:
        """Let time pass; what is due goes to a platform that plays it and returns each mark when it has."""
        until, sent = self.now + seconds, bytearray()
        while (step := min(self.playout.next_due(self.now) or NEVER, *self.marks, NEVER)) <= until:
            self.now = LoopTime(max(self.now, step))
            for name in [self.marks.pop(at) for at in sorted(self.marks) if at <= self.now]:
                self.session.on_caller(MarkReached(name), self.now)
            batch = self.playout.pop_due(self.now)
            if batch is not None:
                sent += b"".join(batch.frames)
                if batch.mark is not None:
                    self.marks[LoopTime(batch.plays_at + 0.02 * len(batch.frames))] = batch.mark
        self.now = LoopTime(until)
        return bytes(sent)


def ready(greeting: str | None = None) -> Scene:
    scene = Scene(greeting)
    scene.hear(SessionCreated(session=ServiceSession()), CONFIGURED)
    return scene


def created(response: str) -> ResponseCreated:
    return ResponseCreated(response=Response(id=response, status="in_progress"))


def done(response: str, status: str = "completed", details: StatusDetails | None = None) -> ResponseDone:
    return ResponseDone(response=Response(id=response, status=status, status_details=details))


def delta(response: str, item: str, ms: int) -> ResponseOutputAudioDelta:
    audio = PCM16_24K.silence * (24 * ms)
    return ResponseOutputAudioDelta(response_id=response, item_id=item, output_index=0, content_index=0, delta=audio)


def truncate(item: str, ms: int) -> TellModel:
    return TellModel(ConversationItemTruncate(item_id=item, content_index=0, audio_end_ms=ms))


def ends(commands: Sequence[Command]) -> list[End]:
    return [command.end for command in commands if isinstance(command, EndCall)]


def test_the_session_is_configured_when_the_service_has_opened_it() -> None:
    """`session.update` answers `session.created`; nothing is sent before."""
    scene = Scene()
    assert scene.hear(SessionCreated(session=ServiceSession())) == [TellModel(OPENING)]


def test_the_uplink_opens_when_the_session_is_configured_and_only_once() -> None:
    scene = Scene()
    assert scene.hear(CONFIGURED, CONFIGURED) == [SeatModel(), AcceptCaller(), Note(ModelReady(scene.now))]


def test_a_greeting_is_asked_for_once_the_session_is_configured() -> None:
    """The session's instructions are part of it, because a response's own replace them."""
    scene = Scene("Say hello.")
    asked = TellModel(attrs.evolve(greeting_response("Be brief.", "Say hello."), event_id="ask-1"))
    assert scene.hear(CONFIGURED) == [SeatModel(), AcceptCaller(), Note(ModelReady(scene.now)), asked]


def test_a_barge_in_clears_the_platform_and_tells_the_model_what_was_heard() -> None:
    """400 ms after the first frame of a two-second answer, 400 ms were heard."""
    scene = ready()
    scene.hear(created("r1"), delta("r1", "i1", 2000))
    scene.listen(0.4)
    cut = Cut(ItemId("i1"), 0, heard=Ms(400), total=Ms(2000))
    assert scene.hear(SPEECH_STARTED) == [
        ClearCaller(scene.now),
        TellCaller(SpeechSign.STARTED),
        truncate("i1", 400),
        Note(Interrupted(scene.now, (cut,))),
    ]


def test_later_deltas_of_an_interrupted_response_are_muted() -> None:
    scene = ready()
    scene.hear(created("r1"), delta("r1", "i1", 500))
    scene.listen(0.2)
    scene.hear(SPEECH_STARTED, delta("r1", "i1", 500), done("r1", "cancelled"))
    assert scene.listen(5.0) == b""


def test_the_next_response_is_heard_after_an_interruption() -> None:
    scene = ready()
    scene.hear(created("r1"), delta("r1", "i1", 500))
    scene.listen(0.2)
    scene.hear(SPEECH_STARTED, done("r1", "cancelled"), created("r2"), delta("r2", "i2", 100), done("r2"))
    assert len(scene.listen(5.0)) == 5 * 160


def test_speech_while_nothing_plays_clears_nothing() -> None:
    scene = ready()
    assert scene.hear(SPEECH_STARTED) == [TellCaller(SpeechSign.STARTED)]


def test_an_item_heard_to_its_end_is_not_truncated() -> None:
    scene = ready()
    scene.hear(created("r1"), delta("r1", "i1", 500), done("r1"))
    scene.listen(0.6)
    scene.listen(0.1)
    assert scene.hear(SPEECH_STARTED) == [TellCaller(SpeechSign.STARTED)]


def test_a_response_that_is_over_can_still_be_interrupted() -> None:
    """Generation ends long before playout: what is in the playout is cut all the same."""
    scene = ready()
    scene.hear(created("r1"), delta("r1", "i1", 3000), done("r1"))
    scene.listen(1.0)
    assert truncate("i1", 1000) in scene.hear(SPEECH_STARTED)


def test_each_item_that_was_not_heard_is_truncated() -> None:
    """Two items of one response: the first half heard, the second not at all."""
    scene = ready()
    scene.hear(created("r1"), delta("r1", "i1", 400), delta("r1", "i2", 400), done("r1"))
    scene.listen(0.2)
    told = [command for command in scene.hear(SPEECH_STARTED) if isinstance(command, TellModel)]
    assert told == [truncate("i1", 200), truncate("i2", 0)]


def test_an_answer_is_timed_from_the_end_of_the_callers_speech() -> None:
    scene = ready()
    assert scene.hear(SPEECH_STOPPED) == [TellCaller(SpeechSign.STOPPED), Note(CallerPaused(scene.now))]
    scene.now = LoopTime(scene.now + 0.25)
    assert scene.hear(created("r1"), delta("r1", "i1", 20), delta("r1", "i1", 20)) == [
        Note(AnswerBegan(scene.now, 0.25, position=0))
    ]


def test_recoverable_errors_are_counted_and_never_fatal() -> None:
    scene = ready()
    error = ErrorDetail(type="invalid_request_error", code="response_cancel_not_active", message="no")
    assert ends(scene.hear(ErrorEvent(error=error), ErrorEvent(error=error))) == []
    assert scene.session.statistics().model_errors == {"response_cancel_not_active": 2}


def test_an_error_that_no_session_survives_drops_the_session_for_good() -> None:
    scene = ready()
    error = ErrorDetail(code="insufficient_quota", message="no money")
    end = End(EndReason.MODEL_REFUSED, "insufficient_quota: no money", INTERNAL_ERROR)
    assert DropModel(end) in scene.hear(ErrorEvent(error=error))


def test_refused_settings_drop_the_session_for_good_and_say_which() -> None:
    """The service drops the whole update, so the model would talk without its instructions."""
    scene = Scene()
    scene.hear(SessionCreated(session=ServiceSession()))
    error = ErrorDetail(code="unknown_parameter", message="what?", param="session.voice")
    end = End(EndReason.MODEL_REFUSED, "unknown_parameter at session.voice: what?", INTERNAL_ERROR)
    assert DropModel(end) in scene.hear(ErrorEvent(error=error))


def test_a_model_that_speaks_before_it_is_configured_is_not_heard() -> None:
    """It has no instructions yet, and no platform has been told that the call is taken."""
    scene = Scene()
    scene.hear(SessionCreated(session=ServiceSession()), created("r1"), delta("r1", "i1", 500))
    assert scene.listen(1.0) == b""
    scene.hear(CONFIGURED, delta("r1", "i1", 100), done("r1"))
    assert scene.listen(1.0)


def test_a_failed_response_is_an_error_though_no_error_event_comes() -> None:
    scene = ready()
    details = StatusDetails(type="failed", error=ErrorDetail(code="rate_limit_exceeded", message="slow down"))
    assert scene.hear(created("r1"), done("r1", "failed", details)) == [
        Note(ModelErred(scene.now, "rate_limit_exceeded", "slow down", None))
    ]


def test_what_nobody_knows_is_counted() -> None:
    scene = ready()
    scene.hear(UnknownEvent(type="response.dance"))
    scene.session.on_caller(Unknown("wave"), scene.now)
    assert scene.session.statistics().unknown == {"model response.dance": 1, "caller wave": 1}


def test_a_key_is_noted_and_told_to_the_model_as_words() -> None:
    """The service has no event for keys on a WebSocket: they are a message of the user's, and want an answer."""
    scene = ready()
    noted, told = scene.session.on_caller(KeysPressed("5"), scene.now)
    assert noted == Note(KeysCame(scene.now, "5"))
    assert isinstance(told, TellModel)
    assert isinstance(told.event, ConversationItemCreate)
    assert told.event.item.content is not None
    assert told.event.item.content[0].text == "[The caller pressed these telephone keys: 5]"
    due = LoopTime(scene.now + ONE_GO)
    assert scene.session.deadline(scene.now) == due
    assert scene.session.on_time(due) == (TellModel(ResponseCreate(event_id="ask-1")),)


def test_who_waits_for_a_line_that_is_away_is_not_woken_again_and_again() -> None:
    """The goodbye was sent to its end when the line broke: nothing can be done about it before the line is back."""
    scene = ready()
    end = Item(type="function_call", status="completed", call_id="call-1", name="end_call", arguments="{}")
    scene.hear(created("r1"), delta("r1", "i1", 200))
    scene.hear(ResponseOutputItemDone(response_id="r1", output_index=0, item=end), done("r1"))
    scene.listen(0.1)
    scene.playout.lose(scene.now)
    scene.session.on_line_lost()
    due = scene.session.deadline(scene.now)
    assert due is None or due > scene.now
    scene.now = LoopTime(scene.now + 30)
    assert ends(scene.session.on_time(scene.now)) == []
    assert ends(scene.session.on_line_back(30.1, scene.now)) == [End(EndReason.AGENT_DONE)]


def test_a_call_that_was_given_up_is_not_given_up_again() -> None:
    """The first reason counts, and the caller hears one apology."""
    scene = Scene(clips=built_in(PCM16_24K))
    scene.hear(SessionCreated(session=ServiceSession()), CONFIGURED)
    scene.session.give_up(End(EndReason.MODEL_LOST), scene.now)
    pushed = scene.playout.pushed
    scene.session.give_up(End(EndReason.MODEL_REFUSED), scene.now)
    assert scene.playout.pushed == pushed > 0
    scene.now = LoopTime(scene.now + 10)
    assert ends(scene.session.on_time(scene.now)) == [End(EndReason.MODEL_LOST)]


def test_a_turn_that_a_call_has_answered_is_not_owed_to_the_next_session() -> None:
    """It is asked to go on with the result at once: the sound is not sent again, and there is none to commit."""
    scene = Scene(turns=TurnPolicy(local=True))
    scene.hear(SessionCreated(session=ServiceSession()), CONFIGURED)
    scene.session.on_ear(speaking=True, now=scene.now)
    scene.session.on_ear(speaking=False, now=scene.now)
    call = Item(type="function_call", status="completed", call_id="call-1", name="look_up", arguments="{}")
    scene.hear(InputAudioBufferCommitted(item_id="caller-1"), created("r1"))
    scene.now = LoopTime(scene.now + 1)
    scene.hear(ResponseOutputItemDone(response_id="r1", output_index=0, item=call), done("r1"))
    scene.session.on_model_lost(End(EndReason.MODEL_LOST), scene.now)
    scene.session.on_tool_result("call-1", "{}", scene.now)
    told = [each.event for each in scene.hear(CONFIGURED) if isinstance(each, TellModel)]
    assert [type(event) for event in told] == [ResponseCreate]


def test_a_goodbye_that_comes_to_nothing_is_asked_for_once_more() -> None:
    """The call does not end as if it had been heard. Who says nothing again has said it."""
    scene = ready()
    end = Item(type="function_call", status="completed", call_id="call-1", name="end_call", arguments="{}")
    scene.hear(created("r1"))
    scene.hear(ResponseOutputItemDone(response_id="r1", output_index=0, item=end), done("r1"))
    assert [type(each.event) for each in scene.hear(created("r2"), done("r2")) if isinstance(each, TellModel)] == [
        ResponseCreate
    ]
    assert ends(scene.hear(created("r3"), done("r3"))) == [End(EndReason.AGENT_DONE)]


def test_a_goodbye_that_waits_for_a_turn_is_owed_beside_it_when_the_session_is_lost() -> None:
    """With turns of ours: the next session hears the turn, and answers it with the goodbye."""
    scene = Scene(turns=TurnPolicy(local=True), budget=Budget(tokens=10))
    scene.hear(SessionCreated(session=ServiceSession()), CONFIGURED)
    scene.session.on_ear(speaking=True, now=scene.now)
    used = Usage(output_token_details=OutputTokens(text_tokens=20))
    scene.hear(created("r1"), ResponseDone(response=Response(id="r1", status="completed", usage=used)))
    scene.session.on_ear(speaking=False, now=scene.now)
    scene.session.on_model_lost(End(EndReason.MODEL_LOST), scene.now)
    told = [each.event for each in scene.hear(CONFIGURED) if isinstance(each, TellModel)]
    assert told == [InputAudioBufferCommit()]
    (answer,) = (
        each.event for each in scene.hear(InputAudioBufferCommitted(item_id="caller-1")) if isinstance(each, TellModel)
    )
    assert isinstance(answer, ResponseCreate)
    assert answer.response is not None
    assert Policy().winding_down in (answer.response.instructions or "")

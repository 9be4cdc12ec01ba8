"""The model answers as the service does: what, when, in which order, and how it is interrupted."""

import attrs
import pytest

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.local.answers import Pace
from opusagent.local.voices import chime
from opusagent.realtime.events import (
    AudioFormat,
    AudioOutput,
    ContentPart,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferCommit,
    Item,
    ResponseAudio,
    ResponseCancel,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    ResponseOptions,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    StatusDetails,
    TurnDetection,
    Usage,
)
from property_tests.strategies_local import quiet, words
from tests.local.line import ANSWER_BEGINS, ANSWER_ENDS, Line, done, errors, kinds, sound

MEANT = "(a chime, in place of: {})"


def test_the_parrot_says_the_callers_own_words() -> None:
    line = Line()
    said = line.speak(quiet(500) + words(1000) + quiet(500)) + line.wait(5)
    assert sound(said) == quiet(60) + words(1000) + quiet(60)


def test_an_answer_comes_after_thinking_and_faster_than_real_time_in_uneven_deltas() -> None:
    line = Line()
    line.speak(words(3000) + quiet(500))
    asked = line.now
    line.wait(5)
    deltas = [(at - asked, event.delta) for at, event in line.said if isinstance(event, ResponseOutputAudioDelta)]
    lengths = [PCM16_24K.ms_of(len(delta)) for _, delta in deltas]
    assert sum(lengths) == 3060
    assert all(100 <= length <= 400 for length in lengths[:-1])
    assert len(set(lengths)) > 3
    assert [at for at, _ in deltas] == pytest.approx(
        [0.2 + sum(lengths[: place + 1]) / 5000 for place in range(len(lengths))]
    )


def test_a_greeting_is_a_chime_with_the_instructions_as_its_words() -> None:
    line = Line()
    line.tell(ResponseCreate(response=ResponseOptions(instructions="Say: welcome to the clinic.")))
    said = line.wait(5)
    words_said = "".join(event.delta for event in said if isinstance(event, ResponseOutputAudioTranscriptDelta))
    assert words_said == MEANT.format("Say: welcome to the clinic.")
    assert sound(said) == chime()


def test_speech_cancels_the_answer_and_the_caller_is_answered_next() -> None:
    line = Line()
    line.speak(words(2000) + quiet(500))
    said = line.speak(words(400) + quiet(500)) + line.wait(5)
    assert done(said) == [("cancelled", StatusDetails(type="cancelled", reason="turn_detected")), ("completed", None)]
    cancelled = kinds(said).index("input_audio_buffer.speech_started")
    assert kinds(said)[cancelled + 1] == "response.done"


def test_an_answer_that_is_cancelled_while_spoken_closes_its_item_as_incomplete() -> None:
    line = Line()
    line.tell(ResponseCreate())
    line.wait(0.23)
    said = line.tell(ResponseCancel())
    assert kinds(said) == ANSWER_ENDS
    response = next(event.response for event in said if isinstance(event, ResponseDone))
    assert response.status_details == StatusDetails(type="cancelled", reason="client_cancelled")
    assert [item.status for item in response.output] == ["incomplete"]
    assert line.wait(5) == []


def test_without_interruption_the_answer_goes_on_and_the_turn_stays_unanswered() -> None:
    line = Line(Pace(thinking=0.2, speed=0.5))
    line.configure(TurnDetection(type="server_vad", interrupt_response=False))
    line.tell(ResponseCreate())
    said = line.speak(words(300) + quiet(500)) + line.wait(5)
    assert done(said) == [("completed", None)]
    assert "input_audio_buffer.committed" in kinds(said)
    assert "response.created" not in kinds(said)


def test_what_was_said_since_the_last_answer_is_answered_together() -> None:
    line = Line()
    line.configure(None)
    for _ in range(2):
        line.speak(words(200))
        line.tell(InputAudioBufferCommit())
    line.tell(ResponseCreate())
    assert sound(line.wait(5)) == words(200) * 2


def test_one_answer_at_a_time() -> None:
    line = Line()
    line.tell(ResponseCreate())
    refused = line.tell(ResponseCreate(event_id="r2"))
    assert errors(refused) == [("conversation_already_has_active_response", None, "r2")]
    assert done(line.wait(5)) == [("completed", None)]


@pytest.mark.parametrize("response_id", [None, "resp_t_0007"])
def test_cancelling_what_is_not_active_is_refused(response_id: str | None) -> None:
    refused = Line().tell(ResponseCancel(event_id="x", response_id=response_id))
    assert errors(refused) == [("response_cancel_not_active", None, "x")]


def test_out_of_band_answers_run_beside_the_conversation_and_leave_no_trace_in_it() -> None:
    line = Line()
    line.tell(ResponseCreate())
    aside = ResponseOptions(
        conversation="none", output_modalities=("text",), metadata={"task": "classify"}, instructions="One word."
    )
    created = line.tell(ResponseCreate(response=aside))
    said = line.wait(5)
    response = next(event.response for event in created if isinstance(event, ResponseCreated))
    assert (response.conversation_id, response.metadata) == (None, {"task": "classify"})
    assert "".join(event.delta for event in said if isinstance(event, ResponseOutputTextDelta)) == MEANT.format(
        "One word."
    )
    assert len(done(said)) == 2
    assert [event.item.id for event in said if event.type == "conversation.item.done"] == ["item_t_0001"]


def test_a_text_answer_has_no_audio() -> None:
    line = Line()
    line.tell(ResponseCreate(response=ResponseOptions(output_modalities=("text",), instructions="Count to ten.")))
    said = line.wait(5)
    assert kinds(said) == [*ANSWER_BEGINS, "deltas", "response.output_text.done", *ANSWER_ENDS[2:]]
    final = next(event.response for event in said if isinstance(event, ResponseDone))
    assert final.output[0].content == (ContentPart(type="output_text", text=MEANT.format("Count to ten.")),)


def test_an_answer_to_given_input_hears_that_and_not_the_conversation() -> None:
    line = Line()
    part = ContentPart(type="input_audio", audio=words(300))
    item = Item(type="message", role="user", content=(part,))
    line.tell(ConversationItemCreate(item=attrs.evolve(item, id="mine")))
    line.tell(ResponseCreate())
    line.wait(5)
    for given in (item, Item(type="item_reference", id="mine")):
        line.tell(ResponseCreate(response=ResponseOptions(input=(given,))))
        assert sound(line.wait(5)) == words(300)
    line.tell(ResponseCreate(response=ResponseOptions(input=())))
    assert sound(line.wait(5)) == chime()


def test_an_answer_may_speak_its_own_format() -> None:
    line = Line()
    output = ResponseAudio(output=AudioOutput(format=AudioFormat(type="audio/pcmu")))
    line.tell(ResponseCreate(response=ResponseOptions(audio=output)))
    assert MULAW_8K.ms_of(len(sound(line.wait(5)))) == 603


def test_a_token_limit_cuts_the_answer_and_leaves_it_incomplete() -> None:
    line = Line()
    line.tell(ResponseCreate(response=ResponseOptions(max_output_tokens=4)))
    said = line.wait(5)
    assert done(said) == [("incomplete", StatusDetails(type="incomplete", reason="max_output_tokens"))]
    assert sound(said) == chime()[: 200 * 48]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ResponseOptions(conversation="other"), ("invalid_value", "response.conversation", "r")),
        (ResponseOptions(output_modalities=("video",)), ("invalid_value", "response.output_modalities", "r")),
        (ResponseOptions(metadata={"k" * 65: "v"}), ("invalid_value", "response.metadata", "r")),
        (
            ResponseOptions(input=(Item(type="item_reference", id="no"),)),
            ("item_reference_invalid_item_id", "response.input", "r"),
        ),
        (
            ResponseOptions(audio=ResponseAudio(output=AudioOutput(format=AudioFormat(type="mp3")))),
            ("invalid_value", "response.audio.output.format.type", "r"),
        ),
    ],
)
def test_what_an_answer_cannot_be_is_refused(options: ResponseOptions, expected: tuple[str, str, str]) -> None:
    line = Line()
    assert errors(line.tell(ResponseCreate(event_id="r", response=options))) == [expected]
    assert line.wait(5) == []


def test_an_interrupted_answer_is_truncated_to_what_was_heard_and_no_further() -> None:
    line = Line()
    line.speak(words(1000) + quiet(500))
    line.wait(0.3)
    line.speak(words(100))
    item_id = "item_t_0002"
    retrieved = line.tell(ConversationItemRetrieve(item_id=item_id))
    assert kinds(retrieved) == ["conversation.item.retrieved"]
    beyond = line.tell(ConversationItemTruncate(event_id="t", item_id=item_id, audio_end_ms=5000))
    assert errors(beyond) == [("invalid_value", "audio_end_ms", "t")]
    cut = line.tell(ConversationItemTruncate(item_id=item_id, audio_end_ms=80))
    assert kinds(cut) == ["conversation.item.truncated"]
    assert kinds(line.tell(ConversationItemDelete(item_id=item_id))) == ["conversation.item.deleted"]
    gone = line.tell(ConversationItemRetrieve(item_id=item_id))
    assert errors(gone) == [("item_retrieve_invalid_item_id", "item_id", None)]


def test_an_item_truncated_while_it_is_spoken_keeps_no_words() -> None:
    line = Line(Pace(thinking=0.0, speed=1.0))
    line.tell(ResponseCreate(response=ResponseOptions(instructions="Hello out there.")))
    line.wait(0.4)
    line.tell(ConversationItemTruncate(item_id="item_t_0001", audio_end_ms=10))
    finished = next(event.response for event in line.tell(ResponseCancel()) if isinstance(event, ResponseDone))
    assert finished.output[0].content == (ContentPart(type="output_audio"),)


def test_usage_counts_what_was_heard_and_said() -> None:
    line = Line()
    line.speak(words(1000) + quiet(500))
    finished = next(event.response for event in line.wait(5) if isinstance(event, ResponseDone))
    usage = finished.usage or Usage()
    assert usage.input_token_details is not None
    assert usage.output_token_details is not None
    assert usage.input_token_details.audio_tokens == 15
    assert usage.output_token_details.audio_tokens == 1060 // 50
    assert usage.total_tokens == (usage.input_tokens or 0) + (usage.output_tokens or 0)

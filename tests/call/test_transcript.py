"""The transcript of one call: whatever arrives when, it reads as the conversation went."""

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.media_time import steady, timeless
from opusagent.call.playout import Batch, Cut
from opusagent.call.transcript import MOST_ITEMS, MOST_KEYS, Transcript
from opusagent.call.words import MOST_CHARACTERS, CallerWords, Keys, Line, ModelWords, ToolCall
from opusagent.realtime.events import (
    ContentPart,
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemDone,
    ResponseOutputTextDone,
    ServerEvent,
    UnknownEvent,
)
from opusagent.units import ItemId, LoopTime, Ms

ANSWER = "Of course, on Tuesday at nine."


def transcript(*, mask_digits: bool = True) -> Transcript:
    return Transcript(PCM16_24K, MULAW_8K, mask_digits=mask_digits)


def caller(item_id: str, words: str | None = None, *, start: int | None = None) -> CallerWords:
    """The line of a caller's item whose media time, if it is known, began with the call."""
    at = None if start is None else start / 1000
    media = None if start is None else Ms(start)
    return CallerWords(item_id=item_id, began=at, ended=None, media_start=media, media_end=None, words=words)


def unheard(item_id: str, words: str) -> ModelWords:
    return ModelWords(item_id=item_id, began=None, ended=None, words="", unheard=words, heard_ms=Ms(0), total_ms=Ms(0))


def message(item_id: str, role: str, *content: ContentPart) -> Item:
    return Item(type="message", id=item_id, role=role, content=content)


def started(item_id: str, at_ms: int) -> InputAudioBufferSpeechStarted:
    return InputAudioBufferSpeechStarted(item_id=item_id, audio_start_ms=at_ms)


def committed(item_id: str, previous: str | None) -> InputAudioBufferCommitted:
    return InputAudioBufferCommitted(item_id=item_id, previous_item_id=previous)


def written(item_id: str, words: str) -> ConversationItemInputAudioTranscriptionCompleted:
    return ConversationItemInputAudioTranscriptionCompleted(item_id=item_id, content_index=0, transcript=words)


def answered(item_id: str, words: str) -> ResponseOutputAudioTranscriptDone:
    return ResponseOutputAudioTranscriptDone(
        response_id="r", item_id=item_id, output_index=0, content_index=0, transcript=words
    )


def sound(item_id: str, ms: int, *, index: int = 0) -> ResponseOutputAudioDelta:
    return ResponseOutputAudioDelta(
        response_id="r", item_id=item_id, output_index=0, content_index=index, delta=bytes(48 * ms)
    )


def say(script: Transcript, item_id: str, start_ms: int, ms: int) -> None:
    """An item's sound comes and takes its place on the playout's stream."""
    script.on_sound(sound(item_id, ms), 8 * start_ms, 8 * (start_ms + ms), 0.0)


def batch(start_ms: int, ms: int) -> Batch:
    return Batch([bytes(8 * ms)], 8 * start_ms, LoopTime(0.0), None, last=False)


def read(*events: ServerEvent | UnknownEvent) -> list[Line]:
    """The transcript of nothing but what the service said."""
    script = transcript()
    for event in events:
        script.on_model(event, 0.0)
    return list(script.lines(steady(0.0)))


def test_what_is_written_down_late_stands_where_it_was_said() -> None:
    """The answer is complete before the question has been written down."""
    assert read(
        committed("c1", None),
        ConversationItemAdded(item=message("m1", "assistant"), previous_item_id="c1"),
        answered("m1", ANSWER),
        committed("c2", "m1"),
        written("c2", "And on Friday?"),
        written("c1", "Can I come on Tuesday?"),
    ) == [caller("c1", "Can I come on Tuesday?"), unheard("m1", ANSWER), caller("c2", "And on Friday?")]


def test_items_that_are_announced_in_the_wrong_order_are_put_right() -> None:
    assert read(committed("c3", "c2"), committed("c1", None), committed("c2", "c1")) == [
        caller("c1"),
        caller("c2"),
        caller("c3"),
    ]


def test_the_older_announcement_serves_as_well() -> None:
    assert read(
        answered("m1", "Yes."),
        committed("c1", None),
        ConversationItemCreated(item=message("m1", "assistant"), previous_item_id="c1"),
    ) == [caller("c1"), unheard("m1", "Yes.")]


def test_without_a_chain_what_began_earlier_comes_first() -> None:
    assert read(started("b", 900), started("a", 2000), started("c", 100)) == [
        caller("c", start=100),
        caller("b", start=900),
        caller("a", start=2000),
    ]


def test_of_two_items_behind_the_same_one_the_earlier_comes_first_with_all_that_follows_it() -> None:
    assert read(
        committed("a", None),
        committed("late", "a"),
        started("late", 500),
        committed("early", "a"),
        started("early", 100),
        committed("behind early", "early"),
    ) == [caller("a"), caller("early", start=100), caller("behind early"), caller("late", start=500)]


def test_items_that_follow_each_other_in_a_circle_are_not_lost() -> None:
    lines = read(committed("a", "c"), committed("b", "a"), committed("c", "b"), committed("d", "d"))
    assert sorted(line.item_id for line in lines if isinstance(line, CallerWords)) == ["a", "b", "c", "d"]


def test_a_chain_of_thousands_is_followed_to_its_end() -> None:
    lines = read(*(committed(f"c{number}", f"c{number - 1}") for number in reversed(range(3000))))
    assert lines == [caller(f"c{number}") for number in range(3000)]


def test_a_caller_is_timed_by_the_media_that_the_service_counted() -> None:
    """Its zero is where the caller's audio began in the call, and the transcript is told where that was."""
    script = transcript()
    script.on_model(started("c1", 1200), 9.0)
    script.on_model(InputAudioBufferSpeechStopped(item_id="c1", audio_end_ms=2300), 9.0)
    assert script.lines(steady(0.25)) == [
        CallerWords(item_id="c1", began=1.45, ended=2.55, media_start=Ms(1200), media_end=Ms(2300), words=None)
    ]
    assert script.lines(timeless) == [
        CallerWords(item_id="c1", began=None, ended=None, media_start=Ms(1200), media_end=Ms(2300), words=None)
    ]


def test_pieces_of_a_transcript_stand_for_the_whole_until_it_comes() -> None:
    pieces = [
        ConversationItemInputAudioTranscriptionDelta(item_id="c1", content_index=0, delta=piece)
        for piece in ("Can I ", "come on", None)
    ]
    assert read(*pieces) == [caller("c1", "Can I come on")]
    assert read(*pieces, written("c1", "Can I come over?")) == [caller("c1", "Can I come over?")]
    assert read(written("c1", "Can I come over?"), *pieces) == [caller("c1", "Can I come over?")]


def test_an_item_that_holds_its_words_is_enough() -> None:
    """A service that sends no transcript events still says in the finished item what was spoken."""
    heard = ContentPart(type="input_audio", transcript="Hello?")
    spoken = ContentPart(type="output_audio", transcript="Hello!")
    assert read(
        ConversationItemDone(item=message("c1", "user", heard)),
        ResponseOutputItemDone(response_id="r", output_index=0, item=message("m1", "assistant", spoken)),
        ConversationItemAdded(item=message("m1", "assistant"), previous_item_id="c1"),
    ) == [caller("c1", "Hello?"), unheard("m1", "Hello!")]


def test_what_we_wrote_to_the_model_is_nobodys_speech() -> None:
    """It may hold what the caller pressed."""
    note = message("n1", "user", ContentPart(type="input_text", text="The caller pressed 1234."))
    assert read(
        committed("c1", None), ConversationItemAdded(item=note, previous_item_id="c1"), committed("c2", "n1")
    ) == [
        caller("c1"),
        caller("c2"),
    ]


def test_a_text_that_is_not_spoken_was_not_heard() -> None:
    text = ResponseOutputTextDone(response_id="r", item_id="m1", output_index=0, content_index=0, text="42")
    assert read(text) == [unheard("m1", "42")]


def test_what_the_caller_heard_is_timed_by_the_frames_that_were_sent() -> None:
    """One second in three writes, and the next item behind it in the last of them."""
    script = transcript()
    say(script, "m1", 0, 400)
    script.on_batch(batch(0, 300), 5.0)
    say(script, "m1", 400, 600)
    say(script, "m2", 1000, 200)
    script.on_batch(batch(300, 300), 5.3)
    script.on_batch(batch(600, 600), 6.0)
    script.on_model(answered("m1", ANSWER), 0.0)
    assert script.lines(timeless) == [
        ModelWords(item_id="m1", began=5.0, ended=6.4, words=ANSWER, unheard="", heard_ms=Ms(1000), total_ms=Ms(1000)),
        ModelWords(item_id="m2", began=6.4, ended=6.6, words="", unheard="", heard_ms=Ms(200), total_ms=Ms(200)),
    ]


def test_frames_that_are_taken_back_and_sent_again_are_heard_when_they_are_heard() -> None:
    script = transcript()
    say(script, "m1", 0, 400)
    script.on_batch(batch(0, 300), 5.0)
    script.on_batch(batch(0, 400), 7.0)
    assert script.lines(timeless) == [
        ModelWords(item_id="m1", began=7.0, ended=7.4, words="", unheard="", heard_ms=Ms(400), total_ms=Ms(400))
    ]


def test_an_interruption_leaves_the_words_that_were_heard() -> None:
    """Six words in a second of which half was heard; its transcript comes after the interruption."""
    script = transcript()
    say(script, "m1", 0, 1000)
    script.on_batch(batch(0, 800), 5.0)
    script.on_cut([Cut(ItemId("m1"), 0, Ms(500), Ms(1000))], 5.5)
    script.on_model(answered("m1", ANSWER), 6.0)
    assert script.lines(timeless) == [
        ModelWords(
            item_id="m1",
            began=5.0,
            ended=5.5,
            words="Of course, on",
            unheard="Tuesday at nine.",
            heard_ms=Ms(500),
            total_ms=Ms(1000),
        )
    ]


def test_sound_that_comes_after_the_interruption_counts_to_the_whole() -> None:
    """A second was there at the interruption and another came afterwards: a quarter of the words was heard."""
    script = transcript()
    say(script, "m1", 0, 1000)
    script.on_batch(batch(0, 800), 5.0)
    script.on_cut([Cut(ItemId("m1"), 0, Ms(500), Ms(1000))], 5.5)
    script.on_sound(sound("m1", 1000), 8000, 8000, 5.6)
    script.on_model(answered("m1", "one two three four"), 6.0)
    (line,) = script.lines(timeless)
    assert isinstance(line, ModelWords)
    assert (line.words, line.unheard, line.heard_ms, line.total_ms) == ("one", "two three four", 500, 2000)


def test_an_item_that_was_sent_and_taken_back_before_it_was_heard_has_no_times() -> None:
    script = transcript()
    say(script, "m1", 0, 1000)
    script.on_batch(batch(0, 300), 5.0)
    script.on_cut([Cut(ItemId("m1"), 0, Ms(0), Ms(1000))], 4.9)
    script.on_model(answered("m1", "Hello"), 6.0)
    assert script.lines(timeless) == [
        ModelWords(item_id="m1", began=None, ended=None, words="", unheard="Hello", heard_ms=Ms(0), total_ms=Ms(1000))
    ]


def test_the_parts_of_an_item_are_cut_each_by_itself() -> None:
    script = transcript()
    script.on_sound(sound("m1", 100), 0, 800, 0.0)
    script.on_sound(sound("m1", 100, index=1), 800, 1600, 0.0)
    script.on_cut([Cut(ItemId("m1"), 1, Ms(50), Ms(100))], 1.0)
    for index, words in enumerate(("one two", "three four")):
        event = ResponseOutputAudioTranscriptDelta(
            response_id="r", item_id="m1", output_index=0, content_index=index, delta=words
        )
        script.on_model(event, 0.0)
    (line,) = script.lines(timeless)
    assert isinstance(line, ModelWords)
    assert (line.words, line.unheard, line.heard_ms, line.total_ms) == ("one two three", "four", 150, 200)


def test_keys_stand_behind_what_had_begun_when_they_were_pressed() -> None:
    script = transcript(mask_digits=False)
    for item, at_ms in (("c1", 1000), ("c2", 5000)):
        script.on_model(started(item, at_ms), 0.0)
    for at, digit in ((0.5, "0"), (3.5, "2"), (3.0, "1"), (4.0, "#"), (9.0, "*")):
        script.on_keys(digit, at)
    assert script.lines(steady(0.0)) == [
        Keys(began=0.5, ended=0.5, digits="0"),
        caller("c1", start=1000),
        Keys(began=3.0, ended=4.0, digits="12#"),
        caller("c2", start=5000),
        Keys(began=9.0, ended=9.0, digits="*"),
    ]


def test_masked_keys_say_only_how_many_they_were() -> None:
    script = transcript()
    script.on_keys("12", 1.0)
    script.on_keys("#", 1.5)
    assert script.lines(timeless) == [Keys(began=1.0, ended=1.5, digits="***")]


def test_a_tool_is_called_and_answers_in_its_place() -> None:
    script = transcript()
    call = Item(type="function_call", id="t1", call_id="call_1", name="book", arguments='{"account": "12345678"}')
    result = Item(type="function_call_output", id="t2", call_id="call_1", output="booked 2030")
    script.on_model(ConversationItemAdded(item=result, previous_item_id="t1"), 4.0)
    script.on_model(ConversationItemDone(item=call, previous_item_id="c1"), 3.0)
    script.on_model(committed("c1", None), 2.0)
    assert script.lines(timeless) == [
        caller("c1"),
        ToolCall(item_id="t1", at=3.0, call_id="call_1", name="book", arguments='{"account": "********"}', output=None),
        ToolCall(item_id="t2", at=4.0, call_id="call_1", name="", arguments=None, output="booked ****"),
    ]


def test_arguments_alone_make_a_tool_call_and_digits_stay_where_they_may() -> None:
    script = transcript(mask_digits=False)
    done = ResponseFunctionCallArgumentsDone(
        response_id="r", item_id="t1", output_index=0, call_id="call_1", arguments='{"n": 1234}'
    )
    script.on_model(done, 3.0)
    (line,) = script.lines(timeless)
    assert isinstance(line, ToolCall)
    assert line.arguments == '{"n": 1234}'


def test_what_is_no_speech_leaves_no_line() -> None:
    assert (
        read(
            UnknownEvent("conversation.item.invented"),
            ConversationItemAdded(item=Item(type="item_reference")),
            ConversationItemAdded(item=Item(type="mcp_list_tools", id="x")),
            ConversationItemAdded(item=message("m1", "assistant")),
        )
        == []
    )


def test_a_transcript_is_bounded_and_counts_what_it_could_not_take() -> None:
    script = transcript()
    for number in range(MOST_ITEMS + 2):
        script.on_model(started(f"c{number}", number), 0.0)
    for number in range(MOST_KEYS + 3):
        script.on_keys("1", float(number))
    lines = script.lines(steady(0.0))
    assert (script.lost, sum(isinstance(line, CallerWords) for line in lines)) == (5, MOST_ITEMS)


def test_an_endless_text_is_cut() -> None:
    assert read(written("c1", "a" * 1_000_000), answered("m1", "b" * 1_000_000)) == [
        caller("c1", "a" * MOST_CHARACTERS),
        unheard("m1", "b" * MOST_CHARACTERS),
    ]

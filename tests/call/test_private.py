"""Words of a pause stand neither in the transcript nor in the story."""

from opusagent.call.moments import CallerPaused, CallerSpoke, ModelSaid
from opusagent.call.private import WITHHELD, WORDS_LATE, Story, without_private
from opusagent.call.report import MOST_HAPPENINGS, Happening
from opusagent.call.tape import Pause
from opusagent.call.words import CallerWords, Keys, ModelWords, ToolCall, Unrecorded
from opusagent.units import LoopTime, Ms

BEGAN = LoopTime(10.0)
PAUSE = Pause(20.0, 30.0)


def caller(began: float | None, ended: float | None, words: str | None = "4111") -> CallerWords:
    return CallerWords(item_id="c", began=began, ended=ended, media_start=None, media_end=None, words=words)


def model(began: float, ended: float) -> ModelWords:
    return ModelWords(
        item_id="m", began=began, ended=ended, words="4111", unheard="1111", heard_ms=Ms(1), total_ms=Ms(2)
    )


def tool(at: float) -> ToolCall:
    return ToolCall(item_id="t", at=at, call_id="1", name="pay", arguments='{"card": "4111"}', output=None)


def test_without_a_pause_nothing_is_withheld() -> None:
    lines = (caller(1, 2), model(3, 4), tool(5))
    assert without_private(lines, ()) == lines


def test_what_lies_in_a_pause_loses_its_words_and_keeps_its_place() -> None:
    """Wholly in it, into it, out of it, and around it; what ends before it or begins after it is untouched."""
    before, after = caller(1, 20), model(30, 31)
    inside = (caller(15, 21), model(22, 23), caller(29, 40), caller(10, 50))
    lines = without_private((before, *inside, after), (PAUSE,))
    told = [line.words for line in lines if isinstance(line, CallerWords | ModelWords)]
    assert told == ["4111", WITHHELD, WITHHELD, WITHHELD, WITHHELD, "4111"]
    assert all(line.unheard == "" for line in lines[1:-1] if isinstance(line, ModelWords))


def test_a_pause_has_a_line_of_its_own_where_it_began() -> None:
    unended = Pause(60.00049)
    lines = without_private((caller(1, 2), model(40, 41)), (PAUSE, unended))
    assert lines == (
        caller(1, 2),
        Unrecorded(began=20.0, ended=30.0),
        model(40, 41),
        Unrecorded(began=60.0, ended=None),
    )


def test_what_nobody_knows_the_time_of_is_withheld() -> None:
    """It may have been said in the pause. What nobody wrote down stays what it is."""
    lines = without_private((caller(None, None), caller(25, 26, None)), (PAUSE,))
    assert [line.words for line in lines if isinstance(line, CallerWords)] == [WITHHELD, None]


def test_keys_and_tools_of_a_pause_are_hidden() -> None:
    lines = without_private((Keys(began=21, ended=22, digits="4111"), tool(25), tool(35)), (PAUSE,))
    assert lines == (
        Unrecorded(began=20.0, ended=30.0),
        Keys(began=21, ended=22, digits="****"),
        ToolCall(item_id="t", at=25, call_id="1", name="pay", arguments=WITHHELD, output=None),
        tool(35),
    )


def test_a_story_has_no_words_of_a_pause_that_lasts_or_is_just_over() -> None:
    """The service writes down what was said after it was said: for a while nobody knows which words these are."""
    story = Story(BEGAN)
    moments = [(15.0, ()), (25.0, (Pause(20.0),)), (31.0, (PAUSE,)), (30.0 + WORDS_LATE, (PAUSE,))]
    for at, pauses in moments:
        story.add(CallerSpoke(LoopTime(BEGAN + at), "4111"), pauses)
        story.add(ModelSaid(LoopTime(BEGAN + at), "thank you"), pauses)
    said = [f"the caller said: {words}" for words in ("4111", WITHHELD, WITHHELD, "4111")]
    assert [line.what for line in story.lines()[::2]] == said
    assert [line.what.endswith("thank you") for line in story.lines()[1::2]] == [True, False, False, True]


def test_a_story_tells_in_a_pause_what_has_no_words() -> None:
    story = Story(BEGAN)
    story.add(CallerPaused(LoopTime(BEGAN + 25)), (Pause(20.0),))
    assert story.lines() == (Happening(25.0, "the caller paused"),)


def test_a_story_is_bounded() -> None:
    story = Story(BEGAN)
    for _ in range(MOST_HAPPENINGS + 1):
        story.add(CallerPaused(BEGAN), ())
    assert len(story.lines()) == MOST_HAPPENINGS

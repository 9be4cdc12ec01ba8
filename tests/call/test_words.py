"""The lines of a transcript: how many words were heard, which digits are hidden, and what a file of them holds."""

import msgspec
import pytest

from opusagent.call.words import (
    CallerWords,
    Keys,
    ModelWords,
    ToolCall,
    Unrecorded,
    WordCounts,
    count_words,
    masked,
    split_heard,
    to_json_lines,
)
from opusagent.units import Ms

SENTENCE = "We open at nine, and close at five."
CALLER = CallerWords(item_id="c", began=1.0, ended=2.5, media_start=Ms(900), media_end=Ms(2400), words="Grüß Gott")
MODEL = ModelWords(
    item_id="m", began=3.0, ended=3.5, words="We open", unheard="at nine.", heard_ms=Ms(500), total_ms=Ms(1000)
)
KEYS = Keys(began=4.0, ended=5.0, digits="***")
CALLED = ToolCall(item_id="t", at=6.0, call_id="call_1", name="book", arguments="{}", output=None)
ANSWERED = ToolCall(item_id="u", at=6.5, call_id="call_1", name="", arguments=None, output="done")


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (0, ""),
        (124, ""),
        (125, "We"),
        (500, "We open at nine,"),
        (979, "We open at nine, and close at"),
        (981, SENTENCE),
        (1000, SENTENCE),
    ],
)
def test_words_were_heard_in_proportion_to_the_sound_rounded_down(heard: int, words: str) -> None:
    """Eight words in a second: one for each 125 ms that were heard to their end."""
    assert split_heard(SENTENCE, Ms(heard), Ms(1000)) == (words, SENTENCE.removeprefix(words).strip())


def test_a_script_without_spaces_is_cut_between_its_characters() -> None:
    assert split_heard("我们九点开门", Ms(500), Ms(1000)) == ("我们九", "点开门")


def test_words_without_sound_were_not_heard() -> None:
    assert split_heard("only written", Ms(0), Ms(0)) == ("", "only written")


def test_no_words_are_no_words() -> None:
    assert split_heard("", Ms(500), Ms(1000)) == ("", "")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("1234", "****"),
        ("room 123", "room 123"),
        ("4111-1111 11111111", "****-**** ********"),
        ('{"pin":"0000","n":7}', '{"pin":"****","n":7}'),
        ("9.50 to 12.50", "9.50 to 12.50"),
    ],
)
def test_runs_of_four_digits_are_hidden(text: str, hidden: str) -> None:
    assert masked(text) == hidden


def test_a_transcript_in_numbers() -> None:
    assert count_words(
        [CALLER, MODEL, KEYS, CALLED, ANSWERED, Unrecorded(began=7.0, ended=None)], lost=2
    ) == WordCounts(caller=1, model=1, heard_words=2, unheard_words=2, keys=3, tool_calls=1, lost=2)


def test_a_file_of_lines_holds_an_object_a_line() -> None:
    lines = to_json_lines([CALLER, MODEL, KEYS, CALLED]).decode().splitlines()
    assert [msgspec.json.decode(line) for line in lines] == [
        {
            "kind": "caller",
            "item_id": "c",
            "began": 1.0,
            "ended": 2.5,
            "media_start": 900,
            "media_end": 2400,
            "words": "Grüß Gott",
        },
        {
            "kind": "model",
            "item_id": "m",
            "began": 3.0,
            "ended": 3.5,
            "words": "We open",
            "unheard": "at nine.",
            "heard_ms": 500,
            "total_ms": 1000,
        },
        {"kind": "keys", "began": 4.0, "ended": 5.0, "digits": "***"},
        {
            "kind": "tool",
            "item_id": "t",
            "at": 6.0,
            "call_id": "call_1",
            "name": "book",
            "arguments": "{}",
            "output": None,
        },
    ]


def test_words_of_others_cannot_add_a_line() -> None:
    """A line break in what somebody says is escaped, as JSON has it."""
    line = ToolCall(item_id="a\nb", at=0.0, call_id="", name="x\n{}", arguments=None, output="\r\n")
    assert to_json_lines([line]).count(b"\n") == 1

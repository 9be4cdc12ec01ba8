"""The caller's words while they are being recognised."""

from opusagent.call.captions import REMEMBERED, Captions
from opusagent.call.commands import TellCaller
from opusagent.platforms.dialect import WordsRecognised


def so_far(words: str) -> tuple[TellCaller, ...]:
    return (TellCaller(WordsRecognised(words, final=False)),)


def test_pieces_are_put_together_until_another_item_begins() -> None:
    captions = Captions()
    assert captions.push("i1", "") == ()
    assert captions.push("i1", "Good ") == so_far("Good ")
    assert captions.push("i1", "morning") == so_far("Good morning")
    assert captions.push("i2", "Yes") == so_far("Yes")


def test_words_are_complete_once_and_only_so_many_are_remembered() -> None:
    captions = Captions()
    assert [captions.complete("i1", 0) for _ in range(2)] == [True, False]
    assert captions.complete("i1", 1)
    captions.forget()
    assert captions.complete("i1", 0)
    assert all(captions.complete(f"other {n}", 0) for n in range(REMEMBERED))
    assert captions.complete("i1", 0)

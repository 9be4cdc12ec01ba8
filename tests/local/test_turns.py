"""The input buffer finds turns, pads them, cuts them out, and never holds more than its limit."""

import pytest

from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, MediaFormat
from opusagent.local.turns import BUFFER_LIMIT, InputBuffer, TurnBegan, TurnEnded, TurnRules
from opusagent.units import Ms
from property_tests.strategies_local import quiet, words


@pytest.mark.parametrize("media", [PCM16_24K, MULAW_8K, ALAW_8K])
def test_a_turn_holds_its_padding_its_words_and_the_silence_that_ended_it(media: MediaFormat) -> None:
    buffer = InputBuffer(media)
    spoken = quiet(1000, media) + words(800, media) + quiet(600, media)
    turn = spoken[media.bytes_of(Ms(700)) : media.bytes_of(Ms(2300))]
    assert buffer.append(spoken) == [TurnBegan(Ms(700)), TurnEnded(Ms(2300), turn)]
    assert (buffer.start, buffer.end) == (2300, 2400)


def test_the_cuts_between_appends_do_not_matter() -> None:
    whole, pieces = InputBuffer(MULAW_8K), InputBuffer(MULAW_8K)
    spoken = (quiet(330, MULAW_8K) + words(410, MULAW_8K) + quiet(700, MULAW_8K)) * 2
    turns = [turn for start in range(0, len(spoken), 137) for turn in pieces.append(spoken[start : start + 137])]
    assert turns == whole.append(spoken)
    assert len(turns) == 4


def test_padding_never_reaches_behind_the_last_turn() -> None:
    buffer = InputBuffer(PCM16_24K, TurnRules(prefix=Ms(2000)))
    spoken = words(200) + quiet(500) + quiet(100) + words(200) + quiet(500)
    starts = [turn.start for turn in buffer.append(spoken) if isinstance(turn, TurnBegan)]
    assert starts == [Ms(0), Ms(700)]


def test_manual_turns_begin_and_end_nothing() -> None:
    buffer = InputBuffer(PCM16_24K, None)
    assert buffer.append(words(500) + quiet(1000)) == []
    assert not buffer.speaking
    assert buffer.take() == words(500) + quiet(1000)
    assert (buffer.start, buffer.end) == (1500, 1500)


def test_taking_the_buffer_ends_the_turn_in_it() -> None:
    buffer = InputBuffer()
    assert (buffer.append(words(200)), buffer.speaking) == ([TurnBegan(Ms(0))], True)
    assert (buffer.take(), buffer.speaking) == (words(200), False)
    assert buffer.append(quiet(700)) == []


def test_what_is_older_than_the_limit_is_lost_and_the_clock_goes_on() -> None:
    buffer = InputBuffer(MULAW_8K)
    buffer.append(quiet(BUFFER_LIMIT + 700, MULAW_8K))
    assert (buffer.start, buffer.end) == (700, BUFFER_LIMIT + 700)


def test_another_format_empties_the_buffer_and_keeps_the_clock() -> None:
    buffer = InputBuffer(PCM16_24K)
    buffer.append(words(300))
    buffer.configure(MULAW_8K, buffer.rules)
    assert (buffer.start, buffer.end, buffer.speaking) == (300, 300, False)
    assert buffer.append(words(100, MULAW_8K)) == [TurnBegan(Ms(300))]
    assert buffer.end == 400


def test_new_rules_take_effect_within_a_turn() -> None:
    buffer = InputBuffer()
    buffer.append(words(200))
    buffer.configure(PCM16_24K, TurnRules(silence=Ms(100)))
    assert [type(turn) for turn in buffer.append(quiet(120))] == [TurnEnded]
    buffer.take()
    assert [type(turn) for turn in buffer.append(words(200) + quiet(100))] == [TurnBegan, TurnEnded]

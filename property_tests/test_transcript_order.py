"""Law: whatever order the service's events arrive in, the transcript is the same, and follows the conversation."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.media_time import steady
from opusagent.call.transcript import Transcript
from opusagent.call.words import Keys, Line, Unrecorded, split_heard
from opusagent.units import Ms
from property_tests.strategies_conversation import Conversation, Told, conversations, words

presses = st.lists(
    st.tuples(st.integers(0, 300).map(lambda tenths: tenths / 10), st.sampled_from("0123456789*#")), max_size=6
)
"""Keys and when they are pressed."""


def read(told: Sequence[Told], keys: Sequence[tuple[float, str]]) -> Sequence[Line]:
    transcript = Transcript(PCM16_24K, MULAW_8K, mask_digits=False)
    for at, digit in keys:
        transcript.on_keys(digit, at)
    for each in told:
        transcript.on_model(each.event, each.at)
    return transcript.lines(steady(0.5))


@given(st.data(), conversations(), presses)
def test_any_order_of_arrival_gives_the_same_transcript(
    data: st.DataObject, conversation: Conversation, keys: list[tuple[float, str]]
) -> None:
    shuffled = data.draw(st.permutations(conversation.told))
    assert read(shuffled, data.draw(st.permutations(sorted(keys)))) == read(conversation.told, sorted(keys))


@given(conversations(), presses)
def test_the_lines_follow_the_conversation_and_no_key_is_lost(
    conversation: Conversation, keys: list[tuple[float, str]]
) -> None:
    lines = read(conversation.told, keys)
    items = [line.item_id for line in lines if not isinstance(line, Keys | Unrecorded)]
    assert items == [item for item in conversation.items if item in items]
    pressed = "".join(line.digits for line in lines if isinstance(line, Keys))
    assert sorted(pressed) == sorted(digit for _, digit in keys)


@given(words, st.integers(0, 5000), st.integers(0, 5000))
def test_heard_and_unheard_are_the_text(text: str, heard: int, more: int) -> None:
    """Nothing is lost or said twice, and who heard more heard no fewer words."""
    total = Ms(heard + more)
    said, left = split_heard(text, Ms(heard), total)
    assert f"{said} {left}".strip() == text
    assert said.startswith(split_heard(text, Ms(heard // 2), total)[0])

"""The wire's strategies reach what they claim to reach."""

import re
from collections.abc import Callable
from typing import TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, find, settings
from msgspec import UNSET

from opusagent.platforms.twilio import BridgeMessage, Clear, MediaDetail, OutboundMark, OutboundMedia
from opusagent.realtime.events import AudioInput, TurnDetection
from property_tests.strategies_wire import any_of, depths, hostile_texts, messages, values

T = TypeVar("T")

LEGAL = '{"type":"a","item":{"id":"b"}}'
BRIDGE: tuple[type[BridgeMessage], ...] = (OutboundMedia, OutboundMark, Clear)


def reached(strategy: st.SearchStrategy[T], condition: Callable[[T], bool]) -> bool:
    """Whether a value that meets `condition` comes up; raises `NoSuchExample` otherwise. Looks for no simplest one."""
    return find(strategy.map(condition), bool, settings=settings(phases=[Phase.generate], max_examples=3000))


def has_no_turn_detection(heard: AudioInput) -> bool:
    return heard.turn_detection is UNSET


def clears_turn_detection(heard: AudioInput) -> bool:
    return heard.turn_detection is None


def sets_a_threshold(heard: AudioInput) -> bool:
    return isinstance(heard.turn_detection, TurnDetection) and heard.turn_detection.threshold is not None


def has_an_odd_rate(heard: AudioInput) -> bool:
    return heard.format is not None and heard.format.rate is not None and heard.format.rate < 0


@pytest.mark.parametrize("condition", [has_no_turn_detection, clears_turn_detection, sets_a_threshold, has_an_odd_rate])
def test_fields_take_all_their_forms(condition: Callable[[AudioInput], bool]) -> None:
    """A field that tells absence from null takes all three forms, and nested classes are filled."""
    assert reached(messages(AudioInput), condition)


@pytest.mark.parametrize("name", ["payload", "track", "chunk", "timestamp"])
def test_no_field_is_left_out(name: str) -> None:
    """Optional fields are drawn too."""
    assert reached(messages(MediaDetail), lambda media: bool(getattr(media, name)))


@pytest.mark.parametrize("cls", BRIDGE)
def test_every_class_of_a_union_is_reached(cls: type[BridgeMessage]) -> None:
    """`any_of` gives each class at some time."""
    assert reached(any_of(BRIDGE), lambda message: isinstance(message, cls))


@pytest.mark.parametrize("kind", [set[str], list[int], complex])
def test_types_of_no_wire_class_are_refused(kind: object) -> None:
    """A new kind of field needs a new line in the strategies, and says so."""
    with pytest.raises(TypeError, match="no strategy"):
        values(kind)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        re.escape(LEGAL),
        re.escape(LEGAL[:15]),
        r'\{"item": \{"id": "b"\}\}',
        r'\{"type": "a", "item": \{\}\}',
        r'\{"type": (?!"a").*, "item": \{"id": "b"\}\}',
        r'\{"type": "a", "item": (?!\{).*\}',
    ],
    ids=["nothing", "legal", "cut", "one gone", "one gone further in", "one changed", "an object changed"],
)
def test_hostile_texts_reach_every_kind_of_damage(pattern: str) -> None:
    """The message itself, cuts of it, and any one value missing or changed are found."""
    assert reached(hostile_texts(st.just(LEGAL)), lambda found: re.fullmatch(pattern, found) is not None)


@pytest.mark.parametrize("depth", [1, 900, 5_000, 100_000])
def test_hostile_texts_reach_nesting_beyond_any_stack(depth: int) -> None:
    """Nesting goes from none to more than a C stack follows."""
    assert reached(depths(), lambda found: found == depth)
    assert reached(hostile_texts(st.just(LEGAL)), lambda found: found.startswith('{"a":' * depth))

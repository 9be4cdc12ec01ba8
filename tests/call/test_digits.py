"""Telephone keys: by themselves, or as sequences that a terminator, a length or a pause completes."""

from opusagent.call.digits import KEYS, MOST_DIGITS, DigitCollector, DigitRules, masked
from opusagent.units import LoopTime

NOW = LoopTime(50.0)


def test_keys_come_one_by_one_unless_they_are_collected() -> None:
    collector = DigitCollector(DigitRules())
    assert collector.push("12#", NOW) == ["1", "2", "#"]
    assert collector.deadline is None


def test_what_is_no_key_of_a_telephone_is_left_out() -> None:
    """ITU-T Q.23 has sixteen keys. Small letters are taken for large ones."""
    assert len(KEYS) == 16
    assert DigitCollector(DigitRules()).push("1xa ²٣\x00", NOW) == ["1", "A"]


def test_a_terminator_completes_a_sequence_and_is_not_part_of_it() -> None:
    collector = DigitCollector(DigitRules(collect=True))
    assert collector.push("12", NOW) == []
    assert collector.push("3#4", NOW) == ["123"]
    assert collector.on_time(LoopTime(53.0)) == ["4"]


def test_a_terminator_by_itself_completes_nothing() -> None:
    collector = DigitCollector(DigitRules(collect=True))
    assert collector.push("##", NOW) == []
    assert collector.deadline is None


def test_another_terminator_and_none() -> None:
    assert DigitCollector(DigitRules(collect=True, terminator="*")).push("1#*", NOW) == ["1#"]
    assert DigitCollector(DigitRules(collect=True, terminator="")).push("1#*", NOW) == []


def test_a_pause_completes_a_sequence() -> None:
    """Counted from the last key."""
    collector = DigitCollector(DigitRules(collect=True, pause_seconds=3.0))
    collector.push("1", NOW)
    collector.push("2", LoopTime(52.0))
    assert collector.deadline == 55.0
    assert [collector.on_time(LoopTime(at)) for at in (54.9, 55.0, 99.0)] == [[], ["12"], []]


def test_a_length_completes_a_sequence() -> None:
    collector = DigitCollector(DigitRules(collect=True, most=4))
    assert collector.push("123456789", NOW) == ["1234", "5678"]
    assert collector.on_time(LoopTime(53.0)) == ["9"]


def test_no_sequence_is_longer_than_the_longest() -> None:
    """However many are configured, and however many are pressed."""
    collector = DigitCollector(DigitRules(collect=True, most=10_000))
    assert [len(keys) for keys in collector.push("1" * 200, NOW)] == [MOST_DIGITS] * 3


def test_masked_keys_show_their_number_only() -> None:
    assert masked("4711#", mask=True) == "*****"
    assert masked("4711#", mask=False) == "4711#"

"""Law: whoever mistypes a key or a table by one letter is told which one was meant, and where."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opusagent.daemon.config import parse
from opusagent.errors import ConfigError
from property_tests.strategies_config import KEYS, slips

PLACES = [(table, key) for table, keys in KEYS.items() for key in keys]
EVERY_NAME = {*KEYS, *(key for _, key in PLACES)}


def problems(text: str) -> tuple[str, ...]:
    """What is wrong with `text`."""
    with pytest.raises(ConfigError) as refused:
        parse(text, {}, source="x")
    return refused.value.problems


@given(st.sampled_from(PLACES), st.data())
def test_a_mistyped_key_is_recognised(place: tuple[str, str], data: st.DataObject) -> None:
    table, key = place
    slipped = data.draw(slips(key))
    assume(slipped not in EVERY_NAME)
    assert f"x: unknown key `{slipped}`, did you mean `{key}`? at {table}" in problems(f"[{table}]\n{slipped} = 1")


@given(st.sampled_from(sorted(KEYS)), st.data())
def test_a_mistyped_table_is_recognised(table: str, data: st.DataObject) -> None:
    slipped = data.draw(slips(table))
    assume(slipped not in EVERY_NAME)
    assert f"x: unknown table `{slipped}`, did you mean `{table}`? at the top level" in problems(f"[{slipped}]")


@given(st.sampled_from(PLACES), st.sampled_from(sorted(KEYS)))
def test_a_key_under_a_wrong_table_is_sent_home(place: tuple[str, str], elsewhere: str) -> None:
    table, key = place
    assume(key not in KEYS[elsewhere])
    (told,) = [problem for problem in problems(f"[{elsewhere}]\n{key} = 1") if "unknown key" in problem]
    where, _, homes = told.partition(": it belongs under ")
    assert where == f"x: unknown key `{key}` at {elsewhere}"
    assert f"[{table}]" in homes.split(" or ")

"""The strategies say what they claim to say."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from opusagent.daemon.config import Config
from property_tests.strategies_config import KEYS, configs, near_misses, slips, toml_of


@given(configs)
def test_a_configuration_is_written_as_toml_with_known_keys_only(config: Config) -> None:
    document = tomllib.loads(toml_of(config))
    assert all(set(table) <= set(KEYS[name]) for name, table in document.items())


@given(st.sampled_from([*KEYS, *(key for keys in KEYS.values() for key in keys)]), st.data())
def test_a_slip_is_another_word_of_nearly_the_same_length(word: str, data: st.DataObject) -> None:
    slipped = data.draw(slips(word))
    assert slipped != word
    assert abs(len(slipped) - len(word)) <= 1


@given(near_misses())
def test_a_near_miss_is_text(text: str) -> None:
    assert text.encode().decode() == text

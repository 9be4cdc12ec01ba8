"""Law: every valid configuration, written as TOML, is read back as itself."""

from hypothesis import given

from opusagent.daemon.config import Config, parse
from property_tests.strategies_config import configs, toml_of


@given(configs)
def test_what_is_written_is_what_is_read(config: Config) -> None:
    assert parse(toml_of(config), {}, source="x.toml") == config

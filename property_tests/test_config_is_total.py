"""Law: any text at all is a configuration or a `ConfigError`, and a `ConfigError` says where each problem is."""

from hypothesis import example, given
from hypothesis import strategies as st

from opusagent.daemon.config import Config, parse
from opusagent.errors import ConfigError
from property_tests.strategies_config import near_misses


def read(text: str) -> Config | ConfigError:
    """What comes of `text`. Whatever else is raised fails the test."""
    try:
        return parse(text, {"OPENAI_API_KEY": "sk-test"}, source="x.toml")
    except ConfigError as error:
        return error


@given(st.text() | near_misses())
@example("a." * 2000 + "a = 1")
@example("x = " + "{a = " * 5000)
@example("[server]\nmax_calls = 1e999")
@example('[realtime]\napi_key_file = "\\u0000"')
def test_any_text_is_a_configuration_or_its_problems(text: str) -> None:
    result = read(text)
    match result:
        case Config():
            assert result.twilio is not None
        case ConfigError():
            assert result.problems
            assert all(problem.startswith("x.toml: ") for problem in result.problems)

"""What the service's errors mean: most nothing, a few the end."""

import pytest

from opusagent.call.faults import ALREADY_ACTIVE, FATAL_CODES, Faults, code_of
from opusagent.call.reasons import End, EndReason
from opusagent.errors import INTERNAL_ERROR
from opusagent.realtime.events import ErrorDetail

HARMLESS = [
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",
    "item_retrieve_invalid_item_id",
    "rate_limit_exceeded",
    "invalid_value",
    "unknown_parameter",
    "server_error",
    ALREADY_ACTIVE,
]


@pytest.mark.parametrize("code", HARMLESS)
def test_most_errors_are_counted_and_end_nothing(code: str) -> None:
    faults = Faults()
    assert faults.judge(ErrorDetail(code=code), configured=True) is None
    assert faults.counts == {code: 1}


@pytest.mark.parametrize("code", sorted(FATAL_CODES))
def test_some_say_that_no_session_will_work(code: str) -> None:
    end = End(EndReason.MODEL_REFUSED, f"{code}: no", INTERNAL_ERROR)
    assert Faults().judge(ErrorDetail(code=code, message="no"), configured=True) == end


@pytest.mark.parametrize("code", HARMLESS)
def test_before_the_session_is_configured_every_error_is_about_the_settings(code: str) -> None:
    """And says which of them, so that the operator finds it."""
    error = ErrorDetail(code=code, message="no", param="session.audio.output.speed")
    end = End(EndReason.MODEL_REFUSED, f"{code} at session.audio.output.speed: no", INTERNAL_ERROR)
    assert Faults().judge(error, configured=False) == end


def test_an_error_without_a_code_is_counted_as_its_type() -> None:
    assert code_of(ErrorDetail(type="server_error")) == "server_error"
    assert code_of(ErrorDetail()) == "error"

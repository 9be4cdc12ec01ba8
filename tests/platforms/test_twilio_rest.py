"""Requests to Twilio's REST API to the letter, and what its answers mean."""

from urllib.parse import parse_qsl

import pytest

from opusagent.errors import ConfigError, RemoteProtocolError
from opusagent.platforms.twilio_rest import (
    Again,
    Outcome,
    RestRequest,
    TwilioAccount,
    Verdict,
    go_on_with,
    hang_up,
    judge,
)
from opusagent.secret import Secret

SID = "AC" + "0" * 32
CALL = "CA" + "1" * 32
ACCOUNT = TwilioAccount(account_sid=SID, user="SK7", password=Secret("hunter2"))
HEADERS = (
    ("Authorization", "Basic U0s3Omh1bnRlcjI="),  # printf SK7:hunter2 | base64
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Accept", "application/json"),
)


def test_a_hang_up() -> None:
    url = f"https://api.twilio.com/2010-04-01/Accounts/{SID}/Calls/{CALL}.json"
    assert hang_up(ACCOUNT, CALL) == RestRequest(url, HEADERS, b"Status=completed")


def test_a_call_that_goes_on_with_twiml() -> None:
    request = go_on_with(ACCOUNT, CALL, "<Response><Say>A & B = \u00fc</Say></Response>")
    assert parse_qsl(request.body.decode()) == [("Twiml", "<Response><Say>A & B = \u00fc</Say></Response>")]
    assert request.headers == HEADERS


def test_twiml_that_is_longer_than_twilio_takes_is_not_sent() -> None:
    go_on_with(ACCOUNT, CALL, "x" * 4000)
    with pytest.raises(ConfigError, match="TwiML of 4001 characters, where Twilio takes 4000"):
        go_on_with(ACCOUNT, CALL, "x" * 4001)


NO_NAMES = ("", "..", "../Messages", "CA1/Recordings", "CA1?x", "CA1.json#", "CA\r\nX: y", "CA\u0661")


@pytest.mark.parametrize("call_sid", NO_NAMES)
def test_a_name_from_the_wire_never_becomes_another_path(call_sid: str) -> None:
    with pytest.raises(RemoteProtocolError, match="is no name of a call"):
        hang_up(ACCOUNT, call_sid)


def test_no_text_shows_the_credentials() -> None:
    shown = f"{ACCOUNT!r} {hang_up(ACCOUNT, CALL)!r}"
    assert "hunter2" not in shown
    assert "U0s3" not in shown


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"sid":"CA1"}', Verdict(Outcome.DONE)),
        (201, b"", Verdict(Outcome.DONE)),
        (
            404,
            b'{"code":20404,"message":"The requested resource was not found","status":404}',
            Verdict(Outcome.OVER, "Twilio answered 404, error 20404: The requested resource was not found"),
        ),
        (404, b"<html>", Verdict(Outcome.OVER, "Twilio answered 404")),
        (
            400,
            b'{"code":21220,"message":"Call is not in-progress. Cannot redirect."}',
            Verdict(Outcome.OVER, "Twilio answered 400, error 21220: Call is not in-progress. Cannot redirect."),
        ),
        (
            401,
            b'{"code":20003,"message":"Authenticate"}',
            Verdict(Outcome.FAILED, "Twilio answered 401, error 20003: Authenticate"),
        ),
        (302, b"", Verdict(Outcome.FAILED, "Twilio answered 302")),
        (429, b'{"code":20429}', Verdict(Outcome.FAILED, "Twilio answered 429, error 20429", Again.YES)),
        (500, b"\xff\xfe", Verdict(Outcome.FAILED, "Twilio answered 500", Again.IF_HARMLESS)),
        (503, b"[1]", Verdict(Outcome.FAILED, "Twilio answered 503", Again.IF_HARMLESS)),
        (
            400,
            b'{"code":"x","message":"a\\u001b[2J' + b"b" * 200 + b'"}',
            Verdict(Outcome.FAILED, "Twilio answered 400: a\\x1b[2J" + "b" * 75),
        ),
        (400, b"[" * 100_000, Verdict(Outcome.FAILED, "Twilio answered 400")),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, verdict: Verdict) -> None:
    assert judge(status, body) == verdict

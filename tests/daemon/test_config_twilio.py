"""`[twilio_rest]`: on whose behalf Twilio is asked, and what a person is told who got it wrong."""

from pathlib import Path

import pytest

from opusagent.daemon.config import TwilioRest, parse
from opusagent.errors import ConfigError
from opusagent.secret import Secret

PLATFORM = "[twilio]\ninsecure = true\n[twilio_rest]\n"
ACCOUNT = "AC" + "0" * 32
KEY = "SK" + "1" * 32


def rest(text: str, environ: dict[str, str] | None = None) -> TwilioRest | None:
    return parse(PLATFORM + text, environ or {}, source="x.toml").twilio_rest


def problems(text: str, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        rest(text, environ)
    return tuple(problem.removeprefix("x.toml: ") for problem in refused.value.problems)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "twilio_auth_token").write_text("hunter2\n")
    return tmp_path / "twilio_auth_token"


def test_without_the_table_nobody_asks() -> None:
    assert parse("[twilio]\ninsecure = true\n", {"TWILIO_AUTH_TOKEN": "x"}, source="x.toml").twilio_rest is None


def test_an_account_with_its_token(secret: Path) -> None:
    """Of a file, or of the environment, or handed over by the service manager."""
    account = TwilioRest(account_sid=ACCOUNT, user=ACCOUNT, password=Secret("hunter2"))
    line = f'account_sid = "{ACCOUNT}"\n'
    assert rest(f'{line}auth_token_file = "{secret}"') == account
    assert rest(line, {"TWILIO_AUTH_TOKEN": "hunter2"}) == account
    assert rest(line, {"CREDENTIALS_DIRECTORY": str(secret.parent)}) == account
    assert "hunter2" not in repr(account)


def test_an_api_key_in_a_region(secret: Path) -> None:
    text = f'account_sid = "{ACCOUNT}"\napi_key_sid = "{KEY}"\napi_key_secret_file = "{secret}"\n'
    url = "https://api.dublin.ie1.twilio.com"
    assert rest(text + 'region = "ie1"\nedge = "dublin"', {"TWILIO_AUTH_TOKEN": "x"}) == TwilioRest(
        account_sid=ACCOUNT, user=KEY, password=Secret("hunter2"), url=url
    )
    here = rest(text + 'url = "http://127.0.0.1:9/"')
    assert here is not None
    assert here.url == "http://127.0.0.1:9"


def test_everything_wrong_is_said_at_once(secret: Path) -> None:
    assert problems("") == (
        "`account_sid` is missing, at twilio_rest.account_sid",
        (
            "`auth_token_file` is missing: set it, an API key, or TWILIO_AUTH_TOKEN in the environment, "
            "at twilio_rest.auth_token_file"
        ),
    )
    text = f"""
        account_sid = "{KEY}"
        auth_token_file = "{secret}"
        api_key_sid = "{KEY}"
        region = "ie1"
        url = "http://api.example.net"
    """
    assert problems(text) == (
        (
            f'`account_sid` must be AC and 32 hexadecimal digits, not "{KEY}", '
            "at twilio_rest.account_sid"
        ),
        '`url` must be https for another machine, not "http://api.example.net", at twilio_rest.url',
        (
            "`api_key_secret_file` is missing: a key and its secret are set together, "
            "at twilio_rest.api_key_secret_file"
        ),
        (
            "`auth_token_file` is one way to ask and an API key another: remove one of the two, "
            "at twilio_rest.auth_token_file"
        ),
        "`edge` is missing: a region and its edge are set together, at twilio_rest.edge",
    )  # fmt: skip


def test_a_region_and_an_address_are_one_too_many(secret: Path) -> None:
    text = f'account_sid = "{ACCOUNT}"\nauth_token_file = "{secret}"\nregion = "ie1"\nedge = "dublin"\n'
    assert problems(text + 'url = "https://api.example.net"') == (
        "`url` says where to ask and so does `region`: remove one of the two, at twilio_rest.url",
    )
    assert problems(text.replace("ie1", "ie1.x")) == (
        '`region` must be a name like "ie1" or "dublin", not "ie1.x", at twilio_rest.region',
    )


def test_a_token_of_the_environment_that_no_header_can_carry_is_refused() -> None:
    assert problems(f'account_sid = "{ACCOUNT}"', {"TWILIO_AUTH_TOKEN": "a b"}) == (
        "the token must be plain ASCII without spaces, at the environment's TWILIO_AUTH_TOKEN",
    )

"""Who may call: what the platforms must show, and that nobody calls without it by accident."""

from pathlib import Path

import pytest

from opusagent.daemon.config import parse
from opusagent.daemon.config_tables import Twilio
from opusagent.errors import ConfigError
from opusagent.platforms.twilio_signature import SharedKey
from opusagent.secret import Secret

SERVER = '[server]\npublic_url = "https://voice.example.net"\n'
TOKEN, NEXT = "0f" * 16, "1e" * 16


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        parse(text, {}, source="x.toml")
    return tuple(problem.removeprefix("x.toml: ") for problem in raised.value.problems)


def test_several_tokens_and_shared_keys_are_right_at_once(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"# until Monday\n{TOKEN}\n\n{NEXT}\n")
    (tmp_path / "shared").write_text("WK01 a-shared-key\n")
    text = f'{SERVER}[twilio]\nauth_tokens_file = "{tmp_path}/tokens"\nshared_keys_file = "{tmp_path}/shared"\n'
    assert parse(text, {}, source="x").twilio == Twilio(
        auth_tokens=(Secret(TOKEN), Secret(NEXT)), shared_keys=(SharedKey("WK01", Secret("a-shared-key")),)
    )


def test_a_token_comes_from_the_environment_or_the_service_manager_too(tmp_path: Path) -> None:
    (tmp_path / "twilio_auth_token").write_text(NEXT)
    text = f"{SERVER}[twilio]\n"
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    by_variable = parse(text, {"TWILIO_AUTH_TOKEN": TOKEN, **credentials}, source="x").twilio
    by_credential = parse(text, credentials, source="x").twilio
    assert by_variable == Twilio(auth_tokens=(Secret(TOKEN),))
    assert by_credential == Twilio(auth_tokens=(Secret(NEXT),))


def test_without_a_token_nobody_could_call() -> None:
    expected = (
        "nobody could call: set `auth_tokens_file` to a file with the account's auth token, which Twilio signs what it "
        "asks with, or TWILIO_AUTH_TOKEN in the environment, or `insecure = true` with `listen` at a loopback address "
        "such as 127.0.0.1, at twilio.auth_tokens_file"
    )
    assert problems("[twilio]\ninsecure = false") == (expected,)
    assert problems("[twilio]") == (expected,)


def test_a_signature_is_for_an_address_that_must_be_known() -> None:
    with pytest.raises(ConfigError, match="`public_url` is missing: Twilio signs the address that it dials"):
        parse("[twilio]", {"TWILIO_AUTH_TOKEN": TOKEN}, source="x")


def test_insecure_and_a_token_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    (problem,) = problems(f'[twilio]\ninsecure = true\nauth_tokens_file = "{tmp_path}/tokens"')
    assert problem == (
        "`insecure` is true, so that `auth_tokens_file` would not be asked for: remove one of the two, "
        "at twilio.insecure"
    )


@pytest.mark.parametrize("platform", ["twilio", "audiocodes"])
def test_insecure_for_the_world_must_be_said_twice(platform: str) -> None:
    text = f'[server]\nlisten = "0.0.0.0:8080"\n[{platform}]\ninsecure = true\n'
    (problem,) = problems(text)
    assert "unless `insecure_public = true` stands there as well" in problem
    assert parse(f"{text}insecure_public = true", {}, source="x").server.listen.host == "0.0.0.0"


@pytest.mark.parametrize("platform", ["twilio", "audiocodes"])
def test_insecure_public_alone_opens_nothing(platform: str) -> None:
    told = problems(f"[{platform}]\ninsecure_public = true\n")
    assert told[0] == (
        f"`insecure_public` means nothing without `insecure = true`: remove it, at {platform}.insecure_public"
    )


WRONG_FILES = {
    "absent": (None, "cannot be read"),
    "empty": ("", "holds no token"),
    "short": ("short", "a line is no token of at least 8 plain characters"),
    "two words": ("one two three", "a line is no token"),
}


@pytest.mark.parametrize(("text", "said"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_file_of_tokens_that_cannot_be_used_is_one_problem(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "tokens"
    if text is not None:
        file.write_text(text)
    (problem,) = problems(f'{SERVER}[twilio]\nauth_tokens_file = "{file}"')
    assert said in problem
    assert problem.endswith("at twilio.auth_tokens_file")


@pytest.mark.parametrize("text", ["", "WK01", "WK01 short", "WK01 a-shared-key more", "WK01 gehört-mir"])
def test_a_line_of_shared_keys_is_a_name_and_a_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "shared").write_text(text)
    (problem,) = problems(f'{SERVER}[twilio]\nshared_keys_file = "{tmp_path}/shared"')
    assert problem.endswith("at twilio.shared_keys_file")
    assert "gehört" not in problem

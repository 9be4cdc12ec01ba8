"""`[admin]`: a port is opened only with tokens, and never where they could be read on their way."""

from pathlib import Path

from opusagent.daemon.config import Admin, Listen, Secret, parse
from tests.daemon.test_config import CREDENTIALS, PLATFORM, problems

TOKEN = "correct-horse"
ADMIN = PLATFORM + "[admin]\n"


def test_a_port_and_its_tokens(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"# new\n{TOKEN}\nthe-old-one\n")
    text = f'{ADMIN}listen = "127.0.0.1:9090"\ntokens_file = "{tmp_path}/tokens"\n'
    expected = Admin(None, Listen("127.0.0.1", 9090), (Secret(TOKEN), Secret("the-old-one")))
    assert parse(text, {}, source="x.toml").admin == expected
    (tmp_path / "admin_tokens").write_text(TOKEN)
    handed_over = parse(
        ADMIN + 'listen = "127.0.0.1:9090"\n', {"CREDENTIALS_DIRECTORY": str(tmp_path)}, source="x.toml"
    )
    assert handed_over.admin == Admin(None, Listen("127.0.0.1", 9090), (Secret(TOKEN),))


def test_a_port_without_tokens_is_refused() -> None:
    (told,) = problems(ADMIN + 'listen = "127.0.0.1:9090"\n')
    assert told.startswith("`listen` would let anybody end calls who reaches it: set `tokens_file` to a file ")
    assert told.endswith(", at admin.listen")


def test_tokens_do_not_travel_in_the_clear_and_the_calls_keep_their_own_port(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    tokens = f'tokens_file = "{tmp_path}/tokens"\n'
    (clear,) = problems(f'{ADMIN}listen = "0.0.0.0:9090"\n{tokens}')
    assert clear.startswith("`listen` must be a loopback address such as 127.0.0.1 as long as there is no certificate")
    (same,) = problems(f'{ADMIN}listen = "127.0.0.1:8080"\n{tokens}')
    assert same == "`listen` must not be server.listen: the admin side has a port of its own, at admin.listen"


def test_what_is_wrong_with_the_tokens_is_told_once_and_without_them(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("short\n")
    (told,) = problems(f'{ADMIN}listen = "127.0.0.1:9090"\ntokens_file = "{tmp_path}/tokens"\n')
    assert told == (
        f"`tokens_file` names {tmp_path}/tokens, where a line is no token of at least 8 plain characters, "
        "at admin.tokens_file"
    )
    (tmp_path / "admin_tokens").write_text("")
    wrong, missing = problems(ADMIN + 'listen = "127.0.0.1:9090"\n', {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert wrong == (
        f"the credential `admin_tokens` names {tmp_path}/admin_tokens, which holds no token, at {CREDENTIALS}"
    )
    assert missing.startswith("`listen` would let anybody end calls")


def test_tokens_alone_open_nothing(tmp_path: Path) -> None:
    """A unit hands its credentials over whether or not the file wants a port."""
    (tmp_path / "admin_tokens").write_text(TOKEN)
    assert parse(PLATFORM, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, source="x.toml").admin == Admin()

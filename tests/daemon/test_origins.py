"""`opusagent config`: what is in effect, where it comes from, and never a secret."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from opusagent.cli import main

CANARIES = {"file": "sk-canary-file", "environ": "sk-canary-environment", "credential": "canary-credential"}

FILE = """
[server]
max_calls = 7
[realtime]
api_key_file = "{directory}/key"
[audiocodes]
[agent]
greeting = "Hello \\"there\\"."
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(CANARIES["file"])
    (tmp_path / "audiocodes_tokens").write_text(CANARIES["credential"])
    (tmp_path / "x.toml").write_text(FILE.format(directory=tmp_path))
    return tmp_path


def shown(place: Path, capsys: pytest.CaptureFixture[str], environ: dict[str, str]) -> dict[str, str]:
    """Each line without its origin, and its origin."""
    assert main(["config", str(place / "x.toml")], {"CREDENTIALS_DIRECTORY": str(place), **environ}) == 0
    text = capsys.readouterr().out
    assert not any(canary in text for canary in CANARIES.values())
    pairs = (line.rpartition(" # ") for line in text.splitlines() if " # " in line)
    return {line.strip(): origin for line, _, origin in pairs}


def test_each_value_says_where_it_comes_from(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(place, capsys, {"RUNTIME_DIRECTORY": "/run/x"})
    expected = {
        'listen = "127.0.0.1:8080"': "default",
        "max_calls = 7": "file",
        'greeting = "Hello \\"there\\"."': "file",
        'api_key = "***"': "file",
        'tokens = ["***"]': "credential, audiocodes_tokens",
        'socket = "/run/x/control.sock"': "environment, RUNTIME_DIRECTORY",
        "# public_url is not set": "default",
    }
    assert {line: lines.get(line) for line in expected} == expected


def test_what_is_shown_is_the_file_that_it_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys of no table stand before the first one, and before each table is an empty line."""
    assert main(["config", str(place / "x.toml")], {"CREDENTIALS_DIRECTORY": str(place)}) == 0
    text = capsys.readouterr().out
    shown = tomllib.loads(text)
    assert (shown["tools"], shown["agents"]) == ([], [])
    assert "tools" not in shown["alerts"]
    lines = text.splitlines()
    assert lines[0]
    assert all(not before for before, line in pairwise(lines) if line.startswith("["))


AGENTS = """
[twilio]
insecure = true
[agent]
voice = "cedar"
[agent.keys]
9 = "hang_up"
[[agents]]
name = "sales"
greeting = "Hello."
[routes]
numbers = { "+1 555" = "sales" }
parameters = { d = { x = "sales" } }
"""


def test_an_agent_says_what_it_has_from_agent(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "x.toml").write_text(AGENTS)
    assert main(["config", str(place / "x.toml")], {}) == 0
    _, _, agents = capsys.readouterr().out.partition("[[agents]]\n")
    lines = {line.strip(): origin for line, _, origin in (each.rpartition(" # ") for each in agents.splitlines())}
    expected = {
        'name = "sales"': "file",
        'greeting = "Hello."': "file",
        'voice = "cedar"': "file, [agent]",
        'keys = { "9" = "hang_up" }': "file, [agent]",
        "# language is not set": "default",
        'default = "default"': "default",
        'numbers = { "1555" = "sales" }': "file",
        'parameters = { "d" = { "x" = "sales" } }': "file",
    }
    assert {line: lines.get(line) for line in expected} == expected


def test_the_environment_s_key_is_told_by_the_name_of_its_variable(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(place, capsys, {"OPENAI_API_KEY": CANARIES["environ"]})
    assert lines['api_key = "***"'] == "environment, OPENAI_API_KEY"


def test_a_key_may_come_as_a_credential(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "openai_api_key").write_text(CANARIES["credential"])
    (place / "x.toml").write_text("[twilio]\ninsecure = true\n")
    assert shown(place, capsys, {})['api_key = "***"'] == "credential, openai_api_key"


def test_what_cannot_be_used_is_not_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "x.toml").write_text("[nonsense]\n")
    assert main(["config", str(place / "x.toml")], {}) == 2
    assert "unknown table `nonsense`" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "config", "route"])
def test_credentials_are_found_where_systemd_will_take_them_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """An operator tries a configuration before the service is started, which is handed its secrets only then."""
    (tmp_path / "opusagent.twilio_auth_token").write_text("0123456789abcdef")
    file = tmp_path / "x.toml"
    file.write_text('[server]\npublic_url = "https://voice.example.net"\n[twilio]\n')
    assert main([command, str(file)], {}) == 2
    assert "nobody could call" in capsys.readouterr().err
    assert main([command, str(file), "--credentials", str(tmp_path)], {}) == 0
    assert "0123456789abcdef" not in capsys.readouterr().out

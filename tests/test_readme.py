"""The README's examples are true: its commands exist, with the options that it names, and its configurations load."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from opusagent.cli import main
from opusagent.daemon.config import Config, parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OTHER_PROGRAMS = {"cd", "curl", "git"}
"""What a reader has, and what is not ours to prove."""


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks that are marked as `language`."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def commands(text: str = README) -> list[str]:
    """The lines behind a prompt, without comments."""
    lines = "".join(blocks("console", text)).splitlines()
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str | None:
    """What `opusagent` says of a command; None if it has no such command."""
    status = main([*words, "--help"], {})
    return capsys.readouterr().out if status == 0 else None


def fault_in(command: str, capsys: pytest.CaptureFixture[str]) -> str | None:
    """Why `command` cannot be as the README says, or None."""
    program, *words = shlex.split(command)
    if program == "make":
        unknown = [word for word in words if "=" not in word and word not in TARGETS]
        return f"make has no target {unknown}" if unknown else None
    if Path(program).name == "opusagent":
        told = help_of(words[:1], capsys)
        missing = [word for word in words if word.startswith("-") and word not in (told or "")]
        return f"opusagent knows no {words[:1]} with {missing}" if told is None or missing else None
    return None if program in OTHER_PROGRAMS else f"{program} is not one of ours"


def test_the_two_commands_of_the_house_are_named() -> None:
    assert {"make demo", "make check"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_readme_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fault_in(command, capsys) is None


@pytest.mark.parametrize(
    "command",
    ["make coffee", "opusagent sing", "opusagent serve --confg x.toml", ".venv/bin/opusagent dmo", "rm -rf x"],
)
def test_a_command_that_does_not_exist_would_be_noticed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fault_in(command, capsys) is not None


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_configuration_of_the_readme_loads(text: str) -> None:
    """As it is written: without a file, and with no more in the environment than Twilio's token."""
    assert isinstance(parse(text, {"TWILIO_AUTH_TOKEN": "0f" * 16}, source="README.md"), Config)


def test_there_is_a_configuration_to_copy() -> None:
    """Those that stand in a list among them."""
    assert len(blocks("toml")) == 5


def test_blocks_and_commands_are_found() -> None:
    text = "```console\n$ make check  # all of it\nsaid\n$ git clone x\n```\n"
    text += "```toml\na = 1\n```\n  ```toml\n  b = 2\n  ```\n"
    assert commands(text) == ["make check", "git clone x"]
    assert blocks("toml", text) == ["a = 1\n", "b = 2\n"]

"""The operator's page is true: its commands are ours with options that exist, or those of a Debian machine."""

import re
from pathlib import Path

import pytest

from opusagent.daemon.config_tables import Server
from opusagent.daemon.generation import FIXED
from opusagent.daemon.install import unit
from tests.test_readme import commands, fault_in

PAGE = (Path(__file__).parent.parent / "docs/operations.md").read_text()
OF_THE_MACHINE = {"apt-get", "python3", "mkdir", "install", "systemctl", "curl", "pip"}


OURS = [line for line in commands(PAGE) if Path(line.partition(" ")[0]).name not in OF_THE_MACHINE]


@pytest.mark.parametrize("command", OURS)
def test_a_command_of_the_page_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fault_in(command, capsys) is None


def test_a_new_machine_takes_ten_commands() -> None:
    first = PAGE.split("```console\n")[1].split("```")[0]
    assert len(first.splitlines()) == 10


def test_what_the_page_says_of_the_units_and_the_keys_is_so() -> None:
    service, socket = unit("opusagent.service"), unit("opusagent.socket")
    assert f"ListenStream={Server().listen.address}" in socket
    assert re.search(r"^WatchdogSec=10$", service, re.MULTILINE)
    assert all(f"`{key}`" in PAGE for key in FIXED)
    credentials = re.findall(r"^LoadCredential=\w+:(\S+)$", service, re.MULTILINE)
    assert all(f"`{name}`" in PAGE or f"/{name}`" in PAGE for name in credentials)

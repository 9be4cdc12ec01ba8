"""The units: where they are put, what they promise, and that the two of them promise the same."""

import shutil
import subprocess
from pathlib import Path

import pytest

from opusagent.cli import main
from opusagent.daemon.config import KEY_CREDENTIAL
from opusagent.daemon.config_admin import ADMIN_CREDENTIAL
from opusagent.daemon.config_platforms import TOKENS_CREDENTIAL
from opusagent.daemon.config_twilio import AUTH_CREDENTIAL
from opusagent.daemon.install import UNITS, own_program, unit

SERVICES = ("opusagent.service", "opusagent@.service")
MOST_EXPOSED = 15
"""Tenths, of systemd-analyze security. Debian's own nginx has 96."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


def settings(name: str) -> list[str]:
    """A unit's lines without comments."""
    return [line for line in unit(name).splitlines() if line and not line.startswith("#")]


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    command = ["systemd-analyze", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (written right here)


def test_the_units_are_installed_for_the_program_that_installs_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["systemd", "install", "--root", str(tmp_path)], {}) == 0
    places = [tmp_path / "etc/systemd/system" / name for name in UNITS]
    assert capsys.readouterr().out.splitlines() == list(map(str, places))
    assert [path.read_text() for path in places] == [unit(name, own_program()) for name in UNITS]
    assert f"ExecStart={own_program()} serve --config /etc/opusagent/opusagent.toml" in places[0].read_text()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "etc").write_text("a file")
    assert main(["systemd", "install", "--root", str(tmp_path)], {}) == 1
    assert "the units cannot be written" in capsys.readouterr().err


def test_one_of_several_processes_is_like_the_only_one() -> None:
    """The template differs in its name and its runtime directory, and in nothing else."""
    one, several = (set(settings(name)) for name in SERVICES)
    assert one - several == {
        "Description=opusagent, telephone calls to real-time AI voice",
        "RuntimeDirectory=opusagent",
    }
    assert several - one == {
        "Description=opusagent, telephone calls to real-time AI voice (process %i)",
        "RuntimeDirectory=opusagent/%i",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_the_processor_is_never_rationed(name: str) -> None:
    assert not any(line.startswith("CPUQuota") for line in settings(name))
    assert "Nice=-10" in settings(name)


@pytest.mark.parametrize("name", SERVICES)
def test_every_credential_that_a_configuration_asks_for_is_handed_over(name: str) -> None:
    handed = {line.removeprefix("LoadCredential=") for line in settings(name) if line.startswith("LoadCredential=")}
    asked = (KEY_CREDENTIAL, AUTH_CREDENTIAL, TOKENS_CREDENTIAL, ADMIN_CREDENTIAL)
    assert handed == {f"{each}:opusagent.{each}" for each in asked}


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardly_exposed(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(unit(name))
    judged = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(tmp_path / name))
    assert judged.returncode == 0, judged.stdout


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """Its exit status is 0 even for what it does not know: what it says counts."""
    for name in UNITS:
        (tmp_path / name).write_text(unit(name, shutil.which("true") or "/bin/true"))
    verified = analyze("verify", str(tmp_path / "opusagent.service"), str(tmp_path / "opusagent@1.service"))
    own = [line for line in verified.stderr.splitlines() if "opusagent" in line]
    assert own == []

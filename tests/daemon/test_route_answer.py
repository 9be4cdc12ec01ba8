"""`opusagent route`: which agent a call would get, said for a person and for a program."""

import json
from pathlib import Path

import pytest

from opusagent.cli import main
from opusagent.daemon.route_answer import ON_ITS_WAY
from tests.test_examples import AGENTS

NOBODY = 'nothing under [routes] knows it, and routes.default is "refuse"'
PATHS = "`/twilio/media`, `/audiocodes`, `/twilio/media/ventas`, `/audiocodes/ventas`"


def asked(capsys: pytest.CaptureFixture[str], *words: str, file: Path = AGENTS) -> tuple[int, str, str]:
    status = main(["route", str(file), *words], {})
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--number", "+1 (555) 0101"],
            "sales: routes.numbers has 15550101\n  twilio at /twilio/media, number 15550101\n",
        ),
        (
            ["--path", "/twilio/voice/ventas", "--number", "+15550101"],
            "ventas: routes.paths has /twilio/media/ventas\n  twilio at /twilio/media/ventas, number 15550101\n",
        ),
        (
            ["--parameter", "department=sales", "--parameter", "x=y"],
            "sales: routes.parameters has department = sales\n  twilio at /twilio/media\n",
        ),
        (["--bot", "SalesBot"], "sales: routes.bots has SalesBot\n  audiocodes at /audiocodes\n"),
        (
            ["--path", "/audiocodes", "--number", "sip:ventas@10.0.0.1"],
            f"ventas: routes.numbers has ventas\n  audiocodes at /audiocodes, number ventas; {ON_ITS_WAY}\n",
        ),
        (
            [],
            'default: nothing under [routes] knows it, and routes.default is "default"\n  twilio at /twilio/media\n',
        ),
    ],
)
def test_an_agent_and_why(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, *words) == (0, told, "")


def test_a_call_that_would_be_refused_is_told_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[audiocodes]\ninsecure = true\n[routes]\ndefault = "refuse"\n')
    assert asked(capsys, "--number", "1", file=file) == (
        1,
        f"refused: {NOBODY}\n  audiocodes at /audiocodes, number 1\n",
        "",
    )
    status, out, _ = asked(capsys, "--json", file=file)
    assert (status, json.loads(out)) == (
        1,
        {
            "agent": None,
            "decided_by": "default",
            "why": NOBODY,
            "platform": "audiocodes",
            "path": "/audiocodes",
            "number": "",
            "taken_first": False,
        },
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ["--path", "/x"],
            f"the daemon does not answer at /x; calls come by {PATHS}",
        ),
        (
            ["--path", "/twilio/media", "--bot", "b"],
            "a call at /twilio/media is Twilio's, which knows no bot: leave --bot out, or name another path",
        ),
        (
            ["--bot", "b", "--parameter", "a=b"],
            "a call at /audiocodes is AudioCodes', where no TwiML has parameters: leave --parameter out",
        ),
        (["--parameter", "a"], "a parameter is NAME=VALUE, not a"),
    ],
)
def test_a_call_that_cannot_come_is_said_to_be_none(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(capsys, *words) == (2, "", f"opusagent: {why}\n")

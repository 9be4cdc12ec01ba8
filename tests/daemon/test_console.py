"""What commands show of a running daemon: for people, for programs, and whatever a caller's number holds."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import attrs
import trio

from opusagent.call.progress import Progress
from opusagent.call.report import AudioAccount
from opusagent.cli import main
from opusagent.daemon.console import detail_in_words, status_in_words, table
from opusagent.daemon.control import CallDetail, CallOnLine, Status
from opusagent.daemon.control_socket import open_control
from opusagent.daemon.life import Phase
from opusagent.net.listener import serve
from opusagent.testing.raw import EchoSite
from opusagent.units import CallId, Ms
from tests.daemon.test_control_site import Desk, control
from tests.daemon.test_roster import conversation

READY = Status(phase=Phase.READY, generation=3, calls=1, connections=1, max_calls=9, uptime_seconds=7384.0)
CALL = CallOnLine(
    call_id=CallId("0123456789abcdef"),
    platform="twilio",
    platform_call_id="CA1",
    caller="+15550100",
    callee="+15550199",
    started=datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
    seconds=62.3,
    generation=3,
    ending=False,
)


def test_a_status_in_words() -> None:
    assert status_in_words(READY) == "ready, up 2 h 3 min, generation 3\ncalls 1 of 9\n"
    draining = attrs.evolve(
        READY,
        phase=Phase.DRAINING,
        connections=3,
        drain_seconds_left=75.0,
        last_refusal=("reload refused: x\n\x1b[2J",),
    )
    assert status_in_words(draining) == (
        "draining, at most 1 min 15 s more, up 2 h 3 min, generation 3\n"
        "calls 1 of 9, 2 more begin or are being filed\n"
        "reload refused: x  [2J\n"
    )


def test_the_table_of_calls_is_aligned_and_moves_no_cursor() -> None:
    evil = attrs.evolve(CALL, platform="audiocodes", caller="\x1b[31m\n\r\u202e" + 30 * "9", callee="", ending=True)
    assert table([CALL, evil]) == (
        "call              platform    agent    from                      to         started    s  gen  state\n"
        "0123456789abcdef  twilio      default  +15550100                 +15550199  09:00:00  62    3  talking\n"
        "0123456789abcdef  audiocodes  default   [31m   9999999999999999  unknown    09:00:00  62    3  ending\n"
    )


def test_one_call_in_words() -> None:
    audio = AudioAccount(Ms(9000), Ms(20), Ms(8980), Ms(5000), Ms(3000), Ms(500), Ms(1500), Ms(0))
    progress = Progress(
        is_ready=True,
        turns=3,
        barge_ins=1,
        responses=4,
        tool_calls=2,
        tokens=1234,
        dollars=0.0567,
        model_errors={"rate_limit\x1b": 2},
        line_gaps=1,
        audio=audio,
    )
    assert detail_in_words(CallDetail(call=CALL, stream_id="MZ1", progress=progress)) == (
        "call 0123456789abcdef  twilio  2026-11-23 09:00:00 UTC  1 min 2 s\n"
        "  from +15550100 to +15550199, platform call CA1\n"
        "  talking, model ready, agent default, generation 3\n"
        "  3 turns, 4 responses, 1 barge-in, 2 tools\n"
        "  1234 tokens, $0.0567, line lost 1 time, model errors: rate_limit  2\n"
        "  caller: 9000 ms received, 20 dropped\n"
        "  model: 3000 ms heard, 500 cut, 1500 waiting\n"
    )


@attrs.frozen
class Told:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


async def opusagent(*words: str) -> Told:
    """A command, in a process of its own as operators run it."""
    program = "import sys; from opusagent.cli import main; sys.exit(main(sys.argv[1:], {}))"
    with trio.fail_after(20):
        done = await trio.run_process(
            [sys.executable, "-c", program, *words], capture_stdout=True, capture_stderr=True, check=False
        )
    return Told(done.returncode, done.stdout.decode(), done.stderr.decode())


async def test_commands_ask_the_daemon_at_its_socket(tmp_path: Path) -> None:
    desk, call = Desk(), conversation("a1")
    async with control(tmp_path, desk) as path:
        with desk.roster.listed(call):
            where = ("--socket", str(path))
            told = [
                await opusagent("status", *where),
                await opusagent("calls", *where),
                await opusagent("calls", "a1", *where, "--json"),
                await opusagent("hangup", "a1", *where),
                await opusagent("hangup", "no/body\x1b", *where),
                await opusagent("calls", "nobody", *where, "--json"),
            ]
    status, calls, detail, hangup, nobody, no_detail = told
    assert status == Told(0, "ready, up 1 min 0 s, generation 3\ncalls 1 of 9\n", "")
    assert calls.out.splitlines()[1].split()[:5] == ["a1", "twilio", "default", "+15550100", "+15550199"]
    assert json.loads(detail.out)["call"]["call_id"] == "a1"
    assert hangup == Told(0, "hangup: a1 ends\n", "")
    assert call.ending.end_of_call is not None
    assert (nobody.status, nobody.out) == (1, "")
    assert nobody.err == "opusagent: there is no call 'no/body\\x1b': it is over, or never was\n"
    assert (no_detail.status, no_detail.out) == (1, "")


async def test_a_daemon_that_cannot_be_asked_is_status_5(tmp_path: Path) -> None:
    for command in ("status", "calls", "reload"):
        told = await opusagent(command, "--socket", str(tmp_path / "none.sock"))
        assert (told.status, told.out) == (5, "")
        assert "no daemon has its control socket there: is it running?" in told.err


async def test_whoever_answers_there_is_no_daemon_of_this_version(tmp_path: Path) -> None:
    """It has said something, so it is there: status 1, and what to do."""
    other = await open_control(tmp_path / "other.sock")
    other.show()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, [other.listener], EchoSite())
        told = await opusagent("status", "--socket", str(other.path))
        nursery.cancel_scope.cancel()
    assert (told.status, told.out) == (1, "")
    assert told.err.startswith("opusagent: the daemon")


def test_main_is_what_these_commands_run() -> None:
    assert main(["hangup"], {}) == 2

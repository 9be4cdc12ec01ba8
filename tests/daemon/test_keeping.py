"""What [recording] makes of recordings that are over, and [quality] of the lines of callers."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict

from opusagent.audio.quality.metrics import QualityThresholds
from opusagent.call.archive import Keeping
from opusagent.call.report import CallReport
from opusagent.call.retention import Rules
from opusagent.daemon.config import Config, Listen, Quality, Realtime, Recording, Server, Twilio
from opusagent.daemon.generation import keeping_of, least_free, thresholds_of
from opusagent.daemon.observer import Observer
from opusagent.daemon.server import run_daemon
from opusagent.local.server import serve_local
from opusagent.net.limits import MODEL
from opusagent.net.sockets import connect
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms, Mulaw

CONFIG = Config(server=Server(listen=Listen("127.0.0.1", 0)), twilio=Twilio(insecure=True))
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("recording", "keeping", "free"),
    [
        (None, Keeping(), 0),
        (Recording(Path("tapes")), Keeping(Path("tapes")), 500_000_000),
        (
            Recording(Path("t"), retention_days=30, retention_gigabytes=1.5, free_space_megabytes=0, format="flac"),
            Keeping(Path("t"), "flac", Rules(30, 1_500_000_000)),
            0,
        ),
    ],
)
def test_recordings_are_kept_as_the_configuration_says(
    recording: Recording | None, keeping: Keeping, free: int
) -> None:
    assert (keeping_of(recording), least_free(recording)) == (keeping, free)


def test_lines_are_measured_by_what_the_configuration_says() -> None:
    assert thresholds_of(Quality(enabled=False)) is None
    assert thresholds_of(Quality()) == QualityThresholds()
    asked = Quality(min_snr_db=1, max_thd_percent=2, max_clipping_percent=3, min_quality_score=4, one_way_seconds=5.5)
    assert thresholds_of(asked) == QualityThresholds(1, 2, 3, 4, Ms(5500))


def test_a_format_that_cannot_be_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    """It says what to install. In a process that has no soundfile, as most have not."""
    file = tmp_path / "opusagent.toml"
    file.write_text('[twilio]\ninsecure = true\n[recording]\nformat = "flac"\n')
    program = (
        "import sys; sys.modules['soundfile'] = None\n"
        "from opusagent.cli import main\n"
        f"sys.exit(main(['check', {str(file)!r}], {{}}))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603 - our own interpreter
    assert done.returncode == 2
    assert '`format` "flac" needs the package soundfile' in done.stderr
    assert 'pip install "opusagent[flac]"' in done.stderr
    assert done.stderr.rstrip().endswith("at recording.format")


async def call_with(config: Config, patience: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint) -> CallReport:
    """Somebody calls, speaks for a second, and leaves. What the daemon says of it; it runs until `patience` is over."""
    into, reports = trio.open_memory_channel[CallReport](1)
    async with trio.open_nursery() as house:
        url = await house.start(serve_local)
        stop = trio.Event()
        running = attrs.evolve(config, realtime=Realtime(url=url))
        observer = Observer(on_report=into.send_nowait)
        port = await house.start(partial(run_daemon, running, url, stop, observer=observer))
        caller = ScriptedTwilioCaller(await connect(house, f"ws://127.0.0.1:{port}/twilio/media", [], MODEL))
        async with caller.on_the_line():
            await caller.say(Mulaw(b"\x10\x90" * 4000))
            await caller.silence(Ms(1600))
            await caller.hang_up()
        report = await reports.receive()
        await patience()
        house.cancel_scope.cancel()
    return report


def files_in(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.is_file()}


async def test_a_daemon_measures_lines_and_makes_recordings_smaller(tmp_path: Path) -> None:
    """After the call there is the FLAC alone, and the report has the line's quality."""
    pytest.importorskip("soundfile", reason="the extra `flac` is not installed")
    encoded = trio.Event()

    def look(_logger: object, _method: str, line: EventDict) -> EventDict:
        if line["event"] == "recording encoded":
            encoded.set()
        return line

    with trio.fail_after(20), capture_logs(processors=[look]):
        config = attrs.evolve(CONFIG, recording=Recording(tmp_path, format="flac"))
        report = await call_with(config, encoded.wait)
    assert files_in(tmp_path) == {"call.flac", "report.json", "transcript.jsonl"}
    assert report.quality is not None
    assert report.quality.caller.audio >= 2000


async def test_a_daemon_without_room_refuses_recordings_and_not_calls(tmp_path: Path) -> None:
    """More room is asked for than any disk has. The call is carried and reported."""
    with trio.fail_after(20):
        report = await call_with(
            attrs.evolve(
                CONFIG, recording=Recording(tmp_path, free_space_megabytes=10**9), quality=Quality(enabled=False)
            )
        )
    assert report.recording_fault is not None
    assert "`free_space_megabytes` is 1000000000" in report.recording_fault
    assert files_in(tmp_path) == {"report.json", "transcript.jsonl"}
    assert report.audio.caller_received >= 2000
    assert report.quality is None

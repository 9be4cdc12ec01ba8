"""What [vad], [audio], [recording] and [alerts] make of a daemon, and of a call that it takes."""

import wave
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from opusagent.call.report import CallReport
from opusagent.call.tape import TapeKind
from opusagent.daemon.config import Alerts, Audio, Config, Listen, Realtime, Recording, Server, Twilio, Vad
from opusagent.daemon.generation import kind_of
from opusagent.daemon.observer import Observer
from opusagent.daemon.server import run_daemon
from opusagent.local.server import serve_local
from opusagent.net.limits import MODEL
from opusagent.net.sockets import connect
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import HZ_8K, HZ_16K, Hz, Ms, Mulaw

BUZZ = Mulaw((b"\x10" * 8 + b"\x90" * 8) * 300)
"""600 ms that are loud and nobody's voice: to a detector of energy they are speech, to the network they are not."""

CONFIG = Config(
    server=Server(listen=Listen("127.0.0.1", 0)),
    twilio=Twilio(insecure=True),
    vad=Vad(detector="energy"),
    alerts=Alerts(chunk_bytes=100),
    audio=Audio(chunk_bytes=3200),
)


async def call_with(config: Config) -> CallReport:
    """Somebody calls, is silent, speaks, is silent, and leaves. What the daemon says of it."""
    into, reports = trio.open_memory_channel[CallReport](1)
    async with trio.open_nursery() as house:
        url = await house.start(serve_local)
        running = attrs.evolve(config, realtime=Realtime(url=url))
        observer, stop = Observer(on_report=into.send_nowait), trio.Event()
        port = await house.start(partial(run_daemon, running, url, stop, observer=observer))
        socket = await connect(house, f"ws://127.0.0.1:{port}/twilio/media", [], MODEL)
        caller = ScriptedTwilioCaller(socket)
        async with caller.on_the_line():
            await caller.silence(Ms(300))
            await caller.say(BUZZ)
            await caller.silence(Ms(400))
            await caller.hang_up()
        report = await reports.receive()
        house.cancel_scope.cancel()
    return report


async def test_the_daemon_hears_for_itself_when_its_caller_speaks(tmp_path: Path) -> None:
    """The report counts it, the recording is as it was asked for, and the log tells of large pieces."""
    recording = Recording(tmp_path, rate=16000, channels=1)
    with capture_logs() as logs:
        report = await call_with(attrs.evolve(CONFIG, recording=recording))
    assert report.hearing is not None
    assert report.hearing.starts == 1
    assert 500 <= report.hearing.speech <= 800
    with wave.open(str(report.recording)) as tape:
        assert (tape.getframerate(), tape.getnchannels()) == (16000, 1)
    assert [line["bytes"] for line in logs if line["event"] == "large chunks from the platform"] == [160]


async def test_the_network_takes_no_buzz_for_speech() -> None:
    report = await call_with(attrs.evolve(CONFIG, vad=Vad(detector="silero")))
    assert report.hearing is not None
    assert (report.hearing.starts, report.hearing.audio > 1000) == (0, True)


async def test_without_ears_the_report_says_so() -> None:
    assert (await call_with(attrs.evolve(CONFIG, vad=Vad(enabled=False)))).hearing is None


@pytest.mark.parametrize(
    ("recording", "kind"),
    [
        (None, TapeKind()),
        (Recording(), TapeKind(None, 2)),
        (Recording(rate=16000, channels=1), TapeKind(HZ_16K, 1)),
        (Recording(rate=8000), TapeKind(HZ_8K, 2)),
    ],
)
def test_tapes_are_what_the_configuration_asks_for(recording: Recording | None, kind: TapeKind) -> None:
    assert kind_of(recording) == kind


def test_rates_are_those_that_tapes_have() -> None:
    assert TapeKind(Hz(24000)) == kind_of(Recording(rate=24000))

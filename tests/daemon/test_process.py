"""The daemon as operators meet it: a process, its signals, its exit status, with callers on the line."""

import signal
import socket
import wave
from pathlib import Path

import attrs
import trio

from opusagent.call.bell import Bell
from opusagent.errors import GOING_AWAY, PeerRefused
from opusagent.testing.raw import UPGRADE_REQUEST
from opusagent.units import Ms
from tests.daemon.process import Settings, be_answered, call, command_line, daemon, get, http

WRONG = '[agnet]\nvoice = "x"\n[limits]\ncall_seconds = "long"\n'
PROBLEMS = (
    "unknown table `agnet`, did you mean `agent`? at the top level",
    '`call_seconds` must be a number, not "long", at limits.call_seconds',
)


def media(port: int) -> str:
    """The request of a platform that wants to put a call through."""
    return UPGRADE_REQUEST.decode().replace("GET /echo ", "GET /twilio/media ")


def recordings(directory: Path) -> list[Path]:
    return sorted(directory.glob("recordings/*/*/*/*/call.wav"))


def frames(recording: Path) -> int:
    """How many a player finds; it is strict."""
    with wave.open(str(recording)) as opened:
        return len(opened.readframes(opened.getnframes())) // 4


async def status_of(path: Path) -> tuple[int, str]:
    """How a daemon that does not get as far as to serve ends, and what it says."""
    done = await trio.run_process(command_line(path), capture_stderr=True, check=False, stdin=b"")
    return done.returncode, done.stderr.decode()


async def test_a_wrong_configuration_is_status_2_with_every_problem(tmp_path: Path) -> None:
    status, said = await status_of(Settings().write(tmp_path, wrong=WRONG))
    assert status == 2
    assert all(f"{tmp_path}/opusagent.toml: {problem}" in said for problem in PROBLEMS)


async def test_a_directory_that_cannot_be_recorded_in_is_status_2(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file")
    status, said = await status_of(Settings().write(tmp_path))
    assert (status, "`directory` cannot be written to" in said) == (2, True)


async def test_an_address_that_is_taken_is_status_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, said = await status_of(Settings(port=taken.getsockname()[1]).write(tmp_path))
    assert (status, "another program listens there" in said) == (3, True)


async def test_an_idle_daemon_ends_at_once_with_status_0(tmp_path: Path) -> None:
    async with daemon(tmp_path, Settings()) as running:
        assert await get(running.port, "/readyz") == b"HTTP/1.1 200 "
        assert (tmp_path / "control.sock").is_socket()
        running.process.terminate()
        assert await running.ended() == 0
        assert not (tmp_path / "control.sock").exists()
        assert running.noise == []


async def test_a_reload_is_for_new_calls_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    """The command returns the daemon's verdict; the calls say by which configuration they began."""
    settings = Settings()
    async with daemon(tmp_path, settings) as running, call(running.port) as first:
        await first.hear(Ms(200))
        attrs.evolve(settings, greeting="Good day.", max_calls=7).write(tmp_path)
        good = await running.order("reload")
        settings.write(tmp_path, wrong=WRONG)
        bad = await running.order("reload")
        async with call(running.port) as second:
            await second.hear(Ms(200))
            await be_answered(first)
            started = running.said("call started")
        assert (good.returncode, good.stdout) == (
            0,
            b"reload: done, generation 2, changed: server.max_calls, agent.greeting\n",
        )
        assert bad.returncode == 1
        assert all(f"opusagent: {tmp_path}/opusagent.toml: {problem}\n" in bad.stderr.decode() for problem in PROBLEMS)
        assert [each["generation"] for each in started] == [1, 2]
        assert running.said("reload refused, nothing has changed")[0]["generation"] == 2


async def test_what_cannot_change_without_a_restart_is_refused_by_name(tmp_path: Path) -> None:
    async with daemon(tmp_path, Settings()) as running:
        Settings(port=1, greeting="Other.").write(tmp_path)
        refused = await running.order("reload")
        assert refused.returncode == 1
        assert b"`listen` cannot change while the daemon runs" in refused.stderr
        assert running.said("reloaded") == []


async def test_sighup_reloads_too(tmp_path: Path) -> None:
    async with daemon(tmp_path, Settings()) as running:
        Settings(max_calls=5).write(tmp_path)
        running.process.send_signal(signal.SIGHUP)
        (reloaded,) = await running.says("reloaded")
        assert (reloaded["generation"], reloaded["changed"]) == (2, ["server.max_calls"])


async def test_sigterm_lets_calls_go_on_and_takes_no_new_ones(tmp_path: Path) -> None:
    """Not ready at once, 503 with Retry-After for a new stream, and the call that there is ends when it wants to."""
    async with daemon(tmp_path, Settings()) as running, call(running.port) as caller:
        await caller.hear(Ms(100))
        running.process.terminate()
        await running.says("draining")
        assert await get(running.port, "/readyz") == b"HTTP/1.1 503 "
        refused = await http(running.port, media(running.port))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5\r\n" in refused
        await be_answered(caller)
        await caller.hang_up()
        assert await running.ended() == 0
        (recording,) = recordings(tmp_path)
        assert frames(recording) > 400 * 8


async def test_a_drain_whose_time_is_over_ends_the_calls_in_order_with_status_4(tmp_path: Path) -> None:
    async with daemon(tmp_path, Settings(drain_seconds=0.3)) as running, call(running.port) as caller:
        await caller.hear(Ms(100))
        running.process.terminate()
        ended = await caller.until_ended()
        assert await running.ended() == 4
        (report,) = running.said("call ended")
        assert (ended.code, report["reason"]) == (GOING_AWAY, "daemon shut down")
        (recording,) = recordings(tmp_path)
        assert recording.with_name("report.json").exists()
        assert frames(recording) > 0


async def test_a_second_signal_ends_the_calls_now_and_in_order(tmp_path: Path) -> None:
    async with daemon(tmp_path, Settings(drain_seconds=600)) as running, call(running.port) as caller:
        await caller.hear(Ms(100))
        running.process.terminate()
        await running.says("draining")
        running.process.terminate()
        assert (await caller.until_ended()).code == GOING_AWAY
        assert await running.ended() == 0
        assert len(running.said("call ended")) == 1


async def test_sigint_gives_calls_a_few_seconds(tmp_path: Path) -> None:
    async with daemon(tmp_path, Settings(drain_seconds=600)) as running, call(running.port) as caller:
        await caller.hear(Ms(100))
        running.process.send_signal(signal.SIGINT)
        (draining,) = await running.says("draining")
        assert draining["seconds"] == 5.0
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0


async def test_sigusr1_writes_the_tasks_and_the_buffers_to_the_log(tmp_path: Path) -> None:
    async with daemon(tmp_path, Settings()) as running, call(running.port) as caller:
        await caller.hear(Ms(20))
        running.process.send_signal(signal.SIGUSR1)
        (dump,) = await running.says("dump")
        (started,) = running.said("call started")
    assert "Steward.run" in str(dump["tasks"])
    assert "'generation': 1" in str(dump["status"])
    assert f"'{started['call']}': {{'uplink_frames': " in str(dump["backlogs"])


@attrs.define
class Stream:
    """Callers that come one after the other, as fast as each gets through."""

    port: int
    through: int = 0
    refused: list[str] = attrs.field(factory=list[str])
    _news: Bell = attrs.field(factory=Bell, init=False)

    async def flow(self) -> None:
        while True:
            await trio.lowlevel.checkpoint()
            try:
                async with call(self.port) as caller:
                    await caller.hear(Ms(20))
                    await caller.hang_up()
                self.through += 1
            except* PeerRefused as refused:
                self.refused.append(str(refused.exceptions[0]))
            self._news.ring()

    async def passes(self, more: int) -> None:
        """Wait until so many more have come through."""
        wanted = self.through + more
        while self.through < wanted:
            await self._news.wait(None)


async def test_an_upgrade_refuses_nobody_and_cuts_nobody(tmp_path: Path) -> None:
    """The program starts anew under a stream of callers; a call that is on the line stays on it."""
    async with daemon(tmp_path, Settings()) as running, call(running.port) as caller, trio.open_nursery() as crowd:
        await caller.hear(Ms(100))
        stream = Stream(running.port)
        crowd.start_soon(stream.flow)
        await stream.passes(3)
        running.process.send_signal(signal.SIGUSR2)
        (old, new) = await running.says("ready", times=2)
        await stream.passes(5)
        crowd.cancel_scope.cancel()
        await be_answered(caller)
        await caller.hang_up()
        assert await running.ended() == 0
        assert stream.refused == []
        assert old["pid"] != new["pid"]
        assert await get(running.port, "/readyz") == b"HTTP/1.1 200 "
        assert {each["reason"] for each in running.said("call ended")} == {"caller hung up"}

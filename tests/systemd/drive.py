"""Runs inside a booted systemd: does to the service what an operator does, and writes down what came of it.

Each scene is a function that raises if its claim does not hold. `/out/scenes.json` has the name of each, and what was
raised, or nothing.
"""

import json
import os
import signal
import subprocess
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import attrs
import trio

from opusagent.call.bell import Bell
from opusagent.errors import PeerRefused
from opusagent.units import Ms
from tests.daemon.process import be_answered, call

OUT: Final = Path("/out")
PORT: Final = 8080
CONFIGURATION: Final = Path("/etc/opusagent/opusagent.toml")
CREDENTIAL: Final = Path("/etc/credstore/opusagent.audiocodes_tokens")
UPGRADES: Final = 10
LIVE: Final = 10
DROP_INS: Final = Path("/etc/systemd/system/opusagent.service.d")

GOOD: Final = """
[server]
listen = "127.0.0.1:8080"
drain_seconds = 60
{further}
[twilio]
insecure = true
[audiocodes]
[agent]
greeting = "Hello."
[recording]
directory = "recordings"
"""


async def run(*command: str) -> "subprocess.CompletedProcess[str]":
    done = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


async def systemctl(*words: str) -> str:
    """What systemctl says. Raises if it does not succeed."""
    done = await run("systemctl", *words)
    assert done.returncode == 0, f"systemctl {words}: {done.stdout}{done.stderr}"
    return done.stdout


async def show(name: str, unit: str = "opusagent.service") -> str:
    return (await systemctl("show", "--property", name, "--value", unit)).strip()


async def pid() -> int:
    return int(await show("MainPID"))


async def journal(unit: str = "opusagent.service") -> str:
    await run("journalctl", "--sync")
    return (await run("journalctl", "--unit", unit, "--no-pager")).stdout


def configure(further: str = "", broken: str = "") -> None:
    CONFIGURATION.write_text(GOOD.format(further=further) + broken)


async def drop_in(text: str) -> None:
    """Settings of the test, as an operator makes them."""
    DROP_INS.mkdir(parents=True, exist_ok=True)
    (DROP_INS / "test.conf").write_text(text)
    await systemctl("daemon-reload")


async def until(name: str, holds: Callable[[str], bool], seconds: float = 30) -> None:
    """Wait for what systemd tells nobody: look at a property of the service until it is as wanted."""
    seen = ""
    with trio.move_on_after(seconds):
        while True:
            seen = await show(name)
            if holds(seen):
                return
            await trio.sleep(0.1)
    raise AssertionError(f"{name} is {seen!r} after {seconds} s")


async def until_another(before: int) -> None:
    """Wait for another main process."""
    await until("MainPID", lambda now: int(now) not in {0, before})


async def short_call() -> None:
    """A call that begins, and is over."""
    async with call(PORT) as caller:
        await caller.silence(Ms(20))
        await caller.hang_up()


@attrs.define
class Crowd:
    """Callers one after the other, at all times."""

    through: int = 0
    refused: list[str] = attrs.field(factory=list[str])
    news: Bell = attrs.field(factory=Bell)

    async def flow(self) -> None:
        while True:
            try:
                await short_call()
                self.through += 1
                self.news.ring()
            except* PeerRefused as refused:
                self.refused.extend(str(each) for each in refused.exceptions)
            await trio.sleep(0.02)

    async def passes(self, more: int) -> None:
        """Wait until so many more have come through."""
        wanted = self.through + more
        with trio.fail_after(30):
            await trio.lowlevel.checkpoint()
            while self.through < wanted:
                await self.news.wait(None)


def facts_of(process: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def recordings() -> list[Path]:
    """Where DynamicUser keeps them."""
    return list(Path("/var/lib/private/opusagent/recordings").glob("*/*/*/*/call.wav"))


async def starts_and_says_how_it_is() -> None:
    """Type=notify, DynamicUser, StateDirectory, and a platform that has its tokens from a credential only.

    What is checked before the start is what the service will have.
    """
    checked = await run("/opt/app/bin/opusagent", "check", str(CONFIGURATION), "--credentials", str(CREDENTIAL.parent))
    assert checked.returncode == 0, checked
    await systemctl("start", "opusagent.service")
    assert await show("ActiveState") == "active"
    assert await show("StatusText") == "ready: generation 1, calls 0/100", await show("StatusText")


async def is_sandboxed() -> None:
    """What the kernel says of the process; and recordings are where they belong, for nobody else to read."""
    judged = await run("systemd-analyze", "security", "--no-pager", "--threshold=15", "opusagent.service")
    assert judged.returncode == 0, judged.stdout
    facts = facts_of(await pid())
    assert (facts["NoNewPrivs"], facts["Seccomp"], int(facts["CapEff"], 16)) == ("1", "2", 0), facts
    assert os.getpriority(os.PRIO_PROCESS, await pid()) == -10
    async with call(PORT) as caller:
        await be_answered(caller)
        await caller.hang_up()
    (recording,) = [each.stat() for each in recordings()]
    assert (recording.st_mode & 0o777, recording.st_uid != 0) == (0o600, True)
    refused = await run("nsenter", "-t", str(await pid()), "-m", "touch", "/etc/forbidden")
    assert "Read-only file system" in refused.stderr, refused


async def a_good_reload_succeeds() -> None:
    configure(further="max_calls = 9")
    await systemctl("reload", "opusagent.service")
    await until("StatusText", lambda now: now == "ready: generation 2, calls 0/9", 5)


async def a_bad_reload_fails_and_changes_nothing() -> None:
    """`systemctl reload` itself has the status, the journal and STATUS have the problems."""
    configure(broken="[nonsense]\n")
    assert (await run("systemctl", "reload", "opusagent.service")).returncode != 0
    assert await show("ActiveState") == "active"
    assert "reload refused" in await show("StatusText")
    assert "unknown table `nonsense`" in await journal()
    configure()
    await systemctl("reload", "opusagent.service")


async def upgrades_lose_no_call() -> None:
    """Ten upgrades under a stream of callers: the main process changes, nobody is refused, ten calls go on."""
    crowd = Crowd()
    async with trio.open_nursery() as callers, AsyncExitStack() as lines:
        live = [await lines.enter_async_context(call(PORT)) for _ in range(LIVE)]
        callers.start_soon(crowd.flow)
        for _ in range(UPGRADES):
            before = await pid()
            await systemctl("kill", "--kill-whom=main", "--signal=SIGUSR2", "opusagent.service")
            await until_another(before)
            await crowd.passes(5)
        async with trio.open_nursery() as talks:
            for caller in live:
                talks.start_soon(be_answered, caller)
        for caller in live:
            await caller.hang_up()
        callers.cancel_scope.cancel()
    assert crowd.refused == []
    assert (await show("ActiveState"), await show("NRestarts")) == ("active", "0")
    await until("StatusText", lambda now: now.startswith("ready"))


async def a_bad_upgrade_leaves_the_old_process() -> None:
    configure(broken="[nonsense]\n")
    before = await pid()
    await systemctl("kill", "--kill-whom=main", "--signal=SIGUSR2", "opusagent.service")
    await until("StatusText", lambda now: "upgrade refused" in now)
    assert (await pid(), await show("ActiveState")) == (before, "active")
    configure()
    await systemctl("reload", "opusagent.service")


async def a_process_that_stands_still_is_replaced() -> None:
    await drop_in("[Service]\nWatchdogSec=2\n")
    await systemctl("restart", "opusagent.service")
    before = await pid()
    os.kill(before, signal.SIGSTOP)
    await until("NRestarts", lambda now: now == "1")
    await until("StatusText", lambda now: now.startswith("ready"))
    assert await pid() != before
    assert "watchdog" in (await journal()).lower()


async def a_crash_refuses_nobody_behind_the_socket_unit() -> None:
    await systemctl("stop", "opusagent.service")
    await systemctl("start", "opusagent.socket", "opusagent.service")
    crowd = Crowd()
    async with trio.open_nursery() as callers:
        callers.start_soon(crowd.flow)
        await crowd.passes(3)
        before = await pid()
        os.kill(before, signal.SIGKILL)
        await until_another(before)
        await crowd.passes(3)
        callers.cancel_scope.cancel()
    assert not [each for each in crowd.refused if "refused" in each], crowd.refused
    await systemctl("stop", "opusagent.socket", "opusagent.service")


async def a_stop_waits_for_calls_longer_than_systemd_would() -> None:
    """EXTEND_TIMEOUT_USEC: with TimeoutStopSec=2 a call goes on for five seconds and ends by itself."""
    await drop_in("[Service]\nTimeoutStopSec=2\n")
    await systemctl("start", "opusagent.service")
    async with call(PORT) as caller:
        await be_answered(caller)
        await run("systemctl", "stop", "--no-block", "opusagent.service")
        await until("StatusText", lambda now: now.startswith("draining"))
        begun = time.monotonic()
        await trio.sleep(5)
        assert await show("ActiveState") == "deactivating"
        await caller.hang_up()
    await until("ActiveState", lambda now: now == "inactive", 10)
    assert (await show("Result"), await show("ExecMainStatus")) == ("success", "0")
    assert time.monotonic() - begun < 10


async def a_stop_during_an_upgrade_s_drain_waits_for_the_old_process() -> None:
    """KillMode=mixed would kill it: so the main process passes the stop on, and ends last."""
    await systemctl("start", "opusagent.service")
    before = await pid()
    async with call(PORT) as caller:
        await be_answered(caller)
        await systemctl("kill", "--kill-whom=main", "--signal=SIGUSR2", "opusagent.service")
        await until_another(before)
        await run("systemctl", "stop", "--no-block", "opusagent.service")
        await until("StatusText", lambda now: now.startswith("draining"))
        await be_answered(caller)
        assert await show("ActiveState") == "deactivating"
        await caller.hang_up()
    await until("ActiveState", lambda now: now == "inactive", 10)
    assert await show("Result") == "success"


async def a_wrong_configuration_is_not_tried_again() -> None:
    configure(broken="[nonsense]\n")
    assert (await run("systemctl", "start", "opusagent.service")).returncode != 0
    assert (await show("ExecMainStatus"), await show("NRestarts")) == ("2", "0")
    configure()
    await systemctl("reset-failed", "opusagent.service")


async def two_processes_share_the_port() -> None:
    configure(further="reuse_port = true")
    units = ("opusagent@0.service", "opusagent@1.service")
    await systemctl("start", *units)
    for _ in range(40):
        await short_call()
    for unit in units:
        assert await show("ActiveState", unit) == "active"
        assert "call started" in await journal(unit)
        await systemctl("reload", unit)
    await systemctl("stop", *units)


SCENES: Final[tuple[Callable[[], Awaitable[None]], ...]] = (
    starts_and_says_how_it_is,
    is_sandboxed,
    a_good_reload_succeeds,
    a_bad_reload_fails_and_changes_nothing,
    upgrades_lose_no_call,
    a_bad_upgrade_leaves_the_old_process,
    a_process_that_stands_still_is_replaced,
    a_crash_refuses_nobody_behind_the_socket_unit,
    a_stop_waits_for_calls_longer_than_systemd_would,
    a_stop_during_an_upgrade_s_drain_waits_for_the_old_process,
    a_wrong_configuration_is_not_tried_again,
    two_processes_share_the_port,
)


async def prepare() -> None:
    """What an operator has done before the first start."""
    write_files()
    installed = await run("/opt/app/bin/opusagent", "systemd", "install", "--program", "/opt/app/bin/opusagent")
    assert installed.returncode == 0, installed
    await systemctl("daemon-reload")


def write_files() -> None:
    """The configuration, and a credential."""
    CONFIGURATION.parent.mkdir()
    configure()
    CREDENTIAL.parent.mkdir(mode=0o700, exist_ok=True)
    CREDENTIAL.write_text("a-token-of-some-length\n")


def main() -> None:
    """Play every scene, the later ones too if one fails."""
    told: dict[str, str | None] = {}
    trio.run(prepare)
    for scene in SCENES:
        try:
            trio.run(scene)
            told[scene.__name__] = None
        except Exception:  # noqa: BLE001 - whatever it is, it is written down
            told[scene.__name__] = traceback.format_exc()
        (OUT / "scenes.json").write_text(json.dumps(told))
    (OUT / "journal.txt").write_text(trio.run(run, "journalctl", "--no-pager", "--boot").stdout)


if __name__ == "__main__":
    main()

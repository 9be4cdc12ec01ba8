"""What is measured: another process, looked at from outside, through /proc."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs

Platform: TypeAlias = Literal["twilio", "audiocodes"]

REFERENCE: Final = "bare relay"
PATIENCE: Final = 30.0
"""Seconds in which a program must listen."""

NICE: Final = -10
"""As in `opusagent.service`. What waits for a core is behind, and does its work in batches that are too cheap."""

_PEERS: Final = Path(__file__).parent.parent / "peers"
_VERSIONS: Final = (
    "from importlib.metadata import version as v\n"
    "print('pipecat-ai ' + v('pipecat-ai') + ',' + 'openai-agents ' + v('openai-agents'))"
)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@attrs.frozen
class Subject:
    """A program that bridges calls. `command` is given its port, the model's port, and a directory of its own."""

    name: str
    command: Callable[[int, int, Path], Sequence[str]]
    platform: Platform = "twilio"
    processes: int = 1

    @property
    def path(self) -> str:
        """What callers ask for."""
        return "/twilio/media" if self.platform == "twilio" else "/audiocodes"


@attrs.define(eq=False)
class Running:
    """A subject at work."""

    port: int
    children: Sequence[subprocess.Popen[bytes]]

    def cpu(self) -> float:
        """Seconds of CPU that it has used so far, in user and in kernel mode, all threads (proc(5), stat)."""
        return sum(_cpu(child.pid) for child in self.children)

    def memory(self) -> float:
        """Megabytes that it holds (VmRSS)."""
        return sum(_resident(child.pid) for child in self.children)

    async def listen(self) -> None:
        """Wait until it takes connections. Raises `RuntimeError` if it ends instead, or takes too long."""
        for _ in range(round(PATIENCE / 0.05)):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            if any(child.poll() is not None for child in self.children):
                break
            await asyncio.sleep(0.05)
        raise RuntimeError("the program does not listen")


def daemon(audio: str, platform: Platform = "twilio", processes: int = 1) -> Subject:
    """This very program with everything on: its own ears, the measuring of quality, and recordings."""

    def command(port: int, model: int, room: Path) -> Sequence[str]:
        (room / "opusagent.toml").write_text(
            f'[server]\nlisten = "127.0.0.1:{port}"\nmax_calls = 1000\n'
            f"reuse_port = {str(processes > 1).lower()}\n"
            f'[realtime]\nurl = "ws://127.0.0.1:{model}/v1/realtime"\naudio = "{audio}"\n'
            f"[twilio]\ninsecure = true\n[audiocodes]\ninsecure = true\n"
            f'[recording]\ndirectory = "{room / "recordings"}"\n'
        )
        return (sys.executable, "-m", "opusagent", "serve", "--config", str(room / "opusagent.toml"))

    words = f"opusagent {audio}" if platform == "twilio" else "opusagent audiocodes"
    return Subject(words if processes == 1 else f"{words} x {processes}", command, platform, processes)


def relay() -> Subject | None:
    """The bare relay; None if what it needs is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("websockets", "uvloop")):
        return None
    return Subject(
        REFERENCE, lambda port, model, _: (sys.executable, "-m", "opusagent.bench.relay", str(port), str(model))
    )


def peers(python: Path) -> list[Subject]:
    """The peers, run by an interpreter that has them. Raises `RuntimeError` if it has them not."""
    command = (str(python), "-c", _VERSIONS)
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (as the operator says)
    if asked.returncode:
        raise RuntimeError(f"{python} has not the extra bench-peers: {asked.stderr.strip().rpartition(chr(10))[2]}")
    programs = ("pipecat_bridge.py", "agents_bridge.py")
    return [_peer(python, name, _PEERS / file) for name, file in zip(asked.stdout.split(","), programs, strict=True)]


def _peer(python: Path, name: str, program: Path) -> Subject:
    return Subject(name.strip(), lambda port, model, _: (str(python), str(program), str(port), str(model)))


@contextlib.contextmanager
def at_work(subject: Subject, model: int, cores: Sequence[set[int]]) -> Generator[Running]:
    """`subject` as processes of its own, one for each of `cores` in turn, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="opusagent-bench-") as room, contextlib.ExitStack() as ending:
        port = free_port()
        command = subject.command(port, model, Path(room))
        children = [ending.enter_context(_child(command, Path(room))) for _ in range(subject.processes)]
        for number, child in enumerate(children):
            os.sched_setaffinity(child.pid, cores[number % len(cores)])
            hurry(child.pid)
        yield Running(port, children)


@contextlib.contextmanager
def _child(command: Sequence[str], room: Path) -> Generator[subprocess.Popen[bytes]]:
    with (room / "log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 (our own programs)
            command, env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _environment() -> Mapping[str, str]:
    """Ours, and a key that the generator's server does not look at."""
    return {**os.environ, "OPENAI_API_KEY": "unused", "OPENBLAS_NUM_THREADS": "1"}


def hurry(pid: int) -> bool:
    """Give a process of its own session, or this one, the priority that the unit for systemd has; whether we may.

    Where the kernel groups processes by their sessions (sched(7), autogroup), the group's priority is what counts.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists():
            group.write_text(str(NICE))
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of the loopback interface that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

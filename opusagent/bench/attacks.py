"""Attacks on a running daemon, one after the other, with calls beside them: who is refused, and what calls feel of it.

The daemon is a process of its own on a port of the loopback interface, and so is each attacker; connections and seconds
of an attack are bounded. What the calls feel is how long each waits for the answer to a ping that it sends every 50 ms:
the answer comes from the loop that carries its audio. The same calls without an attack are the first line of the table.

Status 1 if a call is lost, a bug of ours is logged or counted, an attack is not counted in the metrics, or the bar is
missed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

from opusagent.bench.attackers import ATTACKS, UPGRADE
from opusagent.bench.load.subjects import free_port, hurry
from opusagent.bench.table import markdown
from opusagent.testing.raw import PING, PONG, TEXT, frame, read_until

CALLS: Final = 10
SECONDS: Final = 6.0
MOST_WAIT: Final = 20.0
"""Milliseconds, at 99 %: the bar, on a machine that has a core for the daemon."""

PING_SECONDS: Final = 0.05
FRAME_SECONDS: Final = 0.02
SETTLE_SECONDS: Final = 6.0
"""Between two attacks: the longest bound that the daemon has on a connection that is no call."""

TOKEN: Final = "attacks-are-counted"  # noqa: S105 - of a daemon that lives for this table
START: Final = (
    '{{"event":"start","sequenceNumber":"1","streamSid":"MZ{0}","start":{{"streamSid":"MZ{0}","accountSid":"AC",'
    '"callSid":"CA{0}","tracks":["inbound"],"customParameters":{{}},"mediaFormat":{{"encoding":"audio/x-mulaw",'
    '"sampleRate":8000,"channels":1}}}}}}'
)
MEDIA: Final = (
    '{{"event":"media","sequenceNumber":"{1}","streamSid":"MZ{0}","media":{{"track":"inbound","chunk":"{2}",'
    '"timestamp":"{3}","payload":"' + "/" * 212 + '//8="}}}}'
)


# -- the calls --------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Felt:
    """What the calls felt: milliseconds from each ping to its pong; and whether a call was lost."""

    waits: list[float] = attrs.field(factory=list[float])
    lost: int = 0

    def take(self) -> list[float]:
        """What was felt since the last time."""
        waits, self.waits = self.waits, []
        return waits


def worst(waits: Sequence[float], share: float) -> float:
    """What `share` of them do not exceed; infinite if there are none.

    >>> worst([3.0, 1.0, 2.0], 0.5), worst([], 0.5)
    (2.0, inf)
    """
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * share))] if waits else float("inf")


async def keep_calling(port: int, number: int, felt: Felt, ready: trio.Event) -> None:
    """One call that says nothing, frame by frame, and pings."""
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as line, trio.open_nursery() as both:
            await line.send_all(UPGRADE)
            await read_until(line, b"\r\n\r\n")
            await line.send_all(frame(TEXT, b'{"event":"connected","protocol":"Call","version":"1.0.0"}'))
            await line.send_all(frame(TEXT, START.format(number).encode()))
            sent: dict[bytes, float] = {}
            both.start_soon(_hear, line, sent, felt)
            ready.set()
            await _speak(line, number, sent)
    except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        felt.lost += 1


async def _speak(line: trio.SocketStream, number: int, sent: dict[bytes, float]) -> None:
    begun = trio.current_time()
    count = 0
    while True:
        count += 1
        await trio.sleep_until(begun + count * FRAME_SECONDS)
        text = MEDIA.format(number, count + 1, count, count * 20).encode()
        data = frame(TEXT, text)
        if count % round(PING_SECONDS / FRAME_SECONDS) == 0:
            name = count.to_bytes(4, "big")
            sent[name] = trio.current_time()
            data += frame(PING, name)
        await line.send_all(data)


async def _hear(line: trio.SocketStream, sent: dict[bytes, float], felt: Felt) -> None:
    """Find the pongs in what comes: their four bytes stand behind a header that is none of text."""
    head = frame(PONG, b"\0\0\0\0", masked=False)[:2]
    rest = b""
    while data := await line.receive_some():
        rest += bytes(data)
        while (at := rest.find(head)) >= 0 and len(rest) >= at + 6:
            name = rest[at + 2 : at + 6]
            begun = sent.pop(name, None)
            if begun is not None:
                felt.waits.append((trio.current_time() - begun) * 1000)
            rest = rest[at + 6 :]
        rest = rest[-8:]
    raise trio.BrokenResourceError


# -- the daemon -------------------------------------------------------------------------------------------------------


@attrs.frozen
class Subject:
    """A running daemon."""

    process: trio.Process
    port: int
    admin: int
    room: Path
    """Where its configuration, its log and its recordings are."""

    @property
    def configuration(self) -> Path:
        """What it reads when it starts, is reloaded or upgraded."""
        return self.room / "opusagent.toml"

    def logged(self) -> str:
        """What it and its successors have logged."""
        return (self.room / "log").read_text(errors="replace")

    def begin(self) -> float:
        """Memory that it holds, in megabytes; the most is counted anew from here (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self._megabytes("VmRSS:")

    def most(self) -> float:
        """The most that it has held since."""
        return self._megabytes("VmHWM:")

    def _megabytes(self, field: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024

    async def counts(self) -> dict[str, float]:
        """What the metrics count that is of interest here."""
        page = await self.ask("GET", "/metrics")
        wanted = ("opusagent_connections_", "opusagent_calls_refused", "opusagent_calls_ended", "opusagent_peer_faults")
        lines = [line.rpartition(" ") for line in page.splitlines() if line.startswith(wanted)]
        return {name: float(value) for name, _, value in lines}

    async def ask(self, method: str, path: str) -> str:
        """The whole answer of its admin side, head and body."""
        wanted = f"{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", self.admin) as line:
            await line.send_all(wanted.encode())
            return b"".join([bytes(part) async for part in line]).decode()


@asynccontextmanager
async def a_daemon(server: str = "") -> AsyncGenerator[Subject]:
    """This program, with recordings and its own ears, and the parrot for a model. `server` is more of `[server]`.

    It is gone afterwards, and so are the processes that it has started in its place.
    """
    with tempfile.TemporaryDirectory(prefix="opusagent-attacks-") as directory:
        room, port, admin = Path(directory), free_port(), free_port()
        (room / "tokens").write_text(TOKEN)
        (room / "opusagent.toml").write_text(
            f'[server]\nlisten = "127.0.0.1:{port}"\nmax_calls = 50\n{server}[twilio]\ninsecure = true\n'
            f'[recording]\ndirectory = "{room}/recordings"\n'
            f'[admin]\nlisten = "127.0.0.1:{admin}"\ntokens_file = "{room}/tokens"\n'
        )
        command = [sys.executable, "-m", "opusagent", "serve", "--config", str(room / "opusagent.toml")]
        environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        with (room / "log").open("wb") as log:
            process = await trio.lowlevel.open_process(
                command, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        hurry(process.pid)
        try:
            yield await _until_it_listens(Subject(process, port, admin, room))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
                await process.wait()


async def _until_it_listens(subject: Subject) -> Subject:
    for _ in range(600):
        with contextlib.suppress(OSError):
            await subject.counts()
            return subject
        await trio.sleep(0.1)
    raise RuntimeError("the daemon does not listen")


# -- the table --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Row:
    """One attack, or none, and what came of it."""

    name: str
    p50: float
    p99: float
    longest: float
    megabytes: float
    counted: Mapping[str, float]

    @property
    def cells(self) -> Sequence[str]:
        """As the table has it."""
        counts = ", ".join(f"{_short(name)} {count:g}" for name, count in self.counted.items())
        return (self.name, f"{self.p50:.1f}", f"{self.p99:.1f}", f"{self.longest:.1f}", f"{self.megabytes:.0f}", counts)


def _short(series: str) -> str:
    r"""What of a series' name is of interest.

    >>> _short('opusagent_peer_faults_total{fault="too_slow"}')
    'too_slow'
    """
    label = series.partition('="')[2].partition('"')[0]
    return label or series.removeprefix("opusagent_").removesuffix("_total")


async def measure(subject: Subject, felt: Felt, name: str, seconds: float, settle: float) -> Row:
    """One attack, or none if `name` is nobody's."""
    before, held = await subject.counts(), subject.begin()
    felt.take()
    if name in ATTACKS:
        command = [sys.executable, "-m", "opusagent.bench.attackers", name, str(subject.port), str(seconds)]
        await trio.run_process(command, check=False, stderr=subprocess.DEVNULL)
    else:
        await trio.sleep(seconds)
    waits, more = felt.take(), subject.most() - held
    await trio.sleep(settle)
    rises = {series: value - before.get(series, 0) for series, value in (await subject.counts()).items()}
    counted = {series: rise for series, rise in rises.items() if rise > 0}
    return Row(name, worst(waits, 0.5), worst(waits, 0.99), worst(waits, 1.0), more, counted)


async def run(names: Sequence[str], seconds: float, settle: float = SETTLE_SECONDS) -> tuple[list[Row], list[str]]:
    """The table, and what is wrong with it."""
    rows: list[Row] = []
    felt = Felt()
    async with a_daemon() as subject, trio.open_nursery() as calls:
        for number in range(CALLS):
            ready = trio.Event()
            calls.start_soon(keep_calling, subject.port, number, felt, ready)
            await ready.wait()
        await trio.sleep(3)
        for name in ("no attack", *names):
            rows.append(await measure(subject, felt, name, seconds, settle))
            print(f"{name}: done", file=sys.stderr)
        log = subject.logged()
        calls.cancel_scope.cancel()
    return rows, problems(rows, felt, log)


def problems(rows: Sequence[Row], felt: Felt, log: str) -> list[str]:
    """What is wrong with what was found."""
    found = [f"{felt.lost} of {CALLS} calls were lost"] if felt.lost else []
    found += [f"{row.name}: not counted" for row in rows[1:] if not row.counted]
    found += [f"{row.name}: a connection failed by a bug" for row in rows if _is_bug(row.counted)]
    if "Traceback" in log:
        found.append("a traceback is in the log")
    return found + [f"{row.name}: {row.p99:.1f} ms at 99 %" for row in rows[1:] if row.p99 > MOST_WAIT]


def _is_bug(counted: Mapping[str, float]) -> bool:
    return any(series.startswith("opusagent_connections_failed") for series in counted)


def main(names: Sequence[str] = tuple(ATTACKS), seconds: float = SECONDS) -> int:
    """Print the table; 1 if something is wrong."""
    rows, wrong = trio.run(run, names, seconds)
    print(f"{CALLS} calls beside each attack of {seconds:g} s; the daemon's answers to their pings, in milliseconds\n")
    heads = ("attack", "p50", "p99", "longest", "MB more", "counted")
    print(markdown(heads, [row.cells for row in rows]))
    for each in wrong:
        print(f"MISSED: {each}", file=sys.stderr)
    return 1 if wrong else 0

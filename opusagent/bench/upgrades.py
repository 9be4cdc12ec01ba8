"""Upgrades of a running daemon, one after the other, while new callers come and calls go on through all of them.

The daemon is a process of its own on a port of the loopback interface; each upgrade is ordered on its admin side, as
`opusagent upgrade` does. A caller comes ten times a second: it is through when its call is carried, which the answer to
a ping behind its `start` shows. The calls that go on speak frame by frame and ping, all the time. In the end the
configuration is broken, and the upgrade that reads it must change nothing.

Status 1 if a caller is not let in, a call is lost, a verdict is not as it should be, a traceback is logged, or the
first process does not end well once its calls are over.
"""

import sys
from collections.abc import Sequence
from typing import Final

import attrs
import trio

from opusagent.bench.attackers import UPGRADE
from opusagent.bench.attacks import CALLS, MEDIA, START, Felt, Subject, a_daemon, keep_calling, worst
from opusagent.bench.table import markdown
from opusagent.testing.raw import PING, PONG, TEXT, close_frame, frame, read_to_end, read_until

UPGRADES: Final = 10
NEW_CALL_SECONDS: Final = 0.1
"""From one new caller to the next."""

SETTLE_SECONDS: Final = 1.0
"""Before each upgrade, and behind the last."""

MOST_SECONDS: Final = 30.0
"""What a caller may take until its call is carried and over; no bar: whoever waits longer was not let in."""

DRAIN: Final = "drain_seconds = 600\n"
"""Longer than all of it lasts: nobody is told to go."""

DONE: Final = "200"
REFUSED: Final = "422"


class NotCarried(Exception):
    """What a caller was told, or found, instead of being let in."""


@attrs.define(eq=False)
class Crowd:
    """Callers who come one after the other: milliseconds until each was through, and why others were not."""

    waits: list[float] = attrs.field(factory=list[float])
    turned_away: list[str] = attrs.field(factory=list[str])

    async def flow(self, port: int, enough: trio.Event) -> None:
        """New callers until it is `enough`; those who are on the line finish."""
        number = CALLS
        async with trio.open_nursery() as callers:
            while not enough.is_set():
                callers.start_soon(self._one, port, number)
                number += 1
                await trio.sleep(NEW_CALL_SECONDS)

    async def _one(self, port: int, number: int) -> None:
        begun = trio.current_time()
        try:
            with trio.fail_after(MOST_SECONDS):
                await short_call(port, number)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError, NotCarried) as error:
            self.turned_away.append(f"caller {number}: {type(error).__name__} {error}")
        else:
            self.waits.append((trio.current_time() - begun) * 1000)


async def short_call(port: int, number: int) -> None:
    """A call that begins, is carried, and is over. Raises `NotCarried`, and what the socket raises."""
    pong = frame(PONG, b"here", masked=False)
    async with await trio.open_tcp_stream("127.0.0.1", port) as line:
        await line.send_all(UPGRADE)
        answer = await read_until(line, b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise NotCarried(answer.partition(b"\r\n")[0].decode(errors="replace") or "no answer")
        await line.send_all(frame(TEXT, b'{"event":"connected","protocol":"Call","version":"1.0.0"}'))
        await line.send_all(frame(TEXT, START.format(number).encode()))
        await line.send_all(frame(TEXT, MEDIA.format(number, 2, 1, 20).encode()) + frame(PING, b"here"))
        if pong not in await read_until(line, pong):
            raise NotCarried("the call was cut")
        await line.send_all(close_frame(1000))
        await read_to_end(line)


# -- the table --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Row:
    """One upgrade, and what callers and calls felt from a moment before it until it was answered."""

    name: str
    status: str
    seconds: float
    through: int
    turned_away: int
    live: int
    longest: float
    """Milliseconds from a ping of a call that goes on to its answer, at the most."""

    @property
    def cells(self) -> Sequence[str]:
        """As the table has it."""
        counts = (self.through, self.turned_away, self.live)
        return (self.name, self.status, f"{self.seconds:.1f}", *map(str, counts), f"{self.longest:.0f}")


async def upgrade(subject: Subject, name: str, crowd: Crowd, felt: Felt) -> Row:
    """Order one, a moment after the last."""
    count = Count(crowd, felt)
    await trio.sleep(SETTLE_SECONDS)
    begun = trio.current_time()
    answer = await subject.ask("POST", "/upgrade")
    seconds = trio.current_time() - begun
    status = answer.split(" ")[1] if answer else "none"
    print(f"{name}: {status}", file=sys.stderr)
    return count.row(name, status, seconds)


async def go_on(crowd: Crowd, felt: Felt) -> Row:
    """A moment without an upgrade."""
    count = Count(crowd, felt)
    await trio.sleep(SETTLE_SECONDS)
    return count.row("afterwards", "-", 0.0)


class Count:
    """What callers and calls feel from now on."""

    def __init__(self, crowd: Crowd, felt: Felt) -> None:
        self._crowd: Final = crowd
        self._felt: Final = felt
        self._through: Final = len(crowd.waits)
        self._away: Final = len(crowd.turned_away)
        felt.take()

    def row(self, name: str, status: str, seconds: float) -> Row:
        """As a row of the table."""
        through, away = len(self._crowd.waits) - self._through, len(self._crowd.turned_away) - self._away
        return Row(name, status, seconds, through, away, CALLS - self._felt.lost, worst(self._felt.take(), 1.0))


async def run(upgrades: int) -> tuple[list[Row], Crowd, list[str]]:
    """So many upgrades and a bad one: the table, the callers who came, and what is wrong with it."""
    felt, crowd = Felt(), Crowd()
    async with a_daemon(DRAIN) as subject:
        async with trio.open_nursery() as calls:
            for number in range(CALLS):
                ready = trio.Event()
                calls.start_soon(keep_calling, subject.port, number, felt, ready)
                await ready.wait()
            rows = await _upgrade_all(subject, upgrades, crowd, felt)
            calls.cancel_scope.cancel()
        ended: int | None = None
        with trio.move_on_after(MOST_SECONDS):
            ended = await subject.process.wait()
        log = subject.logged()
    return rows, crowd, problems(rows, crowd, ended, log)


async def _upgrade_all(subject: Subject, upgrades: int, crowd: Crowd, felt: Felt) -> list[Row]:
    enough = trio.Event()
    async with trio.open_nursery() as callers:
        callers.start_soon(crowd.flow, subject.port, enough)
        rows = [await upgrade(subject, str(number), crowd, felt) for number in range(1, upgrades + 1)]
        with subject.configuration.open("a") as file:
            file.write("[nonsense]\n")
        rows.append(await upgrade(subject, "a bad one", crowd, felt))
        rows.append(await go_on(crowd, felt))
        enough.set()
    return rows


def problems(rows: Sequence[Row], crowd: Crowd, ended: int | None, log: str) -> list[str]:
    """What is wrong with what was found. The last two rows are the bad upgrade, and what came after it."""
    good, bad, after = rows[:-2], rows[-2], rows[-1]
    found = [f"{CALLS - after.live} of {CALLS} calls were lost"] if after.live < CALLS else []
    found += crowd.turned_away
    found += [f"upgrade {row.name}: {row.status}" for row in good if row.status != DONE]
    if bad.status != REFUSED:
        found.append(f"{bad.name}: {bad.status}")
    if not after.through:
        found.append("nobody was let in after the bad upgrade")
    handed = log.count('"event": "handed over"') + log.count('"event":"handed over"')
    if handed != len(good):
        found.append(f"{handed} processes handed over, not {len(good)}")
    if ended != 0:
        found.append(f"the first process ended with {ended}")
    return [*found, "a traceback is in the log"] if "Traceback" in log else found


def main(upgrades: int = UPGRADES) -> int:
    """Print the table; 1 if something is wrong."""
    rows, crowd, wrong = trio.run(run, upgrades)
    print(f"{CALLS} calls go on through all of it, a new one comes every {NEW_CALL_SECONDS * 1000:g} ms\n")
    heads = ("upgrade", "answer", "seconds", "new calls", "turned away", "live calls", "longest ms")
    print(markdown(heads, [row.cells for row in rows]))
    count = len(crowd.waits) + len(crowd.turned_away)
    print(f"\n{len(crowd.turned_away)} of {count} new calls turned away, the longest through in {_most(crowd)} ms")
    for each in wrong:
        print(f"MISSED: {each}", file=sys.stderr)
    return 1 if wrong else 0


def _most(crowd: Crowd) -> str:
    return f"{worst(crowd.waits, 1.0):.0f}"

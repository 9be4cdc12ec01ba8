"""Law: the playout that computes agrees with one that plays byte by byte, whatever arrives and whenever."""

from collections import deque

import attrs
from hypothesis import given
from hypothesis import strategies as st

from opusagent.testing.twilio_playout import TwilioPlayout
from opusagent.units import LoopTime, Mulaw

BYTES_PER_SECOND = 8000


@attrs.frozen
class Audio:
    """So many bytes arrive."""

    count: int


@attrs.frozen
class Mark:
    """A mark arrives."""


@attrs.frozen
class Clear:
    """A clear arrives."""


Arrival = Audio | Mark | Clear

arrivals = st.lists(
    st.tuples(st.integers(0, 400), st.one_of(st.builds(Audio, st.integers(1, 300)), st.just(Mark()), st.just(Clear())))
)
"""What arrives, each with the ticks since the one before. A tick is the time of one byte."""


@attrs.define
class PlayerByByte:
    """The naive model: a queue of bytes and marks that gives one byte a tick."""

    queue: deque[int | str] = attrs.field(factory=deque[int | str], init=False)
    heard: list[int] = attrs.field(factory=list[int], init=False)
    taken_back: list[int] = attrs.field(factory=list[int], init=False)
    echoes: list[tuple[int, str]] = attrs.field(factory=list[tuple[int, str]], init=False)
    now: int = attrs.field(default=0, init=False)
    count: int = attrs.field(default=0, init=False)

    def tick(self) -> None:
        """One byte's time passes."""
        match self.queue.popleft() if self.queue else None:
            case int(byte):
                self.heard.append(byte)
            case _:
                pass
        self.now += 1
        self.echo_what_is_first()

    def echo_what_is_first(self) -> None:
        """Marks with nothing before them are reached."""
        while self.queue and isinstance(name := self.queue[0], str):
            self.echoes.append((self.now, name))
            self.queue.popleft()

    def take(self, arrival: Arrival) -> bytes:
        """What arrives; the bytes that stand for its sound."""
        audio = b""
        match arrival:
            case Audio(count):
                audio = bytes((self.count + n) % 251 for n in range(count))
                self.queue.extend(audio)
            case Mark():
                self.queue.append(f"mark {self.count}")
            case Clear():
                self.taken_back.extend(byte for byte in self.queue if isinstance(byte, int))
                self.echoes.extend((self.now, name) for name in self.queue if isinstance(name, str))
                self.queue.clear()
        self.count += 1
        self.echo_what_is_first()
        return audio


def put(playout: TwilioPlayout, arrival: Arrival, audio: bytes, name: str, at: LoopTime) -> None:
    """The same arrival for the real one."""
    match arrival:
        case Audio():
            playout.play(Mulaw(audio), at)
        case Mark():
            playout.mark(name, at)
        case Clear():
            playout.clear(at)


def seconds(tick: int) -> LoopTime:
    """The time of a tick."""
    return LoopTime(tick / BYTES_PER_SECOND)


def just_after(tick: int) -> LoopTime:
    """Half a tick later, so that a sum in floating point may fall on either side of the tick."""
    return LoopTime((tick + 0.5) / BYTES_PER_SECOND)


@given(arrivals)
def test_the_computed_playout_agrees_with_the_one_that_plays(script: list[tuple[int, Arrival]]) -> None:
    naive, playout = PlayerByByte(), TwilioPlayout()
    echoes: list[tuple[int, str]] = []
    for pause, arrival in [*script, (1000, Mark())]:
        for _ in range(pause):
            naive.tick()
        now = seconds(naive.now)
        name = f"mark {naive.count}"
        put(playout, arrival, naive.take(arrival), name, now)
        assert playout.heard_bytes(now) == len(naive.heard)
        echoes.extend(
            (round(mark.echo * BYTES_PER_SECOND), mark.name) for mark in playout.take_echoes(just_after(naive.now))
        )
    now = seconds(naive.now)
    assert b"".join(part.audio for part in playout.heard(now)) == bytes(naive.heard)
    assert b"".join(part.audio for part in playout.cleared) == bytes(naive.taken_back)
    assert echoes == [echo for echo in naive.echoes if echo[0] <= naive.now]


@given(arrivals)
def test_every_byte_is_heard_in_the_end_or_taken_back(script: list[tuple[int, Arrival]]) -> None:
    playout, tick, sent = TwilioPlayout(), 0, 0
    for pause, arrival in script:
        tick += pause
        count = arrival.count if isinstance(arrival, Audio) else 0
        put(playout, arrival, bytes(count), "", seconds(tick))
        sent += count
    taken_back = sum(len(part.audio) for part in playout.cleared)
    assert sent == playout.heard_bytes(LoopTime(1e6)) + taken_back

"""Everybody's chunks in one batch, a gate before it, and nothing without bound."""

import attrs
import numpy as np
import pytest

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.vad.bank import HOLD, MOST_ROUNDS, MOST_WAITING, Bank, BankStatistics, StreamState
from opusagent.audio.vad.detector import CHUNK, Floats
from opusagent.audio.vad.ear import CHUNK_BYTES, Chunk, Ear
from opusagent.audio.vad.energy import EnergyDetector
from opusagent.audio.vad.hysteresis import SpeechEvent
from opusagent.audio.vad.silero import SpeechNet
from opusagent.demo.speech import load
from opusagent.units import HZ_8K, Ms

SILENCE = bytes(CHUNK_BYTES)
LOUD = b"\x00\x10\x00\xf0" * (CHUNK_BYTES // 4)


@attrs.frozen
class Counting:
    """A detector whose state is how many chunks it stepped and passed over, and whose verdict is the first of them."""

    @property
    def width(self) -> int:
        return 2

    def step(self, chunks: Floats, rows: Floats) -> Floats:
        assert len(chunks) == len(rows)
        rows[:, 0] += 1
        return rows[:, 0].copy()

    def pass_over(self, chunks: Floats, rows: Floats) -> None:
        assert len(chunks) == len(rows)
        rows[:, 1] += 1


def chunk(index: int, pcm: bytes = LOUD) -> Chunk:
    return Chunk(Ms(index * CHUNK), pcm)


def verdicts(bank: Bank, names: dict[StreamState, str]) -> list[tuple[str, Ms, float]]:
    return [(names[verdict.stream], verdict.at, verdict.probability) for verdict in bank.run()]


def test_one_run_evaluates_everybody_who_has_a_chunk_ready() -> None:
    bank = Bank(Counting())
    names = {bank.new_stream(): name for name in "abc"}
    for stream in names:
        bank.submit(stream, chunk(0))
    assert verdicts(bank, names) == [("a", 0, 1.0), ("b", 0, 1.0), ("c", 0, 1.0)]
    assert bank.statistics() == BankStatistics(evaluated=3, gated=0, dropped=0, batches=1, widest=3)
    assert bank.run() == []


def test_chunks_of_one_stream_are_judged_in_order_and_never_in_one_batch() -> None:
    bank = Bank(Counting())
    names = {bank.new_stream(): name for name in "ab"}
    first, second = names
    bank.submit(first, chunk(0))
    bank.submit(first, chunk(1))
    bank.submit(second, chunk(0))
    assert verdicts(bank, names) == [("a", 0, 1.0), ("b", 0, 1.0), ("a", 32, 2.0)]
    assert bank.statistics().batches == 2


def test_a_burst_is_worked_off_over_several_runs() -> None:
    bank = Bank(Counting())
    stream = bank.new_stream()
    for index in range(MOST_ROUNDS + 3):
        bank.submit(stream, chunk(index))
    assert [len(bank.run()) for _ in range(3)] == [MOST_ROUNDS, 3, 0]


def test_when_too_much_waits_the_oldest_goes_and_is_counted() -> None:
    bank = Bank(Counting())
    stream = bank.new_stream()
    for index in range(MOST_WAITING + 2):
        bank.submit(stream, chunk(index))
    assert bank.run()[0].at == 2 * CHUNK
    assert bank.statistics().dropped == 2


def test_a_stream_that_left_is_not_judged() -> None:
    bank = Bank(Counting())
    stream = bank.new_stream()
    bank.submit(stream, chunk(0))
    bank.withdraw(stream)
    bank.withdraw(stream)
    assert bank.run() == []


def test_silence_never_reaches_the_detector() -> None:
    bank = Bank(Counting())
    stream = bank.new_stream()
    for index in range(5):
        bank.submit(stream, chunk(index, SILENCE))
    assert [verdict.probability for verdict in bank.run()] == [0.0] * 5
    assert stream.row.tolist() == [0.0, 5.0]
    assert bank.statistics() == BankStatistics(evaluated=0, gated=5)


def test_after_something_loud_eight_quiet_chunks_are_still_evaluated() -> None:
    bank = Bank(Counting())
    stream = bank.new_stream()
    for index, pcm in enumerate([LOUD, *[SILENCE] * (HOLD + 2), LOUD, SILENCE]):
        bank.submit(stream, chunk(index, pcm))
        bank.run()
    assert stream.row.tolist() == [1.0 + HOLD + 2.0, 2.0]


@pytest.mark.parametrize(("peak", "stepped"), [(32, 0.0), (34, 1.0)])
def test_the_gate_opens_at_minus_sixty(peak: int, stepped: float) -> None:
    """-60 dB of 32768 is 32.77."""
    bank = Bank(Counting())
    stream = bank.new_stream()
    bank.submit(stream, chunk(0, np.full(CHUNK_BYTES // 2, peak, "<i2").tobytes()))
    bank.run()
    assert stream.row[0] == stepped


def test_awake_and_gated_streams_keep_their_own_rows() -> None:
    bank = Bank(Counting())
    streams = [bank.new_stream() for _ in range(4)]
    for index, pcm in enumerate((LOUD, SILENCE, SILENCE, LOUD)):
        bank.submit(streams[index], chunk(0, pcm))
    bank.run()
    assert [stream.row.tolist() for stream in streams] == [[1, 0], [0, 1], [0, 1], [1, 0]]


@pytest.mark.parametrize("detector", [SpeechNet(), EnergyDetector()], ids=["silero", "energy"])
def test_an_utterance_is_heard_as_one_turn_of_its_length(detector: SpeechNet | EnergyDetector) -> None:
    """A second of silence, words of 1.08 s with at most a frame of quiet around them, a second of silence."""
    bank, ear = Bank(detector), Ear(HZ_8K)
    stream = bank.new_stream()
    heard = b"\xff" * 8000 + load("goodbye") + b"\xff" * 8000
    events: list[SpeechEvent | None] = []
    for at in range(0, len(heard), 160):
        for ready in ear.push(mulaw_decode(heard[at : at + 160])):
            bank.submit(stream, ready)
        events += [ear.judge(verdict.probability, verdict.at) for verdict in bank.run()]
    first, *_, last = [event.at for event in events if event is not None]
    assert 900 <= first <= 1100
    assert 1900 <= last <= 2300

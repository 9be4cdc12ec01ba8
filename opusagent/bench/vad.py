"""The table of voice activity detection: what it hears, what it mistakes for speech, and what it costs.

Speech is mixed with noise at a stated ratio of active speech to noise, made mu-law and read again, as a telephone does.
A chunk of 32 ms is speech if more than half of it is. AUC: the probability that a chunk of speech gets a higher
probability than one without. F1: at threshold 0.5. Onset: from the first 10 ms of speech to the moment at which
`SpeechStarted` is known, two chunks' agreement included; an onset that is not known within a second is missed.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from opusagent.audio.vad.bank import Bank
from opusagent.audio.vad.detector import CHUNK, CHUNK_SAMPLES, RATE, Detector
from opusagent.audio.vad.ear import Chunk, Ear
from opusagent.audio.vad.energy import EnergyDetector
from opusagent.audio.vad.hysteresis import Hysteresis, SpeechEvent, SpeechStarted
from opusagent.audio.vad.silero import SpeechNet
from opusagent.bench import sounds
from opusagent.bench.sounds import COMFORT_DB, FRAME, SPEECH_DB, Sound, Speech
from opusagent.bench.table import markdown
from opusagent.units import HZ_8K, Ms, Pcm16, ms_of_samples

# What Silero must reach on the telephone, on any speech here; what the energy detector reaches is only reported.
# Babble is left out: eight people who talk are speech, and nothing in the sound says which of them was meant.
LEAST_AUC: Final = 0.95
LEAST_CLEAN_AUC: Final = 0.98
MOST_ONSET_MS: Final = 160.0
"""The median, for noise down to 10 dB below speech: three chunks and what a soft beginning needs."""
MOST_FALSE: Final = 0.02
"""The share of chunks of a sound without speech. Recorded music may hold a voice for a moment; the rest is at 0."""
MOST_BATCHED_MS: Final = 1.5
"""CPU per second of audio and stream with 20 streams or more; measured at rest, so only the command checks it."""

_THRESHOLD: Final = 0.5
_PATIENCE_MS: Final = 1000.0
_NON_SPEECH_SECONDS: Final = 30.0
_LEVELS_DB: Final = (-30.0, -50.0)
_STREAMS: Final = (1, 5, 10, 20, 40)


@attrs.frozen
class Hearing:
    """How one detector hears one speech in one noise. Onsets in ms, infinite where most were missed."""

    auc: float
    f1: float
    onset_median: float
    onset_p90: float
    missed: int


@attrs.frozen
class Mistakes:
    """What one detector makes of a sound without speech: the share of chunks, and starts of speech per minute."""

    share: float
    starts: float


def main() -> int:
    """Print the tables; 1 if a bar is missed."""
    missed: list[str] = []
    for speech in sounds.corpora():
        print(f"\nSpeech: {speech.name}, {len(speech.sound) / HZ_8K:.0f} s, {len(speech.onsets)} onsets\n")
        missed += _print_hearing(speech)
    print(f"\nSounds without speech, {_NON_SPEECH_SECONDS:.0f} s each\n")
    missed += _print_mistakes()
    print("\nCPU, ms per second of audio and stream\n")
    missed += _print_costs()
    for words in missed:
        print(f"MISSED: {words}", file=sys.stderr)
    return 1 if missed else 0


def detectors() -> Mapping[str, Detector]:
    """The detectors that there are, by name."""
    return {"silero": SpeechNet(), "energy": EnergyDetector()}


def conditions(speech: Speech) -> dict[str, Sound]:
    """`speech` on lines from quiet to hopeless, by name."""
    seconds = len(speech.sound) / HZ_8K
    noises: dict[str, tuple[Sound, Sequence[float]]] = {
        "white": (sounds.white(seconds), (20, 10, 5, 0)),
        "pink": (sounds.pink(seconds), (10, 0)),
        "car": (sounds.car(seconds), (0, -5)),
        "music": (sounds.hold_music(seconds), (15, 5)),
        "babble": (sounds.babble(speech), (10, 5)),
    }
    noisy = {
        f"{name} {snr:g} dB": sounds.mixed(speech, noise, snr) for name, (noise, snrs) in noises.items() for snr in snrs
    }
    hiss = sounds.at_level(sounds.white(seconds), COMFORT_DB)
    return {"clean": speech.sound + hiss, **noisy}


def non_speech(seconds: float) -> dict[str, Sound]:
    """What a line carries besides speech, by name."""
    return {
        "white noise": sounds.white(seconds),
        "pink noise": sounds.pink(seconds),
        "car": sounds.car(seconds),
        "hum": sounds.hum(seconds),
        "tone 1004 Hz": sounds.tone(seconds),
        "DTMF": sounds.keys(seconds),
        "ringback": sounds.ringback(seconds),
        "clicks": sounds.clicks(seconds),
        "hold music": sounds.hold_music(seconds),
    }


def probabilities(detector: Detector, streams: Sequence[Pcm16]) -> npt.NDArray[np.float64]:
    """(streams, chunks): every stream through its own ear and one bank, as calls are. All of the same length."""
    bank = Bank(detector)
    states = [bank.new_stream() for _ in streams]
    places = {state: place for place, state in enumerate(states)}
    heard = [Ear(HZ_8K).push(stream) for stream in streams]
    found = np.zeros((len(heard), min(map(len, heard))))
    for at in range(found.shape[1]):
        for state, chunks in zip(states, heard, strict=True):
            bank.submit(state, chunks[at])
        for verdict in bank.run():
            found[places[verdict.stream], at] = verdict.probability
    return found


def hearing(speech: Speech, found: npt.NDArray[np.float64]) -> Hearing:
    """The figures of one stream of `speech` from its chunks' probabilities."""
    truth = chunk_truth(speech, len(found))
    waits = sorted(_waits(speech, found))
    return Hearing(
        auc=auc(found[truth], found[~truth]),
        f1=f1(found >= _THRESHOLD, truth),
        onset_median=waits[len(waits) // 2],
        onset_p90=waits[len(waits) * 9 // 10],
        missed=sum(wait == np.inf for wait in waits),
    )


def mistakes(found: npt.NDArray[np.float64]) -> Mistakes:
    """The figures of one stream without speech."""
    starts = sum(isinstance(event, SpeechStarted) for _, event in _events(found))
    return Mistakes(float(np.mean(found >= _THRESHOLD)), starts * 60_000 / (len(found) * CHUNK))


def auc(speech: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """The probability that one of `speech` is above one of `other`, ties counting half (Mann and Whitney, 1947).

    >>> auc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    ordered = np.sort(other)
    below = np.searchsorted(ordered, speech, "left") + np.searchsorted(ordered, speech, "right")
    return float(np.mean(below)) / 2 / len(other)


def f1(decided: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """The harmonic mean of precision and recall.

    >>> round(f1(np.array([True, True, False]), np.array([True, False, True])), 3)
    0.5
    """
    return 2 * float(np.sum(decided & truth)) / max(1, int(decided.sum()) + int(truth.sum()))


def cost_ms(detector: Detector, streams: int, seconds: float = 2.0, rounds: int = 5) -> float:
    """CPU in ms per second of audio and stream: loud noise, so that nothing is gated. The least of `rounds`."""
    noise = sounds.pcm(sounds.at_level(sounds.white(seconds), SPEECH_DB))
    ears = [Ear(HZ_8K) for _ in range(streams)]
    chunks = [ear.push(noise) for ear in ears]
    return min(_round_ms(detector, chunks) for _ in range(rounds)) / (len(chunks[0]) * CHUNK / 1000) / streams


def _round_ms(detector: Detector, chunks: Sequence[Sequence[Chunk]]) -> float:
    bank = Bank(detector)
    states = [bank.new_stream() for _ in chunks]
    begun = time.thread_time()
    for ready in zip(*chunks, strict=True):
        for state, chunk in zip(states, ready, strict=True):
            bank.submit(state, chunk)
        bank.run()
    return (time.thread_time() - begun) * 1000


def chunk_truth(speech: Speech, chunks: int) -> npt.NDArray[np.bool_]:
    """Whether more than half of each chunk is speech."""
    delay = Ear(HZ_8K).push(Pcm16(bytes(4 * CHUNK_SAMPLES)))[1].at - CHUNK  # how the chunks lie on the media time
    samples = np.repeat(speech.active, FRAME)
    width = CHUNK_SAMPLES * HZ_8K // RATE
    shift = -delay * HZ_8K // 1000
    lined_up = np.concatenate((np.zeros(shift, np.bool_), samples))[: chunks * width].reshape(-1, width)
    share: npt.NDArray[np.float64] = lined_up.mean(axis=1)
    return share > 0.5


def _events(found: npt.NDArray[np.float64]) -> Iterator[tuple[Ms, SpeechEvent]]:
    """Every event, with the moment at which it is known: the end of the chunk that decided it."""
    hysteresis = Hysteresis()
    for index, probability in enumerate(found.tolist()):
        event = hysteresis.push(probability, Ms(index * CHUNK))
        if event is not None:
            yield Ms((index + 1) * CHUNK), event


def _waits(speech: Speech, found: npt.NDArray[np.float64]) -> Iterator[float]:
    """Ms from each onset to the start of speech that is known next; infinite if there is none in time.

    A detector that says speech all the time knows of no start, and misses them all.
    """
    known = [moment for moment, event in _events(found) if isinstance(event, SpeechStarted)]
    for onset in speech.onsets:
        began = ms_of_samples(onset, HZ_8K)
        waits = [moment - began for moment in known if 0 <= moment - began <= _PATIENCE_MS]
        yield float(waits[0]) if waits else np.inf


def _print_hearing(speech: Speech) -> list[str]:
    mixtures = conditions(speech)
    streams = [sounds.telephoned(sound) for sound in mixtures.values()]
    figures = {
        name: [hearing(speech, found) for found in probabilities(detector, streams)]
        for name, detector in detectors().items()
    }
    heads = ("line", *(f"{name}: {what}" for name in figures for what in ("AUC", "F1", "onset ms", "p90", "missed")))
    rows = [
        (line, *(cell for name in figures for cell in _hearing_cells(figures[name][at])))
        for at, line in enumerate(mixtures)
    ]
    print(markdown(heads, rows))
    return [
        f"{speech.name}, {line}: {words}"
        for line, each in zip(mixtures, figures["silero"], strict=True)
        for words in hearing_missed(line, each)
    ]


def hearing_missed(line: str, figures: Hearing) -> list[str]:
    """The bars that Silero does not meet on `line`, in words."""
    if line.startswith("babble"):
        return []
    least = LEAST_CLEAN_AUC if line == "clean" else LEAST_AUC
    missed = [f"AUC {figures.auc:.3f}, at least {least}"] if figures.auc < least else []
    if line in {"clean", "white 20 dB", "white 10 dB"} and figures.onset_median > MOST_ONSET_MS:
        missed.append(f"onset {figures.onset_median:.0f} ms, at most {MOST_ONSET_MS:.0f}")
    return missed


def _hearing_cells(figures: Hearing) -> tuple[str, ...]:
    return (
        f"{figures.auc:.3f}",
        f"{figures.f1:.3f}",
        f"{figures.onset_median:.0f}",
        f"{figures.onset_p90:.0f}",
        f"{figures.missed}",
    )


def _print_mistakes() -> list[str]:
    everything = {**non_speech(_NON_SPEECH_SECONDS), **sounds.recorded_music(_NON_SPEECH_SECONDS)}
    kinds = [(name, sound, level) for name, sound in everything.items() for level in _LEVELS_DB]
    streams = [sounds.telephoned(sounds.at_level(sound, level)) for _, sound, level in kinds]
    found = {
        name: [mistakes(each) for each in probabilities(detector, streams)] for name, detector in detectors().items()
    }
    heads = ("sound", "level dB", *(f"{name}: {what}" for name in found for what in ("false %", "starts/min")))
    rows = [
        (name, f"{level:.0f}", *(cell for figures in found.values() for cell in _mistake_cells(figures[at])))
        for at, (name, _, level) in enumerate(kinds)
    ]
    print(markdown(heads, rows))
    return [
        f"{name} at {level:.0f} dB: {each.share:.1%} taken for speech, at most {MOST_FALSE:.0%}"
        for (name, _, level), each in zip(kinds, found["silero"], strict=True)
        if each.share > MOST_FALSE
    ]


def _mistake_cells(figures: Mistakes) -> tuple[str, ...]:
    return (f"{100 * figures.share:.1f}", f"{figures.starts:.0f}")


def _print_costs() -> list[str]:
    costs = {name: [cost_ms(detector, streams) for streams in _STREAMS] for name, detector in detectors().items()}
    heads = ("streams in a batch", *(str(streams) for streams in _STREAMS))
    print(markdown(heads, [(name, *(f"{cost:.2f}" for cost in found)) for name, found in costs.items()]))
    return [
        f"{cost:.2f} ms of CPU per second with {streams} streams, at most {MOST_BATCHED_MS}"
        for streams, cost in zip(_STREAMS, costs["silero"], strict=True)
        if streams >= 20 and cost > MOST_BATCHED_MS
    ]

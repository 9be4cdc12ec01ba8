"""The table of audio quality: how far each estimator is from a truth that was put into the sound.

Bias is the mean error and spread the largest error less the smallest, over noises, moments and talkers. Speech is that
of `opusagent.bench.sounds`; everything passes through the public door, the monitor or the meter, as a call's audio
does.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs
import numpy as np

from opusagent.audio.g711 import mulaw_decode, mulaw_encode
from opusagent.audio.pcm import samples_of
from opusagent.audio.quality.echo import EchoMeter, EchoPath
from opusagent.audio.quality.levels import Samples
from opusagent.audio.quality.monitor import AudioQualityMonitor
from opusagent.audio.resample import RATES
from opusagent.bench import sounds
from opusagent.bench.sounds import Sound, Speech
from opusagent.bench.table import markdown
from opusagent.units import HZ_8K, Hz

MOST_SNR_BIAS_DB: Final = 2.0
MOST_SNR_SPREAD_DB: Final = 3.0
MOST_CLIPPING_ERROR: Final = 0.05  # points, of linear PCM
MOST_COMPANDED_ERROR: Final = 0.1  # points, of mu-law clipped at full scale; below full scale it is only reported
MOST_THD_ERROR: Final = 0.3  # points
MOST_DELAY_ERROR_MS: Final = 10.0
MOST_CPU_MS: Final = 1.0
"""Per second of audio, 20 ms at a time; measured at rest, so only the command checks it."""

SNRS_DB: Final = tuple(range(0, 41, 5))
CLIPPED_PERCENT: Final = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
THD_PERCENT: Final = (0.0, 0.3, 1.0, 3.0, 10.0)
TONES_HZ: Final = (200.0, 440.0, 1004.0)
DELAYS_MS: Final = (20, 60, 150, 300, 600, 900)
LOSSES_DB: Final = (10.0, 20.0, 30.0)

_SECOND: Final = int(HZ_8K)
_CHUNK: Final = HZ_8K // 50
_HISS_DB: Final = -60.0
_CLIP_LEVEL: Final = 0.6  # where the flat tops lie, -4.4 dB: below full scale

Noise = Callable[[float], Sound]
"""Makes that many seconds of a noise."""


@attrs.frozen
class Error:
    """How estimates lie about their truth, in its unit."""

    bias: float
    spread: float
    count: int


def main() -> int:
    """Print the tables; 1 if a bar is missed."""
    missed: list[str] = []
    for speech in sounds.corpora():
        print(f"\nSpeech: {speech.name}, {len(speech.sound) / HZ_8K:.0f} s\n")
        missed += _print_snr(speech)
        missed += _print_clipping(speech)
        missed += _print_echo(speech)
    missed += _print_thd()
    missed += _print_cost()
    for words in missed:
        print(f"MISSED: {words}", file=sys.stderr)
    return 1 if missed else 0


def error_of(estimates: Sequence[float], truth: float) -> Error:
    """The bias and the spread of some estimates.

    >>> error_of([21.0, 20.0], 20.0)
    Error(bias=0.5, spread=1.0, count=2)
    """
    errors = [estimate - truth for estimate in estimates]
    return Error(sum(errors) / len(errors), max(errors) - min(errors), len(errors))


def snr_estimates(speech: Speech, noise: Sound, snr_db: float) -> list[float]:
    """What the monitor says each second, from the tenth on: by then its memory is full."""
    monitor = AudioQualityMonitor(HZ_8K)
    samples = samples_of(sounds.telephoned(sounds.mixed(speech, noise, snr_db)))
    found = [monitor.analyze_audio_chunk(second).snr_db for second in _seconds(samples)]
    return [estimate for estimate in found[9:] if estimate is not None]


def snr_error(speech: Speech, make: Noise, snr_db: float) -> Error:
    """The error at one ratio in one kind of noise."""
    return error_of(snr_estimates(speech, make(len(speech.sound) / HZ_8K), snr_db), snr_db)


def clipping_error(speech: Speech, percent: float, level: float = _CLIP_LEVEL, *, companded: bool = False) -> float:
    """The error, in points, over all of `speech`, of which `percent` of the samples was clipped at `level`."""
    sound = sounds.band_limited(speech.sound)
    sound = sound[: len(sound) // _SECOND * _SECOND]
    limit = float(np.quantile(np.abs(sound), 1 - percent / 100))
    flat = np.clip(sound, -limit, limit) * (level / limit)
    pcm = sounds.pcm(flat)
    monitor = AudioQualityMonitor(HZ_8K)
    monitor.analyze_audio_chunk(samples_of(mulaw_decode(mulaw_encode(pcm)) if companded else pcm))
    truth = 100 * float(np.mean(np.abs(sound) >= limit)) if percent else 0.0
    return monitor.get_quality_summary().clipping_percent - truth


def thd_estimate(hertz: float, percent: float, snr_db: float = 60.0) -> float | None:
    """What the monitor says of a tone with that much of the second and a third of it of the third harmonic."""
    second = percent / 100 / math.sqrt(1 + 1 / 9)
    sound = sounds.tone(2.0, hertz) + second * (sounds.tone(2.0, 2 * hertz) + sounds.tone(2.0, 3 * hertz) / 3)
    noise = sounds.at_level(sounds.white(2.0), sounds.level_of(sound) - snr_db)
    monitor = AudioQualityMonitor(HZ_8K)
    samples = samples_of(sounds.pcm(sounds.at_level(sound + noise, -13.0)))
    return [monitor.analyze_audio_chunk(each).thd_percent for each in _seconds(samples)][-1]


def echo_estimates(speech: Speech, delay_ms: int, loss_db: float, *, talking: bool = False) -> list[EchoPath | None]:
    """What the meter says each second from the fifth on, of an echo that is spread over 3 ms on a line that hisses.

    `loss_db` is the difference in level below 1 kHz. `talking`: the caller talks, as loudly as the model, all the time.
    """
    spread = np.sin(np.arange(1, 24) / 3.0) * np.exp(-np.arange(23) / 6.0)
    late = HZ_8K * delay_ms // 1000 - int(np.argmax(spread))
    echo = np.concatenate((np.zeros(late), np.convolve(speech.sound, spread)))[: len(speech.sound)]
    echo *= 10 ** ((_low_level(speech.sound) - _low_level(echo) - loss_db) / 20)
    heard = echo + sounds.at_level(sounds.white(len(echo) / HZ_8K), _HISS_DB)
    if talking:
        heard = heard + np.roll(speech.sound, len(speech.sound) // 2)[::-1]
    meter = EchoMeter(HZ_8K)
    found: list[EchoPath | None] = []
    both = (_seconds(samples_of(sounds.telephoned(sound))) for sound in (heard, speech.sound))
    for mine, theirs in zip(*both, strict=True):
        meter.push(mine, theirs)
        found.append(meter.path)
    return found[4:]


def _low_level(sound: Sound) -> float:
    spectrum = np.fft.rfft(sound)
    spectrum[len(spectrum) // 4 :] = 0
    return sounds.level_of(np.fft.irfft(spectrum, len(sound)))


def cost_ms(seconds: int = 10, rate: Hz = HZ_8K) -> tuple[float, float]:
    """CPU in ms per second of audio, 20 ms at a time: of the monitor, and of the echo meter."""
    speech = sounds.demo().sound
    samples = np.resize(samples_of(sounds.pcm(speech)), seconds * rate)
    chunks = [samples[at : at + rate // 50] for at in range(0, len(samples), rate // 50)]
    monitor, meter = AudioQualityMonitor(rate), EchoMeter(rate)
    begun = time.thread_time()
    for chunk in chunks:
        monitor.analyze_audio_chunk(chunk)
    between = time.thread_time()
    for chunk in chunks:
        meter.push(chunk, chunk)
    return 1000 * (between - begun) / seconds, 1000 * (time.thread_time() - between) / seconds


def _seconds(samples: Samples) -> Iterator[Samples]:
    return (samples[at : at + _SECOND] for at in range(0, len(samples) - _SECOND + 1, _SECOND))


def _print_snr(speech: Speech) -> list[str]:
    kinds: tuple[tuple[str, Noise], ...] = (
        ("white", sounds.white),
        ("pink", sounds.pink),
        ("car", sounds.car),
    )
    found = {(name, snr): snr_error(speech, make, snr) for name, make in kinds for snr in SNRS_DB}
    rows = [(f"{snr} dB", *(_signed(found[name, snr]) for name, _ in kinds)) for snr in SNRS_DB]
    print(markdown(("SNR: bias, spread dB", *(name for name, _ in kinds)), rows) + "\n")
    return [
        f"{speech.name}: SNR {snr} dB in {name}: bias {error.bias:+.2f} dB, spread {error.spread:.2f} dB"
        for (name, snr), error in found.items()
        if abs(error.bias) > MOST_SNR_BIAS_DB or error.spread > MOST_SNR_SPREAD_DB
    ]


def _print_clipping(speech: Speech) -> list[str]:
    rows = [
        (
            percent,
            clipping_error(speech, percent),
            clipping_error(speech, percent, 1.0, companded=True),
            clipping_error(speech, percent, companded=True),
        )
        for percent in CLIPPED_PERCENT
    ]
    heads = ("clipped %: error, points", "linear, -4 dB", "mu-law, full scale", "mu-law, -4 dB")
    print(markdown(heads, [(f"{row[0]:g}", *(f"{error:+.3f}" for error in row[1:])) for row in rows]) + "\n")
    return [
        f"{speech.name}: {percent:g} % clipped: {linear:+.3f} points, companded {companded:+.3f}"
        for percent, linear, companded, _ in rows
        if abs(linear) > MOST_CLIPPING_ERROR or abs(companded) > MOST_COMPANDED_ERROR
    ]


def _print_echo(speech: Speech) -> list[str]:
    missed: list[str] = []
    rows: list[tuple[str, ...]] = []
    for talking in (False, True):
        for loss in LOSSES_DB:
            found = {delay: echo_estimates(speech, delay, loss, talking=talking) for delay in DELAYS_MS}
            known = [(path, delay) for delay, paths in found.items() for path in paths if path]
            share = len(known) / sum(map(len, found.values()))
            off = max((abs(path.delay - delay) for path, delay in known), default=0)
            error = error_of([path.return_loss_db for path, _ in known], loss) if known else None
            who = "both talk" if talking else "model talks"
            cells = _signed(error) if error else "unknown"
            rows.append((f"{who}, {loss:g} dB", f"{share:.0%}", f"{off}", cells))
            if off > MOST_DELAY_ERROR_MS or (not talking and share < 1):
                missed.append(f"{speech.name}: echo, {who}, {loss:g} dB: known {share:.0%}, delay off by {off} ms")
    print(markdown(("echo", "seconds known", "delay: most off, ms", "return loss: bias, spread dB"), rows) + "\n")
    return missed


def _print_thd() -> list[str]:
    lines = [(hertz, snr) for hertz in TONES_HZ for snr in (60.0, 35.0)]
    found = {(line, percent): thd_estimate(line[0], percent, line[1]) for line in lines for percent in THD_PERCENT}
    rows = [
        (f"{hertz:g} Hz, noise at -{snr:g} dB", *(_or_none(found[(hertz, snr), percent]) for percent in THD_PERCENT))
        for hertz, snr in lines
    ]
    print("\n" + markdown(("THD found, %", *(f"true {percent:g}" for percent in THD_PERCENT)), rows) + "\n")
    return [
        f"THD {percent} % of {line[0]:g} Hz: {_or_none(value)} %"
        for (line, percent), value in found.items()
        if value is None or abs(value - percent) > MOST_THD_ERROR
    ]


def _print_cost() -> list[str]:
    found = {rate: cost_ms(rate=rate) for rate in RATES}
    rows = [(f"{rate} Hz", *(f"{cost:.2f}" for cost in costs)) for rate, costs in found.items()]
    print(markdown(("CPU, ms per second of audio", "monitor", "echo meter"), rows))
    return [
        f"{sum(costs):.2f} ms of CPU per second at {rate} Hz, at most {MOST_CPU_MS}"
        for rate, costs in found.items()
        if sum(costs) > MOST_CPU_MS
    ]


def _signed(error: Error) -> str:
    return f"{error.bias:+.2f}, {error.spread:.2f}"


def _or_none(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"

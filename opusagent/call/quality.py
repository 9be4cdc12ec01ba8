"""How a caller's line sounds, measured beside the call and away from the audio's way to the model.

The audio is only collected as it passes, and looked at once a second, in one piece.

The caller's own samples go to the quality monitor as they came, with their media time, so that a gap is a gap and not
a silence. For the echo both sides are laid on one time line, the model's voice where the caller hears it: what comes
back is late by the way to the caller's ear and from there to us, and by nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from opusagent.audio.pcm import samples_of
from opusagent.audio.quality.alerts import Concern, QualityAlert
from opusagent.audio.quality.echo import EchoMeter, EchoPath
from opusagent.audio.quality.metrics import QualitySummary, QualityThresholds
from opusagent.audio.quality.monitor import LEAST_GAP, AudioQualityMonitor
from opusagent.call.tape import Witness
from opusagent.call.time_line import SLACK, TimeLine
from opusagent.units import Hz, LoopTime, Ms, Pcm16, ms_of_samples

MEASURE_SECONDS: Final = 1.0
"""Between two looks. The monitor's figures are those of whole seconds."""


@attrs.frozen
class LineQuality:
    """How the caller's line was: its own sound, and what of the model's voice came back on it, if that is certain.

    `raised` counts what was found to be bad, by concern: each time that it became so.
    """

    caller: QualitySummary
    echo: EchoPath | None = None
    raised: dict[str, int] = attrs.field(factory=dict[str, int])


class LineMonitor:
    """One call's line, whose leg has `rate`. Somebody calls `measure` about once a second, and once at the end.

    `on_alert` is told of every change from bad to good and back, `on_echo` of the first certain echo.
    """

    def __init__(
        self,
        rate: Hz,
        opened: LoopTime,
        thresholds: QualityThresholds,
        on_alert: Callable[[QualityAlert], None],
        on_echo: Callable[[EchoPath], None],
    ) -> None:
        self._rate: Final = rate
        self._on_alert: Final = on_alert
        self._on_echo: Final = on_echo
        self._monitor: Final = AudioQualityMonitor(rate, thresholds, self._alert)
        self._meter: Final = EchoMeter(rate)
        self._line: Final = TimeLine(rate, opened, late=MEASURE_SECONDS)
        self._heard: list[tuple[Pcm16, Ms | None, LoopTime]] = []
        self._echo: EchoPath | None = None
        self._raised: dict[str, int] = {}

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Collect the caller's audio."""
        self._heard.append((pcm, at, now))

    def restart(self, now: LoopTime) -> None:
        """A pause of the line, which is seen when it goes on."""

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """Collect the model's audio, heard from `at` on."""
        self._line.play(pcm, at)

    def cut(self, now: LoopTime) -> None:
        """Take back what was not heard."""
        self._line.cut(now)

    def measure(self, now: LoopTime) -> None:
        """Look at what has come since the last time."""
        heard, self._heard = self._heard, []
        for pcm, at, arrived in runs(heard, self._rate):
            self._line.hear(pcm, at, arrived)
            self._monitor.analyze_audio_chunk(samples_of(pcm), at)
        caller, model = self._line.take(now)
        self._meter.push(samples_of(caller), samples_of(model))
        if self._meter.path is not None:
            if self._echo is None:
                self._on_echo(self._meter.path)
            self._echo = self._meter.path

    def summary(self) -> LineQuality:
        """What was measured so far."""
        return LineQuality(self._monitor.get_quality_summary(), self._echo, dict(sorted(self._raised.items())))

    def _alert(self, alert: QualityAlert) -> None:
        if alert.raised:
            self._raised[alert.concern.value] = self._raised.get(alert.concern.value, 0) + 1
        self._on_alert(alert)


def runs(pieces: Sequence[tuple[Pcm16, Ms | None, LoopTime]], rate: Hz) -> Iterator[tuple[Pcm16, Ms | None, LoopTime]]:
    """The pieces joined where their media time, or else the clock, goes on without a gap.

    Each run has the media time of its first sample, and when its last would have arrived had it come as evenly as it
    was said.

    >>> frame, now = Pcm16(bytes(320)), LoopTime(1.0)
    >>> joined = runs([(frame, Ms(0), now), (frame, Ms(20), now), (frame, Ms(60), now), (frame, None, now)], Hz(8000))
    >>> [(len(pcm), at, round(then, 2)) for pcm, at, then in joined]
    [(640, 0, 1.02), (320, 60, 1.0), (320, None, 1.0)]
    """
    run: list[Pcm16] = []
    begun: Ms | None = None
    due: Ms | None = None
    then = last = LoopTime(0.0)
    for pcm, at, now in pieces:
        long = ms_of_samples(len(pcm) // 2, rate)
        late = now - last - long / 1000 > SLACK if at is None or due is None else abs(at - due) >= LEAST_GAP
        if run and (late or (at is None) != (due is None)):
            yield Pcm16(b"".join(run)), begun, then
            run = []
        begun, then = (begun, LoopTime(then + long / 1000)) if run else (at, now)
        run.append(pcm)
        due, last = (None if at is None else Ms(at + long)), now
    if run:
        yield Pcm16(b"".join(run)), begun, then


@attrs.frozen
class Witnesses:
    """Several who hear the same."""

    each: tuple[Witness, ...]

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Let all of them hear it."""
        for witness in self.each:
            witness.hear(pcm, at, now)

    def restart(self, now: LoopTime) -> None:
        """Tell all of them."""
        for witness in self.each:
            witness.restart(now)

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """Let all of them hear it."""
        for witness in self.each:
            witness.play(pcm, at)

    def cut(self, now: LoopTime) -> None:
        """Tell all of them."""
        for witness in self.each:
            witness.cut(now)


_BAD: Final[Mapping[Concern, str]] = {
    Concern.SNR: "the caller's line is noisy: speech is {0:.0f} dB above the noise, {1:g} are wanted",
    Concern.THD: "a tone on the caller's line is distorted: {0:.1f} %, {1:g} are allowed",
    Concern.CLIPPING: "the caller's sound is clipped: {0:.2f} % of it, {1:g} are allowed",
    Concern.SCORE: "the caller's line sounds bad: {0:.0f} of 100, {1:g} are wanted",
    Concern.ONE_WAY: "no sound from the caller for {0:.0f} ms while frames arrive: one-way audio",
}
_GOOD: Final[Mapping[Concern, str]] = {
    Concern.SNR: "the caller's line is no longer noisy: {0:.0f} dB",
    Concern.THD: "a tone on the caller's line is clean: {0:.1f} %",
    Concern.CLIPPING: "the caller's sound is no longer clipped",
    Concern.SCORE: "the caller's line sounds good again: {0:.0f} of 100",
    Concern.ONE_WAY: "the caller can be heard again",
}


def alert_in_words(alert: QualityAlert) -> str:
    """What has become bad, or good again, for people."""
    return (_BAD if alert.raised else _GOOD)[alert.concern].format(alert.value, alert.limit)


def echo_in_words(path: EchoPath) -> str:
    """An echo, for people.

    >>> echo_in_words(EchoPath(Ms(140), 18.2))
    "the caller's line returns the model's voice 140 ms later, 18 dB weaker"
    """
    return f"the caller's line returns the model's voice {path.delay} ms later, {path.return_loss_db:.0f} dB weaker"


def quality_in_words(quality: LineQuality | None) -> tuple[str, ...]:
    """Lines of a page: how the caller's line sounded, and what was missing in it or came back on it."""
    if quality is None:
        return ("not measured",)
    line, echo = quality.caller, quality.echo
    sound = (
        f"{line.quality_score:.0f} of 100 (worst {line.quality_score_worst:.0f})",
        f"SNR {_or_not(line.snr_db, 'dB')} (worst {_or_not(line.snr_db_worst, 'dB')})",
        f"THD {_or_not(line.thd_percent, '%')}",
        f"clipping {line.clipping_percent:.2f} %",
        f"speech at {_or_not(line.level_dbfs, 'dBFS')}",
        f"DC {100 * line.dc_offset:.1f} %",
    )
    one_way = " (one-way audio)" if Concern.ONE_WAY.value in quality.raised else ""
    missing = (
        f"{line.holes} holes ({line.holes_ms} ms)",
        f"{line.gaps} gaps ({line.gaps_ms} ms)",
        f"longest silence {line.silent_longest} ms{one_way}",
        f"echo {echo.return_loss_db:.0f} dB weaker after {echo.delay} ms" if echo else "no echo",
        f"alerts: {', '.join(f'{concern} {count}' for concern, count in quality.raised.items()) or 'none'}",
    )
    return ", ".join(sound), ", ".join(missing)


def _or_not(value: float | None, unit: str) -> str:
    """A figure with its unit, if it could be had.

    >>> _or_not(23.1, "dB"), _or_not(None, "%")
    ('23.1 dB', 'not available')
    """
    return "not available" if value is None else f"{value:.1f} {unit}"

"""Law: for whatever happens on the line, and however the tape is written, a pause is silence on both channels."""

import math

import attrs
from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.pcm import samples_of
from opusagent.call.tape import CallTape
from opusagent.units import HZ_8K, LoopTime, Ms, Pcm16

OPENED = LoopTime(7.0)


@attrs.frozen
class Step:
    """One thing that happens `after` seconds: sound of `ms`, `late` behind its media time, or of the model, ahead."""

    what: str
    after: float
    ms: int
    late: int


STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["hear", "hear at no time", "play", "cut", "pause", "resume", "take"]),
        after=st.floats(0, 0.7),
        ms=st.integers(1, 400),
        late=st.integers(0, 900),
    ),
    max_size=40,
)


def perform(tape: CallTape, step: Step, now: LoopTime) -> bytes:
    """Do what the step says; what was written by it."""
    sound = Pcm16(b"\x11\x22" * (8 * step.ms))
    match step.what:
        case "hear":
            tape.hear(sound, Ms(round(1000 * (now - OPENED)) + 1000 - step.late), now)
        case "hear at no time":
            tape.hear(sound, None, now)
        case "play":
            tape.play(sound, LoopTime(now + step.late / 2000))
        case "cut":
            tape.cut(now)
        case "pause":
            tape.pause(now)
        case "resume":
            tape.resume(now)
        case _:
            return tape.take(now)
    return b""


@given(steps=STEPS)
def test_a_pause_is_silence(steps: list[Step]) -> None:
    tape, now, written = CallTape(HZ_8K, OPENED), OPENED, b""
    for step in steps:
        now = LoopTime(now + step.after)
        written += perform(tape, step, now)
    written += tape.take_rest(now)
    samples = samples_of(written).reshape(-1, 2)
    for pause in tape.pauses:
        ended = len(samples) if pause.ended is None else int(pause.ended * HZ_8K)
        assert not samples[math.ceil(pause.began * HZ_8K) : ended].any()


SECRET, OPEN = 7, 2
PIECE = 100


@given(
    lags=st.lists(st.floats(0, 15), min_size=1, max_size=60),
    pauses=st.lists(st.tuples(st.floats(0.1, 1.5), st.floats(0.1, 3)), min_size=1, max_size=3),
    media_time=st.booleans(),
)
def test_what_was_said_in_a_pause_is_not_on_the_tape(
    lags: list[float], pauses: list[tuple[float, float]], *, media_time: bool
) -> None:
    """For a line that was on time once, and is as late as it likes from then on, whether it tells media time or not."""
    spans: list[tuple[float, float]] = []
    for after, lasts in pauses:
        began = (spans[-1][1] if spans else 0.0) + after
        spans.append((began, began + lasts))
    orders = sorted(
        (moment, number % 2 == 0) for number, moment in enumerate(moment for span in spans for moment in span)
    )
    tape, written, arrived = CallTape(HZ_8K, OPENED), b"", 0.0
    for number, lag in enumerate([0.0, *lags]):
        arrived = max(arrived, PIECE * (number + 1) / 1000 + lag)
        while orders and orders[0][0] < arrived:
            moment, begins = orders.pop(0)
            (tape.pause if begins else tape.resume)(LoopTime(OPENED + moment))
        said = [PIECE / 1000 * number + sample / HZ_8K for sample in range(8 * PIECE)]
        secret = [any(began <= each < ended for began, ended in spans) for each in said]
        sound = b"".join((SECRET if each else OPEN).to_bytes(2, "little") for each in secret)
        now = LoopTime(OPENED + arrived)
        tape.hear(Pcm16(sound), Ms(PIECE * number) if media_time else None, now)
        assert SECRET not in samples_of(tape.peek(now))
        written += tape.take(now)
    assert SECRET not in samples_of(written + tape.take_rest(LoopTime(OPENED + arrived + 1)))

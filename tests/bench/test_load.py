"""The load generator against the bare relay and against the daemon, in real time and briefly."""

import asyncio

import pytest

from opusagent.bench.load.figures import Figures
from opusagent.bench.load.run import Outcome, Stimulus, measure
from opusagent.bench.load.subjects import Subject, daemon, relay
from opusagent.bench.load.voices import CYCLE_FRAMES, MARK_EVERY, MULAW, PCM_24K, caller_frames, is_marked


def run(subject: Subject | None) -> Outcome:
    assert subject is not None
    return asyncio.run(measure(subject, 2, 1.5, Stimulus.rendered()))


def test_a_callers_marks_are_found_where_they_are_and_nowhere_in_speech() -> None:
    frames = caller_frames(MULAW)
    found = [at for at, frame in enumerate(frames) if MULAW.mark_in(frame) is not None]

    assert [at for at in range(CYCLE_FRAMES) if is_marked(at)] == found
    assert len(found) == CYCLE_FRAMES // MARK_EVERY


@pytest.mark.parametrize(
    "subject",
    [relay(), daemon("pcm"), daemon("pcmu"), daemon("pcm", "audiocodes")],
    ids=lambda each: each and each.name,
)
def test_every_frame_of_a_short_load_is_accounted_for(subject: Subject | None) -> None:
    """Nothing is timed here, so a loaded machine can do no harm."""
    outcome = run(subject)

    accounts = outcome.accounts
    assert [(a.failure, a.up.tally.lost_marks, a.up.tally.doubled) for a in accounts] == [(None, 0, 0.0)] * 2
    assert [account.up.tally.sent for account in accounts] == [account.up.tally.received for account in accounts]
    assert all(account.up.tally.latencies and account.set_up for account in accounts)
    assert outcome.cpu_ms > 0
    assert outcome.idle_memory > 0
    assert Figures.of([outcome]).calls == 2


def test_a_mark_in_linear_sound_is_told_from_loud_speech() -> None:
    assert PCM_24K.mark_in(b"\xff\x3f\x00\xc0" * 100) is None
    assert MULAW.mark_in(bytes(range(0x10, 0x80)) + bytes(range(0x90, 0x100))) is None

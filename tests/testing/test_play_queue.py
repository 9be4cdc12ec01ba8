"""The play queue of samples with two bytes; with one byte it is Twilio's, whose tests are beside this one."""

import math

from opusagent.audio.media import PCM16_24K
from opusagent.testing.play_queue import Cleared, Heard, PlayQueue
from opusagent.units import LoopTime, Ms


def t(seconds: float) -> LoopTime:
    return LoopTime(seconds)


def test_sound_is_heard_in_real_time_and_in_whole_samples() -> None:
    """Half a sample later, not half a sample more."""
    queue = PlayQueue(PCM16_24K)
    queue.play(b"ab" * 480, t(1.0))
    assert queue.heard(t(1.01)) == (Heard(t(1.0), b"ab" * 240),)
    assert queue.heard_bytes(t(1.01 + 0.5 / 24_000)) == 480
    assert (queue.queued(t(1.005)), queue.busy_until) == (Ms(15), t(1.02))


def test_what_is_dropped_begins_with_a_whole_sample() -> None:
    queue = PlayQueue(PCM16_24K)
    queue.play(b"ab" * 480, t(1.0))
    at = t(1.01 + 0.5 / 24_000)
    queue.clear(at)
    assert queue.cleared == [Cleared(at, b"ab" * 240)]
    assert queue.heard_bytes(t(9.0)) == 480


def test_it_is_known_when_so_much_will_have_been_heard() -> None:
    queue = PlayQueue(PCM16_24K)
    queue.play(bytes(960), t(1.0))
    queue.play(bytes(960), t(2.0))
    assert [queue.when_heard(count) for count in (0, 480, 960, 1440, 1922)] == [0.0, 1.01, 1.02, 2.01, math.inf]

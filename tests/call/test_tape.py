"""The tape in memory: where each sample lies, what a pause leaves out, and the same at another rate."""

import pytest

from opusagent.audio.pcm import samples_of
from opusagent.audio.resample import RATES
from opusagent.call.tape import MOST_PAUSES, CallTape, Pause, TapeKind
from opusagent.call.time_line import HOLD, LATE, MOST_HELD, SETTLE
from opusagent.units import HZ_8K, HZ_24K, Hz, LoopTime, Ms, Pcm16

OPENED = LoopTime(50.0)
LONG_AFTER = LoopTime(OPENED + 1000)


def at(seconds: float) -> LoopTime:
    return LoopTime(OPENED + seconds)


def pcm(value: int, ms: int) -> Pcm16:
    """A stretch of one value: on the tape it can be seen where it begins and ends."""
    return Pcm16(value.to_bytes(2, "little", signed=True) * (8 * ms))


def stretches(samples: list[int]) -> list[tuple[int, int]]:
    """Values with the milliseconds that they last, one after the other."""
    found: list[tuple[int, int]] = []
    for value in samples:
        if found and found[-1][0] == value:
            found[-1] = (value, found[-1][1] + 1)
        else:
            found.append((value, 1))
    return [(value, count // 8) for value, count in found]


def channels(stereo: bytes) -> tuple[list[int], list[int]]:
    both = [int(sample) for sample in samples_of(stereo)]
    return both[::2], both[1::2]


def left(stereo: bytes) -> list[tuple[int, int]]:
    return stretches(channels(stereo)[0])


def right(stereo: bytes) -> list[tuple[int, int]]:
    return stretches(channels(stereo)[1])


def new_tape() -> CallTape:
    return CallTape(HZ_8K, OPENED)


# -- the time line -----------------------------------------------------------------------------------------------


def test_the_caller_lies_at_media_time_and_a_gap_is_silence() -> None:
    """20 ms, 100 ms that the platform did not send, 20 ms."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    tape.hear(pcm(2, 20), Ms(120), at(0.14))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 20), (0, 100), (2, 20)]


def test_uneven_arrival_is_no_gap() -> None:
    """Frames that come late, in pairs and early again lie side by side, as they were said."""
    tape = new_tape()
    for number, arrival in enumerate((0.02, 0.11, 0.11, 0.11, 0.111, 0.3)):
        tape.hear(pcm(1 + number, 20), Ms(20 * number), at(arrival))
    assert left(tape.take_rest(LONG_AFTER)) == [(1 + number, 20) for number in range(6)]


def test_media_time_begins_where_the_first_frame_began() -> None:
    """A stream whose first frame says 5,000 ms and arrives 200 ms after the tape was opened began at 180."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(5000), at(0.2))
    tape.hear(pcm(2, 20), Ms(5020), at(0.22))
    assert left(tape.take_rest(LONG_AFTER)) == [(0, 180), (1, 20), (2, 20)]


def test_a_caller_without_media_time_lies_where_it_arrives() -> None:
    tape = new_tape()
    tape.hear(pcm(1, 20), None, at(0.02))
    tape.hear(pcm(2, 20), None, at(0.05))
    tape.hear(pcm(3, 20), None, at(0.52))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 20), (2, 20), (0, 460), (3, 20)]


@pytest.mark.parametrize("ahead", [20_000, 3_500_000, 2**60])
def test_media_time_that_is_far_ahead_is_not_believed(ahead: int) -> None:
    """A platform that claims to be at the end of time does not fill the memory, nor does it shift what follows."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    tape.hear(pcm(2, 20), Ms(ahead), at(0.04))
    tape.hear(pcm(3, 20), Ms(40), at(0.06))
    tape.hear(pcm(4, 20), Ms(160), at(0.18))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 20), (2, 20), (3, 20), (0, 100), (4, 20)]


def test_nothing_was_said_later_than_it_came() -> None:
    """The first frame came 300 ms late, and all the others show it: what was placed too late lies where it was said."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.42))
    for number in range(1, 31):
        tape.hear(pcm(2, 20), Ms(20 * number), at(max(0.42, 0.12 + 0.02 * number)))
    tape.hear(pcm(3, 20), Ms(720), at(0.84))
    assert left(tape.take_rest(LONG_AFTER)) == [(0, 100), (1, 20), (2, 600), (0, 100), (3, 20)]


@pytest.mark.parametrize("media_time", [True, False])
def test_a_channel_has_a_bound_in_memory_whatever_comes(*, media_time: bool) -> None:
    """A disk takes nothing for an hour, and the platform sends a frame a minute: silence takes room as sound does."""
    tape = new_tape()
    for number in range(60):
        then = 60 * number
        tape.hear(pcm(1, 20), Ms(1000 * then) if media_time else None, at(then + 0.02))
    assert tape.lost_seconds > 1
    assert len(tape.take_rest(LONG_AFTER)) <= 4 * 8000 * (MOST_HELD + 1)


# -- a line without media time -----------------------------------------------------------------------------------


def talk_and_stall(tape: CallTape, stalled: float, ms: int, faster: float) -> bytes:
    """What a tape has in the end of a caller who talks in chunks of `ms` without media time.

    The line stalls after a second for so long, delivers what it holds so much `faster` than real time, and is on time
    from then on. Each second of the caller's has a value of its own, and at each whole second the model says 20 ms.
    """
    written, tick, clear = b"", 0.0, LoopTime(0.0)
    for number in range(round(1000 * (2 * stalled + 4 + stalled / (faster - 1)) / ms)):
        ended = ms * (number + 1) / 1000
        came = at(ended) if ended <= 1 else at(max(ended, 1 + stalled))
        clear = LoopTime(max(came, clear + ms / 1000 / faster))
        while at(tick) <= clear:
            if tick == int(tick):
                tape.play(pcm(100, 20), at(tick))
            written += tape.take(at(tick))
            tape.peek(at(tick))
            tick += 0.25
        tape.hear(pcm(1 + ms * number // 1000, ms), None, clear)
    return written + tape.take_rest(LONG_AFTER)


@pytest.mark.parametrize("ms", [20, 100, 250])
@pytest.mark.parametrize(("stalled", "faster"), [(0.3, 2), (0.3, 50), (3, 1.03), (3, 1.1), (3, 2), (3, 50), (8, 50)])
def test_after_a_stall_without_media_time_both_channels_belong_together_again(
    stalled: float, faster: float, ms: int
) -> None:
    """What comes faster than it can be said was said before: every second lies where it was said, within 20 ms."""
    caller, model = channels(talk_and_stall(new_tape(), stalled, ms, faster))
    said = [caller.index(value) / 8000 for value in range(1, int(2 * stalled) + 4)]
    assert said == pytest.approx(range(len(said)), abs=0.02)
    heard = [place / 8000 for place in range(len(model)) if model[place] and not (place and model[place - 1])]
    assert heard[: len(said)] == pytest.approx(range(len(said)), abs=0.001)


def test_a_line_that_was_silent_and_goes_on_in_real_time_was_silent() -> None:
    """Nothing comes faster than it can be said: the silence stays, and is written `SETTLE` later."""
    tape = new_tape()
    for number in range(50):
        tape.hear(pcm(1, 20), None, at(0.02 * (number + 1)))
    for number in range(50):
        tape.hear(pcm(2, 20), None, at(3.02 + 0.02 * number))
    assert left(tape.take(at(3.9))) == [(1, 1000)]
    assert left(tape.take(at(4.2)) + tape.take_rest(LONG_AFTER)) == [(0, 2000), (2, 1000)]


def test_an_uneven_line_is_not_held_in_memory() -> None:
    """Twice a second it is 100 ms late: what is in doubt is soon decided, and lies within 20 ms of its place."""
    tape, written, arrived = new_tape(), b"", LoopTime(0.0)
    for number in range(1000):
        arrived = max(
            arrived,
            at(0.02 * (number + 1) + 0.001 * (7 * number % 5 + 12 * (number > 9) + max(0, 90 - 20 * (number % 25)))),
        )
        tape.hear(pcm(1 + number % 50 // 25, 20), None, arrived)
        written += tape.take(arrived)
        assert len(written) // 4 >= 8000 * (arrived - OPENED - HOLD - 1.2 * SETTLE)
    caller = channels(written + tape.take_rest(LONG_AFTER))[0]
    turns = [place for place in range(1, len(caller)) if caller[place] != caller[place - 1] and caller[place]]
    assert [turn for turn in turns if min(turn % 4000, -turn % 4000) > 160] == []


def test_a_line_that_is_late_for_good_is_placed_where_it_arrives() -> None:
    """It stalls for two seconds, delivers one of them, and never the other: that was silence."""
    tape, written = new_tape(), b""
    for number in range(100):
        tape.hear(pcm(1, 20), None, at(0.02 * (number + 1)))
    for number in range(1000):
        said = at(2.02 + 0.02 * number)
        arrived = LoopTime(max(at(4) + 0.015 * number, said + 1))
        tape.hear(pcm(2 + number // 500, 20), None, arrived)
        written += tape.take(arrived)
    caller = channels(written + tape.take_rest(LONG_AFTER))[0]
    assert caller.index(3) / 8000 == pytest.approx(13, abs=0.02)


# -- drafts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_a_draft_is_what_the_tape_would_be_if_nothing_came_any_more(rate: Hz) -> None:
    """While the line stalls the model's words are in the draft, and taking them later is as if nobody had looked."""
    looked, plain = (CallTape(HZ_8K, OPENED, TapeKind(rate)) for _ in range(2))
    for tape in (looked, plain):
        for number in range(50):
            tape.hear(pcm(1000, 20), Ms(20 * number), at(0.02 * (number + 1)))
        tape.play(pcm(2000, 2000), at(1.0))
    taken, draft = looked.take(at(4)), looked.peek(at(4))
    caller, model = channels(taken + draft)
    assert len(caller) == pytest.approx((4 - HOLD) * rate, abs=rate / 200)
    assert sum(value > 1000 for value in model) == pytest.approx(2 * rate, abs=rate / 100)
    late = pcm(1000, 3000)
    for tape in (looked, plain):
        tape.hear(late, Ms(1000), at(4.0))
    assert taken + looked.take_rest(at(4)) == plain.take_rest(at(4))


def test_nothing_is_drafted_on_a_line_that_is_on_time() -> None:
    tape = new_tape()
    for number in range(100):
        now = at(0.02 * (number + 1))
        tape.hear(pcm(1, 20), Ms(20 * number), now)
        tape.take(now)
        assert tape.peek(now) == b""


def test_a_call_that_ends_in_a_stall_is_no_shorter_than_its_draft() -> None:
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    draft = tape.take(at(5)) + tape.peek(at(5))
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    whole = tape.take(at(5)) + tape.peek(at(5))[:0] + tape.take_rest(at(5.1))
    assert left(draft) == left(whole) == [(1, 20), (0, 4480)]


def test_the_model_lies_where_it_is_heard() -> None:
    """Sent at once, heard one behind the other; a pause between them is as long as it was."""
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    tape.play(pcm(2, 100), at(1.3))
    tape.play(pcm(3, 100), at(1.9))
    assert right(tape.take_rest(LONG_AFTER)) == [(0, 1000), (1, 300), (2, 100), (0, 500), (3, 100)]


def test_what_a_barge_in_discarded_is_not_on_the_tape() -> None:
    """Cut at 120 of 300 ms; what is said next is heard from there on."""
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    tape.cut(at(1.12))
    tape.play(pcm(2, 100), at(1.12))
    assert right(tape.take_rest(LONG_AFTER)) == [(0, 1000), (1, 120), (2, 100)]


def test_a_cut_reaches_all_that_the_platform_may_hold() -> None:
    """What is written is older than the lead, so that nothing unheard is ever on the disk."""
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    written = tape.take(at(1.05))
    tape.cut(at(1.05))
    assert right(written + tape.take_rest(at(1.05))) == [(0, 1000), (1, 50)]


def test_what_the_caller_had_not_heard_at_the_end_is_not_on_the_tape() -> None:
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    assert right(tape.take_rest(at(1.1))) == [(0, 1000), (1, 100)]


def test_both_channels_are_as_long_as_the_longer_one() -> None:
    tape = new_tape()
    tape.hear(pcm(1, 100), Ms(0), at(0.1))
    tape.play(pcm(2, 100), at(0.2))
    stereo = tape.take_rest(LONG_AFTER)
    assert (left(stereo), right(stereo)) == ([(1, 100), (0, 200)], [(0, 200), (2, 100)])


def test_nothing_younger_than_the_hold_is_written() -> None:
    tape = new_tape()
    for number in range(100):
        tape.hear(pcm(1, 20), Ms(20 * number), at(0.02 * (number + 1)))
    assert len(tape.take(at(2.0))) == 4 * round(8000 * (2 - HOLD))
    assert len(tape.take(at(2.0))) == 0


def test_after_a_line_that_stalled_both_channels_belong_together_again() -> None:
    """The caller's line stalls for three seconds and delivers all at once: every word lies where it was said."""
    tape, written = new_tape(), b""
    for number in range(50):
        tape.hear(pcm(1, 20), Ms(20 * number), at(0.02 * (number + 1)))
    for tick in range(4, 17):
        written += tape.take(at(0.25 * tick))
    for number in range(50, 200):
        tape.hear(pcm(2, 20), Ms(20 * number), at(4.0))
    tape.hear(pcm(3, 20), Ms(4000), at(4.02))
    tape.play(pcm(4, 20), at(4.0))
    stereo = written + tape.take_rest(LONG_AFTER)
    assert (left(stereo), right(stereo)) == ([(1, 1000), (2, 3000), (3, 20)], [(0, 4000), (4, 20)])


def test_a_line_that_is_silent_for_longer_is_not_waited_for() -> None:
    """Up to `LATE` nothing is written that it might still fill; then all of it, and what follows as it comes."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    tape.play(pcm(2, 1000), at(1.0))
    assert left(tape.take(at(LATE + HOLD))) == [(1, 20)]
    stereo = tape.take(at(LATE + HOLD + 1)) + tape.take(at(LATE + HOLD + 2))
    assert (left(stereo), right(stereo)) == ([(0, 11_980)], [(0, 980), (2, 1000), (0, 10_000)])


def test_what_a_disk_is_too_slow_for_becomes_silence_and_is_counted() -> None:
    """A minute waits in memory; what comes then is lost, and what comes after that lies where it belongs."""
    tape, second = new_tape(), pcm(1, 1000)
    for number in range(round(MOST_HELD) + 3):
        tape.hear(second, Ms(1000 * number), at(number + 1.0))
    assert tape.lost_seconds == 2
    written = tape.take(at(MOST_HELD + 3))
    tape.hear(pcm(2, 1000), Ms(round(1000 * MOST_HELD) + 3000), at(MOST_HELD + 4))
    stereo = written + tape.take_rest(LONG_AFTER)
    assert left(stereo) == [(1, 1000 * (round(MOST_HELD) + 1)), (0, 2000), (2, 1000)]


# -- pauses ------------------------------------------------------------------------------------------------------


def test_a_pause_is_silence_on_both_channels() -> None:
    """From 100 to 200 ms. Both sides go on, and what was heard before and after lies where it did."""
    tape = new_tape()
    for number in range(15):
        tape.hear(pcm(1, 20), Ms(20 * number), at(0.02 * (number + 1)))
        if number == 4:
            tape.pause(at(0.1))
        if number == 9:
            tape.resume(at(0.2))
    tape.play(pcm(2, 300), at(0.0))
    stereo = tape.take_rest(LONG_AFTER)
    assert tape.pauses == (Pause(at(0.1) - OPENED, at(0.2) - OPENED),)
    assert left(stereo) == [(1, 100), (0, 100), (1, 100)]
    assert right(stereo) == [(2, 100), (0, 100), (2, 100)]


def test_what_was_sent_before_a_pause_and_is_heard_in_it_is_silence() -> None:
    """The model's voice is handed over before it is heard; what counts is when it is heard."""
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    tape.pause(at(1.1))
    assert right(tape.take_rest(at(2.0))) == [(0, 1000), (1, 100), (0, 200)]


def test_what_was_said_in_a_pause_and_arrives_after_it_is_silence() -> None:
    """A line that stalled delivers late: media time says when it was said."""
    tape = new_tape()
    tape.hear(pcm(1, 100), Ms(0), at(0.1))
    tape.pause(at(0.1))
    tape.resume(at(0.5))
    tape.hear(pcm(2, 500), Ms(100), at(0.9))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 100), (0, 400), (2, 100)]


def test_what_arrives_in_a_pause_is_not_even_held() -> None:
    """Wherever it would lie, and however long the pause turns out to be."""
    tape = new_tape()
    tape.hear(pcm(1, 100), Ms(0), at(0.1))
    tape.pause(at(0.2))
    tape.hear(pcm(2, 200), Ms(100), at(0.3))
    tape.resume(at(0.3))
    tape.hear(pcm(3, 100), Ms(300), at(0.4))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 100), (0, 200), (3, 100)]


@pytest.mark.parametrize("media_time", [True, False])
@pytest.mark.parametrize(("stalled", "faster"), [(3, 1.05), (3, 50), (14, 1.1), (14, 50)])
def test_what_was_said_in_a_pause_is_silence_however_late_it_comes(
    stalled: float, faster: float, *, media_time: bool
) -> None:
    """A card number is said while the line stalls, and arrives when recording goes on."""
    tape, written, clear = new_tape(), b"", LoopTime(0.0)
    for number in range(50):
        tape.hear(pcm(1, 20), Ms(20 * number) if media_time else None, at(0.02 * (number + 1)))
    tape.pause(at(1))
    tape.resume(at(stalled))
    for number in range(50, 1500):
        said = at(0.02 * (number + 1))
        clear = LoopTime(max(said, at(1 + stalled), clear + 0.02 / faster))
        value = 2 if said <= at(stalled) else 3
        tape.hear(pcm(value, 20), Ms(20 * number) if media_time else None, clear)
        written += tape.take(clear)
        if number % 25 == 0:
            assert set(channels(tape.peek(clear))[0]) <= {0, 1, 3}
    caller = channels(written + tape.take_rest(LONG_AFTER))[0]
    assert set(caller) == {0, 1, 3}


def test_a_line_that_begins_anew_owes_nothing_from_before() -> None:
    """The platform's stream was stopped while the model spoke: what comes after it is no old news."""
    tape = new_tape()
    tape.hear(pcm(1, 100), None, at(0.1))
    tape.pause(at(5))
    tape.resume(at(6))
    tape.restart(at(8))
    tape.hear(pcm(2, 100), None, at(8.1))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 100), (0, 7900), (2, 100)]


def test_a_pause_that_lasts_is_written_as_silence() -> None:
    tape, written = new_tape(), b""
    for number in range(100):
        if number == 25:
            tape.pause(at(0.5))
        tape.hear(pcm(1, 20), Ms(20 * number), at(0.02 * (number + 1)))
        written += tape.take(at(0.02 * (number + 1)))
    written += tape.take_rest(at(2.0))
    assert left(written) == [(1, 500), (0, 1500)]
    assert tape.pauses == (Pause(0.5),)


def test_pausing_twice_is_one_pause_and_resuming_what_runs_is_none() -> None:
    tape = new_tape()
    tape.resume(at(1))
    tape.pause(at(2))
    tape.pause(at(3))
    tape.resume(at(4))
    tape.resume(at(5))
    assert tape.pauses == (Pause(2.0, 4.0),)


def test_pauses_without_end_lose_no_secret() -> None:
    """Beyond what is kept account of, the last pause grows: more is silent, and never less."""
    tape = new_tape()
    for number in range(MOST_PAUSES + 2):
        tape.pause(at(number + 0.25))
        tape.resume(at(number + 0.5))
    assert len(tape.pauses) == MOST_PAUSES
    assert tape.pauses[-1] == Pause(MOST_PAUSES - 1 + 0.25, MOST_PAUSES + 1.5)


# -- another rate, and one channel -------------------------------------------------------------------------------

CLICK = Pcm16(b"\x00\x60" * 8)


@pytest.mark.parametrize("leg", RATES)
@pytest.mark.parametrize("rate", RATES)
def test_every_rate_has_both_channels_where_they_were(leg: Hz, rate: Hz) -> None:
    """Clicks on both sides, in pieces of odd lengths: within a millisecond of where they were said and heard."""
    tape, written = CallTape(leg, OPENED, TapeKind(rate)), b""
    for number in range(120):
        now = at(0.02 * (number + 1))
        sound = CLICK if number == 50 else b""
        tape.hear(Pcm16(sound.ljust(leg // 25, b"\x00")), Ms(20 * number), now)
        written += tape.take(LoopTime(now + 0.0031))
    tape.play(CLICK, at(2.1))
    written += tape.take_rest(LONG_AFTER)
    caller, model = channels(written)
    assert len(caller) == len(model) == round(2.4 * rate)
    where = [max(range(len(side)), key=side.__getitem__) / rate for side in (caller, model)]
    assert where == pytest.approx([1.0, 2.1], abs=0.001)


def test_the_end_of_a_resampled_tape_is_not_lost() -> None:
    """What the filter still holds comes out: the tape is as long as the call."""
    tape = CallTape(HZ_8K, OPENED, TapeKind(HZ_24K))
    tape.hear(pcm(1000, 20), Ms(0), at(0.02))
    caller, _ = channels(tape.take_rest(LONG_AFTER))
    assert len(caller) == 480
    assert min(caller[100:380]) > 950


def test_one_channel_holds_both_together() -> None:
    """Where both speak, both are heard; what is too loud for one channel is clipped."""
    tape = CallTape(HZ_8K, OPENED, TapeKind(channels=1))
    tape.hear(pcm(30_000, 120), Ms(0), at(0.12))
    tape.play(pcm(20_000, 40), at(0.1))
    samples = [int(sample) for sample in samples_of(tape.take_rest(LONG_AFTER))]
    assert stretches(samples) == [(30_000, 100), (32_767, 20), (20_000, 20)]

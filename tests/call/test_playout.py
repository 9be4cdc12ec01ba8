"""The playout, on paper: frames, pacing, marks, cuts, and what it makes of a platform that keeps no promise."""

import itertools
import math
from collections.abc import Sequence
from itertools import pairwise

import pytest

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K, PCM16_24K, Encoding, MediaFormat
from opusagent.call.playout import CAPACITY, MARK_PATIENCE, Batch, Cut, Ledger, Playout
from opusagent.call.underruns import Underruns
from opusagent.units import HZ_8K, HZ_16K, Hz, ItemId, LoopTime, Ms
from property_tests.strategies_line import Line

START = LoopTime(100.0)
ITEM, OTHER = ItemId("item-1"), ItemId("item-2")
FORMATS = (MULAW_8K, *(MediaFormat(Encoding.PCM16, rate) for rate in (HZ_8K, HZ_16K, PCM16_24K.rate)))


def at(ms: float) -> LoopTime:
    return LoopTime(START + ms / 1000)


def mulaw(*, marks: bool = True) -> Playout:
    """A playout that passes mu-law through, so that every byte can be followed."""
    return Playout(MULAW_8K, MULAW_8K, marks=marks)


def sound(ms: int) -> bytes:
    """No two frames are the same, and none is silence."""
    return b"".join(bytes([1 + frame % 250]) * 160 for frame in range(-(-ms // 20)))[: 8 * ms]


def sent(playout: Playout, until: LoopTime, start: LoopTime = START) -> Sequence[tuple[LoopTime, Batch]]:
    """Everything that is due up to `until`, with the time at which it was."""
    batches, now = list[tuple[LoopTime, Batch]](), start
    while (due := playout.next_due(now)) is not None and due <= until:
        now = LoopTime(max(now, due))
        batch = playout.pop_due(now)
        assert batch is not None
        batches.append((now, batch))
    return batches


def frames_of(batches: Sequence[tuple[LoopTime, Batch]]) -> list[bytes]:
    return [frame for _, batch in batches for frame in batch.frames]


# -- frames ------------------------------------------------------------------------------------------------------


def test_frames_are_160_bytes_however_the_model_cuts_its_audio() -> None:
    """Remainders are carried from delta to delta; only the end of the response is padded."""
    playout, audio = mulaw(), sound(999)
    for start, end in pairwise([0, 1, 8, 167, 168, 5000, len(audio)]):
        playout.push(ITEM, 0, audio[start:end])
    playout.finish()
    frames = frames_of(sent(playout, at(2000)))
    assert {len(frame) for frame in frames} == {160}
    assert b"".join(frames) == audio + b"\xff" * 8


def test_less_than_a_frame_waits_for_its_rest() -> None:
    playout = mulaw()
    playout.push(ITEM, 0, sound(20)[:159])
    assert (playout.next_due(START), playout.pop_due(START)) == (None, None)
    playout.push(ITEM, 0, b"x")
    assert frames_of(sent(playout, START)) == [sound(20)[:159] + b"x"]


def test_a_response_of_whole_frames_is_not_padded() -> None:
    playout = mulaw()
    playout.push(ITEM, 0, sound(40))
    playout.finish()
    assert frames_of(sent(playout, at(100))) == [sound(40)[:160], sound(40)[160:]]


def test_a_response_without_audio_sends_nothing() -> None:
    playout = mulaw()
    playout.push(ITEM, 0, b"")
    playout.finish()
    assert sent(playout, at(1000)) == []


@pytest.mark.parametrize("leg", FORMATS)
def test_every_leg_gets_frames_of_20_ms_in_its_own_format(leg: MediaFormat) -> None:
    """What is sent is what the converter makes of it, and that leg's silence up to the end of the frame."""
    playout = Playout(PCM16_24K, leg)
    audio = b"".join((3 * n % 9000).to_bytes(2, "little") for n in range(24 * 333))
    playout.push(ITEM, 0, audio[:10_000])
    playout.push(ITEM, 0, audio[10_000:])
    playout.finish()
    batches = sent(playout, at(1000))
    frames = frames_of(batches)
    assert {len(frame) for frame in frames} == {leg.bytes_of(Ms(20))}
    straight = Converter(PCM16_24K, leg)
    whole = straight.push(audio) + straight.flush()
    missing = -len(whole) % leg.bytes_of(Ms(20)) // leg.bytes_per_sample
    assert b"".join(frames) == whole + leg.silence * missing
    assert [round((now - START) * 1000) for now, _ in batches] == [0, 100]


# -- pacing ------------------------------------------------------------------------------------------------------


def test_audio_goes_out_at_once_then_in_steps_of_100_ms_and_never_more_than_300_ahead() -> None:
    """A second in one burst: 300 ms at once, then 100 ms each time that 200 are left."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    playout.finish()
    batches = sent(playout, at(2000))
    assert [(round((now - START) * 1000), len(batch.frames)) for now, batch in batches] == [
        (0, 15),
        (100, 5),
        (200, 5),
        (300, 5),
        (400, 5),
        (500, 5),
        (600, 5),
        (700, 5),
    ]


def test_each_batch_is_heard_behind_the_one_before() -> None:
    """The first is heard when it is sent, whatever follows without a gap after it."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    heard_at = [round((batch.plays_at - START) * 1000) for _, batch in sent(playout, at(2000))]
    assert heard_at == [0, 300, 400, 500, 600, 700, 800, 900]


def test_a_platform_that_has_run_dry_gets_the_next_frame_at_once() -> None:
    """Five frames, a second of nothing, five more: the second five begin when they come."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(100))
    sent(playout, at(0))
    playout.push(ITEM, 0, sound(100))
    later = at(1100)
    assert playout.next_due(later) == later
    batch = playout.pop_due(later)
    assert batch is not None
    assert (len(batch.frames), batch.plays_at) == (5, later)


def test_a_trickle_leaves_as_it_comes() -> None:
    """A model in real time is never held back: each frame is due the moment it is whole."""
    playout = mulaw()
    for frame in range(50):
        now = at(20 * frame)
        playout.push(ITEM, 0, sound(20))
        assert playout.next_due(now) == now
        batch = playout.pop_due(now)
        assert batch is not None
        assert len(batch.frames) == 1


def test_nothing_is_due_while_the_platform_has_enough() -> None:
    """And the time that is named is late enough: asked again then, there is something."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    playout.pop_due(START)
    due = playout.next_due(at(1))
    assert due is not None
    assert 99 < (due - START) * 1000 < 101
    assert playout.pop_due(at(1)) is None
    assert playout.pop_due(due) is not None


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.15, 0.3])
def test_a_long_line_does_not_starve_the_platform(delay: float) -> None:
    """Marks that come back twice `delay` late set no pace: ten seconds are heard in ten, without a hole."""
    line = Line(mulaw(), itertools.repeat(delay), itertools.repeat(delay))
    line.playout.push(ITEM, 0, sound(10_000))
    line.playout.finish()
    line.listen(12)
    pieces = line.platform.heard(line.now)
    holes = [after.at - before.at - len(before.audio) / 8000 for before, after in pairwise(pieces)]
    assert max(holes) < 0.001
    assert b"".join(piece.audio for piece in pieces) == sound(10_000)


def test_a_long_line_tears_no_hole_into_the_account_of_when_it_was_heard() -> None:
    """The tape is laid out by `plays_at`: contiguous speech is contiguous there, too."""
    line = Line(mulaw(), itertools.repeat(0.1), itertools.repeat(0.1))
    line.playout.push(ITEM, 0, sound(2000))
    line.playout.finish()
    line.listen(3)
    steps = [round((after - before) * 1000) for before, after in pairwise(line.plays_at)]
    assert steps == [300, *[100] * (len(steps) - 1)]


# -- marks -------------------------------------------------------------------------------------------------------


def test_marks_stand_every_100_ms_at_most_and_behind_the_end_of_a_response() -> None:
    """Behind a trickle of single frames there is one for every five, and one behind the last."""
    playout, marks = mulaw(), list[tuple[int, str | None]]()
    for frame in range(12):
        playout.push(ITEM, 0, sound(20))
        marks += [(frame, batch.mark) for _, batch in sent(playout, at(20 * frame), at(20 * frame))]
    playout.finish()
    marks += [(99, batch.mark) for _, batch in sent(playout, at(300), at(240))]
    assert [(frame, mark) for frame, mark in marks if mark] == [(4, "0:800"), (9, "0:1600"), (99, "0:1920")]


def test_a_mark_that_is_all_that_is_missing_goes_out_alone() -> None:
    """The response ends when its audio is sent already: nothing to play, and a mark."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(20))
    ((now, batch),) = sent(playout, at(10))
    assert (now, batch.frames, batch.mark) == (START, [sound(20)], None)
    playout.finish()
    ((now, batch),) = sent(playout, at(50), at(10))
    assert (now, batch.frames, batch.mark) == (at(10), [], "0:160")
    assert playout.next_due(at(50)) is None


def test_the_ear_is_not_past_a_mark_that_has_not_come_back() -> None:
    """300 ms were sent with a mark behind them. The clock says 400, the mark is out: 300."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    sent(playout, at(400))
    assert [playout.heard(at(ms)) // 8 for ms in (0, 120, 300, 400, 900)] == [0, 120, 300, 300, 300]
    playout.on_mark("0:2400", at(900))
    assert [playout.heard(at(ms)) // 8 for ms in (900, 950, 1000, 1100)] == [300, 350, 400, 400]


def test_a_mark_sets_the_ear_forward_too() -> None:
    """A platform that plays faster than our clock is believed."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    playout.finish()
    sent(playout, START)
    playout.on_mark("0:2400", at(290))
    assert playout.heard(at(290)) == 2400


def test_one_lost_mark_is_counted_when_the_next_one_comes() -> None:
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    sent(playout, at(400))
    playout.on_mark("0:3200", at(450))
    ledger = playout.ledger(at(450))
    assert (ledger.heard, ledger.marks_lost) == (3200, 1)


def test_marks_that_never_come_back_are_given_up_after_a_second() -> None:
    """Until then the ear waits at the first; afterwards the clock alone is believed, and the call goes on."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(5000))
    batches = sent(playout, at(6000))
    given_up = 300 + 1000 * MARK_PATIENCE
    assert [playout.heard(at(ms)) // 8 for ms in (given_up - 1, given_up + 1)] == [300, given_up + 1]
    assert len(frames_of(batches)) == 250
    assert not playout.is_quiet(at(4000))
    playout.finish()
    sent(playout, at(6000), at(5000))
    assert playout.is_quiet(at(5000 + 1000 * MARK_PATIENCE + 100))


@pytest.mark.parametrize(
    "name", ["", "0", ":", "0:", "0:2401", "1:2400", "0:02400", "0:2400 ", "0:" + "9" * 5000, "\u0660:2400"]
)
def test_a_mark_that_was_never_set_means_nothing(name: str) -> None:
    """Whatever it is called, and however long its name is."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    sent(playout, at(0))
    before = playout.ledger(at(100))
    playout.on_mark(name, at(100))
    assert playout.ledger(at(100)) == before


# -- underruns ---------------------------------------------------------------------------------------------------


def test_a_response_that_comes_too_slowly_runs_dry_for_as_long_as_the_caller_waits() -> None:
    """100 ms at the start, 200 more at 250, the rest at 400, while 50 ms are still ahead: dry once, for 150 ms."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(100))
    sent(playout, at(250))
    playout.push(ITEM, 0, sound(200))
    sent(playout, at(400), at(250))
    playout.push(ITEM, 0, sound(60))
    playout.finish()
    sent(playout, at(1000), at(400))
    assert playout.underruns == Underruns(1, Ms(150))


def test_silence_between_two_responses_is_no_underrun() -> None:
    """Nor is it one that nobody knew the first had ended until long after its sound."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(100))
    sent(playout, at(500))
    playout.finish()
    sent(playout, at(600), at(500))
    playout.push(OTHER, 0, sound(100))
    sent(playout, at(900), at(800))
    assert playout.underruns == Underruns()


def test_the_last_frame_waits_for_the_news_that_it_is_the_last() -> None:
    """30 ms: half a frame is completed with silence once the response is known to be over."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(30))
    sent(playout, at(400))
    playout.finish()
    sent(playout, at(500), at(400))
    assert playout.underruns == Underruns()


def test_what_stops_on_purpose_or_with_its_line_does_not_run_dry() -> None:
    """A hold, a cut, and a line that breaks, each in the middle of a response, which goes on 900 ms later."""
    for stop in (Playout.hold, Playout.cut, Playout.lose):
        playout = mulaw()
        playout.push(ITEM, 0, sound(200))
        sent(playout, at(100))
        stop(playout, at(100))
        playout.push(ITEM, 0, sound(200))
        playout.release()
        sent(playout, at(1100), at(1000))
        assert playout.underruns == Underruns()


def test_a_platform_that_plays_faster_than_real_time_is_dry_from_its_last_mark_on() -> None:
    playout = mulaw()
    playout.push(ITEM, 0, sound(200))
    ((_, batch),) = sent(playout, START)
    assert batch.mark is not None
    playout.on_mark(batch.mark, at(190))
    playout.push(ITEM, 0, sound(200))
    sent(playout, at(290), at(290))
    assert playout.underruns == Underruns(1, Ms(100))


# -- cuts --------------------------------------------------------------------------------------------------------


def test_a_cut_names_each_item_that_was_not_heard_to_its_end() -> None:
    """Three items of 200, 300 and 400 ms, cut at 350: all of the first, half of the second, none of the third."""
    playout = mulaw()
    for item, ms in (("a", 200), ("b", 300), ("c", 400)):
        playout.push(ItemId(item), 0, sound(ms))
    playout.finish()
    for _, batch in sent(playout, at(350)):
        assert batch.mark is not None
        if (reached := int(batch.mark.partition(":")[2])) <= 8 * 350:
            playout.on_mark(batch.mark, at(reached / 8))
    assert playout.cut(at(350)) == (
        Cut(ItemId("b"), 0, heard=Ms(150), total=Ms(300)),
        Cut(ItemId("c"), 0, heard=Ms(0), total=Ms(400)),
    )
    assert playout.ledger(at(350)) == Ledger(
        pushed=7200, heard=2800, discarded=4400, held=0, overflowed=0, marks_lost=0
    )


def test_two_parts_of_one_item_are_cut_apart() -> None:
    playout = mulaw()
    playout.push(ITEM, 0, sound(100))
    playout.push(ITEM, 1, sound(100))
    sent(playout, at(50))
    assert playout.cut(at(50)) == (
        Cut(ITEM, 0, heard=Ms(50), total=Ms(100)),
        Cut(ITEM, 1, heard=Ms(0), total=Ms(100)),
    )


def test_audio_that_is_not_a_whole_frame_is_cut_too() -> None:
    """5 ms wait for the rest of their frame: the model is told that none of it was heard."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(5))
    assert not playout.is_quiet(START)
    assert playout.cut(START) == (Cut(ITEM, 0, heard=Ms(0), total=Ms(5)),)


def test_padding_belongs_to_no_item() -> None:
    """25 ms in two frames: once 25 have been heard, a cut in the silence behind them takes nothing back."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(25))
    playout.finish()
    sent(playout, START)
    assert playout.cut(at(26)) == ()


def test_what_comes_after_a_cut_is_a_new_stream() -> None:
    """It is sent at once, marks of the old one mean nothing, and items are counted from their own beginning."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(1000))
    sent(playout, at(100))
    playout.cut(at(150))
    playout.push(OTHER, 0, sound(500))
    ((now, batch), *_) = sent(playout, at(150), at(150))
    assert (now, batch.plays_at, len(batch.frames), batch.mark) == (at(150), at(150), 15, "1:10400")
    playout.on_mark("0:2400", at(160))
    assert playout.cut(at(250)) == (Cut(OTHER, 0, heard=Ms(100), total=Ms(500)),)


def test_a_cut_ends_the_response() -> None:
    """Nothing is padded, flushed or marked afterwards, and a second cut finds nothing."""
    playout = mulaw()
    playout.push(ITEM, 0, sound(50))
    sent(playout, START)
    playout.cut(at(20))
    playout.finish()
    assert (playout.next_due(at(20)), playout.cut(at(30)), playout.is_quiet(at(30))) == (None, (), True)


def test_the_filter_forgets_what_was_cut() -> None:
    """What follows a cut begins with silence in the filter, not with the ringing of what nobody heard."""
    playout, fresh = Playout(PCM16_24K, MULAW_8K), Playout(PCM16_24K, MULAW_8K)
    playout.push(ITEM, 0, b"\xff\x7f" * 4800)
    playout.cut(START)
    for each in (playout, fresh):
        each.push(OTHER, 0, b"\x10\x10" * 4800)
    assert frames_of(sent(playout, START)) == frames_of(sent(fresh, START))


def test_an_item_is_as_long_as_the_model_made_it() -> None:
    """Resampling delays by 3.75 ms and the last frame is padded; neither makes an item longer."""
    playout = Playout(PCM16_24K, MULAW_8K)
    playout.push(ITEM, 0, PCM16_24K.silence * (24 * 101))
    playout.finish()
    sent(playout, START)
    assert playout.cut(at(90)) == (Cut(ITEM, 0, heard=Ms(90), total=Ms(101)),)


# -- capacity ----------------------------------------------------------------------------------------------------


def test_when_the_playout_is_full_the_newest_loses_and_is_counted() -> None:
    """Five minutes wait at the most. The item is still as long as the model made it: the model has to be told."""
    playout = mulaw()
    playout.push(ITEM, 0, bytes(8 * CAPACITY - 100))
    playout.push(OTHER, 0, bytes(1000))
    playout.finish()
    assert playout.ledger(START) == Ledger(
        pushed=8 * CAPACITY, heard=0, discarded=0, held=8 * CAPACITY, overflowed=900, marks_lost=0
    )
    assert playout.cut(START) == (
        Cut(ITEM, 0, heard=Ms(0), total=Ms(CAPACITY - 13)),
        Cut(OTHER, 0, heard=Ms(0), total=Ms(125)),
    )


def test_a_full_playout_takes_again_what_has_been_sent() -> None:
    playout = mulaw()
    playout.push(ITEM, 0, bytes(8 * CAPACITY))
    playout.pop_due(START)
    playout.push(ITEM, 0, bytes(8 * 300 + 1))
    ledger = playout.ledger(START)
    assert (ledger.pushed, ledger.overflowed) == (8 * (CAPACITY + 300), 1)


def test_the_capacity_holds_the_longest_response_of_the_service() -> None:
    """4,096 output tokens at 50 ms each (OpenAI Realtime, session limits) are 205 seconds."""
    assert CAPACITY > 4096 * 50


# -- legs without marks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [HZ_8K, HZ_16K, PCM16_24K.rate])
def test_a_leg_without_marks_is_heard_by_the_clock(rate: Hz) -> None:
    """Same pace, no mark ever, and the clock alone says what was heard and when all is quiet."""
    leg = MediaFormat(Encoding.PCM16, rate)
    playout = Playout(leg, leg, marks=False)
    playout.push(ITEM, 0, bytes(leg.bytes_of(Ms(1000))))
    playout.finish()
    batches = sent(playout, at(2000))
    assert [(round((now - START) * 1000), len(batch.frames)) for now, batch in batches] == [
        (0, 15),
        *((ms, 5) for ms in range(100, 800, 100)),
    ]
    assert {batch.mark for _, batch in batches} == {None}
    assert playout.next_due(at(2000)) is None
    assert [playout.is_quiet(at(ms)) for ms in (700, 999, 1001)] == [False, False, True]


def test_a_leg_without_marks_is_cut_by_the_clock() -> None:
    playout = mulaw(marks=False)
    playout.push(ITEM, 0, sound(300))
    playout.push(OTHER, 0, sound(1000))
    sent(playout, at(450))
    assert playout.cut(at(450)) == (Cut(OTHER, 0, heard=Ms(150), total=Ms(1000)),)


def test_a_leg_without_marks_forgets_what_was_heard() -> None:
    """An hour of short answers leaves nothing behind that the next cut would go through."""
    playout = mulaw(marks=False)
    for count in range(100):
        playout.push(ItemId(f"item-{count}"), 0, sound(100))
        playout.finish()
        sent(playout, at(1000 * count), at(1000 * count))
    assert playout.cut(at(99_050)) == (Cut(ItemId("item-99"), 0, heard=Ms(50), total=Ms(100)),)
    assert math.isclose(playout.ledger(at(100_000)).heard, 8 * (99 * 100 + 50))


def test_part_of_a_frame_that_waits_for_its_rest_is_no_sound() -> None:
    """The rest may never come: the silence began when the last whole frame had been heard."""
    playout = mulaw(marks=False)
    playout.push(ITEM, 0, sound(110))
    sent(playout, at(1000))
    assert {round(playout.silent_from(at(ms)) - START, 3) for ms in (200, 2000, 60_000)} == {0.11}

"""The playout when the platform's socket breaks, and on legs whose samples have two bytes; no marks come back there."""

import pytest

from opusagent.audio.media import MULAW_8K, PCM16_24K, Encoding, MediaFormat
from opusagent.call.playout import Cut, Ledger, Playout
from opusagent.units import HZ_16K, ItemId, LoopTime, Ms

START = LoopTime(100.0)
ITEM, OTHER = ItemId("item-1"), ItemId("item-2")


def at(ms: float) -> LoopTime:
    return LoopTime(START + ms / 1000)


def markless(media: MediaFormat = PCM16_24K) -> Playout:
    return Playout(media, media, lead=Ms(400), marks=False)


def samples(media: MediaFormat, ms: int) -> bytes:
    """Every sample is told from its neighbours, and its two bytes from each other."""
    return b"".join((n % 125 * 256 + 200).to_bytes(2, "little") for n in range(media.bytes_of(Ms(ms)) // 2))


def send(playout: Playout, until: LoopTime, start: LoopTime = START) -> bytes:
    """What is due up to `until`, as it goes out."""
    sent, now = bytearray(), start
    while (due := playout.next_due(now)) is not None and due <= until:
        now = LoopTime(max(now, due))
        batch = playout.pop_due(now)
        assert batch is not None
        sent += b"".join(batch.frames)
    return bytes(sent)


def test_what_the_platform_had_and_nobody_heard_is_discarded_and_the_rest_stays() -> None:
    """Three seconds, broken after one: 400 ms at the most were ahead, and the account stands still in the gap."""
    playout = markless(MULAW_8K)
    playout.push(ITEM, 0, bytes(8 * 3000))
    sent = len(send(playout, at(1000)))
    playout.lose(at(1000))
    account = Ledger(pushed=24_000, heard=8000, discarded=sent - 8000, held=24_000 - sent, overflowed=0, marks_lost=0)
    assert 0 < account.discarded <= 3200
    assert playout.ledger(at(1000)) == playout.ledger(at(20_000)) == account


def test_after_a_loss_the_rest_goes_on_at_once_and_at_its_pace() -> None:
    playout, audio = markless(MULAW_8K), bytes(range(240)) * 100
    playout.push(ITEM, 0, audio)
    playout.finish()
    before = send(playout, at(1000))
    playout.lose(at(1000))
    after = send(playout, at(3000), start=at(3000))
    assert len(after) == 3200
    after += send(playout, at(6000), start=at(3000))
    assert before + after == audio
    ledger = playout.ledger(at(6000))
    assert (ledger.held, ledger.heard) == (0, 24_000 - ledger.discarded)


def test_nothing_behind_a_loss_counts_as_heard_of_an_item_that_is_cut_then() -> None:
    """What the platform had is unknown; the model is told of what was surely heard, however often the line broke."""
    playout = markless(MULAW_8K)
    playout.push(ITEM, 0, bytes(8 * 1200))
    playout.push(OTHER, 0, bytes(8 * 1800))
    send(playout, at(1000))
    playout.lose(at(1000))
    playout.lose(at(2000))
    assert playout.cut(at(9000)) == (Cut(ITEM, 0, Ms(1000), Ms(1200)), Cut(OTHER, 0, Ms(0), Ms(1800)))


def test_what_is_heard_behind_a_loss_is_counted_from_the_items_beginning() -> None:
    """A truncation has one position: what was heard last is what the model is told."""
    playout = markless(MULAW_8K)
    playout.push(ITEM, 0, bytes(8 * 3000))
    sent = len(send(playout, at(1000)))
    playout.lose(at(1000))
    send(playout, at(5500), start=at(5000))
    assert playout.cut(at(5500)) == (Cut(ITEM, 0, Ms(sent // 8 + 500), Ms(3000)),)


def test_the_next_item_is_heard_from_its_beginning_after_a_loss_and_a_cut() -> None:
    playout = markless(MULAW_8K)
    playout.push(ITEM, 0, bytes(8 * 3000))
    send(playout, at(1000))
    playout.lose(at(1000))
    playout.cut(at(2000))
    playout.push(OTHER, 0, bytes(8 * 1000))
    assert playout.cut(at(2000)) == (Cut(OTHER, 0, Ms(0), Ms(1000)),)
    playout.push(OTHER, 0, bytes(8 * 1000))
    send(playout, at(2500), start=at(2000))
    assert playout.cut(at(2500)) == (Cut(OTHER, 0, Ms(500), Ms(1000)),)


def test_an_end_that_was_sent_before_the_loss_is_told_again_without_sound() -> None:
    """The platform's new socket knows nothing of it, and nothing is left to be heard."""
    playout = markless(MULAW_8K)
    playout.push(ITEM, 0, bytes(8 * 100))
    send(playout, at(50))
    playout.lose(at(50))
    playout.finish()
    batch = playout.pop_due(at(50))
    assert batch is not None
    assert (list(batch.frames), batch.last) == ([], True)
    assert playout.next_due(at(50)) is None


@pytest.mark.parametrize("media", [PCM16_24K, MediaFormat(Encoding.PCM16, HZ_16K)])
@pytest.mark.parametrize("ms", [0.02, 0.03, 20.01, 333.334, 499.99])
def test_a_hold_never_parts_the_bytes_of_a_sample(media: MediaFormat, ms: float) -> None:
    """Whenever it comes: what goes out again begins with a whole sample of what was said, where the ear was."""
    playout, audio = markless(media), samples(media, 1000)
    playout.push(ITEM, 0, audio)
    playout.finish()
    send(playout, at(ms))
    playout.hold(at(ms))
    heard = playout.ledger(at(ms)).heard
    playout.release()
    again = send(playout, at(5000), start=at(2000))
    assert heard % 2 == 0
    assert again[: len(audio) - heard] == audio[heard:]
    assert abs(heard / media.bytes_of(Ms(1000)) - ms / 1000) < 0.0001

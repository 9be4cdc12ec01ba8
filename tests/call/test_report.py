"""The report of a call: its JSON and its page, from a call that took place."""

import json
from datetime import UTC, datetime

import attrs

from opusagent.call.moments import Interrupted, KeysCame, Lapsed, ModelErred, ModelSaid, Transferred
from opusagent.call.playout import Cut
from opusagent.call.report import CallReport, Happening, page, tell, to_json
from opusagent.call.turns import TurnLog
from opusagent.realtime.events import ErrorDetail, ErrorEvent
from opusagent.testing.play import Stage, play
from opusagent.units import ItemId, LoopTime, Ms, Pcm16

SECOND = Pcm16(bytes(48_000))


async def conversation(stage: Stage) -> None:
    """A bit of everything that a report tells."""
    model = await stage.answered()
    await model.say("item-1", SECOND, response_id="response-1", transcript="How can I help?")
    await stage.caller.hear(Ms(300))
    await model.speech_started()
    await model.send(ErrorEvent(error=ErrorDetail(code="odd", message="strange")))
    await model.send_text("garbage")
    await model.send_text('{"type": "response.dance"}')
    await stage.caller.press("5")
    await stage.caller.silence(Ms(200))
    await stage.caller.hang_up()


def test_the_json_holds_exactly_the_fields_of_the_report() -> None:
    """With dates and reasons that any reader understands."""
    report = play(conversation)
    told = json.loads(to_json(report))
    assert set(told) == {field.name for field in attrs.fields(CallReport)}
    assert told["audio"] == attrs.asdict(report.audio)
    assert datetime.fromisoformat(told["started"]) == report.started == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (told["end"], told["barge_ins"], told["recording"]) == ("caller hung up", 1, None)
    assert told["model_errors"] == {"odd": 1}
    assert (told["unknown_messages"], told["unreadable_messages"]) == ({"model response.dance": 1}, 1)


def test_the_page_says_how_the_call_went() -> None:
    shown = page(play(conversation))
    for words in (
        "2030-01-02 03:04:05 UTC",
        "ended: caller hung up",
        "1 barge-in",
        "= 300 heard + ",
        "errors: odd 1",
        "messages not understood: model response.dance 1; not readable: 1",
        "recording: none",
        "the model said: How can I help?",
        "300 of 1000 ms heard",
        "1 key pressed",
    ):
        assert words in shown


def test_the_page_says_from_what_a_wait_is_measured() -> None:
    """Our own ears know the caller's last sound; the model's service notices the pause later, or is all there is."""
    log = TurnLog()
    log.on_ear_stopped(1.0)
    log.on_service_stopped(1.5)
    log.on_first_delta(1.6)
    log.on_first_sent(1.6, 1.69)
    heard, base = log.all(), play(conversation)
    log.on_service_stopped(10.0)
    log.on_first_delta(10.1)
    log.on_first_sent(10.1, 10.17)
    both = log.all()
    assert "longest wait 690 ms from the caller's last sound to the" in page(attrs.evolve(base, turns=heard))
    noticed = page(attrs.evolve(base, turns=both[1:]))
    assert "longest wait 170 ms from when the model noticed the pause to the" in noticed
    mixed = page(attrs.evolve(base, turns=both))
    assert "690 ms from the caller's last sound and 170 ms from when the model noticed the pause to" in mixed


def test_what_the_model_made_is_heard_cut_or_left() -> None:
    audio = play(conversation).audio
    assert audio.model_pushed == audio.model_heard + audio.model_discarded + audio.model_held


def test_a_fault_of_the_recording_stands_beside_it() -> None:
    report = attrs.evolve(play(conversation), recording="call.wav", recording_fault="recording stopped: disk full")
    assert "recording: call.wav (recording stopped: disk full)" in page(report)


def test_nothing_that_others_say_breaks_a_line_of_the_page() -> None:
    """Callers' numbers, error texts and message kinds are data of others; operators read the page on a terminal."""
    report = play(conversation)
    bad = "\x1b[2J\r\n\u2028\u202eevil"
    spiteful = attrs.evolve(
        report,
        caller=bad,
        callee=bad,
        platform_call_id=bad,
        end_detail=bad,
        model_errors={bad: 1},
        unknown_messages={bad: 1},
        recording_fault=bad,
        story=(Happening(0.0, bad),) * len(report.story),
    )
    shown = page(spiteful)
    assert len(shown.splitlines()) == len(page(report).splitlines())
    assert all(line.isprintable() for line in shown.splitlines())
    assert shown.count("evil") >= 6


def test_a_line_of_the_story_says_when_and_what() -> None:
    """Seconds since the start, to the millisecond; words of others on one line."""
    since, at = LoopTime(100.0), LoopTime(101.23456)
    cut = Cut(ItemId("item"), 0, heard=Ms(10), total=Ms(20))
    assert [tell(moment, since) for moment in (
        ModelSaid(at, "two\n lines"),
        Interrupted(at, (cut, cut)),
        Interrupted(at, ()),
        ModelErred(at, "code", "why\nnot", None),
        KeysCame(at, "12#"),
        Lapsed(at, 8.0, (cut,)),
        Transferred(at, "desk", ""),
        Transferred(at, "desk", "it\nis closed"),
    )] == [
        Happening(1.235, "the model said: two lines"),
        Happening(1.235, "the caller barges in (10 of 20 ms heard, 10 of 20 ms heard)"),
        Happening(1.235, "the caller barges in (everything had been heard)"),
        Happening(1.235, "the model's service reports code: why not"),
        Happening(1.235, "3 keys pressed"),
        Happening(1.235, "what waited 8.00 s for the line is not said any more (10 of 20 ms heard)"),
        Happening(1.235, "the caller pressed for desk and was put through"),
        Happening(1.235, "the caller pressed for desk and could not be put through: it is closed"),
    ]  # fmt: skip

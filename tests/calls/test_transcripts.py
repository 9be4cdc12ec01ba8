"""What is kept of what was said: the transcript beside the recording, whatever arrives when."""

from pathlib import Path
from typing import Final

import attrs
import msgspec
import trio

from opusagent.call.policy import Policy
from opusagent.call.words import WordCounts
from opusagent.realtime.events import ConversationItemAdded, ConversationItemInputAudioTranscriptionCompleted, Item
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import PROFILE, Stage, play
from opusagent.units import Ms, Mulaw, Pcm16

SECOND: Final = Pcm16(bytes(48_000))
SPEECH: Final = Mulaw(b"\x90\x10" * 4000)

Line = dict[str, str | int | float | None]


def transcript(folder: Path) -> list[Line]:
    """The lines of the staged call's transcript."""
    text = (folder / "2030/01/02/staged/transcript.jsonl").read_bytes()
    return [msgspec.json.decode(line, type=Line) for line in text.splitlines()]


def told(lines: list[Line], *keys: str) -> list[tuple[str | float | None, ...]]:
    return [tuple(line.get(key) for key in keys) for line in lines]


async def turn(model: ScriptedModel, item_id: str, previous: str | None, at_ms: int) -> None:
    """The caller speaks for half a second, `at_ms` into the audio; nobody has written it down yet."""
    await model.speech_started(item_id, at_ms=at_ms)
    await model.speech_stopped(item_id, at_ms=at_ms + 500)
    await link(model, item_id, previous)


async def link(model: ScriptedModel, item_id: str, previous: str | None) -> None:
    await model.send(ConversationItemAdded(item=Item(type="message", id=item_id), previous_item_id=previous))


async def write_down(model: ScriptedModel, item_id: str, words: str) -> None:
    await model.send(
        ConversationItemInputAudioTranscriptionCompleted(item_id=item_id, content_index=0, transcript=words)
    )


def test_a_question_that_is_written_down_after_its_answer_stands_before_it(tmp_path: Path) -> None:
    """Both questions are written down when everything has been said, the second one first."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await turn(model, "c1", None, 200)
        await model.say("m1", SECOND, response_id="r1", transcript="On Tuesday at nine.")
        await link(model, "m1", "c1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.quiet(Ms(300))
        await turn(model, "c2", "m1", 2000)
        await write_down(model, "c2", "And on Friday?")
        await write_down(model, "c1", "Can I come on Tuesday?")
        await trio.sleep(0.5)
        await stage.caller.hang_up()

    report = play(script, directory=tmp_path)
    lines = transcript(tmp_path)
    assert told(lines, "kind", "words", "media_start", "media_end") == [
        ("caller", "Can I come on Tuesday?", 200, 700),
        ("model", "On Tuesday at nine.", None, None),
        ("caller", "And on Friday?", 2000, 2500),
    ]
    assert report.words == WordCounts(caller=2, model=1, heard_words=4)
    began, ended = told(lines, "began", "ended")[1]
    assert isinstance(began, float)
    assert isinstance(ended, float)
    assert abs(ended - began - 1.0) < 0.01


def test_an_interrupted_answer_is_what_was_heard_of_it_and_the_rest_is_apart(tmp_path: Path) -> None:
    """Two of four seconds were heard: half of the words, and the text came when the caller was speaking already."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("m1", response_id="r1")
        await model.delta("m1", Pcm16(bytes(48_000 * 4)), response_id="r1")
        await stage.caller.hear(Ms(2010))
        await model.speech_started("c1", at_ms=2000)
        await model.delta("m1", SECOND, response_id="r1")
        await model.finish("m1", response_id="r1", transcript="one two three four five six seven eight nine ten")
        await trio.sleep(1)
        await stage.caller.hang_up()

    report = play(script, directory=tmp_path)
    (line, _) = transcript(tmp_path)
    assert (line["words"], line["unheard"], line["total_ms"]) == (
        "one two three four",
        "five six seven eight nine ten",
        5000,
    )
    assert line["heard_ms"] == report.audio.model_heard
    assert (report.words.heard_words, report.words.unheard_words) == (4, 6)


def test_a_call_that_ends_in_the_middle_of_an_answer_was_heard_so_far(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("m1", Pcm16(bytes(96_000)), response_id="r1", transcript="one two three four")
        await stage.caller.hear(Ms(1010))
        await stage.caller.hang_up()

    report = play(script, directory=tmp_path)
    (line,) = transcript(tmp_path)
    assert (line["words"], line["unheard"]) == ("one two", "three four")
    assert report.audio.model_held > 900


def test_an_answer_that_was_never_heard_has_no_times(tmp_path: Path) -> None:
    """The caller speaks again before its first sound."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("m1", response_id="r1")
        await model.speech_started("c1", at_ms=100)
        await model.delta("m1", SECOND, response_id="r1")
        await model.finish("m1", response_id="r1", transcript="Hello?")
        await trio.sleep(0.5)
        await stage.caller.hang_up()

    play(script, directory=tmp_path)
    lines = [line for line in transcript(tmp_path) if line["kind"] == "model"]
    assert told(lines, "words", "unheard", "began", "ended", "heard_ms", "total_ms") == [
        ("", "Hello?", None, None, 0, 1000)
    ]


def pressing(*, mask: bool, folder: Path) -> list[Line]:
    """A greeting, then two keys, then a turn of the caller's."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("m1", SECOND, response_id="r1", transcript="Press a key.")
        await stage.caller.quiet(Ms(300))
        await stage.caller.press("4")
        await trio.sleep(0.4)
        await stage.caller.press("2")
        await stage.caller.say(SPEECH)
        await turn(model, "c1", "m1", 2500)
        await write_down(model, "c1", "Thank you.")
        await trio.sleep(0.5)
        await stage.caller.hang_up()

    profile = attrs.evolve(PROFILE, policy=Policy(mask_digits=mask))
    assert play(script, profile=profile, directory=folder).words.keys == 2
    return transcript(folder)


def test_keys_stand_where_they_were_pressed(tmp_path: Path) -> None:
    lines = pressing(mask=False, folder=tmp_path)
    assert told(lines, "kind", "words", "digits") == [
        ("model", "Press a key.", None),
        ("keys", None, "42"),
        ("caller", "Thank you.", None),
    ]


def test_masked_keys_are_nowhere_in_what_is_kept(tmp_path: Path) -> None:
    lines = pressing(mask=True, folder=tmp_path)
    assert told(lines, "kind", "digits")[1] == ("keys", "**")


def test_without_a_recording_the_report_still_counts_the_words() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("m1", SECOND, response_id="r1", transcript="Hello there.")
        await stage.caller.quiet(Ms(1200))
        await stage.caller.hang_up()

    assert play(script).words == WordCounts(model=1, heard_words=2)

"""How a conversation is held, in `[agent]` and `[realtime]`: what may be said, and what is told who says it wrong."""

from datetime import date

import pytest

from opusagent.daemon.config import Agent, Realtime, parse
from opusagent.daemon.config_talk import (
    CallBudget,
    Digits,
    LocalTurns,
    Retention,
    SemanticVad,
    ServerVad,
    SessionFields,
    TokenPrices,
    Transcribing,
    TurnChoice,
)
from opusagent.errors import ConfigError

PLATFORM = "[twilio]\ninsecure = true\n"


def agent(text: str) -> Agent:
    return parse(PLATFORM + text, {}, source="x").agent


def realtime(text: str) -> Realtime:
    return parse(f"{PLATFORM}[realtime]\n{text}", {}, source="x").realtime


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse(PLATFORM + text, {}, source="x")
    return [problem.removeprefix("x: ") for problem in refused.value.problems]


def test_everything_that_an_agent_can_be_told_about_manners() -> None:
    text = """
        [agent]
        interrupt = "after_ms"
        interrupt_after_ms = 300
        greeting_interruptible = false
        shortest_speech_ms = 250
        filler = "Say that it takes a moment."
        filler_after_seconds = 3
        goodbye_seconds = 20
        mask_digits = true
        mute_tones = true
        [agent.digits]
        collect = true
        terminator = "*"
        pause_seconds = 5
        most = 16
        [agent.budget]
        tokens = 50_000
        dollars = 0.5
        [agent.prices]
        text_in = 0.6
        audio_out = 20
        as_of = 2026-12-01
    """
    assert agent(text) == Agent(
        interrupt="after_ms",
        interrupt_after_ms=300,
        greeting_interruptible=False,
        shortest_speech_ms=250,
        filler="Say that it takes a moment.",
        filler_after_seconds=3,
        goodbye_seconds=20,
        mask_digits=True,
        mute_tones=True,
        digits=Digits(collect=True, terminator="*", pause_seconds=5, most=16),
        budget=CallBudget(tokens=50_000, dollars=0.5),
        prices=TokenPrices(text_in=0.6, audio_out=20, as_of=date(2026, 12, 1)),
    )


def test_everything_that_a_session_can_be_told() -> None:
    text = """
        turn_detection = { type = "server_vad", threshold = 0.6, silence_duration_ms = 700, idle_timeout_ms = 9000 }
        noise_reduction = "far_field"
        transcription = { model = "gpt-live-transcribe", languages = ["en", "de"], keywords = ["Opus"] }
        speed = 1.2
        max_output_tokens = 800
        reasoning_effort = "low"
        tool_choice = "required"
        parallel_tool_calls = false
        truncation = { retention_ratio = 0.5, post_instructions = 16_000 }
        [realtime.session]
        prompt = { id = "pmpt_1" }
    """
    assert realtime(text) == Realtime(
        turn_detection=ServerVad(threshold=0.6, silence_duration_ms=700, idle_timeout_ms=9000),
        noise_reduction="far_field",
        transcription=Transcribing(model="gpt-live-transcribe", languages=("en", "de"), keywords=("Opus",)),
        speed=1.2,
        max_output_tokens=800,
        reasoning_effort="low",
        tool_choice="required",
        parallel_tool_calls=False,
        truncation=Retention(0.5, 16_000),
        session=SessionFields({"prompt": {"id": "pmpt_1"}}),
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"server_vad"', ServerVad()),
        ('"semantic_vad"', SemanticVad()),
        ('{ type = "semantic_vad", eagerness = "low" }', SemanticVad(eagerness="low")),
        ('"local"', LocalTurns()),
        ('{ type = "local" }', LocalTurns()),
    ],
)
def test_turn_detection_is_a_name_or_a_table(written: str, meant: TurnChoice) -> None:
    assert realtime(f"turn_detection = {written}") == Realtime(turn_detection=meant)


def test_the_words_that_stand_for_no_limit_and_for_plain_truncation() -> None:
    text = 'max_output_tokens = "inf"\ntruncation = "disabled"'
    assert realtime(text) == Realtime(max_output_tokens="inf", truncation="disabled")


def test_all_mistakes_are_told_at_once_each_with_its_place() -> None:
    text = """
        [agent]
        filler = ""
        budget = 3
        goodbye_seconds = 0
        [agent.digits]
        colect = true
        terminator = "12"
        most = 99
        [agent.prices]
        text_in = -3
        as_of = "2026"
        [realtime]
        turn_detection = { type = "server_vad", threshold = 6, eagerness = "low" }
        noise_reduction = "off"
        transcription = "gpt-transcribe"
        speed = 9
        max_output_tokens = 0
        truncation = { retention_ratio = 5 }
    """
    assert problems(text) == [
        "`threshold` must be from 0 to 1, not 6, at realtime.turn_detection.threshold",
        (
            "unknown key `eagerness` (known are: `type`, `threshold`, `prefix_padding_ms`, `silence_duration_ms`, "
            "`idle_timeout_ms`) at realtime.turn_detection"
        ),
        '`noise_reduction` must be "near_field" or "far_field", not "off", at realtime.noise_reduction',
        '`transcription` must be a table, not "gpt-transcribe", at realtime.transcription',
        "`speed` must be from 0.25 to 1.5, not 9, at realtime.speed",
        '`max_output_tokens` must be a whole number from 1 to 1000000, or "inf", not 0, at realtime.max_output_tokens',
        "`retention_ratio` must be from 0 to 1, not 5, at realtime.truncation.retention_ratio",
        "`filler` must not be empty, at agent.filler",
        "`goodbye_seconds` must be from 1 to 120, not 0, at agent.goodbye_seconds",
        '`terminator` must be one of 0-9 * # A-D, or "" for none, not "12", at agent.digits.terminator',
        "`most` must be from 1 to 64, not 99, at agent.digits.most",
        "unknown key `colect`, did you mean `collect`? at agent.digits",
        "`budget` must be a table, not 3, at agent.budget",
        "`text_in` must be from 0 to 10000, not -3, at agent.prices.text_in",
        '`as_of` must be a date like 2026-11-22, not "2026", at agent.prices.as_of',
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'turn_detection = "off"',
            (
                '`turn_detection` must be "server_vad" or "semantic_vad" or "local", or a table whose `type` is that, '
                'not "off", at realtime.turn_detection'
            ),
        ),
        (
            "turn_detection = { threshold = 0.5 }",
            (
                '`turn_detection` must be "server_vad" or "semantic_vad" or "local", or a table whose `type` is that, '
                "not a table, at realtime.turn_detection"
            ),
        ),
        (
            "truncation = 3",
            (
                '`truncation` must be "auto" or "disabled" or a table with `retention_ratio`, not 3, '
                "at realtime.truncation"
            ),
        ),
        (
            "max_output_tokens = true",
            (
                '`max_output_tokens` must be a whole number from 1 to 1000000, or "inf", not true, '
                "at realtime.max_output_tokens"
            ),
        ),
        ("session = 3", "`session` must be a table, not 3, at realtime.session"),
        (
            "session = { prompt = { made = 2026-01-01 }, odd = [1, nan] }",
            (
                "`session` must hold text, finite numbers, true and false, unlike `prompt.made`, `odd[]`, "
                "at realtime.session"
            ),
        ),
    ],
)
def test_what_is_several_kinds_says_which(text: str, told: str) -> None:
    assert problems(f"[realtime]\n{text}") == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'interrupt = "after_ms"',
            '`interrupt` is "after_ms": set `interrupt_after_ms` to more than 0, at agent.interrupt',
        ),
        (
            "interrupt_after_ms = 300",
            '`interrupt_after_ms` takes `interrupt = "after_ms"`, at agent.interrupt_after_ms',
        ),
        (
            'interrupt = "never"\nfalse_interruption = "resume"',
            '`false_interruption` takes `interrupt = "always"`, at agent.false_interruption',
        ),
    ],
)
def test_manners_that_contradict_each_other_are_refused(text: str, told: str) -> None:
    assert problems(f"[agent]\n{text}") == [told]


def test_of_a_value_that_is_itself_wrong_no_contradiction_is_told() -> None:
    assert len(problems('[agent]\ninterrupt = "sometimes"\ninterrupt_after_ms = 300')) == 1


def test_local_turns_take_ears() -> None:
    text = '[vad]\nenabled = false\n[realtime]\nturn_detection = "local"\n'
    (told,) = problems(text)
    assert told == (
        '`turn_detection` is "local", which takes the daemon\'s own ears, and vad.enabled is off, '
        "at realtime.turn_detection"
    )


def test_what_has_a_key_of_its_own_is_not_set_beside_it() -> None:
    """Two places would be two truths."""
    text = """
        [realtime.session]
        instructions = "Be rude."
        reasoning = { effort = "low" }
        [realtime.session.audio.output]
        voice = "cedar"
    """
    assert sorted(problems(text)) == [
        f"`{path}` is set by a key of its own in [agent] or [realtime], and must not be set here, at realtime.session"
        for path in ("audio.output.voice", "instructions")
    ]

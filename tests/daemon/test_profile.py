"""What a configuration makes of a session and of a conversation."""

from datetime import date

import attrs
import msgspec
import pytest

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.clips import built_in
from opusagent.call.digits import DigitRules
from opusagent.call.hands import no_hands
from opusagent.call.policy import Budget, Doubt, Interrupt, Policy, TurnPolicy
from opusagent.call.usage import Prices
from opusagent.daemon.config import Agent, Config, Realtime, Twilio, Vad, parse
from opusagent.daemon.config_talk import LocalTurns, SemanticVad, ServerVad
from opusagent.daemon.profile import lag_of, opening_of, policy_of, profile_of, turns_of
from opusagent.realtime.codec import render
from opusagent.realtime.events import AudioInput, SessionAudio, TurnDetection
from opusagent.realtime.sessions import Tool
from opusagent.realtime.settings import session_update
from opusagent.units import Ms

PLATFORM = Twilio(insecure=True)
LOCAL = Realtime(turn_detection=LocalTurns())


def config(text: str) -> Config:
    return parse(f"[twilio]\ninsecure = true\n{text}", {}, source="x")


def detection(of: Config) -> object:
    audio = opening_of(of, MULAW_8K, ()).session.audio or SessionAudio()
    return (audio.input or AudioInput()).turn_detection


def test_a_configuration_that_says_nothing_asks_for_what_a_call_relies_on() -> None:
    plain = session_update(instructions=Agent().instructions, voice="marin", audio="pcm", caller=MULAW_8K)
    assert render(opening_of(Config(), MULAW_8K, ())) == render(plain)
    assert policy_of(Config()) == Policy(instructions=Agent().instructions, may_end=False)


def test_every_setting_is_where_the_service_looks_for_it() -> None:
    """Fields that nobody here has a name for stand among the others."""
    settings = config("""
        [agent]
        instructions = "Be kind."
        [realtime]
        audio = "pcmu"
        turn_detection = "semantic_vad"
        noise_reduction = "near_field"
        transcription = { language = "en" }
        speed = 1.1
        max_output_tokens = "inf"
        reasoning_effort = "minimal"
        tool_choice = "auto"
        parallel_tool_calls = true
        truncation = { retention_ratio = 0.5 }
        [realtime.session]
        tracing = "auto"
        [realtime.session.audio.input]
        noise_gate = { depth = 3 }
        [realtime.session.audio.input.transcription]
        diarize = true
    """)
    tool = Tool(name="look_up", description="Looks up.", parameters={"type": "object"})
    assert msgspec.json.decode(render(opening_of(settings, MULAW_8K, (tool,)))) == {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": "Be kind.",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "noise_reduction": {"type": "near_field"},
                    "noise_gate": {"depth": 3},
                    "transcription": {"model": "gpt-transcribe", "language": "en", "diarize": True},
                    "turn_detection": {
                        "type": "semantic_vad",
                        "eagerness": "auto",
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "marin", "speed": 1.1},
            },
            "tools": [
                {
                    "type": "function",
                    "name": "look_up",
                    "description": "Looks up.",
                    "parameters": {"type": "object"},
                }
            ],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "minimal"},
            "max_output_tokens": "inf",
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
            "tracing": "auto",
        },
    }


@pytest.mark.parametrize(
    "agent",
    [
        Agent(interrupt="after_ms", interrupt_after_ms=300),
        Agent(false_interruption="resume"),
        Agent(false_interruption="continue"),
    ],
)
def test_where_turns_are_ours_the_service_decides_nothing(agent: Agent) -> None:
    """It would answer and interrupt at the first sound."""
    ours = TurnDetection(
        type="server_vad",
        threshold=0.5,
        prefix_padding_ms=300,
        silence_duration_ms=500,
        create_response=False,
        interrupt_response=False,
    )
    assert detection(Config(agent=agent)) == ours
    semantic = Config(agent=agent, realtime=Realtime(turn_detection=SemanticVad()))
    assert detection(semantic) == TurnDetection(
        type="semantic_vad", eagerness="auto", create_response=False, interrupt_response=False
    )


def test_where_nobody_may_interrupt_the_service_answers_and_ends_nothing() -> None:
    told = detection(Config(agent=Agent(interrupt="never")))
    assert isinstance(told, TurnDetection)
    assert (told.create_response, told.interrupt_response) == (True, False)


def test_with_local_turns_the_service_detects_none() -> None:
    """Null on the wire, which switches it off; absent would leave it on."""
    local = Config(realtime=LOCAL)
    assert detection(local) is None
    assert '"turn_detection":null' in render(opening_of(local, MULAW_8K, ()))
    assert turns_of(local).is_ours


@pytest.mark.parametrize(
    ("realtime", "lag"),
    [
        (Realtime(), 0.5),
        (Realtime(turn_detection=ServerVad(silence_duration_ms=800)), 0.8),
        (Realtime(turn_detection=SemanticVad()), 0.5),
        (LOCAL, 0.16),
    ],
)
def test_the_end_of_speech_is_known_when_its_silence_has_lasted(realtime: Realtime, lag: float) -> None:
    """Our own ears take four chunks of 32 ms, and one more until they are asked."""
    assert lag_of(Config(realtime=realtime, vad=Vad(stop_frames=4))) == lag


def test_manners_become_the_policy() -> None:
    settings = config("""
        [agent]
        instructions = "Be kind."
        greeting = "Hello."
        interrupt = "after_ms"
        interrupt_after_ms = 300
        greeting_interruptible = false
        shortest_speech_ms = 250
        filler = "One moment."
        filler_after_seconds = 3
        goodbye_seconds = 20
        mask_digits = true
        mute_tones = true
        digits = { collect = true, terminator = "*", pause_seconds = 5, most = 16 }
        budget = { tokens = 50_000, dollars = 0.5 }
        prices = { text_in = 0.6, as_of = 2026-12-01 }
        [[tools]]
        built_in = "end_call"
    """)
    assert policy_of(settings) == Policy(
        instructions="Be kind.",
        greeting="Hello.",
        turns=TurnPolicy(
            interrupt=Interrupt.AFTER, after=Ms(300), greeting_interruptible=False, shortest=Ms(250), lag=0.5
        ),
        digits=DigitRules(collect=True, terminator="*", pause_seconds=5, most=16),
        mask_digits=True,
        mute_tones=True,
        filler="One moment.",
        filler_seconds=3,
        goodbye_seconds=20,
        budget=Budget(50_000, 0.5, attrs.evolve(Prices(), text_in=0.6, as_of=date(2026, 12, 1))),
    )


@pytest.mark.parametrize(("word", "doubt"), [("off", Doubt.OFF), ("resume", Doubt.RESUME), ("continue", Doubt.GO_ON)])
def test_the_words_for_false_interruptions(word: str, doubt: Doubt) -> None:
    assert turns_of(config(f'[agent]\nfalse_interruption = "{word}"')).doubt is doubt


def test_a_profile_holds_all_of_it() -> None:
    profile = profile_of(Config(), PCM16_24K, (), no_hands)
    assert profile.opening == opening_of(Config(), PCM16_24K, ())
    policy = attrs.evolve(policy_of(Config()), clips=built_in(PCM16_24K))
    assert (profile.policy, profile.model_media, profile.hands) == (policy, PCM16_24K, no_hands)

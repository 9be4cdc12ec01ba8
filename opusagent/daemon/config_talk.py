"""How a conversation is held: the keys of `[agent]` and `[realtime]` that a policy and a session are made of.

Defaults and ranges of the service's are those of its reference (OpenAI Realtime, `session.update`).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Annotated, Final, Literal, TypeAlias, TypeGuard

import attrs

from opusagent.call.digits import KEYS, MOST_DIGITS
from opusagent.call.policy import FILLER_SECONDS, GOODBYE_SECONDS
from opusagent.call.usage import Prices
from opusagent.daemon.config_values import Words, WrongValue, between, shown

PRICES: Final = Prices()

MOST_TOKENS: Final = 1_000_000
"""Of one response. The service's own limit is lower, and not the same for every model."""


INTERRUPTION: Final = ("interrupt", "interrupt_after_ms", "false_interruption")
"""Keys of `[agent]` that have to go together."""


def one_key(text: str) -> str:
    """One key, or none."""
    if text and text not in KEYS:
        raise WrongValue(f'must be one of 0-9 * # A-D, or "" for none, not {shown(text)}')
    return text


Dollars: TypeAlias = Annotated[float, between(0, 10_000)]
Probability: TypeAlias = Annotated[float, between(0, 1)]


@attrs.frozen
class Digits:
    """`[agent.digits]`: whether keys are collected, and what completes them."""

    collect: bool = False
    terminator: Annotated[str, one_key] = "#"
    pause_seconds: Annotated[float, between(0.1, 60)] = 3.0
    most: Annotated[int, between(1, MOST_DIGITS)] = MOST_DIGITS


@attrs.frozen
class CallBudget:
    """`[agent.budget]`: what one call may use. Then it is wound down, with words."""

    tokens: Annotated[int, between(1, 1_000_000_000)] | None = None
    dollars: Annotated[float, between(0.001, 10_000)] | None = None


@attrs.frozen
class TokenPrices:
    """`[agent.prices]`: US dollars per million tokens (one: per minute), and when they were looked up."""

    text_in: Dollars = PRICES.text_in
    text_cached: Dollars = PRICES.text_cached
    text_out: Dollars = PRICES.text_out
    audio_in: Dollars = PRICES.audio_in
    audio_cached: Dollars = PRICES.audio_cached
    audio_out: Dollars = PRICES.audio_out
    transcribed_in: Dollars = PRICES.transcribed_in
    transcribed_out: Dollars = PRICES.transcribed_out
    transcribed_minute: Dollars = PRICES.transcribed_minute
    as_of: date = PRICES.as_of


@attrs.frozen(kw_only=True)
class Manners:
    """The part of `[agent]` that is about turns, silences, keys and money."""

    interrupt: Literal["always", "never", "after_ms"] = "always"
    interrupt_after_ms: Annotated[int, between(0, 10_000)] = 0
    greeting_interruptible: bool = True
    false_interruption: Literal["off", "resume", "continue"] = "off"
    shortest_speech_ms: Annotated[int, between(1, 5000)] = 400
    filler: Words | None = None
    filler_after_seconds: Annotated[float, between(0.1, 60)] = FILLER_SECONDS
    goodbye_seconds: Annotated[float, between(1, 120)] = GOODBYE_SECONDS
    mask_digits: bool = False
    mute_tones: bool = False
    digits: Digits = Digits()
    budget: CallBudget = CallBudget()
    prices: TokenPrices = TokenPrices()


def manner_problems(manners: Manners, faulty: Collection[str], place: str = "agent") -> list[str]:
    """What contradicts itself in the table at `place`. Nothing is said of a value that is itself wrong."""
    if {f"{place}.{key}" for key in INTERRUPTION} & set(faulty):
        return []
    problems: list[str] = []
    if manners.interrupt == "after_ms" and manners.interrupt_after_ms == 0:
        problems.append(f'`interrupt` is "after_ms": set `interrupt_after_ms` to more than 0, at {place}.interrupt')
    if manners.interrupt != "after_ms" and manners.interrupt_after_ms:
        problems.append(f'`interrupt_after_ms` takes `interrupt = "after_ms"`, at {place}.interrupt_after_ms')
    if manners.interrupt != "always" and manners.false_interruption != "off":
        problems.append(f'`false_interruption` takes `interrupt = "always"`, at {place}.false_interruption')
    return problems


# -- the service -------------------------------------------------------------------------------------------------------


@attrs.frozen
class ServerVad:
    """`turn_detection` by the service's voice activity detection."""

    type: Literal["server_vad"] = "server_vad"
    threshold: Probability = 0.5
    prefix_padding_ms: Annotated[int, between(0, 5000)] = 300
    silence_duration_ms: Annotated[int, between(50, 10_000)] = 500
    idle_timeout_ms: Annotated[int, between(1000, 600_000)] | None = None


@attrs.frozen
class SemanticVad:
    """`turn_detection` by what the caller says."""

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


@attrs.frozen
class LocalTurns:
    """`turn_detection` by the daemon's own ears."""

    type: Literal["local"] = "local"


TurnChoice: TypeAlias = ServerVad | SemanticVad | LocalTurns

TURN_KINDS: Final[Mapping[str, type[TurnChoice]]] = {
    "server_vad": ServerVad,
    "semantic_vad": SemanticVad,
    "local": LocalTurns,
}


@attrs.frozen
class Transcribing:
    """`transcription`: who writes down what the caller says."""

    model: Words = "gpt-transcribe"
    language: Words | None = None
    prompt: Words | None = None
    languages: tuple[Words, ...] = ()
    keywords: tuple[Words, ...] = ()
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


@attrs.frozen
class Retention:
    """`truncation` as a table: how much of the context stays when it is full."""

    retention_ratio: Probability = 0.8
    post_instructions: Annotated[int, between(1, 10_000_000)] | None = None


TokenLimit: TypeAlias = int | Literal["inf"]
Truncation: TypeAlias = Literal["auto", "disabled"] | Retention


@attrs.frozen
class SessionFields:
    """`[realtime.session]`: fields of the service's that have no key here, as they are sent."""

    fields: Mapping[str, object] = attrs.field(factory=dict[str, object])


def parse_token_limit(value: object) -> TokenLimit:
    """A number, or no limit. Raises `WrongValue`."""
    if value == "inf":
        return "inf"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_TOKENS:
        return value
    raise WrongValue(f'must be a whole number from 1 to {MOST_TOKENS}, or "inf", not {shown(value)}')


def parse_session_fields(value: object) -> SessionFields:
    """What can be written as JSON. Raises `WrongValue`, with all that cannot."""
    if not is_table(value):
        raise WrongValue(f"must be a table, not {shown(value)}")
    odd = [f"`{name}`" for name, each in _leaves(value) if not is_json(each)]
    if odd:
        raise WrongValue(f"must hold text, finite numbers, true and false, unlike {', '.join(odd)}")
    return SessionFields(value)


@attrs.frozen(kw_only=True)
class Tuning:
    """The part of `[realtime]` that becomes the session's settings. What is not said is left to the service."""

    turn_detection: TurnChoice = ServerVad()
    noise_reduction: Literal["near_field", "far_field"] | None = None
    transcription: Transcribing | None = None
    speed: Annotated[float, between(0.25, 1.5)] | None = None
    max_output_tokens: TokenLimit | None = None
    reasoning_effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    tool_choice: Literal["auto", "none", "required"] | None = None
    parallel_tool_calls: bool | None = None
    truncation: Truncation | None = None
    session: SessionFields = SessionFields()


def is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether `value` is a table of TOML."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether `value` is an array of TOML."""
    return isinstance(value, list)


def is_json(value: object) -> bool:
    """Whether a value of TOML has a like in JSON. Dates, `inf` and `nan` have none."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _leaves(value: object, name: str = "") -> list[tuple[str, object]]:
    if is_table(value):
        return [leaf for key, each in value.items() for leaf in _leaves(each, f"{name}.{key}" if name else key)]
    if is_array(value):
        return [leaf for each in value for leaf in _leaves(each, f"{name}[]")]
    return [(name, value)]

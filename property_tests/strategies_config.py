"""Configurations and their text: any valid one, TOML that is nearly one, and the typing errors of people."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, TypeGuard

import attrs
from hypothesis import strategies as st

from opusagent.daemon.config import (
    Agent,
    Alerts,
    Audio,
    Config,
    Limits,
    Listen,
    Quality,
    Realtime,
    Recording,
    Server,
    Twilio,
    Vad,
)
from opusagent.daemon.config_talk import (
    CallBudget,
    Digits,
    Retention,
    SemanticVad,
    ServerVad,
    SessionFields,
    TokenPrices,
    Transcribing,
)

KEYS: dict[str, tuple[str, ...]] = {
    "server": ("listen", "public_url", "max_calls"),
    "realtime": (
        "url",
        "model",
        "api_key_file",
        "audio",
        "turn_detection",
        "noise_reduction",
        "transcription",
        "speed",
        "max_output_tokens",
        "reasoning_effort",
        "tool_choice",
        "parallel_tool_calls",
        "truncation",
        "session",
    ),
    "twilio": ("path", "insecure"),
    "agent": (
        "instructions",
        "voice",
        "greeting",
        "interrupt",
        "interrupt_after_ms",
        "greeting_interruptible",
        "false_interruption",
        "shortest_speech_ms",
        "filler",
        "filler_after_seconds",
        "goodbye_seconds",
        "mask_digits",
        "mute_tones",
        "digits",
        "budget",
        "prices",
        "language",
        "tools",
    ),
    "routes": ("default", "parameters", "bots", "paths", "numbers"),
    "recording": (
        "directory",
        "rate",
        "channels",
        "bits",
        "format",
        "retention_days",
        "retention_gigabytes",
        "free_space_megabytes",
    ),
    "limits": ("call_seconds",),
    "audio": ("chunk_bytes", "chunk_bytes_large"),
    "vad": ("enabled", "detector", "threshold", "start_frames", "stop_frames"),
    "quality": (
        "enabled",
        "min_snr_db",
        "max_thd_percent",
        "max_clipping_percent",
        "min_quality_score",
        "one_way_seconds",
    ),
    "alerts": ("latency_ms", "chunk_bytes"),
}
"""Every table and every key of the contract."""

# TOML text holds any character but surrogates; a key or a name that people choose holds at least one that is seen.
_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: bool(text.strip()))
_LABELS = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)
_HOSTS = st.one_of(st.just("localhost"), st.just("127.0.0.1"), st.builds("127.0.0.{}".format, st.integers(1, 254)))
_PERCENT = st.floats(0, 100)
_PATHS = st.lists(_LABELS, min_size=1, max_size=3).map(lambda labels: "/" + "/".join(labels))

listens = st.builds(Listen, _HOSTS | st.just("::1"), st.integers(0, 65535))
public_urls = st.builds("{}://{}.example{}".format, st.sampled_from(["http", "https"]), _LABELS, st.just("") | _PATHS)
backend_urls = st.just("local") | st.builds(
    "{}://{}:{}{}".format, st.sampled_from(["ws", "wss"]), _HOSTS, st.just(9), _PATHS
)


def _interrupted(
    agent: Agent,
    how: tuple[Literal["always", "after_ms"], int, Literal["off", "resume", "continue"]],
) -> Agent:
    interrupt, after, false = how
    return attrs.evolve(agent, interrupt=interrupt, interrupt_after_ms=after, false_interruption=false)


_INTERRUPTIONS = st.sampled_from(
    [("always", 0, "off"), ("always", 0, "resume"), ("always", 0, "continue")]
) | st.tuples(st.just("after_ms"), st.integers(1, 10_000), st.just("off"))

agents = st.builds(
    _interrupted,
    st.builds(
        Agent,
        _WORDS,
        _WORDS,
        st.none() | _WORDS,
        greeting_interruptible=st.booleans(),
        shortest_speech_ms=st.integers(1, 5000),
        filler=st.none() | _WORDS,
        filler_after_seconds=st.floats(0.1, 60),
        goodbye_seconds=st.floats(1, 120),
        mask_digits=st.booleans(),
        mute_tones=st.booleans(),
        language=st.none() | st.sampled_from(["es", "pt-BR"]),
        digits=st.builds(
            Digits, st.booleans(), st.sampled_from(["", "#", "A"]), st.floats(0.1, 60), st.integers(1, 64)
        ),
        budget=st.builds(CallBudget, st.none() | st.integers(1, 10**9), st.none() | st.floats(0.001, 10_000)),
        prices=st.builds(TokenPrices, text_in=st.floats(0, 10_000), as_of=st.dates()),
    ),
    _INTERRUPTIONS,
)

_SETTINGS = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_LABELS, inner, max_size=2),
    max_leaves=4,
)

realtimes = st.builds(
    Realtime,
    backend_urls,
    _WORDS,
    st.none(),
    st.sampled_from(["pcm", "pcmu"]),
    turn_detection=st.one_of(
        st.builds(
            ServerVad,
            threshold=st.floats(0, 1),
            prefix_padding_ms=st.integers(0, 5000),
            silence_duration_ms=st.integers(50, 10_000),
            idle_timeout_ms=st.none() | st.integers(1000, 600_000),
        ),
        st.builds(SemanticVad, eagerness=st.sampled_from(["low", "medium", "high", "auto"])),
    ),
    noise_reduction=st.sampled_from([None, "near_field", "far_field"]),
    transcription=st.none() | st.builds(Transcribing, _WORDS, st.none() | _WORDS, languages=st.just(("en", "de"))),
    speed=st.none() | st.floats(0.25, 1.5),
    max_output_tokens=st.none() | st.just("inf") | st.integers(1, 1_000_000),
    reasoning_effort=st.sampled_from([None, "minimal", "xhigh"]),
    tool_choice=st.sampled_from([None, "auto", "none", "required"]),
    parallel_tool_calls=st.none() | st.booleans(),
    truncation=st.sampled_from([None, "auto", "disabled"])
    | st.builds(Retention, st.floats(0, 1), st.integers(1, 10**7)),
    session=st.builds(SessionFields, st.dictionaries(_LABELS.map("x-{}".format), _SETTINGS, max_size=2)),
)

configs = st.builds(
    Config,
    server=st.builds(Server, listens, st.none() | public_urls, st.integers(1, 100_000)),
    realtime=realtimes,
    twilio=st.builds(Twilio, _PATHS, insecure=st.just(value=True)),
    agent=agents,
    recording=st.none()
    | st.builds(
        Recording,
        st.lists(_LABELS, min_size=1).map(lambda labels: Path(*labels)),
        st.sampled_from([None, 8000, 16000, 24000]),
        st.sampled_from([1, 2]),
        retention_days=st.none() | st.floats(0.01, 36_500),
        retention_gigabytes=st.none() | st.floats(0.001, 1_000_000),
        free_space_megabytes=st.integers(0, 1_000_000_000),
    ),
    limits=st.builds(Limits, st.floats(1, 86_400) | st.integers(1, 86_400).map(float)),
    audio=st.builds(Audio, st.none() | st.integers(640, 32_000), st.integers(32_000, 320_000)),
    vad=st.builds(
        Vad,
        enabled=st.booleans(),
        detector=st.sampled_from(["silero", "energy"]),
        threshold=st.floats(0.01, 0.99),
        start_frames=st.integers(1, 100),
        stop_frames=st.integers(1, 100),
    ),
    quality=st.builds(
        Quality,
        enabled=st.booleans(),
        min_snr_db=_PERCENT,
        max_thd_percent=_PERCENT,
        max_clipping_percent=_PERCENT,
        min_quality_score=_PERCENT,
        one_way_seconds=st.floats(1, 3600),
    ),
    alerts=st.builds(Alerts, st.floats(1, 60_000), st.integers(1, 1_000_000)),
)
"""Whole configurations that need no key: an embedded backend or one on this machine."""


def toml_of(config: Config) -> str:
    """The text that a person would write for `config`."""
    server, twilio = config.server, config.twilio
    tables: dict[str, dict[str, object]] = {
        "server": {"listen": server.listen.address, "public_url": server.public_url, "max_calls": server.max_calls},
        "realtime": {**attrs.asdict(config.realtime), "session": dict(config.realtime.session.fields)},
        "agent": {**attrs.asdict(config.agent), "keys": None},
        "limits": {"call_seconds": config.limits.call_seconds},
        **{name: attrs.asdict(table) for name, table in _plain_tables(config)},
    }
    if twilio is not None:
        tables["twilio"] = {"path": twilio.path, "insecure": twilio.insecure}
    if config.recording is not None:
        tables["recording"] = {**attrs.asdict(config.recording), "directory": str(config.recording.directory)}
    return "\n".join(f"[{name}]\n{_lines(table)}" for name, table in tables.items())


def _plain_tables(config: Config) -> list[tuple[str, Audio | Vad | Quality | Alerts]]:
    """The tables whose values are written as they are."""
    return [("audio", config.audio), ("vad", config.vad), ("quality", config.quality), ("alerts", config.alerts)]


def _lines(table: Mapping[str, object]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items() if value is not None)


def _toml(value: object) -> str:
    """A value of TOML 1.0: its strings are those of JSON, except that DEL must be escaped too."""
    if _is_table(value):
        return f"{{ {', '.join(f'{_toml(key)} = {_toml(each)}' for key, each in value.items() if each is not None)} }}"
    if _is_array(value):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)


_SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    backend_urls,
    public_urls,
    _PATHS,
    listens.map(lambda listen: listen.address),
).map(lambda value: _toml(value).replace("NaN", "nan").replace("Infinity", "inf"))
_VALUES = _SCALARS | st.sampled_from(
    [
        *('{ "/twilio/media/x" = "default" }', '{ d = { x = "refuse" } }', '["end_call"]'),
        *("[]", "[[1]]", "{}", '{a = "b"}', "2026-01-01", "10:00:00", "0xffff", "1e400", "=", ""),
    ]
)


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """Text with the tables and keys of the contract, any number, any order, any values; some of it no TOML."""
    text = ""
    for table in draw(st.lists(st.sampled_from([*KEYS, "agents", "sever", "a b", "server.listen"]), max_size=6)):
        own = st.sampled_from((*KEYS["agent"], "name") if table == "agents" else KEYS.get(table, ("listen",)))
        keys = draw(st.lists(own | st.sampled_from(["url", "prot", '"a b"', "a.b"]), max_size=4, unique=True))
        head = draw(st.sampled_from([f"[{table}]", f"[{table}]", f"[{table}]", f"[[{table}]]", ""]))
        text += head + "\n" + "".join(f"{key} = {draw(_VALUES)}\n" for key in keys)
    return text


@st.composite
def slips(draw: st.DrawFn, word: str) -> str:
    """`word` with one slip of the finger: a letter left out, doubled, wrong, or two of them exchanged."""
    at = draw(st.integers(0, len(word) - 1))
    head, letter, tail = word[:at], word[at], word[at + 1 :]
    wrong = draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz_").filter(lambda other: other != letter))
    exchanged = head + tail[:1] + letter + tail[1:]
    slipped = draw(st.sampled_from([head + tail, head + 2 * letter + tail, head + wrong + tail, exchanged]))
    return slipped if slipped not in {"", word} else head + wrong + tail

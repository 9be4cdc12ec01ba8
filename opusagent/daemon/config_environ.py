"""Settings that the environment makes: each variable stands in place of one key of the file, and obeys its rules."""

import re
from collections.abc import Mapping
from typing import Final

import attrs

KEY_VARIABLE: Final = "OPENAI_API_KEY"
"""Stands in place of `realtime.api_key_file`, and holds the key itself."""

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


@attrs.frozen
class Variable:
    """A variable and the key that it overrides. `is_switch`: it says yes or no, and not how much."""

    name: str
    table: str
    key: str
    is_switch: bool = False


VARIABLES: Final = (
    Variable("DEFAULT_SAMPLE_RATE", "recording", "rate"),
    Variable("DEFAULT_CHANNELS", "recording", "channels"),
    Variable("DEFAULT_BITS_PER_SAMPLE", "recording", "bits"),
    Variable("DEFAULT_AUDIO_CHUNK_SIZE", "audio", "chunk_bytes"),
    Variable("DEFAULT_AUDIO_CHUNK_SIZE_LARGE", "audio", "chunk_bytes_large"),
    Variable("AUDIO_QUALITY_MONITORING", "quality", "enabled", is_switch=True),
    Variable("LATENCY_ALERT_THRESHOLD", "alerts", "latency_ms"),
    Variable("CHUNK_SIZE_ALERT_THRESHOLD", "alerts", "chunk_bytes"),
    Variable("VAD_ENABLED", "vad", "enabled", is_switch=True),
    Variable("SPEECH_START_THRESHOLD", "vad", "start_frames"),
    Variable("SPEECH_STOP_THRESHOLD", "vad", "stop_frames"),
)


@attrs.frozen
class Overrides:
    """What the environment sets: values by table and key, and the variable that each `table.key` comes from."""

    tables: Mapping[str, Mapping[str, object]]
    origins: Mapping[str, str]


def overrides_in(environ: Mapping[str, str]) -> Overrides:
    """What the variables in `environ` say. An empty one says nothing."""
    tables: dict[str, dict[str, object]] = {}
    origins: dict[str, str] = {}
    for variable in VARIABLES:
        text = environ.get(variable.name, "").strip()
        if text:
            tables.setdefault(variable.table, {})[variable.key] = _value(text, is_switch=variable.is_switch)
            origins[f"{variable.table}.{variable.key}"] = variable.name
    return Overrides(tables, origins)


def _value(text: str, *, is_switch: bool) -> object:
    """`text` as the file would have it. What is no such value stays text, and is refused by the key's own rule.

    >>> _value("Off", is_switch=True), _value("0", is_switch=True), _value("0", is_switch=False)
    (False, False, 0)
    >>> _value("1.5", is_switch=False), _value("many", is_switch=False)
    (1.5, 'many')
    """
    if is_switch:
        return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[+-]?[0-9]{1,18}\.[0-9]{0,18}", text) else text

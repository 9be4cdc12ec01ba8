"""The configuration: one frozen value, read once from TOML and passed by hand.

Names of files and directories that are not absolute are taken from the daemon's working directory.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

import attrs

from opusagent.daemon.config_admin import AdminTable, read_admin
from opusagent.daemon.config_agents import read_agents
from opusagent.daemon.config_cluster import ClusterTable, read_cluster
from opusagent.daemon.config_environ import KEY_VARIABLE, overrides_in
from opusagent.daemon.config_errors import TableReader, read_document
from opusagent.daemon.config_platforms import (
    NO_PLATFORM,
    AudioCodesTable,
    TwilioTable,
    platform_problems,
    read_audiocodes,
    read_twilio,
    twilio_doubts,
)
from opusagent.daemon.config_routes import RouteReader, RoutesTable, route_doubts
from opusagent.daemon.config_tables import (
    Admin,
    Agent,
    Alerts,
    Audio,
    AudioCodes,
    Config,
    Limits,
    Quality,
    Realtime,
    Recording,
    Server,
    Twilio,
    Vad,
)
from opusagent.daemon.config_talk import LocalTurns, Tuning
from opusagent.daemon.config_tools import ToolReader, transfer_targets
from opusagent.daemon.config_tracing import TracingTable, read_tracing
from opusagent.daemon.config_twilio import TwilioRest, TwilioRestTable, read_twilio_rest
from opusagent.daemon.config_values import (
    EMBEDDED_BACKEND,
    BackendUrl,
    Listen,
    Words,
    WrongValue,
    is_loopback,
    is_plain,
    is_readable,
    key_in,
    reason,
    shown,
    tokens_in,
)
from opusagent.daemon.profile import session_problems
from opusagent.errors import ConfigError
from opusagent.secret import Secret
from opusagent.tools.declared import declared_name

__all__ = [
    "EMBEDDED_BACKEND",
    "Admin",
    "Agent",
    "Alerts",
    "Audio",
    "AudioCodes",
    "Config",
    "Limits",
    "Listen",
    "Quality",
    "Realtime",
    "Recording",
    "Secret",
    "Server",
    "Twilio",
    "TwilioRest",
    "Vad",
    "alerts_in",
    "credential_file",
    "load",
    "parse",
]

_T = TypeVar("_T")

OPENAI_URL: Final = "wss://api.openai.com/v1/realtime"

# What LoadCredential= in a unit calls the files that systemd hands over (systemd.exec, CREDENTIALS).
KEY_CREDENTIAL: Final = "openai_api_key"


@attrs.frozen
class _RealtimeTable(Tuning):
    """`[realtime]` as the file has it: the key is in another file, so that this one can be shown around."""

    url: BackendUrl | None = None
    model: Words = Realtime().model
    api_key_file: Secret | None = None
    audio: Literal["pcm", "pcmu"] = "pcm"


_TABLES: Final[Mapping[str, type[attrs.AttrsInstance]]] = {
    "server": Server,
    "realtime": _RealtimeTable,
    "twilio": TwilioTable,
    "audiocodes": AudioCodesTable,
    "agent": Agent,
    "recording": Recording,
    "limits": Limits,
    "admin": AdminTable,
    "audio": Audio,
    "vad": Vad,
    "quality": Quality,
    "alerts": Alerts,
    "twilio_rest": TwilioRestTable,
    "cluster": ClusterTable,
    "tracing": TracingTable,
    "routes": RoutesTable,
}

_NO_KEY: Final = (
    "`url` is on another machine and there is no key for it: set `api_key_file` under [realtime], or "
    f"{KEY_VARIABLE} in the environment, at realtime.url"
)


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in the file at `path`. Raises `ConfigError` if it cannot be read or used."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: this is not TOML: byte {error.start} is not UTF-8"]) from error
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: there is no such file"]) from error
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: the file cannot be read: {reason(error)}"]) from error
    return parse(text, environ, source=str(path))


def parse(text: str, environ: Mapping[str, str], *, source: str) -> Config:
    """The configuration that `text` holds; `source` begins every complaint. Raises `ConfigError` with all of them."""
    try:
        return _config(read_document(text), environ)
    except ConfigError as error:
        raise ConfigError([f"{source}: {problem}" for problem in error.problems]) from error


def alerts_in(environ: Mapping[str, str]) -> Alerts:
    """`[alerts]` without a file: its defaults, or what the environment sets. Raises `ConfigError`."""
    reader = TableReader({}, {"alerts": Alerts}, overrides_in(environ))
    alerts = reader.read("alerts", Alerts)
    if reader.problems:
        raise ConfigError(reader.problems)
    return alerts


def _config(document: Mapping[str, object], environ: Mapping[str, str]) -> Config:
    if not document:
        raise ConfigError([f"the configuration is empty: {NO_PLATFORM}"])
    reader = TableReader(document, _TABLES, overrides_in(environ), ("tools", "agents"))
    server = reader.read("server", Server)
    realtime = _realtime(reader, environ)
    twilio = read_twilio(reader, environ, lambda name: _credential(name, tokens_in, environ, reader.problems))
    audiocodes = read_audiocodes(reader, lambda name: _credential(name, tokens_in, environ, reader.problems))
    crew = read_agents(reader)
    recording = reader.read_if_there("recording", Recording)
    limits = reader.read("limits", Limits)
    admin = read_admin(reader, environ, lambda name: _credential(name, tokens_in, environ, reader.problems), server)
    audio = reader.read("audio", Audio)
    vad, quality, alerts = reader.read("vad", Vad), reader.read("quality", Quality), reader.read("alerts", Alerts)
    before = len(reader.problems)
    tools = ToolReader(reader).read()
    # A target or a tool that is missing may be one that is wrong.
    names = [declared_name(tool) for tool in tools] if len(reader.problems) == before else None
    targets = transfer_targets(tools)
    rest = read_twilio_rest(reader, environ, lambda name: _credential(name, key_in, environ, reader.problems))
    cluster, tracing = read_cluster(reader), read_tracing(reader)
    routes = RouteReader(reader, crew.names, twilio, audiocodes).read()
    problems = [
        *reader.problems,
        *_certificate_problems(server, reader.faulty),
        *platform_problems(server, twilio, audiocodes, reader.faulty),
        *_chunk_problems(audio, reader),
        *_ear_problems(realtime, vad, reader),
        *crew.problems(reader.faulty, names, targets),
        *([] if names is None else fallback_problems(limits.fallback, targets)),
    ]
    if problems:
        raise ConfigError(problems)
    config = Config(
        server,
        realtime,
        twilio,
        audiocodes,
        crew.default,
        recording,
        limits,
        admin,
        audio,
        vad,
        quality,
        alerts,
        tools,
        rest,
        cluster,
        tracing,
        crew.named,
        routes,
    )
    problems = session_problems(config)
    if problems:
        raise ConfigError(problems)
    return config


def fallback_problems(fallback: str | None, targets: Collection[str]) -> list[str]:
    """What is wrong with `limits.fallback` if `targets` are the names that calls can be transferred to."""
    if fallback is None or fallback in targets:
        return []
    known = ", ".join(f"`{target}`" for target in targets) or "none: there is no tool `transfer_call`"
    return [f"`fallback` names {shown(fallback)}; targets are {known}, at limits.fallback"]


def _realtime(reader: TableReader, environ: Mapping[str, str]) -> Realtime:
    """The backend with its key: the environment's, or else the file's, or else what the service manager hands over."""
    table = reader.read("realtime", _RealtimeTable)
    key = _key_of_environment(environ, reader.problems) or table.api_key_file
    key = key or _credential(KEY_CREDENTIAL, key_in, environ, reader.problems)
    url = table.url or (OPENAI_URL if key else EMBEDDED_BACKEND)
    elsewhere = url != EMBEDDED_BACKEND and not is_loopback(urlsplit(url).hostname or "")
    if elsewhere and not key and "realtime.api_key_file" not in reader.faulty:
        reader.problems.append(_NO_KEY)
    return _tuned(Realtime(url, table.model, key, table.audio), table)


def doubts(config: Config) -> list[str]:
    """What is allowed and hardly meant, each with what to do about it."""
    told = [*twilio_doubts(config.server, config.twilio), *route_doubts(config)]
    if config.realtime.url == EMBEDDED_BACKEND:
        where = f"set the environment's {KEY_VARIABLE}, or `api_key_file` under [realtime]"
        told.append(f"callers will talk to the parrot inside this program and to no model: there is no key; {where}")
    return told


def _tuned(realtime: Realtime, tuning: Tuning) -> Realtime:
    return attrs.evolve(
        realtime,
        turn_detection=tuning.turn_detection,
        noise_reduction=tuning.noise_reduction,
        transcription=tuning.transcription,
        speed=tuning.speed,
        max_output_tokens=tuning.max_output_tokens,
        reasoning_effort=tuning.reasoning_effort,
        tool_choice=tuning.tool_choice,
        parallel_tool_calls=tuning.parallel_tool_calls,
        truncation=tuning.truncation,
        session=tuning.session,
    )


def _credential(name: str, read: Callable[[Path], _T], environ: Mapping[str, str], problems: list[str]) -> _T | None:
    """What the service manager hands over as `name`, if it does."""
    file = credential_file(name, environ)
    try:
        return None if file is None else read(file)
    except WrongValue as wrong:
        problems.append(f"the credential `{name}` {wrong}, at the environment's CREDENTIALS_DIRECTORY")
        return None


def credential_file(name: str, environ: Mapping[str, str]) -> Path | None:
    """The file of the credential called `name`, if the service manager hands one over.

    Where it is stored, before it is handed over, it is called `opusagent.NAME`: for `check`, which is not handed any.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    files = [Path(directory, name), Path(directory, f"opusagent.{name}")] if directory else []
    return next((file for file in files if file.exists()), None)


def _chunk_problems(audio: Audio, reader: TableReader) -> list[str]:
    if {"audio.chunk_bytes", "audio.chunk_bytes_large"} & reader.faulty:
        return []
    if audio.chunk_bytes is None or audio.chunk_bytes <= audio.chunk_bytes_large:
        return []
    most = f"`chunk_bytes_large`, which is {audio.chunk_bytes_large}"
    return [f"`chunk_bytes` must be at most {most}, not {audio.chunk_bytes}, at {reader.place('audio', 'chunk_bytes')}"]


def _ear_problems(realtime: Realtime, vad: Vad, reader: TableReader) -> list[str]:
    if not isinstance(realtime.turn_detection, LocalTurns) or vad.enabled:
        return []
    off = reader.place("vad", "enabled")
    return [
        f'`turn_detection` is "local", which takes the daemon\'s own ears, and {off} is off, at realtime.turn_detection'
    ]


def _certificate_problems(server: Server, faulty: Collection[str]) -> list[str]:
    pair = (("certificate", server.certificate), ("certificate_key", server.certificate_key))
    lost = [
        f"`{key}` is no file that can be read: {file}, at server.{key}"
        for key, file in pair
        if file is not None and not is_readable(file)
    ]
    return [*lost, *_half_a_pair(server, faulty)]


def _half_a_pair(server: Server, faulty: Collection[str]) -> list[str]:
    if (server.certificate is None) == (server.certificate_key is None):
        return []
    missing = "certificate_key" if server.certificate_key is None else "certificate"
    if f"server.{missing}" in faulty:
        return []
    return [f"`{missing}` is missing: a certificate and its key are set together, at server.{missing}"]


def _key_of_environment(environ: Mapping[str, str], problems: list[str]) -> Secret | None:
    key = environ.get(KEY_VARIABLE, "").strip()
    if not is_plain(key):
        problems.append(f"the key must be plain ASCII without spaces, at the environment's {KEY_VARIABLE}")
    return Secret(key) if key else None

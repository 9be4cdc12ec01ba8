"""The configuration: one frozen value, read once from TOML and passed by hand.

Names of files and directories that are not absolute are taken from the daemon's working directory.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import attrs

from opusagent.daemon.config_errors import TableReader, read_document
from opusagent.daemon.config_values import (
    EMBEDDED_BACKEND,
    BackendUrl,
    Listen,
    PublicUrl,
    Secret,
    ServerPath,
    Words,
    between,
    is_loopback,
    is_plain,
    reason,
)
from opusagent.errors import ConfigError

__all__ = [
    "EMBEDDED_BACKEND",
    "Agent",
    "Config",
    "Limits",
    "Listen",
    "Realtime",
    "Recording",
    "Secret",
    "Server",
    "Twilio",
    "load",
    "parse",
]

OPENAI_URL: Final = "wss://api.openai.com/v1/realtime"
DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8080)
KEY_VARIABLE: Final = "OPENAI_API_KEY"

# Twilio ends a call after 24 hours unless told otherwise (Programmable Voice, TimeLimit).
LONGEST_CALL_SECONDS: Final = 86_400


@attrs.frozen
class Server:
    """`[server]`: where the daemon listens, what the platforms dial, how many calls it carries at once."""

    listen: Listen = DEFAULT_LISTEN
    public_url: PublicUrl | None = None
    max_calls: Annotated[int, between(1, 100_000)] = 100


@attrs.frozen
class Realtime:
    """The backend: `url` is a WebSocket address or `EMBEDDED_BACKEND`; `audio` is what both sides send."""

    url: str = EMBEDDED_BACKEND
    model: str = "gpt-realtime-2.1"
    api_key: Secret | None = None
    audio: Literal["pcm", "pcmu"] = "pcm"

    @property
    def is_embedded(self) -> bool:
        """Whether the backend is the one inside this program."""
        return self.url == EMBEDDED_BACKEND


@attrs.frozen
class Twilio:
    """`[twilio]`: the path of the media stream, and whether callers are taken without authentication."""

    path: ServerPath = "/twilio/media"
    insecure: bool = False


@attrs.frozen
class Agent:
    """`[agent]`: who the model is. With a `greeting` it speaks first."""

    instructions: Words = "You are a friendly assistant on the telephone. Answer briefly and in the caller's language."
    voice: Words = "marin"
    greeting: Words | None = None


@attrs.frozen
class Recording:
    """`[recording]`: the directory that calls are recorded in. Without the table nothing is recorded."""

    directory: Path = Path("recordings")


@attrs.frozen
class Limits:
    """`[limits]`: what no call may exceed."""

    call_seconds: Annotated[float, between(1, LONGEST_CALL_SECONDS)] = 3600.0


@attrs.frozen
class Config:
    """All of it."""

    server: Server = Server()
    realtime: Realtime = Realtime()
    twilio: Twilio | None = None
    agent: Agent = Agent()
    recording: Recording | None = None
    limits: Limits = Limits()


@attrs.frozen
class _RealtimeTable:
    """`[realtime]` as the file has it: the key is in another file, so that this one can be shown around."""

    url: BackendUrl | None = None
    model: Words = Realtime().model
    api_key_file: Secret | None = None
    audio: Literal["pcm", "pcmu"] = "pcm"


_TABLES: Final[Mapping[str, type[attrs.AttrsInstance]]] = {
    "server": Server,
    "realtime": _RealtimeTable,
    "twilio": Twilio,
    "agent": Agent,
    "recording": Recording,
    "limits": Limits,
}

_A_LOOPBACK_ADDRESS: Final = "a loopback address such as 127.0.0.1"

_NO_AUTHENTICATION: Final = (
    "`insecure` is false, but authentication is not available yet in this version: `insecure = true` may be used, "
    f"with `listen` in [server] at {_A_LOOPBACK_ADDRESS}, at twilio.insecure"
)

_WHILE_INSECURE: Final = "while `insecure = true` under [twilio] lets anybody call without authentication"

_NO_KEY: Final = (
    "`url` is on another machine and there is no key for it: set `api_key_file` under [realtime], or "
    f"{KEY_VARIABLE} in the environment, at realtime.url"
)

_NO_PLATFORM: Final = (
    "no telephony platform is configured, so that nobody could call; for example:\n"
    "    [twilio]\n"
    '    path = "/twilio/media"\n'
    "    insecure = true"
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


def _config(document: Mapping[str, object], environ: Mapping[str, str]) -> Config:
    if not document:
        raise ConfigError([f"the configuration is empty: {_NO_PLATFORM}"])
    reader = TableReader(document, _TABLES)
    server = reader.read("server", Server)
    realtime = _realtime(reader, environ)
    twilio = reader.read_if_there("twilio", Twilio)
    agent = reader.read("agent", Agent)
    recording = reader.read_if_there("recording", Recording)
    limits = reader.read("limits", Limits)
    problems = [*reader.problems, *_platform_problems(server, twilio, reader.faulty)]
    if problems:
        raise ConfigError(problems)
    return Config(server, realtime, twilio, agent, recording, limits)


def _realtime(reader: TableReader, environ: Mapping[str, str]) -> Realtime:
    """The backend with its key: the file's, or else the environment's."""
    table = reader.read("realtime", _RealtimeTable)
    key = table.api_key_file or _key_of_environment(environ, reader.problems)
    url = table.url or (OPENAI_URL if key else EMBEDDED_BACKEND)
    elsewhere = url != EMBEDDED_BACKEND and not is_loopback(urlsplit(url).hostname or "")
    if elsewhere and not key and "realtime.api_key_file" not in reader.faulty:
        reader.problems.append(_NO_KEY)
    return Realtime(url, table.model, key, table.audio)


def _key_of_environment(environ: Mapping[str, str], problems: list[str]) -> Secret | None:
    key = environ.get(KEY_VARIABLE, "").strip()
    if not is_plain(key):
        problems.append(f"the key must be plain ASCII without spaces, at the environment's {KEY_VARIABLE}")
    return Secret(key) if key else None


def _platform_problems(server: Server, twilio: Twilio | None, faulty: Collection[str]) -> list[str]:
    """What forbids taking calls from the platforms. Nothing is said of a value that is itself wrong."""
    if twilio is None:
        return [_NO_PLATFORM]
    if "twilio.insecure" in faulty:
        return []
    if not twilio.insecure:
        return [_NO_AUTHENTICATION]
    if not server.listen.is_loopback:
        return [f"`listen` must be {_A_LOOPBACK_ADDRESS} {_WHILE_INSECURE}, not {server.listen.host}, at server.listen"]
    return []

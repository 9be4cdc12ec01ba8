"""The platforms' tables: where each dials, and what it must show. Nobody calls without authentication by accident."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

import attrs

from opusagent.daemon.config_errors import TableReader
from opusagent.daemon.config_tables import AUDIOCODES_FORMATS, AudioCodes, AudioCodesFormat, Server, Twilio
from opusagent.daemon.config_twilio import AUTH_CREDENTIAL, AUTH_VARIABLE, token_of_environment
from opusagent.daemon.config_values import (
    ServerPath,
    Token,
    WrongValue,
    between,
    is_loopback,
    shared_keys_in,
    shown,
    tokens_in,
)
from opusagent.secret import Secret

_T = TypeVar("_T")

TOKENS_CREDENTIAL: Final = "audiocodes_tokens"

Credential = Callable[[str], tuple[Secret, ...] | None]
"""The tokens that the service manager hands over by a name, if it does."""

A_LOOPBACK_ADDRESS: Final = "a loopback address such as 127.0.0.1"

_NO_AUTH_TOKEN: Final = (
    "nobody could call: set `auth_tokens_file` to a file with the account's auth token, which Twilio signs what it "
    f"asks with, or {AUTH_VARIABLE} in the environment, or `insecure = true` with `listen` at {A_LOOPBACK_ADDRESS}, "
    "at twilio.auth_tokens_file"
)

_NO_PUBLIC_URL: Final = (
    "`public_url` is missing: Twilio signs the address that it dials, so it must be known, "
    'for example "https://voice.example.net", at server.public_url'
)

_NO_TOKENS: Final = (
    "nobody could call: set `tokens` or `tokens_file` to what VoiceAI Connect sends as its bearer token, "
    f"or `insecure = true` with `listen` at {A_LOOPBACK_ADDRESS}, at audiocodes.tokens"
)

NO_PLATFORM: Final = (
    "no telephony platform is configured, so that nobody could call; for example:\n"
    "    [twilio]\n"
    '    path = "/twilio/media"\n'
    "    insecure = true"
)


@attrs.frozen
class TwilioTable:
    """`[twilio]` as the file has it: what Twilio signs with is in other files."""

    path: ServerPath = "/twilio/media"
    auth_tokens_file: Path | None = None
    shared_keys_file: Path | None = None
    ticket: bool = True
    insecure: bool = False
    insecure_public: bool = False


@attrs.frozen
class AudioCodesTable:
    """`[audiocodes]` as the file has it: tokens here, or in a file of their own."""

    path: ServerPath = "/audiocodes"
    tokens: tuple[Token, ...] = ()
    tokens_file: Path | None = None
    insecure: bool = False
    insecure_public: bool = False
    formats: tuple[AudioCodesFormat, ...] = AUDIOCODES_FORMATS
    lead_ms: Annotated[int, between(100, 5000)] = 400
    resume_seconds: Annotated[float, between(0, 300)] = 30.0


def read_twilio(reader: TableReader, environ: Mapping[str, str], credential: Credential) -> Twilio | None:
    """The platform with all that it may sign with: the file's, or else the environment's, or else a credential."""
    table = reader.read_if_there("twilio", TwilioTable)
    if table is None:
        return None
    tokens = _from_file(reader, "twilio", "auth_tokens_file", table.auth_tokens_file, tokens_in)
    shared = _from_file(reader, "twilio", "shared_keys_file", table.shared_keys_file, shared_keys_in)
    if table.auth_tokens_file is None and not table.insecure:
        own = token_of_environment(environ, reader.problems)
        tokens = (own,) if own else credential(AUTH_CREDENTIAL) or ()
    return Twilio(
        path=table.path,
        insecure=table.insecure,
        auth_tokens=tokens,
        shared_keys=shared,
        ticket=table.ticket,
        insecure_public=table.insecure_public,
    )


def read_audiocodes(reader: TableReader, credential: Credential) -> AudioCodes | None:
    """The platform with all its tokens."""
    table = reader.read_if_there("audiocodes", AudioCodesTable)
    if table is None:
        return None
    tokens = tuple(map(Secret, table.tokens))
    if not tokens and table.tokens_file is None and not table.insecure:
        tokens = credential(TOKENS_CREDENTIAL) or ()
    tokens += _from_file(reader, "audiocodes", "tokens_file", table.tokens_file, tokens_in)
    if not table.formats:
        reader.problems.append("`formats` must name at least one format, at audiocodes.formats")
    return AudioCodes(
        path=table.path,
        tokens=tokens,
        insecure=table.insecure,
        formats=table.formats,
        lead_ms=table.lead_ms,
        resume_seconds=table.resume_seconds,
        insecure_public=table.insecure_public,
    )


def platform_problems(
    server: Server, twilio: Twilio | None, audiocodes: AudioCodes | None, faulty: Collection[str]
) -> list[str]:
    """What forbids taking calls from the platforms. Nothing is said of a value that is itself wrong."""
    if twilio is None and audiocodes is None:
        return [NO_PLATFORM]
    return [
        *_twilio_problems(server, twilio, faulty),
        *_audiocodes_problems(server, audiocodes, faulty),
        *_path_problems(twilio, audiocodes, faulty),
    ]


def _twilio_problems(server: Server, twilio: Twilio | None, faulty: Collection[str]) -> list[str]:
    keys = {"twilio.insecure", "twilio.insecure_public", "twilio.auth_tokens_file", "twilio.shared_keys_file"}
    if twilio is None or keys & set(faulty):
        return []
    is_signed = bool(twilio.auth_tokens or twilio.shared_keys)
    if twilio.insecure:
        return [_not_asked_for("twilio", "auth_tokens_file")] if is_signed else _exposed(server, "twilio", twilio)
    problems = _public_in_vain("twilio", twilio)
    if not is_signed:
        problems.append(_NO_AUTH_TOKEN)
    elif server.public_url is None and "server.public_url" not in faulty:
        problems.append(_NO_PUBLIC_URL)
    return problems


def twilio_doubts(server: Server, twilio: Twilio | None) -> list[str]:
    """An address that the webhook hands to Twilio for the stream, and that Twilio does not dial."""
    url = urlsplit(server.public_url or "")
    if twilio is None or url.scheme != "http" or is_loopback(url.hostname or ""):
        return []
    told = f"`public_url` is {shown(server.public_url)}: Twilio refuses streams that are not wss:// (its error 31922)"
    return [f"{told}; write the https:// address that it dials, at server.public_url"]


def _audiocodes_problems(server: Server, audiocodes: AudioCodes | None, faulty: Collection[str]) -> list[str]:
    keys = {f"audiocodes.{key}" for key in ("insecure", "insecure_public", "tokens", "tokens_file")}
    if audiocodes is None or keys & set(faulty):
        return []
    if audiocodes.insecure:
        is_known = bool(audiocodes.tokens)
        return [_not_asked_for("audiocodes", "tokens")] if is_known else _exposed(server, "audiocodes", audiocodes)
    return _public_in_vain("audiocodes", audiocodes) + ([] if audiocodes.tokens else [_NO_TOKENS])


def _not_asked_for(platform: str, key: str) -> str:
    return f"`insecure` is true, so that `{key}` would not be asked for: remove one of the two, at {platform}.insecure"


def _public_in_vain(platform: str, table: Twilio | AudioCodes) -> list[str]:
    if not table.insecure_public:
        return []
    return [f"`insecure_public` means nothing without `insecure = true`: remove it, at {platform}.insecure_public"]


def _path_problems(twilio: Twilio | None, audiocodes: AudioCodes | None, faulty: Collection[str]) -> list[str]:
    if {"twilio.path", "audiocodes.path"} & set(faulty):
        return []
    if twilio is None or audiocodes is None or twilio.path != audiocodes.path:
        return []
    return [f"`path` must not be {shown(audiocodes.path)}, which is twilio.path, at audiocodes.path"]


def _exposed(server: Server, platform: str, table: Twilio | AudioCodes) -> list[str]:
    if server.listen.is_loopback or table.insecure_public:
        return []
    why = f"while `insecure = true` under [{platform}] lets anybody call without authentication"
    unless = "unless `insecure_public = true` stands there as well"
    return [f"`listen` must be {A_LOOPBACK_ADDRESS} {why}, not {server.listen.host}, {unless}, at server.listen"]


def _from_file(
    reader: TableReader, table: str, key: str, file: Path | None, read: Callable[[Path], tuple[_T, ...]]
) -> tuple[_T, ...]:
    """What `read` finds in `file`; a fault is left with the reader."""
    if file is None:
        return ()
    try:
        return read(file)
    except WrongValue as wrong:
        reader.problems.append(f"`{key}` {wrong}, at {table}.{key}")
        reader.faulty.add(f"{table}.{key}")
        return ()

"""The kinds of value that the configuration knows: what each may be, and how it is said when it is not.

A rule takes a value of the right type and returns it, or raises `WrongValue`. Rules stand in the annotations of the
configuration's classes (`Annotated[str, path_on_this_server]`), so that a field says all that is known about it.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeGuard
from urllib.parse import SplitResult, urlsplit

import attrs

from opusagent.daemon.routing import DEFAULT_AGENT, REFUSE, VOICE_PATH
from opusagent.platforms.twilio_signature import SharedKey
from opusagent.secret import Secret

EMBEDDED_BACKEND: Final = "local"
"""The `url` that means the backend inside this program."""

SHORTEST_TOKEN: Final = 8
"""Characters. What is shorter is tried out in an afternoon."""

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_SHOWN_AT_MOST: Final = 60
_KEY_FILE_AT_MOST: Final = 64 * 1024


class WrongValue(ValueError):
    """What a value must be, and what it is instead: the end of a sentence that begins with the key."""


@attrs.frozen
class Listen:
    """Where the daemon accepts connections. Port 0 asks the system for a free one."""

    host: str
    port: int

    @property
    def address(self) -> str:
        """As the file and a URL have it: `127.0.0.1:8080`, `[::1]:8080`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)


def parse_listen(text: str) -> Listen:
    """The address of `HOST:PORT`, an IPv6 host in brackets. Raises `WrongValue`.

    >>> parse_listen("127.0.0.1:8080"), parse_listen("[::1]:0")
    (Listen(host='127.0.0.1', port=8080), Listen(host='::1', port=0))
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]") and _is_address(host[1:-1]):
        host = host[1:-1]
    elif not _HOST_NAME.fullmatch(host):
        raise WrongValue(f'must be "HOST:PORT" like "127.0.0.1:8080" or "[::1]:8080", not {shown(text)}')
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise WrongValue(f"must end in a port from 0 to 65535, not {shown(text)}")
    return Listen(host, int(port))


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine and nobody else can reach it.

    >>> [is_loopback(host) for host in ("localhost", "127.8.8.8", "::1", "0.0.0.0", "example.net")]
    [True, True, True, False, False]
    """
    if _is_address(host):
        return ipaddress.ip_address(host).is_loopback
    return host.lower().rstrip(".") == "localhost"


def words(text: str) -> str:
    """Text that says something."""
    if not text.strip():
        raise WrongValue("must not be empty")
    return text


def public_url(text: str) -> str:
    """An http or https address without query, as the platforms dial it; a slash at its end is dropped."""
    parts = _split_url(text, ("http", "https"), '"https://voice.example.net"')
    if parts.query:
        raise WrongValue(f"must have no query, unlike {shown(text)}")
    return text.rstrip("/")


def backend_url(text: str) -> str:
    """A ws or wss address, or `EMBEDDED_BACKEND`."""
    if text != EMBEDDED_BACKEND:
        _split_url(text, ("ws", "wss"), '"wss://api.openai.com/v1/realtime", or "local" for the embedded backend')
    return text


def webhook_url(text: str) -> str:
    """An https address; on this machine http will do."""
    parts = _split_url(text, ("http", "https"), '"https://hooks.example.net/remind"')
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise WrongValue(f"must be https for another machine, not {shown(text)}")
    return text


def collector_url(text: str) -> str:
    """An http or https address with the path that spans are sent to. It is logged, so that it holds no key."""
    parts = _split_url(text, ("http", "https"), '"http://127.0.0.1:4318/v1/traces"')
    if parts.query:
        raise WrongValue("must not have a query: what a collector knows us by goes into `headers_file`")
    if not parts.path.strip("/"):
        raise WrongValue(f"must name the path as well, most often /v1/traces, unlike {shown(text)}")
    return text


def service_url(text: str) -> str:
    """An https address that the model's service dials."""
    if _split_url(text, ("http", "https"), '"https://mcp.example.net/"').scheme != "https":
        raise WrongValue(f"must be https, not {shown(text)}")
    return text


def tool_name(text: str) -> str:
    """What the model calls a tool (OpenAI function calling: letters, digits, `_` and `-`, at most 64)."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise WrongValue(f"must be 1 to 64 letters, digits, _ and -, not {shown(text)}")
    return text


def agent_name(text: str) -> str:
    """What an agent is called: also as the value of a label."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise WrongValue(f"must be 1 to 64 letters, digits, _ and -, not {shown(text)}")
    if text in {DEFAULT_AGENT, REFUSE}:
        raise WrongValue(f"must not be {shown(text)}, which [routes] means something else by")
    return text


def language_tag(text: str) -> str:
    """A language (BCP 47): two or three letters, and what there is of it."""
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", text):
        raise WrongValue(f'must be a code like "es" or "pt-BR", not {shown(text)}')
    return text


def path_on_this_server(text: str) -> str:
    """The path of a URL, other than those that the daemon itself answers."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", text):
        raise WrongValue(f'must be a plain path like "/twilio/media", not {shown(text)}')
    if text in {"/healthz", "/readyz", VOICE_PATH}:
        raise WrongValue(f"must not be {shown(text)}, which the daemon answers itself")
    return text


def key_in(file: Path) -> Secret:
    """The key that `file` holds: one line of plain ASCII. The name is not shown where it may be the key itself."""
    if file.name.startswith("sk-"):
        raise WrongValue("must name a file that holds the key, not be the key")
    try:
        with file.open("rb") as opened:
            text = opened.read(_KEY_FILE_AT_MOST).decode("ascii", errors="replace").strip()
    except (OSError, ValueError) as error:
        raise WrongValue(f"names {file}, which cannot be read: {reason(error)}") from error
    if not text:
        raise WrongValue(f"names {file}, which is empty")
    if not is_plain(text):
        raise WrongValue(f"names {file}, which holds something else than one key of plain ASCII")
    return Secret(text)


def token(text: str) -> str:
    """A bearer token: what fits behind `Authorization: Bearer`, and is not guessed. It is never shown."""
    if not is_plain(text) or len(text) < SHORTEST_TOKEN:
        raise WrongValue(f"must be at least {SHORTEST_TOKEN} characters of plain ASCII without spaces")
    return text


def is_readable(file: Path) -> bool:
    """Whether there is a file that this process may read."""
    try:
        with file.open("rb"):
            return True
    except (OSError, ValueError):
        return False


def tokens_in(file: Path) -> tuple[Secret, ...]:
    """The tokens that `file` holds, one a line; empty lines and lines that begin with `#` are passed over."""
    tokens = lines_in(file)
    if not tokens:
        raise WrongValue(f"names {file}, which holds no token")
    if not all(is_plain(each) and len(each) >= SHORTEST_TOKEN for each in tokens):
        raise WrongValue(f"names {file}, where a line is no token of at least {SHORTEST_TOKEN} plain characters")
    return tuple(map(Secret, tokens))


def shared_keys_in(file: Path) -> tuple[SharedKey, ...]:
    """The shared keys that `file` holds, one a line: its name at Twilio, a space, the key. Else as `tokens_in`."""
    pairs = [line.split() for line in lines_in(file)]
    if not pairs:
        raise WrongValue(f"names {file}, which holds no key")
    if not all(len(pair) == 2 and all(map(is_plain, pair)) and len(pair[1]) >= SHORTEST_TOKEN for pair in pairs):
        raise WrongValue(f"names {file}, where a line is not a key's name and the key, with a space between")
    return tuple(SharedKey(key_id, Secret(key)) for key_id, key in pairs)


def lines_in(file: Path) -> list[str]:
    """The lines of a file that are neither empty nor a comment."""
    try:
        with file.open("rb") as opened:
            lines = opened.read(_KEY_FILE_AT_MOST).decode("ascii", errors="replace").splitlines()
    except (OSError, ValueError) as error:
        raise WrongValue(f"names {file}, which cannot be read: {reason(error)}") from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def parse_names(value: object) -> Mapping[str, str]:
    """A table of texts. Raises `WrongValue`, with all that is wrong."""
    if not _is_table(value):
        raise WrongValue(f'must be a table like {{ "a" = "b" }}, not {shown(value)}')
    wrong = [f"{shown(key)} = {shown(each)}" for key, each in value.items() if not isinstance(each, str)]
    if wrong:
        raise WrongValue(f"must hold text in quotes, unlike {', '.join(wrong)}")
    return {key: str(each) for key, each in value.items()}


def parse_names_by_value(value: object) -> Mapping[str, Mapping[str, str]]:
    """A table of tables of texts. Raises `WrongValue`."""
    if not _is_table(value) or not all(map(_is_table, value.values())):
        raise WrongValue(f'must be a table of tables like {{ department = {{ "a" = "b" }} }}, not {shown(value)}')
    return {key: parse_names(each) for key, each in value.items()}


def is_plain(text: str) -> bool:
    """Whether `text` is printable ASCII without spaces, fit for a header."""
    return all("!" <= character <= "~" for character in text)


def reason(error: Exception) -> str:
    """What the system says, without the name of the file."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def between(least: float, most: float) -> Callable[[float], float]:
    """The rule that a number is from `least` to `most`."""

    def rule(number: float) -> float:
        if not least <= number <= most:
            raise WrongValue(f"must be from {least} to {most}, not {shown(number)}")
        return number

    return rule


def shown(value: object) -> str:
    """A value as the file has it, cut short.

    >>> shown("opus"), shown(True), shown(80), shown([1]), shown({})
    ('"opus"', 'true', '80', 'an array', 'a table')
    """
    match value:
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= _SHOWN_AT_MOST else f'{text[: _SHOWN_AT_MOST - 4]}..."'
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= 10**_SHOWN_AT_MOST:
            return "a number of many digits"
        case int() | float():
            return str(value)
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or a time"


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _split_url(text: str, schemes: tuple[str, str], example: str) -> SplitResult:
    """The parts of a URL of one of `schemes` with a host and neither user nor fragment."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # each is checked only when it is asked for
    except ValueError as error:
        raise WrongValue(f"must be an address like {example}, not {shown(text)}: {error}") from None
    named = host and (_is_address(host) or _HOST_NAME.fullmatch(host))
    if parts.scheme not in schemes or not named or not is_plain(text) or parts.username is not None or parts.fragment:
        raise WrongValue(f"must be an address like {example}, not {shown(text)}")
    return parts


Words = Annotated[str, words]
PublicUrl = Annotated[str, public_url]
BackendUrl = Annotated[str, backend_url]
ServerPath = Annotated[str, path_on_this_server]
Token = Annotated[str, token]

"""`[twilio_rest]`: on whose behalf Twilio is asked to hang up, to transfer and to press keys."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import attrs

from opusagent.daemon.config_errors import TableReader
from opusagent.daemon.config_values import WrongValue, is_plain, shown, webhook_url
from opusagent.secret import Secret

AUTH_VARIABLE: Final = "TWILIO_AUTH_TOKEN"
AUTH_CREDENTIAL: Final = "twilio_auth_token"

API_URL: Final = "https://api.twilio.com"


def _account(text: str) -> str:
    return _sid(text, "AC")


def _key(text: str) -> str:
    return _sid(text, "SK")


def _sid(text: str, letters: str) -> str:
    if not re.fullmatch(rf"{letters}[0-9a-f]{{32}}", text):
        raise WrongValue(f"must be {letters} and 32 hexadecimal digits, not {shown(text)}")
    return text


def _place(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,32}", text):
        raise WrongValue(f'must be a name like "ie1" or "dublin", not {shown(text)}')
    return text


def _api(text: str) -> str:
    return webhook_url(text).rstrip("/")


@attrs.frozen(kw_only=True)
class TwilioRest:
    """`user` is the account with its auth token as the `password`, or an API key with its secret."""

    account_sid: str
    user: str
    password: Secret
    url: str = API_URL


@attrs.frozen
class TwilioRestTable:
    """`[twilio_rest]` as the file has it: secrets are in other files."""

    account_sid: Annotated[str, _account] | None = None
    auth_token_file: Secret | None = None
    api_key_sid: Annotated[str, _key] | None = None
    api_key_secret_file: Secret | None = None
    region: Annotated[str, _place] | None = None
    edge: Annotated[str, _place] | None = None
    url: Annotated[str, _api] | None = None


def read_twilio_rest(
    reader: TableReader, environ: Mapping[str, str], credential: Callable[[str], Secret | None]
) -> TwilioRest | None:
    """The account, if there is one; what is wrong with it is left with the `reader`.

    The auth token is the file's, or the environment's, or what the service manager hands over by the name given to
    `credential`.
    """
    table = reader.read_if_there("twilio_rest", TwilioRestTable)
    if table is None:
        return None
    token = table.auth_token_file
    if token is None and table.api_key_sid is None:
        token = token_of_environment(environ, reader.problems) or credential(AUTH_CREDENTIAL)
    problems = _problems(table, token)
    reader.problems += [text for key, text in problems if f"twilio_rest.{key}" not in reader.faulty]
    password = token or table.api_key_secret_file
    if problems or password is None or table.account_sid is None:
        return None
    return TwilioRest(
        account_sid=table.account_sid,
        user=table.api_key_sid or table.account_sid,
        password=password,
        url=table.url or _url(table.region, table.edge),
    )


def _problems(table: TwilioRestTable, token: Secret | None) -> list[tuple[str, str]]:
    """What is wrong with the table as a whole: each with the key that it is about."""
    has_key, has_secret = table.api_key_sid is not None, table.api_key_secret_file is not None
    told: list[tuple[str, str]] = []
    if table.account_sid is None:
        told.append(("account_sid", "is missing"))
    if has_key != has_secret:
        told.append(
            ("api_key_secret_file" if has_key else "api_key_sid", "is missing: a key and its secret are set together")
        )
    if table.auth_token_file is not None and (has_key or has_secret):
        told.append(("auth_token_file", "is one way to ask and an API key another: remove one of the two"))
    if token is None and not has_key and not has_secret:
        told.append(("auth_token_file", f"is missing: set it, an API key, or {AUTH_VARIABLE} in the environment"))
    if (table.region is None) != (table.edge is None):
        told.append(("edge" if table.edge is None else "region", "is missing: a region and its edge are set together"))
    if table.url is not None and table.region is not None:
        told.append(("url", "says where to ask and so does `region`: remove one of the two"))
    return [(key, f"`{key}` {text}, at twilio_rest.{key}") for key, text in told]


def _url(region: str | None, edge: str | None) -> str:
    """Where the API of a region is (Twilio, "Regions and edge locations").

    >>> _url("ie1", "dublin"), _url(None, None)
    ('https://api.dublin.ie1.twilio.com', 'https://api.twilio.com')
    """
    return API_URL if region is None or edge is None else f"https://api.{edge}.{region}.twilio.com"


def token_of_environment(environ: Mapping[str, str], problems: list[str]) -> Secret | None:
    """The auth token that the environment has; what is wrong with it goes to `problems`."""
    token = environ.get(AUTH_VARIABLE, "").strip()
    if not is_plain(token):
        problems.append(f"the token must be plain ASCII without spaces, at the environment's {AUTH_VARIABLE}")
    return Secret(token) if token else None

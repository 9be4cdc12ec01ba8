"""What Twilio is asked to do with a call: requests to its REST API, and what its answers mean. Pure.

`POST /2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}.json` with one form field (Twilio, "Call resource"):
`Status=completed` ends a call that goes on, `Twiml=` has it go on with other instructions. The media stream ends then.
"""

import base64
import enum
import json
import re
from collections.abc import Mapping
from typing import Final, TypeGuard
from urllib.parse import urlencode

import attrs

from opusagent.errors import ConfigError, RemoteProtocolError
from opusagent.secret import Secret
from opusagent.wire import printable

API_URL: Final = "https://api.twilio.com"

LONGEST_TWIML: Final = 4000
"""Characters of the `Twiml` field (Twilio, "Call resource": at most 4,000)."""

NOT_FOUND: Final = 20404
"""There is no such call any more (Twilio, error 20404)."""

NOT_IN_PROGRESS: Final = 21220
"""The call is over, or has not begun (Twilio, error 21220)."""

_SID: Final = re.compile(r"[A-Za-z0-9]{2,64}")


@attrs.frozen(kw_only=True)
class TwilioAccount:
    """On whose behalf. `user` is the account's SID with its auth token, or an API key's SID with that key's secret."""

    account_sid: str
    user: str
    password: Secret
    url: str = API_URL

    def authorization(self) -> str:
        """The header of HTTP Basic authentication (RFC 7617)."""
        pair = f"{self.user}:{self.password.reveal()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


@attrs.frozen
class RestRequest:
    """One POST. The headers hold credentials, and are not shown."""

    url: str
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    body: bytes


def hang_up(account: TwilioAccount, call_sid: str) -> RestRequest:
    """Ends the call.

    Raises:
        RemoteProtocolError: `call_sid`, which the platform gave us, is no name of a call.
    """
    return _update(account, call_sid, {"Status": "completed"})


def go_on_with(account: TwilioAccount, call_sid: str, twiml: str) -> RestRequest:
    """Has the call go on with `twiml`; its media stream ends.

    Raises:
        RemoteProtocolError: `call_sid` is no name of a call.
        ConfigError: `twiml` is longer than Twilio takes.
    """
    if len(twiml) > LONGEST_TWIML:
        raise ConfigError([f"TwiML of {len(twiml)} characters, where Twilio takes {LONGEST_TWIML}"])
    return _update(account, call_sid, {"Twiml": twiml})


def _update(account: TwilioAccount, call_sid: str, fields: Mapping[str, str]) -> RestRequest:
    # The name comes from the wire and becomes part of a path that carries our credentials.
    if not _SID.fullmatch(call_sid):
        raise RemoteProtocolError(f"{printable(call_sid)!r} is no name of a call")
    headers = (
        ("Authorization", account.authorization()),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Accept", "application/json"),
    )
    url = f"{account.url}/2010-04-01/Accounts/{account.account_sid}/Calls/{call_sid}.json"
    return RestRequest(url, headers, urlencode(fields).encode())


class Outcome(enum.Enum):
    """What became of a request."""

    DONE = "done"
    OVER = "already over"
    """The call has ended by itself: for a hang-up as good as done."""
    FAILED = "failed"


class Again(enum.Enum):
    """Whether the same request may be made once more."""

    NO = "it would fail in the same way"
    IF_HARMLESS = "it may work in a moment, and may have worked already"
    YES = "it may work in a moment, and was not done"


@attrs.frozen
class Verdict:
    """What an answer means. `why` is for the operator."""

    outcome: Outcome
    why: str = ""
    again: Again = Again.NO


def judge(status: int, body: bytes) -> Verdict:
    """What Twilio says by `status` and `body` (JSON with `code` and `message`, if it comes from the API itself).

    >>> judge(404, b'{"code": 20404, "message": "not found"}').outcome.value, judge(200, b"{}").outcome.value
    ('already over', 'done')
    """
    if 200 <= status < 300:
        return Verdict(Outcome.DONE)
    code, message = _error(body)
    why = f"Twilio answered {status}" + (f", error {code}" if code else "") + (f": {message}" if message else "")
    if status == 404 or code in {NOT_FOUND, NOT_IN_PROGRESS}:
        return Verdict(Outcome.OVER, why)
    if status == 429:  # refused before anything was done (Twilio, error 20429)
        return Verdict(Outcome.FAILED, why, Again.YES)
    return Verdict(Outcome.FAILED, why, Again.IF_HARMLESS if status >= 500 else Again.NO)


def _error(body: bytes) -> tuple[int | None, str]:
    try:
        told: object = json.loads(body)
    except (ValueError, RecursionError):
        return None, ""
    if not _is_object(told):
        return None, ""
    code, message = told.get("code"), told.get("message")
    return code if isinstance(code, int) else None, printable(message) if isinstance(message, str) else ""


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)

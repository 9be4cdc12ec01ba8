"""An HTTPS webhook as a tool: the call, the tool and the arguments as JSON to a URL of the configuration.

The request is signed, so that the receiver knows who asks and when:

    X-Opusagent-Timestamp: 1767225600
    X-Opusagent-Signature: v1=<hex of HMAC-SHA256(secret, "1767225600." + body)>

The receiver computes the same over the bytes that came, compares in constant time, and refuses a timestamp that is more
than a few minutes off, so that a request which was overheard cannot be sent again for ever. `invocation` in the body is
the same for the same use of the tool and for no other. A request is never sent twice; connecting is tried twice.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

import attrs
import msgspec

from opusagent.errors import RemoteProtocolError
from opusagent.net.client import ClientLimits, ClientResponse, HttpClient
from opusagent.net.reach import Reach
from opusagent.secret import Secret
from opusagent.tools.shapes import Record
from opusagent.tools.spec import DEFAULT_SECONDS, ToolContext

TIMESTAMP_HEADER: Final = "X-Opusagent-Timestamp"
SIGNATURE_HEADER: Final = "X-Opusagent-Signature"

CONTENT_TYPES: Final = frozenset({"application/json", "text/plain"})
"""What an answer may be. A page of HTML is somebody else's error page."""


@attrs.frozen(kw_only=True)
class Webhook:
    """A webhook of the configuration. Without a `secret` requests are not signed."""

    name: str
    description: str
    parameters: Record
    url: str
    secret: Secret | None = None
    reach: Reach = Reach.PUBLIC
    timeout_seconds: float = DEFAULT_SECONDS


@attrs.frozen(eq=False)
class WebhookTool:
    """A `Tool` that asks a webhook. `clock` is the wall clock, in seconds since 1970."""

    _declared: Webhook
    _client: HttpClient
    _clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        return self._declared.name

    @property
    def description(self) -> str:
        return self._declared.description

    @property
    def parameters(self) -> Record:
        return self._declared.parameters

    @property
    def timeout_seconds(self) -> float:
        return self._declared.timeout_seconds

    async def perform(self, arguments: Mapping[str, object], context: ToolContext) -> str:
        declared = self._declared
        body = body_of(declared.name, arguments, context)
        headers = [("Content-Type", "application/json"), ("Accept", ", ".join(sorted(CONTENT_TYPES)))]
        if declared.secret is not None:
            headers += signature(declared.secret, int(self._clock()), body)
        limits = ClientLimits(total_seconds=declared.timeout_seconds)
        response = await self._client.request("POST", declared.url, headers, body, limits, reach=declared.reach)
        return _text(response)


def body_of(tool: str, arguments: Mapping[str, object], context: ToolContext) -> bytes:
    """What a webhook is told.

    >>> body_of("remind", {"day": "Tuesday"}, ToolContext("c1", "call_9", caller="+15550100")).decode()
    '{"call":{"id":"c1","platform_call_id":"","caller":"+15550100","callee":"","parameters":{}},"tool":"remind",\
"invocation":"call_9","arguments":{"day":"Tuesday"}}'
    """
    call = {
        "id": context.call_id,
        "platform_call_id": context.platform_call_id,
        "caller": context.caller,
        "callee": context.callee,
        "parameters": dict(context.parameters),
    }
    told = {"call": call, "tool": tool, "invocation": context.invocation, "arguments": dict(arguments)}
    return msgspec.json.encode(told)


def signature(secret: Secret, timestamp: int, body: bytes) -> list[tuple[str, str]]:
    """The headers that sign `body` at `timestamp` (HMAC: RFC 2104; SHA-256: FIPS 180-4)."""
    signed = hmac.new(secret.reveal().encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return [(TIMESTAMP_HEADER, str(timestamp)), (SIGNATURE_HEADER, f"v1={signed.hexdigest()}")]


def _text(response: ClientResponse) -> str:
    """What the model is given of an answer.

    Raises:
        RemoteProtocolError: it did not work, or is not for a model to read. Redirects are such answers.
    """
    if not 200 <= response.status < 300:
        raise RemoteProtocolError(f"the webhook answered {response.status}")
    kind = (response.header("content-type") or "").partition(";")[0].strip().lower()
    if response.body and kind not in CONTENT_TYPES:
        raise RemoteProtocolError(f"the webhook answered with {kind or 'no content type'}, not JSON or plain text")
    return response.body.decode("utf-8", "replace") or "done"

"""Webhooks: what is sent to the letter, that the signature is right, and what each answer becomes."""

import hashlib
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, evolve, field
from structlog.testing import capture_logs

from opusagent.net.client import HttpClient
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.listener import FrontDoor, open_listeners, serve
from opusagent.net.reach import Reach
from opusagent.secret import Secret
from opusagent.tools.results import refusal
from opusagent.tools.shapes import Field, Record, Row, Scalar
from opusagent.tools.spec import ToolContext, ToolResult
from opusagent.tools.toolbox import Toolbox
from opusagent.tools.webhook import Webhook, WebhookTool, signature
from opusagent.units import CallId

SECRET = "correct horse battery staple, which is longer than one block of SHA-256 has bytes, so that it is hashed"
CONTEXT = ToolContext(CallId("c1"), "call_9", "CA1", "+15550100", "+15550199", {"tenant": "a"})
REMIND = Webhook(
    name="remind",
    description="Send a reminder.",
    parameters=Record((Field("day", Scalar("string")), Field("notes", Row(Scalar("string")), required=False))),
    url="",
    secret=Secret(SECRET),
    reach=Reach.PRIVATE,
)
ANSWERED = Response(body=b'{"sent":true}', content_type="application/json")


@define
class Receiver:
    """A site that notes what it is asked."""

    script: Callable[[Request], Response]
    asked: list[Request] = field(factory=list[Request])

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        self.asked.append(request)
        return self.script(request)


@asynccontextmanager
async def a_receiver(receiver: Receiver) -> AsyncGenerator[str]:
    listeners = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as house:
        door: FrontDoor = await house.start(serve, listeners, receiver)
        yield f"http://127.0.0.1:{door.port}/hooks/remind?v=1"
        house.cancel_scope.cancel()


async def outcome(hook: Webhook, arguments: str = '{"day":"mon"}') -> ToolResult:
    return await Toolbox([WebhookTool(hook, HttpClient(), lambda: 1767225600.9)]).call("remind", arguments, CONTEXT)


def hmac_by_hand(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 as RFC 2104 section 2 writes it down, without the library that is under test."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).hexdigest()


async def test_what_a_webhook_is_sent() -> None:
    """One POST: the call, the tool, its arguments, and a signature over the time and these very bytes."""
    receiver = Receiver(lambda _: ANSWERED)
    async with a_receiver(receiver) as url:
        assert await outcome(evolve(REMIND, url=url), '{"day":"mon","notes":["a"]}') == ToolResult('{"sent":true}')
    (request,) = receiver.asked
    assert (request.method, request.path, request.query) == ("POST", "/hooks/remind", "v=1")
    assert json.loads(request.body) == {
        "call": {
            "id": "c1",
            "platform_call_id": "CA1",
            "caller": "+15550100",
            "callee": "+15550199",
            "parameters": {"tenant": "a"},
        },
        "tool": "remind",
        "invocation": "call_9",
        "arguments": {"day": "mon", "notes": ["a"]},
    }
    assert request.header("content-type") == "application/json"
    assert request.header("accept") == "application/json, text/plain"
    assert request.header("x-opusagent-timestamp") == "1767225600"
    signed = hmac_by_hand(SECRET.encode(), b"1767225600." + request.body)
    assert request.header("x-opusagent-signature") == f"v1={signed}"


@pytest.mark.parametrize("secret", ["k", "k" * 64, "k" * 65, "\u00fc"])
def test_the_signature_is_hmac_sha256(secret: str) -> None:
    assert signature(Secret(secret), 1, b"{}") == [
        ("X-Opusagent-Timestamp", "1"),
        ("X-Opusagent-Signature", f"v1={hmac_by_hand(secret.encode(), b'1.{}')}"),
    ]


async def test_without_a_secret_nothing_is_signed() -> None:
    receiver = Receiver(lambda _: ANSWERED)
    async with a_receiver(receiver) as url:
        assert (await outcome(evolve(REMIND, url=url, secret=None))).ok
    assert receiver.asked[0].header("x-opusagent-signature") is None


async def test_arguments_that_do_not_fit_are_not_sent() -> None:
    receiver = Receiver(lambda _: ANSWERED)
    async with a_receiver(receiver) as url:
        result = await outcome(evolve(REMIND, url=url), '{"dya":"mon"}')
    assert result == refusal("wrong arguments: `dya` is unknown; known are: day, notes; `day` is missing")
    assert receiver.asked == []


@pytest.mark.parametrize(
    ("response", "output"),
    [
        (Response(200, b"at nine"), "at nine"),
        (Response(201, b'{"a":1}', "application/json; charset=utf-8"), '{"a":1}'),
        (Response(200, b""), "done"),
        (Response(204, b""), "done"),
        (Response(200, b"\xff\x00ok"), "\ufffdok"),
    ],
)
async def test_answers_that_are_results(response: Response, output: str) -> None:
    async with a_receiver(Receiver(lambda _: response)) as url:
        assert await outcome(evolve(REMIND, url=url)) == ToolResult(output)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (Response(500, b"stack trace"), "the webhook answered 500"),
        (Response(302, headers=(("location", "http://169.254.169.254/"),)), "the webhook answered 302"),
        (Response(404), "the webhook answered 404"),
        (Response(200, b"<p>", "text/html"), "the webhook answered with text/html, not JSON or plain text"),
    ],
)
async def test_answers_that_are_none(response: Response, why: str) -> None:
    """The model learns that it did not work, the operator why, and nothing is asked twice."""
    receiver = Receiver(lambda _: response)
    with capture_logs() as logs:
        async with a_receiver(receiver) as url:
            assert await outcome(evolve(REMIND, url=url)) == refusal("remind is out of order at the moment")
    assert len(receiver.asked) == 1
    assert [(entry["event"], entry["why"]) for entry in logs] == [("a tool's peer failed", why)]


async def test_a_body_of_megabytes_is_not_read_to_its_end() -> None:
    with capture_logs() as logs:
        async with a_receiver(Receiver(lambda _: Response(body=b"x" * 4_000_000))) as url:
            assert not (await outcome(evolve(REMIND, url=url))).ok
    assert [entry["why"].partition(" answers")[2] for entry in logs] == [" with more than 65536 bytes"]


async def test_a_private_address_is_refused_unless_it_is_allowed() -> None:
    receiver = Receiver(lambda _: ANSWERED)
    async with a_receiver(receiver) as url:
        with capture_logs() as logs:
            assert not (await outcome(evolve(REMIND, url=url, reach=Reach.PUBLIC))).ok
    assert receiver.asked == []
    assert [entry["why"] for entry in logs] == ["127.0.0.1 is at 127.0.0.1, where requests may not go"]


async def test_a_webhook_that_does_not_answer_is_given_up() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
    assert not (await outcome(evolve(REMIND, url=url, timeout_seconds=0.05))).ok
    await listener.aclose()


def test_a_secret_is_never_shown() -> None:
    assert SECRET not in f"{REMIND!r} {WebhookTool(REMIND, HttpClient())!r}"

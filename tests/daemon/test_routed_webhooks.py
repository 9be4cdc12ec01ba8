"""The webhooks of routed paths: what their TwiML leads to, with which parameters, and whom it turns away."""

import re
from urllib.parse import urlencode

import pytest

from opusagent.daemon.admission import Refusal
from opusagent.daemon.config import Config, parse
from opusagent.daemon.frontage import Frontage
from opusagent.daemon.observer import Observer
from opusagent.daemon.roster import Roster
from opusagent.net.http import Request, Response
from opusagent.platforms.twilio_signature import signature_of
from tests.daemon.generations import generation

PUBLIC = "https://voice.example.net"
TEXT = """
[server]
public_url = "https://voice.example.net"
[twilio]
{twilio}
[[agents]]
name = "sales"
[routes]
default = "{default}"
paths = {{ "/twilio/media/sales" = "sales" }}
numbers = {{ "+15550101" = "sales" }}
parameters = {{ department = {{ sales = "sales" }} }}
"""


def config(default: str = "refuse", twilio: str = "insecure = true") -> Config:
    return parse(TEXT.format(default=default, twilio=twilio), {"TWILIO_AUTH_TOKEN": ""}, source="x")


def asked(path: str, to: str = "+15550199", query: str = "", signature: str = "") -> Request:
    """Twilio asks about a call."""
    body = urlencode([("CallSid", "CA1"), ("From", "+15550100"), ("To", to)]).encode()
    return Request("POST", path, query, headers=(("x-twilio-signature", signature),), body=body)


async def answer(of: Config, request: Request) -> tuple[Response, Roster]:
    roster = Roster()
    frontage = Frontage(await generation(1, of), roster, Observer(), lambda: True)
    response = await frontage.answer(request)
    assert isinstance(response, Response)
    return response, roster


@pytest.mark.parametrize(
    ("request_", "stream", "parameters"),
    [
        (asked("/twilio/voice/sales"), "/twilio/media/sales", {}),
        (asked("/twilio/voice", "+1 (555) 0101"), "/twilio/media", {"To": "+1 (555) 0101"}),
        (asked("/twilio/voice", query="department=sales"), "/twilio/media", {"department": "sales"}),
        (asked("/twilio/voice/sales", query="To=x&a=%22b"), "/twilio/media/sales", {"To": "+15550199", "a": '"b'}),
    ],
)
async def test_a_webhook_leads_to_its_stream_with_what_its_address_says(
    request_: Request, stream: str, parameters: dict[str, str]
) -> None:
    """What the platform says beats what stands in the address."""
    response, _ = await answer(config(), request_)
    twiml = response.body.decode()
    assert f'<Stream url="wss://voice.example.net{stream}">' in twiml
    given = dict(re.findall(r"""<Parameter name="(\w+)" value=["'](.*?)["']/>""", twiml))
    assert given == {"From": "+15550100", "To": "+15550199", "CallSid": "CA1", **parameters}


async def test_a_number_that_nobody_knows_is_rejected_at_the_webhook_and_counted() -> None:
    response, roster = await answer(config(), asked("/twilio/voice"))
    assert (response.status, response.content_type) == (200, "text/xml; charset=utf-8")
    assert response.body.decode().endswith('<Response><Reject reason="rejected"/></Response>')
    assert roster.admission.refusals()[Refusal.NO_AGENT] == 1


async def test_with_a_default_it_is_taken() -> None:
    response, roster = await answer(config("sales"), asked("/twilio/voice"))
    assert b"<Connect>" in response.body
    assert roster.admission.refusals()[Refusal.NO_AGENT] == 0


async def test_a_webhook_of_no_route_is_nowhere_and_each_has_its_method() -> None:
    assert (await answer(config(), asked("/twilio/voice/support")))[0].status == 404
    assert (await answer(config(), Request("GET", "/twilio/voice/sales")))[0].status == 405


async def test_a_routed_webhook_is_signed_for_its_own_address_and_query() -> None:
    of = parse(TEXT.format(default="refuse", twilio=""), {"TWILIO_AUTH_TOKEN": "token-of-the-account"}, source="x")
    form = [("CallSid", "CA1"), ("From", "+15550100"), ("To", "+15550199")]
    url = f"{PUBLIC}/twilio/voice/sales?department=sales"
    right = signature_of("token-of-the-account", url, form)
    other = signature_of("token-of-the-account", f"{PUBLIC}/twilio/voice", form)
    statuses = [
        (await answer(of, asked("/twilio/voice/sales", query="department=sales", signature=shown)))[0].status
        for shown in (right, other)
    ]
    assert statuses == [200, 403]

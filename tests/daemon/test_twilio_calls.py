"""Hang-ups, transfers and keys over a REST API that stands on this machine."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, evolve, field
from structlog.testing import capture_logs

from opusagent.audio.media import MULAW_8K
from opusagent.daemon.hands import TwilioSwitch
from opusagent.daemon.tickets import Tickets
from opusagent.daemon.twilio_calls import LIMITS, TwilioCalls
from opusagent.net.client import HttpClient
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.listener import FrontDoor, open_listeners, serve
from opusagent.net.reach import Reach
from opusagent.platforms.dialect import CallStarted
from opusagent.platforms.twilio_rest import Again, Outcome, TwilioAccount, Verdict
from opusagent.secret import Secret

SID = "AC" + "0" * 32
CALL = "CA" + "1" * 32
PATH = f"/2010-04-01/Accounts/{SID}/Calls/{CALL}.json"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


@define
class Api:
    """The Call resource of one account. Answers with `statuses` one after the other, then with the truth."""

    statuses: list[int] = field(factory=list[int])
    over: bool = False
    asked: list[dict[str, str]] = field(factory=list[dict[str, str]])

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        self.asked.append(request.form)
        if self.statuses:
            return _json(self.statuses.pop(0), b'{"message":"sorry"}')
        if request.header("authorization") != "Basic U0s3Omh1bnRlcjI=":
            return _json(401, b'{"code":20003,"message":"Authenticate"}')
        if (request.method, request.path) != ("POST", PATH) or self.over:
            return _json(404, b'{"code":20404,"message":"not found"}')
        self.over = request.form.get("Status") == "completed"
        return _json(200, b"{}")


def _json(status: int, body: bytes) -> Response:
    return Response(status, body, "application/json")


@asynccontextmanager
async def calls_at(api: Api) -> AsyncGenerator[TwilioCalls]:
    listeners = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as house:
        door: FrontDoor = await house.start(serve, listeners, api)
        account = TwilioAccount(
            account_sid=SID, user="SK7", password=Secret("hunter2"), url=f"http://127.0.0.1:{door.port}"
        )
        yield TwilioCalls(account, HttpClient(), Reach.PRIVATE, LIMITS, 0)
        house.cancel_scope.cancel()


async def test_a_call_is_hung_up_once_and_then_is_over() -> None:
    api = Api()
    async with calls_at(api) as calls:
        assert await calls.hang_up(CALL) == Verdict(Outcome.DONE)
        with capture_logs() as logs:
            assert (await calls.hang_up(CALL)).outcome is Outcome.OVER
    assert api.asked == [{"Status": "completed"}] * 2
    assert logs == []


async def test_a_caller_is_put_through() -> None:
    api = Api()
    async with calls_at(api) as calls:
        assert await calls.transfer(CALL, "+15550142", "+15550100") == Verdict(Outcome.DONE)
    twiml = XML + '<Response><Dial callerId="+15550100">+15550142</Dial></Response>'
    assert api.asked == [{"Twiml": twiml}]


async def test_keys_are_pressed_and_the_stream_comes_back() -> None:
    api = Api()
    async with calls_at(api) as calls:
        verdict = await calls.send_digits(CALL, "1w2#", "wss://voice.example.net/m", {"From": "+15550100"})
    stream = '<Stream url="wss://voice.example.net/m"><Parameter name="From" value="+15550100"/></Stream>'
    twiml = f'{XML}<Response><Play digits="1w2#"/><Connect>{stream}</Connect></Response>'
    assert (verdict, api.asked) == (Verdict(Outcome.DONE), [{"Twiml": twiml}])


async def test_a_failure_of_twilios_own_is_tried_again_once() -> None:
    api = Api([503])
    async with calls_at(api) as calls:
        assert await calls.hang_up(CALL) == Verdict(Outcome.DONE)
    assert len(api.asked) == 2


async def test_what_may_have_been_done_is_not_done_twice() -> None:
    """Keys would be pressed twice and a telephone rung twice; what was refused with 429 was not done at all."""
    api = Api([503])
    async with calls_at(api) as calls:
        assert (await calls.send_digits(CALL, "1", "wss://voice.example.net/m", {})).outcome is Outcome.FAILED
        api.statuses.append(503)
        assert (await calls.transfer(CALL, "+15550142")).outcome is Outcome.FAILED
        assert len(api.asked) == 2
        api.statuses.append(429)
        assert (await calls.transfer(CALL, "+15550142")).outcome is Outcome.DONE
    assert len(api.asked) == 4


async def test_a_call_that_is_over_was_not_transferred() -> None:
    """For a hang-up that is as good as done; a model that hears "ok" would wait for somebody to answer."""
    who = CallStarted(CALL, "stream", MULAW_8K, caller="+15550100", callee="+15550101")
    async with calls_at(Api(over=True)) as calls:
        switch = TwilioSwitch(calls, who, "wss://voice.example.net/m", Tickets(None).parameters)
        said = "Twilio answered 404, error 20404: not found"
        assert [await switch.transfer("+15550142"), await switch.send_digits("1"), await switch.hang_up()] == [
            said,
            said,
            "",
        ]


async def test_a_call_that_was_passed_on_is_not_hung_up_with_our_side_of_it() -> None:
    """Completed, it would end for the caller and for whoever they were put through to; a refused transfer leaves it."""
    who = CallStarted(CALL, "stream", MULAW_8K, caller="+15550100", callee="+15550101")
    api = Api()
    async with calls_at(api) as calls:
        switch = TwilioSwitch(calls, who, "wss://voice.example.net/m", Tickets(None).parameters)
        assert [await switch.transfer("+15550142"), await switch.hang_up()] == ["", ""]
        assert [*map(list, api.asked)] == [["Twiml"]]
        other = TwilioSwitch(calls, who, "wss://voice.example.net/m", Tickets(None).parameters)
        api.statuses.append(400)
        assert await other.transfer("+15550142") != ""
        assert await other.hang_up() == ""
        assert [*map(list, api.asked)] == [["Twiml"], ["Twiml"], ["Status"]]


async def test_a_second_failure_is_told() -> None:
    api = Api([500, 429])
    with capture_logs() as logs:
        async with calls_at(api) as calls:
            verdict = await calls.hang_up(CALL)
    assert verdict == Verdict(Outcome.FAILED, "Twilio answered 429: sorry", Again.YES)
    assert [(entry["event"], entry["what"], entry["why"]) for entry in logs] == [
        ("twilio did not do it", "hang up", "Twilio answered 429: sorry")
    ]


async def test_what_will_not_work_is_not_tried_again() -> None:
    api = Api([400])
    async with calls_at(api) as calls:
        assert (await calls.hang_up(CALL)).outcome is Outcome.FAILED
    assert len(api.asked) == 1


async def test_nobody_there_is_a_failure_and_no_exception() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    account = TwilioAccount(account_sid=SID, user="SK7", password=Secret("hunter2"), url=url)
    stalled = TwilioCalls(account, HttpClient(), Reach.PRIVATE, evolve(LIMITS, total_seconds=0.05))
    assert (await stalled.hang_up(CALL)).why.endswith("did not answer within 0.05 s")
    await listener.aclose()
    gone = TwilioCalls(account, HttpClient(), Reach.PRIVATE, evolve(LIMITS, pause_seconds=0))
    assert (await gone.hang_up(CALL)).why.startswith(url.removeprefix("http://") + " cannot be reached")


async def test_an_api_on_a_private_network_is_not_asked_by_accident() -> None:
    api = Api()
    async with calls_at(api) as calls:
        public = evolve(calls, reach=Reach.PUBLIC)
        assert (await public.hang_up(CALL)).outcome is Outcome.FAILED
    assert api.asked == []


@pytest.mark.parametrize("call_sid", ["", "../Messages", "CA1/Recordings"])
async def test_a_name_from_the_wire_never_becomes_another_path(call_sid: str) -> None:
    api = Api()
    async with calls_at(api) as calls:
        verdict = await calls.hang_up(call_sid)
    assert (verdict.outcome, api.asked) == (Outcome.FAILED, [])

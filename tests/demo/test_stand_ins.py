"""What stands in for the rest of the world answers as it does."""

from pathlib import Path

import pytest
import trio
from attrs import evolve

from opusagent.daemon.config import Config, load
from opusagent.demo.stand_ins import TwilioApi, webhook_ports
from opusagent.errors import ConfigError
from opusagent.net.http import Request, Response
from opusagent.testing.memory import memory_pair
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.tools.webhook import Webhook


def with_webhook(url: str) -> Config:
    config = load(Path("examples/clinic.toml"), {})
    tools = tuple(evolve(tool, url=url) if isinstance(tool, Webhook) else tool for tool in config.tools)
    return evolve(config, tools=tools)


def test_webhooks_are_served_where_the_configuration_asks_them() -> None:
    assert webhook_ports(with_webhook("http://127.0.0.1:8091/reminders")) == [8091]


@pytest.mark.parametrize(
    "url", ["https://hooks.example.net/x", "http://192.0.2.7:80/x", "http://127.0.0.1/x", "https://127.0.0.1:8091/x"]
)
def test_a_webhook_elsewhere_is_refused_because_nothing_leaves_the_machine(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        webhook_ports(with_webhook(url))
    assert url in str(refused.value.problems)


async def test_what_twilio_does_with_a_call_ends_its_stream_and_then_the_call_is_over() -> None:
    ours, _ = memory_pair()
    told: list[str] = []
    async with trio.open_nursery() as ends:
        api = TwilioApi(told.append, ends)
        who = api.identity
        path = f"/2010-04-01/Accounts/{who.account_sid}/Calls/{who.call_sid}.json"
        hang_up = Request("POST", path, body=b"Status=completed")
        over = Response(404, b'{"code":20404,"message":"not found"}', "application/json")
        assert await api.answer(hang_up) == over
        api.caller = ScriptedTwilioCaller(ours)
        assert await api.answer(evolve(hang_up, path=path.replace("CA0", "CA1"))) == over
        async with api.caller.on_the_line():
            assert await api.answer(hang_up) == Response(200, b"{}", "application/json")
            await api.caller.until_ended()
        assert await api.answer(hang_up) == over
    assert (api.asked, told) == (["Status=completed"], ["Twilio is asked: Status=completed"])

"""The worked examples load, and their tools do what they say."""

import json
from pathlib import Path
from typing import Final

from attrs import evolve

from opusagent.call.policy import KeyAction, TransferTo
from opusagent.daemon.config import doubts, load
from opusagent.daemon.config_keys import KeyBindings
from opusagent.daemon.config_talk import CallBudget
from opusagent.daemon.routing import Ground, Inbound, Routed, choose
from opusagent.net.client import HttpClient
from opusagent.tools.built_in import EndCall, TransferCall
from opusagent.tools.declared import built_ins, declared_name, open_toolbox, session_tools
from opusagent.tools.results import refusal
from opusagent.tools.spec import ToolContext, ToolResult
from opusagent.tools.threads import ToolThreads
from opusagent.units import CallId

CLINIC: Final = Path("examples/clinic.toml")
AGENTS: Final = Path("examples/agents.toml")
CALL: Final = ToolContext(CallId("c1"), caller="+15550100")


def test_what_the_clinics_model_may_call() -> None:
    config = load(CLINIC, {})
    names = ["find_slot", "book_slot", "send_reminder", "transfer_call", "end_call"]
    assert [tool.name for tool in session_tools(config.tools)] == names
    assert built_ins(config.tools) == {
        "transfer_call": TransferCall({"reception": "+15550142"}),
        "end_call": EndCall(),
    }
    assert config.agent.keys == KeyBindings({"0": TransferTo("reception"), "#": KeyAction.HANG_UP})


def test_whom_the_agents_of_the_example_take() -> None:
    config = load(AGENTS, {})
    calls = (
        Inbound("twilio", "/twilio/media", "+15550199"),
        Inbound("twilio", "/twilio/media", "+15550101"),
        Inbound("twilio", "/twilio/media/ventas", "+15550101"),
        Inbound("audiocodes", "/audiocodes", bot="SalesBot"),
        Inbound("audiocodes", "/audiocodes", "sip:ventas@10.0.0.1"),
    )
    assert [choose(config.routes, call) for call in calls] == [
        Routed("default", Ground.DEFAULT),
        Routed("sales", Ground.NUMBER, "15550101"),
        Routed("ventas", Ground.PATH, "/twilio/media/ventas"),
        Routed("sales", Ground.BOT, "SalesBot"),
        Routed("ventas", Ground.NUMBER, "ventas"),
    ]
    assert [declared_name(tool) for tool in config.of("ventas").tools] == ["end_call"]
    assert (config.of("ventas").agent.voice, config.of("sales").agent.budget) == ("marin", CallBudget(dollars=0.5))
    assert [doubt for doubt in doubts(config) if "agent" in doubt] == []


async def test_a_slot_is_found_booked_once_and_not_found_again() -> None:
    tools = open_toolbox(load(CLINIC, {}).tools, HttpClient(), ToolThreads())
    bob = evolve(CALL, caller="+15550101")
    found = await tools.call("find_slot", '{"day":"tuesday","after":"10:00"}', CALL)
    assert found == ToolResult('["10:30","14:00","15:45"]')
    booked = await tools.call("book_slot", '{"day":"tuesday","time":"10:30","name":"Ann"}', CALL)
    assert json.loads(booked.output) == {"booked": "tuesday 10:30", "name": "Ann"}
    taken = await tools.call("book_slot", '{"day":"tuesday","time":"10:30","name":"Bob"}', bob)
    assert taken == refusal("that slot has just been taken, offer another one")
    left = await tools.call("find_slot", '{"day":"tuesday","after":"10:00"}', bob)
    assert left == ToolResult('["14:00","15:45"]')
    assert await tools.call("book_slot", '{"day":"tuesday","time":"10:31","name":"Bob"}', bob) == refusal(
        "there is no slot on tuesday at 10:31"
    )
    assert await tools.call("find_slot", '{"day":"sunday"}', bob) == refusal(
        'wrong arguments: `day` must be one of ["monday","tuesday","wednesday","thursday","friday"]'
    )
    assert not (await tools.call("find_slot", '{"day":"friday","after":"16:00"}', bob)).ok

"""The worked examples load, and their tools do what they say."""

import json
from pathlib import Path
from typing import Final

from attrs import evolve

from opusagent.call.policy import KeyAction, TransferTo
from opusagent.daemon.config import load
from opusagent.daemon.config_keys import KeyBindings
from opusagent.net.client import HttpClient
from opusagent.tools.built_in import EndCall, TransferCall
from opusagent.tools.declared import built_ins, open_toolbox, session_tools
from opusagent.tools.results import refusal
from opusagent.tools.spec import ToolContext, ToolResult
from opusagent.tools.threads import ToolThreads
from opusagent.units import CallId

CLINIC: Final = Path("examples/clinic.toml")
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

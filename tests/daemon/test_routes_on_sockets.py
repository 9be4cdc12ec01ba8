"""Whole calls on real sockets: each gets the agent that the routes name, or is refused before a model is dialled."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from opusagent.call.reasons import EndReason
from opusagent.errors import POLICY_VIOLATION, PeerGone
from opusagent.platforms.audiocodes import Activities, SessionAccepted, SessionError
from opusagent.realtime.events import SessionUpdate
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.testing.twilio_messages import Identity
from tests.daemon.process import DaemonProcess, Settings, daemon
from tests.daemon.process import call as call_process
from tests.daemon.switchboard import switchboard

AGENTS = """
[twilio]
insecure = true
[audiocodes]
insecure = true
[agent]
instructions = "I am default."
voice = "marin"
keys = { 0 = { transfer = "desk" } }
[[agents]]
name = "sales"
instructions = "I am sales."
voice = "cedar"
tools = ["end_call"]
[[agents]]
name = "clinic"
instructions = "I am clinic."
language = "es"
tools = []
[[tools]]
built_in = "end_call"
[[tools]]
built_in = "transfer_call"
targets = { desk = "+15550142" }
"""

ROUTES = """
[routes]
numbers = { "+1 (555) 01-01" = "sales", "sip:clinic@pbx.example.net" = "clinic" }
paths = { "/twilio/media/sales" = "sales", "/audiocodes/clinic" = "clinic" }
parameters = { department = { health = "clinic" } }
bots = { SalesBot = "sales" }
"""

SALES, CLINIC, DEFAULT = ("sales", "cedar", 1), ("clinic", "marin", 0), ("default", "marin", 2)
"""An agent's name, its voice, and how many tools it has."""


def told(update: SessionUpdate) -> tuple[str, str, int]:
    """Who the model is told to be, as the three above."""
    session = update.session
    words = session.instructions
    assert isinstance(words, str)
    output = session.audio.output if session.audio else None
    tools = getattr(session, "tools", None) or ()
    return words.removeprefix("I am ").partition(".")[0], str(output.voice if output else None), len(tools)


@pytest.mark.parametrize(
    ("callee", "path", "parameters", "agent"),
    [
        ("+15550101", "/twilio/media", {}, SALES),
        ("15550101", "/twilio/media", {}, SALES),
        ("sip:clinic@elsewhere.example", "/twilio/media", {}, CLINIC),
        ("+15550199", "/twilio/media/sales", {}, SALES),
        ("+15550101", "/twilio/media", {"department": "health"}, CLINIC),
        ("+15550101", "/twilio/media/sales", {"department": "health"}, CLINIC),
        ("+15550199", "/twilio/media", {"department": "other"}, DEFAULT),
        ("", "/twilio/media", {}, DEFAULT),
    ],
)
async def test_a_twilio_call_gets_its_agent(
    callee: str, path: str, parameters: dict[str, str], agent: tuple[str, str, int]
) -> None:
    async with switchboard(AGENTS + ROUTES) as board:
        update, report = await board.call_twilio(callee, path, parameters)
    assert (told(update), report.agent, report.callee) == (agent, agent[0], callee)


@pytest.mark.parametrize("names_caller_first", [True, False])
@pytest.mark.parametrize(
    ("bot", "callee", "path", "agent"),
    [
        ("SalesBot", "sip:clinic@x", "/audiocodes", SALES),
        ("SalesBot", "sip:clinic@x", "/audiocodes/clinic", SALES),
        ("my-bot", "+15550101", "/audiocodes/clinic", CLINIC),
        ("my-bot", "tel:+1-555-0101", "/audiocodes", SALES),
        ("my-bot", "+15550199", "/audiocodes", DEFAULT),
    ],
)
async def test_an_audiocodes_call_gets_its_agent(
    bot: str, callee: str, path: str, agent: tuple[str, str, int], *, names_caller_first: bool
) -> None:
    """Whom the caller dialled comes behind `session.accepted`, before or behind the user stream."""
    who = Conversation(bot=bot, callee=callee, names_caller_first=names_caller_first)
    async with switchboard(AGENTS + ROUTES) as board:
        update, report, caller = await board.call_audiocodes(who, path)
    assert (told(update), report.agent) == (agent, agent[0])
    assert len(caller.told(SessionAccepted)) == 1
    assert caller.complaints == []


async def test_a_call_whose_number_is_asked_for_is_heard_and_answered() -> None:
    """It was taken before its model was there: it is told so once, and its sound goes both ways all the same."""
    greeting = 'greeting = "Hello."\n'
    text = AGENTS.replace("[agent]\n", f"[agent]\n{greeting}") + ROUTES
    async with switchboard(text) as board, board.dial("/audiocodes") as socket:
        caller = ScriptedAudioCodesCaller(socket, Conversation(callee="+15550101", names_caller_first=False))
        async with caller.on_the_line():
            await board.updates.receive()
            await caller.hear(caller.media.ms_of(2000))
            await caller.hang_up()
        report = await board.reports.receive()
    assert (report.end, report.agent, report.callee) == (EndReason.CALLER_HUNG_UP, "sales", "+15550101")
    assert report.audio.caller_received > 0
    assert caller.complaints == []


async def test_a_call_that_was_taken_for_its_number_hears_an_apology_if_no_model_serves_it() -> None:
    """There is no `session.error` any more: the platform has been told that the call is taken."""
    text = f"{AGENTS}{ROUTES}[limits]\nrecovery_seconds = 0\n"
    async with switchboard(text, is_down=True) as board, board.dial("/audiocodes") as socket:
        caller = ScriptedAudioCodesCaller(socket, Conversation(callee="+15550101"))
        async with caller.on_the_line():
            report = await board.reports.receive()
    sent = [activity.name for each in caller.told(Activities) for activity in each.message.activities]
    assert (report.agent, sent, caller.told(SessionError), caller.complaints) == ("sales", ["hangup"], [], [])
    assert len(caller.heard) > 0


async def test_a_key_transfers_where_the_model_may_not() -> None:
    """`tools` says what the model may call. What the operator has bound to a key is the operator's."""
    async with switchboard(AGENTS + ROUTES) as board:
        update, report, caller = await board.call_audiocodes(Conversation(), "/audiocodes/clinic", keys="0")
    assert told(update) == CLINIC
    assert "the caller pressed for desk and was put through" in {each.what for each in report.story}
    sent = [activity for each in caller.told(Activities) for activity in each.message.activities]
    assert [activity.name for activity in sent][:1] == ["transfer"]


REFUSING = """
[routes]
default = "refuse"
"""


async def test_an_unknown_twilio_call_is_refused_before_a_model_is_dialled() -> None:
    with capture_logs() as logs:
        async with switchboard(AGENTS + REFUSING) as board, board.dial("/twilio/media") as socket:
            caller = ScriptedTwilioCaller(socket, Identity(callee="+15550199"))
            async with caller.on_the_line():
                with pytest.raises(PeerGone) as gone:
                    await caller.hear(caller.media.ms_of(160))
            assert (gone.value.code, board.model.dialled) == (POLICY_VIOLATION, 0)
    refused = [line for line in logs if line["event"] == "refused"]
    assert [(line["why"], line["callee"], line["path"]) for line in refused] == [
        ("no_agent", "+15550199", "/twilio/media")
    ]


@pytest.mark.parametrize(
    ("routes", "accepted"), [('default = "refuse"', 0), ('default = "refuse"\nnumbers = { 15550101 = "sales" }', 1)]
)
async def test_an_unknown_audiocodes_call_is_refused_before_a_model_is_dialled(routes: str, accepted: int) -> None:
    """Without numbers the refusal comes before the call is taken, with them behind whom it says it is for."""
    async with switchboard(f"{AGENTS}[routes]\n{routes}\n") as board, board.dial("/audiocodes") as socket:
        caller = ScriptedAudioCodesCaller(socket, Conversation())
        async with caller.on_the_line():
            with pytest.raises(PeerGone):
                await caller.hear(caller.media.ms_of(160))
        assert board.model.dialled == 0
    assert len(caller.told(SessionAccepted)) == accepted
    reasons = [each.message.reason for each in caller.told(SessionError)]
    hangups = [activity.activityParams for each in caller.told(Activities) for activity in each.message.activities]
    why = "no agent for this call"
    assert reasons == [why] * (1 - accepted)
    assert hangups == [{"hangupReason": why}] * accepted


RELOADED = """
[audiocodes]
insecure = true
[[agents]]
name = "one"
instructions = "one"
[[agents]]
name = "two"
instructions = "two"
[routes]
numbers = {{ "+15550199" = "{agent}" }}
"""


async def test_a_call_keeps_the_agent_of_the_generation_that_it_began_with(tmp_path: Path) -> None:
    """A reload gives the number to another agent, and one that is wrong changes nothing. Both calls go on."""
    async with daemon(tmp_path, Settings(more=RELOADED.format(agent="one"))) as running, call_process(running.port):
        await running.says("call started")
        Settings(more=RELOADED.format(agent="two")).write(tmp_path)
        assert (await running.order("reload")).returncode == 0
        async with call_process(running.port):
            await running.says("call started", times=2)
            Settings(more=RELOADED.format(agent="tow")).write(tmp_path)
            wrong = await running.order("reload")
            calls = await _calls(running)
    assert b'"tow", and there is no such agent, did you mean `two`?, at routes.numbers."+15550199"' in wrong.stderr
    assert [(each["agent"], each["generation"], each["ending"]) for each in calls] == [
        ("one", 1, False),
        ("two", 2, False),
    ]
    assert [line["agent"] for line in running.said("call started")] == ["one", "two"]


async def _calls(running: DaemonProcess) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads((await running.order("calls", "--json")).stdout)
    return listed

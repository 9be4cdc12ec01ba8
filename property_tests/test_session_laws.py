"""The session's laws, whatever a caller, a model and the line do in whatever order.

* A response is asked for only where none is active and none was asked for, as far as could be known.
* A truncation is never beyond what was heard.
* Nothing of what was cut is played afterwards.
* A spare takes over only where nothing is open, and as if nothing had happened.
* Every tool call is run once and answered once; no key and no result is left without an answer.
* While no session is there, nothing is told but what the next one will be told of; and it answers that.
* One at a time uses the caller's line, and nobody once the caller was passed on.
* A deadline that was kept moves on or vanishes; after the end there is none, and no command.
"""

from collections import Counter, deque
from collections.abc import Sequence
from typing import assert_never

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from typing_extensions import override

from opusagent.audio.media import MULAW_8K
from opusagent.call.commands import (
    AcceptCaller,
    BriefSpare,
    ChangeModel,
    ClearCaller,
    Command,
    Deafen,
    DropModel,
    DropSpare,
    EndCall,
    FillSilence,
    KeepModel,
    Note,
    RunTool,
    SeatModel,
    TellCaller,
    TellModel,
    TellSpare,
    Transfer,
)
from opusagent.call.digits import DigitRules
from opusagent.call.errands import LINE_TOOLS
from opusagent.call.gate import PATIENCE
from opusagent.call.line import GONE_SECONDS
from opusagent.call.moments import Interrupted, Lapsed
from opusagent.call.playout import Playout
from opusagent.call.policy import Budget, Doubt, Interrupt, KeyAction, Patience, Policy, TransferTo, TurnPolicy
from opusagent.call.reasons import End, EndReason
from opusagent.call.session import Session
from opusagent.call.tool_calls import ToolCall
from opusagent.platforms.dialect import KeysPressed, MarkReached
from opusagent.realtime.events import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemTruncate,
    ErrorEvent,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ServerEvent,
    SessionUpdate,
    SessionUpdated,
)
from opusagent.realtime.events import Session as ServiceSession
from opusagent.tools.results import DONE
from opusagent.units import LoopTime, Ms
from property_tests.naive_service import SILENCE, VALUES, NaivePlatform, NaiveService

CONFIGURED = SessionUpdated(session=ServiceSession())

turns = st.just(TurnPolicy()) | st.builds(
    TurnPolicy,
    interrupt=st.sampled_from(Interrupt),
    after=st.sampled_from([Ms(0), Ms(300)]),
    greeting_interruptible=st.booleans(),
    doubt=st.sampled_from(Doubt),
    lag=st.sampled_from([0.1, 0.5]),
    local=st.booleans(),
)
policies = st.builds(
    Policy,
    greeting=st.sampled_from([None, "Hello."]),
    turns=turns,
    digits=st.builds(DigitRules, collect=st.booleans()),
    keys=st.just({"1": KeyAction.HANG_UP, "2": KeyAction.IGNORE, "3": TransferTo("desk")}),
    filler=st.sampled_from([None, "One moment."]),
    budget=st.builds(Budget, tokens=st.sampled_from([None, None, 100])),
    patience=st.builds(Patience, fallback=st.sampled_from([None, "desk"])),
)


@attrs.define
class Knowledge:
    """What the bridge can know of the service's responses, kept in the simplest way."""

    since: LoopTime
    active: str | None = None
    asked: str | None = None
    over: set[str] = attrs.field(factory=set[str])

    def hear(self, event: ServerEvent, now: LoopTime) -> None:
        match event:
            case ResponseCreated():
                if event.response.id not in self.over:
                    self.active, self.asked, self.since = event.response.id, None, now
            case ResponseDone():
                self.over.add(event.response.id)
                if self.active == event.response.id:
                    self.active = None
            case ErrorEvent():
                if self.asked is not None and event.error.event_id == self.asked:
                    self.asked = None
            case _:
                pass

    def ask(self, event: ResponseCreate, now: LoopTime) -> None:
        if now < self.since + PATIENCE:
            assert self.active is None, "a response is active"
            assert self.asked is None, "a response was asked for"
        self.asked, self.since = event.event_id, now


class Conversation(RuleBasedStateMachine):
    """A session between a naive service and a naive platform. What is sent arrives later, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = LoopTime(100.0)
        self.platform = NaivePlatform()
        self.to_service: deque[ClientEvent] = deque()
        self.known = Knowledge(self.now)
        self.has_ended = self.is_deaf = self.ear_speaks = self.is_here = self.is_briefed = False
        self.lost_line_at: LoopTime | None = None
        self.seeds: list[ConversationItemCreate] = []
        self.at_line: list[str] = []
        self.passed_on_at = LoopTime(0.0)
        self.delivered: set[int] = set()
        self.barred: set[int] = set()
        self.running: list[ToolCall] = []
        self.run: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.opens(Policy(), marks=True, listens=True, ready=True)

    @initialize(policy=policies, marks=st.booleans(), listens=st.booleans(), ready=st.sampled_from([True, True, False]))
    def opens(self, policy: Policy, marks: bool, listens: bool, ready: bool) -> None:  # noqa: FBT001 - strategies' values
        """Any policy, platforms with and without marks, that play what comes before the call is taken or do not."""
        self.is_here = False
        self.policy = policy
        self.service = NaiveService(policy)
        self.playout = Playout(MULAW_8K, MULAW_8K, marks=marks)
        self.session = Session(SessionUpdate(session=ServiceSession()), self.playout, policy)
        self.session.begin(self.now, is_listening=listens)
        if ready:
            self.hear(CONFIGURED)

    # -- what the session wants --------------------------------------------------------------------------------

    def perform(self, commands: Sequence[Command]) -> None:
        assert not (self.has_ended and commands), f"after the end: {commands}"
        for command in commands:
            assert not self.has_ended, f"behind the end: {command}"
            self.obey(command)

    def obey(self, command: Command) -> None:
        match command:
            case TellModel():
                self.tell(command.event)
            case ClearCaller():
                self.platform.clear(self.now)
            case RunTool():
                self.run[command.call.call_id] += 1
                assert self.run[command.call.call_id] == 1
                self.running.append(command.call)
                if command.call.name in LINE_TOOLS:
                    self.use_line(command.call.call_id)
            case Deafen():
                assert command.deaf != self.is_deaf, "said twice"
                self.is_deaf = command.deaf
            case EndCall():
                self.has_ended = True
                assert self.session.deadline(self.now) is None
            case Note():
                if isinstance(command.moment, Interrupted | Lapsed):
                    self.barred |= self.delivered
            case DropModel():
                self.lose_model(command.why)
            case Transfer():
                self.use_line(command.target)
            case SeatModel():
                self.is_here = True
                self.to_service += self.seeds
                self.seeds.clear()
            case BriefSpare():
                assert not self.is_briefed, "said twice"
                self.is_briefed = True
            case KeepModel():
                assert self.is_briefed
                self.is_briefed = False
            case ChangeModel():
                self.change_model()
            case AcceptCaller() | TellCaller() | FillSilence() | TellSpare() | DropSpare():
                pass
            case _:
                assert_never(command)

    def change_model(self) -> None:
        """The spare takes over, unless something is on its way that would be lost."""
        assert self.is_briefed
        if self.to_service or self.service.out:
            return
        self.check_that_nothing_is_open()
        self.is_briefed = False
        self.known = type(self.known)(self.now)
        self.service.forget()
        self.perform(self.session.on_rolled_over(self.now))

    def check_that_nothing_is_open(self) -> None:
        assert self.known.active is None
        assert self.known.asked is None
        assert not self.running
        assert not self.at_line
        assert not self.service.unanswered
        assert not self.service.is_speaking
        assert not self.ear_speaks
        assert self.playout.is_quiet(self.now)

    def lose_model(self, why: End) -> None:
        """The service is gone with all that was on its way, but for texts and results: those are told again."""
        if not self.is_here:
            return
        self.seeds += [event for event in self.to_service if isinstance(event, ConversationItemCreate)]
        self.to_service.clear()
        self.known = type(self.known)(self.now)
        self.service.forget()
        self.is_here = False
        self.perform(self.session.on_model_lost(why, self.now))
        assert self.has_ended or not self.is_briefed, "what the caller says waits for nobody"

    def use_line(self, who: str) -> None:
        assert not self.at_line, f"{who} beside {self.at_line}"
        assert self.lost_line_at is None, f"{who}, and the platform is away"
        assert self.now >= self.passed_on_at + GONE_SECONDS, f"{who}, and the caller was passed on"
        self.at_line.append(who)

    def tell(self, event: ClientEvent) -> None:
        if not self.is_here:
            assert isinstance(event, ConversationItemCreate), "nobody is there"
            assert event.item.call_id is None or self.answered[event.item.call_id] == 0
            self.answered[event.item.call_id or ""] += 1
            self.seeds.append(event)
            return
        match event:
            case ResponseCreate():
                self.known.ask(event, self.now)
            case ConversationItemTruncate():
                heard = self.platform.heard_ms(value_of(event.item_id), self.now)
                assert event.audio_end_ms <= heard + 1, (event, heard)
            case ConversationItemCreate():
                if event.item.call_id is not None:
                    self.answered[event.item.call_id] += 1
                    assert self.answered[event.item.call_id] == 1
            case _:
                pass
        self.to_service.append(event)

    # -- what happens ------------------------------------------------------------------------------------------

    def hear(self, event: ServerEvent) -> None:
        """An event arrives at the bridge."""
        if isinstance(event, ResponseOutputAudioDelta):
            self.delivered.add(value_of(event.item_id))
        self.known.hear(event, self.now)
        self.perform(self.session.on_model(event, self.now))

    @rule()
    def service_reads(self) -> None:
        """The service takes what it was told."""
        while self.to_service:
            self.service.hear(self.to_service.popleft())

    @rule(count=st.integers(1, 6))
    def bridge_reads(self, count: int) -> None:
        """Events of the service arrive, in order."""
        for _ in range(min(count, len(self.service.out))):
            self.hear(self.service.out.popleft())

    @rule(ms=st.integers(1, 3000), fresh=st.booleans())
    def model_speaks(self, ms: int, fresh: bool) -> None:  # noqa: FBT001 - a strategy's value
        """A little more of the active response, faster than it is heard."""
        self.service.speak(ms, fresh=fresh)

    @rule(name=st.sampled_from(["look_up", "look_up", "end_call", "transfer_call"]))
    def model_calls_a_tool(self, name: str) -> None:
        """A whole call, with or without words before it."""
        self.service.call_tool(name)

    @rule()
    def model_is_done(self) -> None:
        """The active response is over."""
        self.service.end()

    @rule()
    def caller_speaks(self) -> None:
        """Whoever decides on turns hears it, unless the model is deaf or away."""
        if not self.policy.turns.local:
            if self.is_here and not self.is_deaf:
                self.service.caller_starts()
        elif not self.ear_speaks:
            self.ear_speaks = True
            self.perform(self.session.on_ear(speaking=True, now=self.now))

    @rule()
    def caller_pauses(self) -> None:
        """And again."""
        if not self.policy.turns.local:
            self.service.caller_stops()
        elif self.ear_speaks:
            self.ear_speaks = False
            self.perform(self.session.on_ear(speaking=False, now=self.now))

    @rule(keys=st.text("0123456789*#ABCDx", max_size=3))
    def caller_presses(self, keys: str) -> None:
        """Any keys, bound ones too, and what is no key."""
        self.perform(self.session.on_caller(KeysPressed(keys), self.now))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), output=st.sampled_from(["fine", DONE]))
    def tool_returns(self, data: st.DataObject, output: str) -> None:
        """One of those that run."""
        self.give_result(data.draw(st.sampled_from(self.running)), output)

    def give_result(self, call: ToolCall, output: str) -> None:
        self.running.remove(call)
        if call.call_id in self.at_line:
            self.at_line.clear()
            if output == DONE and call.name == "transfer_call":
                self.passed_on_at = self.now
        self.perform(self.session.on_tool_result(call.call_id, output, self.now))

    @precondition(lambda self: "desk" in self.at_line)
    @rule(why_not=st.sampled_from(["", "engaged"]))
    def transfer_returns(self, why_not: str) -> None:
        """The one that a key asked for, or that nobody is there."""
        self.at_line.clear()
        if not why_not:
            self.passed_on_at = self.now
        self.perform(self.session.on_transfer("desk", why_not, self.now))

    @precondition(lambda self: self.lost_line_at is None)
    @rule()
    def line_breaks(self) -> None:
        """The platform is away, with what it had not played."""
        self.lost_line_at = self.now
        self.platform.clear(self.now)
        self.platform.lose_marks()
        self.playout.lose(self.now)
        self.session.on_line_lost()

    @precondition(lambda self: self.lost_line_at is not None)
    @rule()
    def line_returns(self) -> None:
        """And back."""
        if self.lost_line_at is None:
            return
        gap, self.lost_line_at = self.now - self.lost_line_at, None
        self.perform(self.session.on_line_back(gap, self.now))

    @rule(name=st.sampled_from(["call-1", "call-2", "nobody"]))
    def stray_result(self, name: str) -> None:
        """A result that nobody waits for changes nothing: it has been told, or was never asked for."""
        if name == "nobody" or name in self.answered:
            assert all(not isinstance(each, TellModel) for each in self.session.on_tool_result(name, "", self.now))

    @rule()
    def marks_come_back(self) -> None:
        """Those of what was heard or cleared."""
        self.platform.listen(self.now)
        for name in self.platform.marks():
            self.perform(self.session.on_caller(MarkReached(name), self.now))

    @rule()
    def marks_are_lost(self) -> None:
        """They never come back."""
        self.platform.listen(self.now)
        self.platform.lose_marks()

    @precondition(lambda self: self.is_here)
    @rule()
    def model_is_lost(self) -> None:
        """At any moment."""
        self.lose_model(End(EndReason.MODEL_LOST))

    @precondition(lambda self: not self.is_here)
    @rule()
    def model_is_there(self) -> None:
        """The first session, or another."""
        self.hear(CONFIGURED)

    @precondition(lambda self: not self.is_here)
    @rule(sure=st.sampled_from([False, False, False, True]))
    def nobody_will_serve(self, sure: bool) -> None:  # noqa: FBT001 - a strategy's value
        """No other session is tried for."""
        if sure:
            self.perform(self.session.give_up(End(EndReason.MODEL_LOST), self.now))

    @precondition(lambda self: self.is_here)
    @rule()
    def spare_comes(self) -> None:
        """A session that is to relieve the one that serves is configured, perhaps once more than it should be."""
        self.perform(self.session.settled(self.session.rollover.on_spare(CONFIGURED, self.now), self.now))

    @rule()
    def spare_is_lost(self) -> None:
        """And goes, or never was there."""
        lost = self.session.rollover.on_spare_lost(End(EndReason.MODEL_LOST), self.now)
        self.perform(self.session.settled(lost, self.now))
        assert self.has_ended or not self.is_briefed, "what the caller says waits for nobody"

    @rule(ms=st.integers(1, 4000))
    def time_passes(self, ms: int) -> None:
        """The sender sends what is due, and the session is woken at its deadlines, each of which moves on."""
        until = self.now + ms / 1000
        while (due := self.next_due()) <= until:
            self.now = LoopTime(max(self.now, due))
            self.wake()
        self.now = LoopTime(until)

    def next_due(self) -> float:
        """When anything happens by itself."""
        due = self.playout.next_due(self.now) if self.lost_line_at is None else None
        times = (self.session.deadline(self.now), due)
        return min((time for time in times if time is not None), default=float("inf"))

    def wake(self) -> None:
        batch = self.playout.pop_due(self.now) if self.lost_line_at is None else None
        if batch is not None:
            for frame in batch.frames:
                assert not set(frame) & self.barred, "what was cut is played"
                assert set(frame) <= self.delivered | {SILENCE}
            self.platform.play(batch, self.now)
        deadline = self.session.deadline(self.now)
        if deadline is not None and deadline <= self.now:
            self.perform(self.session.on_time(self.now))
            later = self.session.deadline(self.now)
            assert later is None or later > self.now, f"{later} is kept and stays"

    def all_is_done(self, seconds: int) -> None:
        """Tools return, the service reads and ends what it says, and what it says arrives and is heard."""
        for _ in range(seconds):
            while self.running:
                self.give_result(self.running[0], "fine")
            if "desk" in self.at_line:
                self.transfer_returns("engaged")
            self.service_reads()
            self.service.end()
            self.bridge_reads(1000)
            self.time_passes(1000)
            self.marks_come_back()

    def teardown(self) -> None:
        """When nobody does anything any more, all that was told has been answered, and the caller may speak again."""
        self.line_returns()
        if not self.is_here:
            self.hear(CONFIGURED)
        self.caller_pauses()
        self.all_is_done(30)
        responses = self.service.responses
        self.all_is_done(10)
        assert self.service.responses == responses, "the model talks to itself"
        if not self.has_ended:  # what still runs then ends with the call
            assert self.run.keys() <= self.answered.keys()
            assert not self.service.unanswered
            assert not self.is_deaf
            assert self.playout.is_quiet(self.now)


def value_of(item_id: str) -> int:
    """The byte that an item's sound is made of."""
    return int(item_id.removeprefix("item-")) % VALUES


class Mischief(Conversation):
    """The same with events that come twice, late or never: what is asked may be in vain, and every other law holds."""

    late: list[ServerEvent]

    @override
    def check_that_nothing_is_open(self) -> None:
        """What was never told is not known to be open."""

    @initialize()
    def nothing_is_late(self) -> None:
        """Nothing is kept back yet."""
        self.late = []
        self.known = Ignorance(self.now)

    @rule(fate=st.sampled_from(["twice", "never", "late"]))
    def something_goes_wrong(self, fate: str) -> None:
        """With the next event of the service's."""
        if not self.service.out:
            return
        event = self.service.out.popleft()
        match fate:
            case "twice":
                self.hear(event)
                self.hear(event)
            case "late":
                self.late.append(event)
            case _:
                pass

    @precondition(lambda self: self.late)
    @rule()
    def the_late_one_comes(self) -> None:
        """Out of its order."""
        self.hear(self.late.pop())

    def teardown(self) -> None:
        """Nobody can be sure of an answer; whatever was run is still answered once."""
        self.line_returns()
        if not self.is_here:
            self.hear(CONFIGURED)
        self.all_is_done(40)
        assert self.has_ended or self.run.keys() <= self.answered.keys()


@attrs.define
class Ignorance(Knowledge):
    """Whoever is not told everything may ask in vain."""

    def ask(self, event: ResponseCreate, now: LoopTime) -> None:
        """Nothing can be demanded of it."""


TestSessionLaws = Conversation.TestCase
TestSessionLaws.settings = settings(max_examples=200, stateful_step_count=40)
TestSessionLawsAmidMischief = Mischief.TestCase
TestSessionLawsAmidMischief.settings = settings(max_examples=150, stateful_step_count=40)

"""A caller by AudioCodes VoiceAI Connect: the platform's side of the socket, with the truth about what was heard.

It speaks as VoiceAI Connect does: `session.initiate`, then nothing but patience until `session.accepted`; the caller's
sound in user streams, none of it before `userStream.started`; the caller's name in an activity, before the first user
stream or after it. It plays a play stream out in real time, to its end unless it barges in. A socket that breaks is
not the end: the script gives it another one with `resume`, and words that have not gone out yet wait for that.

Where the vendor's documents say nothing, this platform has the habit that costs a bridge most: what it had not played
when a socket broke is never played.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import attrs
import trio
from typing_extensions import override

from opusagent.audio.wav import HEADER_BYTES, MOST_DATA_BYTES, header
from opusagent.errors import NORMAL_CLOSURE, PeerGone, PeerStalled
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.audiocodes import (
    Activities,
    Activity,
    BridgeMessage,
    PlatformMessage,
    PlayStreamChunk,
    PlayStreamStart,
    SessionAccepted,
    SessionEnd,
    SessionError,
    SessionInitiate,
    SessionResume,
    UserStreamChunk,
    UserStreamSpeechHypothesis,
    UserStreamSpeechRecognition,
    UserStreamSpeechStarted,
    UserStreamStart,
    UserStreamStop,
    event_name,
    parse_bridge_message,
    render,
)
from opusagent.testing.audiocodes_rules import FORMATS, FromBridge, Rules, Speech, Standing, UserStream
from opusagent.testing.caller import (
    ABNORMAL_CLOSURE,
    CLOSE_SECONDS,
    NEVER,
    NO_DELAY,
    LineEnded,
    Mouth,
    Received,
    ScriptedCaller,
)
from opusagent.testing.play_queue import PlayQueue
from opusagent.units import LoopTime, Ms

CHUNK: Final = Ms(20)

PATIENCE: Final = 60.0
"""Seconds after which this platform gives up a call whose socket is gone. The vendor names no figure."""

NOW: Final = LoopTime(0.0)

B = TypeVar("B", bound=BridgeMessage)


@attrs.frozen
class Conversation:
    """Who calls whom, and how the platform is configured.

    `formats` are what it offers, best first. `barges_in`: the vendor's `bargeIn`; without it the user stream stops
    while anything is played. `names_caller_first`: whether the `start` activity comes before the first user stream.
    `heeds_hangup`: whether it answers a `hangup` with the end.
    """

    conversation_id: str = "7d1f3c52-90ab-4a6e-8b1a-0c2d4e6f8a10"
    bot: str = "my-bot"
    caller: str = "+15550100"
    callee: str = "+15550199"
    formats: Sequence[str] = tuple(FORMATS)
    barges_in: bool = True
    names_caller_first: bool = True
    heeds_hangup: bool = True


ANY_CONVERSATION: Final = Conversation()


class ScriptedAudioCodesCaller(ScriptedCaller[FromBridge, PlayQueue]):
    """One caller, one conversation, over as many sockets as it takes.

    Words are in the accepted format, and are said while a user stream is open: who is not listened to waits.
    """

    def __init__(
        self,
        socket: MessageSocket,
        conversation: Conversation = ANY_CONVERSATION,
        *,
        cuts: Iterator[int] | None = None,
        arrival_delays: Iterator[float] = NO_DELAY,
    ) -> None:
        """A caller at the other end of `socket`.

        Args:
            socket: the platform's end of the connection to the bridge.
            conversation: who calls whom, and the platform's configuration.
            cuts: how many bytes each chunk of the caller's sound has, odd ones too; 20 ms each if not given.
            arrival_delays: for each message of the bridge, how many seconds it is under way; order is kept.
        """
        super().__init__(socket, PlayQueue(FORMATS[conversation.formats[0]]), arrival_delays)
        self.conversation: Final = conversation
        self.breaks: Final[list[LineEnded]] = []
        """The sockets that were lost without being the end of the call."""
        self.rules: Final = Rules(conversation.formats)
        self._cuts: Final = cuts
        self._is_muted = False
        self._is_named = False
        self._told = ""
        self._stream_header = b""
        self._next: MessageSocket | None = None
        self._patience = trio.CancelScope()

    # What a script sees and does.

    @property
    def speech(self) -> list[Received[Speech]]:
        """What the platform was told of the caller's speech, and when."""
        return [Received(each.at, each.message) for each in self.received if isinstance(each.message, Speech)]

    def told(self, kind: type[B]) -> list[Received[B]]:
        """Every message of class `kind` that came."""
        return [Received(each.at, each.message) for each in self.received if isinstance(each.message, kind)]

    async def accepted(self) -> None:
        """Wait until the bridge has taken the call on this socket. Raises `PeerGone` if the line ends before."""
        await self._until(lambda: NOW if self.rules.standing is Standing.ACCEPTED else NEVER)

    async def press(self, keys: str, *, name: str = "DTMF") -> None:
        """Press keys, sent as one sequence. Raises `PeerGone` if there is no line."""
        await self._send(self._activities(Activity(type="event", name=name, value=keys)))

    async def pause(self) -> None:
        """Have the platform stop the user stream. Returns when the bridge has noticed."""
        self._is_muted = True
        self._wake()
        await self._until(lambda: NOW if self.rules.user_stream is UserStream.CLOSED else NEVER)

    async def go_on(self) -> None:
        """Have the platform open a user stream again. Returns when sound flows."""
        self._is_muted = False
        self._wake()
        await self._until(lambda: NOW if self.rules.user_stream is UserStream.OPEN else NEVER)

    @override
    async def hang_up(self, code: str = "client-disconnected", reason: str = "") -> None:
        """Leave: the platform says `session.end`. Returns when the bridge has closed, or has not in time."""
        with suppress(PeerGone, PeerStalled):
            await self._leave(code, reason)
        if self._line.cancel_called:
            self._end(NORMAL_CLOSURE)  # there is no socket to say it on
        await self.until_ended()

    async def break_line(self, vanish: Callable[[], None]) -> None:
        """Have the socket `vanish`. Returns when the platform has noticed."""
        breaks = len(self.breaks)
        vanish()
        await self._until(lambda: NOW if len(self.breaks) > breaks else NEVER)

    async def resume(self, socket: MessageSocket) -> None:
        """Come back over `socket`. The old one, if it is still there, is left as it is, for the bridge to close.

        Returns when the bridge has taken the call up again. Raises `PeerGone` if it does not.
        """
        self._lose(ABNORMAL_CLOSURE)
        self._next = socket
        self._wake()
        await self._until(lambda: NOW if self._socket is socket else NEVER)
        await self.accepted()

    # The parts of a caller.

    @override
    async def _connected(self) -> None:
        await self._until(lambda: NOW if self.rules.format else NEVER)

    @override
    async def _be_connected(self) -> None:
        while self._ended is None:
            with self._line:
                async with trio.open_nursery() as parts:
                    parts.start_soon(self._speak)
                    parts.start_soon(self._hear_until_patience_ends)
                    parts.start_soon(self._heed)
            await self._change_socket()

    async def _change_socket(self) -> None:
        with trio.move_on_after(PATIENCE):
            await trio.lowlevel.checkpoint()
            while self._next is None and self._ended is None:
                await self._news.wait()
        if self._next is None:
            self._end(ABNORMAL_CLOSURE)
            return
        self._socket, self._next = self._next, None
        self._line, self._patience = trio.CancelScope(), trio.CancelScope()
        self.rules.change_socket()
        self._wake()

    async def _hear_until_patience_ends(self) -> None:
        with self._patience:
            await self._listen()
        if self._patience.cancelled_caught:
            await self._socket.close()
            self._end(NORMAL_CLOSURE)

    async def _heed(self) -> None:
        """Answer the bridge's goodbye."""
        with self._losing_voice():
            await self._until(lambda: NOW if self._told else NEVER)
            await self._leave(self._told, "")

    async def _speak(self) -> None:
        """Announce the call, or come back to it; then one user stream after the other."""
        with self._losing_voice():
            await self._introduce()
            while True:
                await self._until(self._may_open)
                await self._send(UserStreamStart(conversationId=self.conversation.conversation_id))
                await self._name_caller()
                await self._until(lambda: NOW if self.rules.user_stream is UserStream.OPEN else NEVER)
                await self._stream()
                await self._send(UserStreamStop(conversationId=self.conversation.conversation_id))
                await self._until(lambda: NOW if self.rules.user_stream is UserStream.CLOSED else NEVER)

    async def _introduce(self) -> None:
        who = self.conversation
        if self.breaks:
            await self._send(SessionResume(conversationId=who.conversation_id))
        else:
            initiate = SessionInitiate(
                conversationId=who.conversation_id,
                supportedMediaFormats=tuple(who.formats),
                botName=who.bot,
                caller=who.caller,
                expectAudioMessages=True,
            )
            await self._send(initiate)
        await self.accepted()
        if who.names_caller_first:
            await self._name_caller()

    async def _name_caller(self) -> None:
        if not self._is_named:
            self._is_named = True
            parameters = {"caller": self.conversation.caller, "callee": self.conversation.callee, "locale": "en-US"}
            await self._send(self._activities(Activity(type="event", name="start", parameters=parameters)))

    async def _stream(self) -> None:
        """Sound until it must stop. The n-th byte leaves at its own time: lateness does not add up."""
        begun, sent, ahead = trio.current_time(), 0, self._user_header()
        self._mouth.align()
        for count in itertools.repeat(self.media.bytes_of(CHUNK)) if self._cuts is None else self._cuts:
            sent += count
            due = LoopTime(begun + sent / self._queue.bytes_per_second)
            await self._until_due_or_stopped(due)
            if self._must_stop():
                return
            chunk = UserStreamChunk(
                conversationId=self.conversation.conversation_id, audioChunk=ahead + self._mouth.next(count)
            )
            await self._send(chunk)
            self._mouth.let_go(count)
            ahead = b""

    async def _until_due_or_stopped(self, due: LoopTime) -> None:
        await self._until(lambda: NOW if self._must_stop() else due)

    def _user_header(self) -> bytes:
        if self.rules.format.startswith("raw/"):
            return b""
        return header(1, self.media.rate, MOST_DATA_BYTES, self.media.encoding)

    def _may_open(self) -> LoopTime:
        """When a user stream may be opened."""
        if self._is_muted:
            return NEVER
        if self.conversation.barges_in:
            return NOW
        return NEVER if self.rules.play_stream is not None else self._queue.busy_until

    def _must_stop(self) -> bool:
        return trio.current_time() < self._may_open()

    # What the bridge said.

    @override
    def _read(self, text: str) -> FromBridge:
        return parse_bridge_message(text)

    @override
    def _take(self, message: FromBridge, at: LoopTime) -> None:
        is_open = self.rules.play_stream is not None
        fault = self.rules.hear(message)
        if fault is not None:
            self.complaints.append(fault)
        match message:
            case SessionAccepted() if self.rules.format and self.media != self.rules.media:
                self._queue, self._mouth = PlayQueue(self.rules.media), Mouth(self.rules.media)
            case PlayStreamStart():
                self._stream_header = b"" if self.rules.format.startswith("raw/") else bytes(HEADER_BYTES)
            case PlayStreamChunk() if is_open:
                self._play(message.audioChunk, at)
            case UserStreamSpeechStarted() | UserStreamSpeechHypothesis() | UserStreamSpeechRecognition():
                if self.conversation.barges_in:
                    self._queue.clear(at)
            case Activities():
                for activity in message.activities:
                    self._heed_activity(activity)
            case SessionError():
                self._patience.deadline = trio.current_time()  # the platform disconnects, and closes at once
            case _:
                pass

    def _play(self, audio: bytes, at: LoopTime) -> None:
        """Sound for the ear. The first chunk of a WAV stream begins with its header."""
        expected, self._stream_header = self._stream_header, b""
        if expected and not audio.startswith(b"RIFF"):
            self.complaints.append("playStream.chunk: a WAV stream begins with a header")
        self._queue.play(audio[len(expected) :], at)

    def _heed_activity(self, activity: Activity) -> None:
        match event_name(activity):
            case "hangup" if self.conversation.heeds_hangup:
                self._told = "bot-disconnected"
            case "transfer" | "handover":
                self._told = "transferred"
            case _:
                pass

    # Speaking and ending.

    def _activities(self, *activities: Activity) -> Activities:
        return Activities(conversationId=self.conversation.conversation_id, activities=activities)

    async def _send(self, message: PlatformMessage) -> None:
        await trio.lowlevel.checkpoint()
        self._check_line()
        if self._is_leaving or self._line.cancel_called:
            raise PeerGone("nothing more is said on this socket")
        self.rules.say(message)
        if isinstance(message, SessionEnd):
            self._wait_for_close()
        await self._socket.send(render(message))

    async def _leave(self, code: str, reason: str) -> None:
        end = SessionEnd(conversationId=self.conversation.conversation_id, reasonCode=code, reason=reason or None)
        await self._send(end)

    @property
    def _is_leaving(self) -> bool:
        return self._patience.deadline < NEVER

    def _wait_for_close(self) -> None:
        """The last word is said: the bridge closes, within a bound."""
        self._patience.deadline = min(self._patience.deadline, trio.current_time() + CLOSE_SECONDS)

    @override
    def _lose(self, code: int) -> None:
        """The socket is gone: that is the end if the last word was said, else the platform may come back."""
        if self._is_leaving:
            self._end(code)
        elif not self._line.cancel_called:
            now = LoopTime(trio.current_time())
            self.breaks.append(LineEnded(now, code))
            self._queue.clear(now)
            self._line.cancel()
            self._wake()

"""From the caller to the model: `hear_caller` listens to the platform, `tell_model` converts and sends.

Between the two lies one bounded queue, so that listening never waits for sending. It holds what the caller says
while the model is still being dialled; when it is full the newest frame loses and is counted.

What was sent and has not been answered is kept, and sent again to a session that replaces a lost one: it may have died
with it. So the stream has one count of bytes, and each session begins somewhere on it.

Where one session is relieved by another, each byte goes to exactly one of them. The stream is held for that, so that
nobody is in the middle of sending, and then goes on as if nothing had happened: the resampler's past belongs to the
stream and not to a session.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import trio

from opusagent.audio.dtmf import KeyTones
from opusagent.audio.framing import WholeSamples
from opusagent.audio.g711 import decode
from opusagent.audio.media import MediaFormat
from opusagent.audio.resample import Resampler
from opusagent.call.bell import Bell
from opusagent.call.ending import Ending
from opusagent.call.hearing import Tap
from opusagent.call.media_time import MediaTime
from opusagent.call.reasons import CALLER_LEG, MODEL_LEG, EndReason
from opusagent.call.tape import Witness
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallerAudio, CallerEvent, CallerLeft, CallStarted, Dialect
from opusagent.realtime.codec import render_append
from opusagent.units import LoopTime, Ms

UPLINK: Final = Ms(12_000)
"""What the queue may hold: as long as dialling and configuring a model may take, and a little more. It fills only
while no model listens; a model that stalls later is given up sooner than this."""

SILENCE_KEPT: Final = Ms(5_000)
"""What is kept of what was sent to a model while nobody spoke: a model that is dead is known to be after less."""

SPEECH_KEPT: Final = Ms(30_000)
"""What is kept of what was sent while a turn is not answered; what was said earlier in a longer one is lost."""

MOST_PIECES: Final = 4096
"""Messages that may wait, however small: the queue's bound is bytes, and this keeps a flood of crumbs out."""

DRAIN_SECONDS: Final = 1.0
"""How long the model may take to accept what a caller said just before hanging up."""


class Uplink:
    """One call's way up: the queue, and the stream's state behind it."""

    def __init__(
        self,
        started: CallStarted,
        model: MediaFormat,
        tape: Witness,
        tap: Tap | None,
        *,
        tones: KeyTones | None = None,
    ) -> None:
        self._pieces: deque[CallerAudio | str] = deque()
        self._news: Final = Bell()
        self._is_over = self._is_held = self._is_sending = False
        self._kept: deque[CallerAudio] = deque()
        self._kept_bytes = 0
        self._again: deque[CallerAudio] = deque()
        self._position = self._begins = self._answered = 0
        self._answered_next = 0
        self._is_spoken = False
        self._waiting = 0
        self._room: Final = started.media.bytes_of(UPLINK)
        self._queued = 0
        self.model_time: Final = MediaTime()
        self.caller_time: Final = MediaTime()
        self.drained: Final = trio.Event()
        self._leg: Final = started.media
        self._untouched: Final = started.media == model
        self._tape: Final = tape
        self._tap: Final = tap
        self._tones: Final = tones
        self._samples: Final = WholeSamples(started.media.bytes_per_sample)
        self._block: Final = 1 if started.block is None else started.media.bytes_of(started.block)
        self._half = b""
        self._most: Final = started.media.bytes_of(started.most if started.block is None else started.block)
        self._resampler: Final = Resampler(started.media.rate, model.rate)
        self.is_deaf = False
        self.heard_at: LoopTime | None = None
        """When the caller's last sound came."""
        self.received_bytes = 0
        self.dropped_bytes = 0
        self.appended_bytes = 0
        self.peak_bytes = 0
        self.largest_chunk = 0

    def put(self, heard: CallerAudio, now: LoopTime) -> None:
        """Tape what was heard and queue it. Never waits; a full queue drops it and counts it."""
        audio = self._samples.push(heard.audio)
        if not audio:
            return
        began = LoopTime(now - self._leg.ms_of(len(audio)) / 1000)
        self.caller_time.mark(self._leg.ms_of(self.received_bytes), began)
        self.received_bytes += len(audio)
        self.heard_at = now
        self.largest_chunk = max(self.largest_chunk, len(audio))
        if self._tones is not None:
            audio = self._tones.push(audio)
        pcm = decode(self._leg, audio)
        self._tape.hear(pcm, heard.at, now)
        if self._tap is not None:
            self._tap.hear(pcm)
        self._queue(audio, began)

    def put_silence(self, ms: Ms, now: LoopTime) -> None:
        """Let the model hear silence that the platform did not send: nobody said it, so it is not taped."""
        self._queue(self._silent(self._leg.bytes_of(ms)), LoopTime(now - ms / 1000))

    def put_message(self, text: str) -> None:
        """Have `text` sent behind the audio so far. Where there is no room, or nobody any more, it is lost."""
        self._enters(text)

    # -- sessions ------------------------------------------------------------------------------------------------

    @property
    def session_began(self) -> Ms:
        """Where on the stream the model's session began to hear."""
        return self._leg.ms_of(self._begins)

    def begin_session(self, *, again: bool) -> None:
        """Another session hears from here on; `again`: from where the caller was answered last."""
        if again:
            self._again.extendleft(reversed(self._kept))
            self._position -= self._kept_bytes
        self._kept.clear()
        self._kept_bytes = 0
        self._begins = self._position
        self._resampler.clear()

    def hold(self) -> None:
        """Send nothing more for now. What is being sent already goes out."""
        self._is_held = True

    def go_on(self) -> None:
        """Send again, what waited first."""
        self._is_held = False
        self._news.ring()

    @property
    def is_resting(self) -> bool:
        """Whether nothing has been taken that was not sent."""
        return not self._is_sending

    def hand_over(self) -> None:
        """From here on another session hears, and each byte is heard by one of them. Only while it is resting."""
        self._begins = self._position
        self.go_on()

    def on_speech(self) -> None:
        """The caller speaks, or has spoken: what they say is kept until it is answered."""
        self._is_spoken = True

    def on_spoken(self, until: Ms | None) -> None:
        """The caller's turn is over; `until` is its end in the session's own count, None: here."""
        self._answered_next = self._position if until is None else self._begins + self._leg.bytes_of(until)

    def on_answered(self) -> None:
        """The turn that was over last is answered, and need not be said again."""
        self._answered, self._is_spoken = max(self._answered, self._answered_next), False

    def restart(self) -> None:
        """The caller's sound begins anew, or goes on over another socket: half a sample of before has no other half."""
        self._samples.clear()

    def begin_sound(self, now: LoopTime) -> None:
        """The platform begins to send what the caller says, and has sent nothing of it before."""
        self.restart()
        self._tape.restart(now)

    @property
    def waiting_frames(self) -> int:
        """What was put and not taken yet."""
        return len(self._pieces)

    async def drain(self) -> None:
        """Nothing more will come; the model still gets what came before, within `DRAIN_SECONDS`."""
        self._is_over = True
        self.go_on()
        with trio.move_on_after(DRAIN_SECONDS):
            await self.drained.wait()

    async def take(self) -> CallerAudio | str:
        """The next of what was put. Raises `trio.EndOfChannel` after the last.

        Whoever is cancelled here has taken nothing: after the last moment at which that can happen nothing waits.
        """
        self._is_sending = False
        await trio.lowlevel.checkpoint()
        while self._is_held or not (self._again or self._pieces):
            if self._is_over:
                raise trio.EndOfChannel
            await self._news.wait(None)
            await trio.lowlevel.checkpoint_if_cancelled()
        self._is_sending = True
        if self._again:
            return self._kept_on(self._again.popleft())
        piece = self._pieces.popleft()
        if isinstance(piece, str):
            return piece
        self._waiting -= len(piece.audio)
        return self._kept_on(piece)

    def convert(self, heard: CallerAudio | str) -> Sequence[str]:
        """The messages that carry `heard` to the model; silence while it is deaf.

        That includes what was queued before: what the model hears now would interrupt it now.
        """
        if isinstance(heard, str):
            return [heard]
        audio = self._silent(len(heard.audio)) if self.is_deaf else heard.audio
        return [self._message(piece) for piece in self._cut(audio)]

    def last(self) -> Sequence[str]:
        """The message with the part of a block that is left when the caller has gone."""
        rest, self._half = self._half, b""
        return self.convert(CallerAudio(rest)) if rest else []

    def _kept_on(self, heard: CallerAudio) -> CallerAudio:
        """What is sent, remembered as long as another session might have to hear it."""
        self._kept.append(heard)
        self._kept_bytes += len(heard.audio)
        self._position += len(heard.audio)
        most = self._leg.bytes_of(SPEECH_KEPT if self._is_spoken else SILENCE_KEPT)
        while self._kept and (
            self._kept_bytes > most or self._position - self._kept_bytes + len(self._kept[0].audio) <= self._answered
        ):
            self._kept_bytes -= len(self._kept.popleft().audio)
        return heard

    def _silent(self, count: int) -> bytes:
        return self._leg.silence * (count // self._leg.bytes_per_sample)

    def _queue(self, sound: bytes, began: LoopTime) -> None:
        """Whole blocks go into the queue; what is left of one waits here, and wakes nobody."""
        size = len(sound)
        if self._waiting + size > self._room:
            self.dropped_bytes += size
            return
        audio = self._half + sound
        whole = len(audio) - len(audio) % self._block
        if whole and not self._enters(CallerAudio(audio[:whole])):
            self.dropped_bytes += size
            return
        self._half = audio[whole:]
        self.model_time.mark(self._leg.ms_of(self._queued), began)
        self._queued += size
        self._waiting += size
        self.peak_bytes = max(self.peak_bytes, self._waiting)

    def _enters(self, piece: CallerAudio | str) -> bool:
        """Let it wait, unless `MOST_PIECES` do, or nothing more is sent."""
        if self._is_over or len(self._pieces) >= MOST_PIECES:
            return False
        self._pieces.append(piece)
        self._news.ring()
        return True

    def _cut(self, block: bytes) -> Sequence[bytes]:
        if len(block) <= self._most:
            return [block]
        return [block[place : place + self._most] for place in range(0, len(block), self._most)]

    def _message(self, audio: bytes) -> str:
        up = audio if self._untouched else self._resampler.push(decode(self._leg, audio))
        self.appended_bytes += len(up)
        return render_append(up)


async def hear_caller(
    socket: MessageSocket,
    dialect: Dialect,
    uplink: Uplink,
    on_event: Callable[[CallerEvent], None],
    line: Ending,
) -> None:
    """The platform's receive loop: audio into the queue, everything else to the session. Never waits for a writer."""
    with line.if_lost(CALLER_LEG):
        while True:
            event = dialect.parse(await socket.receive())
            if isinstance(event, CallerAudio):
                uplink.put(event, LoopTime(trio.current_time()))
                continue
            on_event(event)
            if isinstance(event, CallerLeft):
                line.end(EndReason.CALLER_HUNG_UP, event.reason)


async def tell_model(socket: MessageSocket, uplink: Uplink, ending: Ending) -> None:
    """The audio processor: what the caller says, decoded, resampled and sent, in order."""
    with ending.if_lost(MODEL_LEG):
        try:
            while True:
                messages = uplink.convert(await uplink.take())
                if messages:
                    await socket.send(*messages)
        except trio.EndOfChannel:
            last = uplink.last()
            if last:
                await socket.send(*last)
        uplink.drained.set()

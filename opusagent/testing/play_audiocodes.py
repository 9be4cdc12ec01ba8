"""Whole calls by AudioCodes on the stage, with sockets that break and come back.

def test_something() -> None:
    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.break_line(stage.platform.vanish)
        await trio.sleep(3)
        await stage.reconnect()
        await stage.caller.hang_up()

    report = play_audiocodes(script)
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from opusagent.call.call import Limits
from opusagent.call.caller import answer
from opusagent.call.ending import Ending
from opusagent.call.exchange import Profile
from opusagent.call.report import CallReport
from opusagent.errors import OpusagentError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.audiocodes_dialect import MEDIA, AudioCodesDialect
from opusagent.platforms.dialect import CallResumed
from opusagent.testing.audiocodes_caller import ANY_CONVERSATION, Conversation, ScriptedAudioCodesCaller
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.play import PROFILE, CallStage, Theatre

GRACE: Final = Limits(resume_seconds=30.0)
"""How calls of this platform are bounded: its sockets may come back."""


@attrs.define(eq=False)
class AudioCodesStage(CallStage[ScriptedAudioCodesCaller]):
    """The stage of a platform that comes back on another socket for a call that goes on."""

    def new_socket(self) -> MemorySocket:
        """Dial the daemon once more. What it does with whoever calls is its own business, as behind a real port."""
        ours, theirs = memory_pair()
        self.scenery.start_soon(self._take, ours)
        return theirs

    async def reconnect(self) -> None:
        """The caller comes back on a new socket. Raises `PeerGone` if the call is not taken up again."""
        self.platform = self.new_socket()
        await self.caller.resume(self.platform)

    async def _take(self, socket: MessageSocket) -> None:
        """What a daemon does with a connection: seat it in the call that it comes back for, or refuse it; close it."""
        dialect = AudioCodesDialect()
        try:
            came = await answer(socket, dialect)
            if not isinstance(came, CallResumed):
                return
            seats = [call.seat for call in self.calls if call.started.platform_call_id == came.platform_call_id]
            if not seats:
                await socket.send(*dialect.hang_up("conversation not found"))
            elif not await seats[0].occupy(socket):
                await socket.send(*dialect.hang_up("the call is over"))
        except OpusagentError:
            pass
        finally:
            with trio.move_on_after(5, shield=True):
                await socket.close()


def play_audiocodes(
    script: Callable[[AudioCodesStage], Awaitable[None]],
    conversation: Conversation = ANY_CONVERSATION,
    *,
    cuts: Iterator[int] | None = None,
    formats: Sequence[str] = tuple(MEDIA),
    profile: Profile = PROFILE,
    limits: Limits = GRACE,
    directory: Path | None = None,
) -> CallReport:
    """Play `script` with a caller by AudioCodes. See `Theatre.play`."""

    def cast(platform: MemorySocket, scenery: trio.Nursery) -> AudioCodesStage:
        caller = ScriptedAudioCodesCaller(platform, conversation, cuts=cuts)
        return AudioCodesStage(caller, platform, Ending(), scenery)

    return Theatre(cast, partial(AudioCodesDialect, formats), profile, limits, directory).play(script)

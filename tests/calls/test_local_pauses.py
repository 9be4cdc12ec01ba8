"""The platform pauses the caller's sound while our own ears hear them speak."""

import trio

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K
from opusagent.audio.vad.silero import SpeechNet
from opusagent.call.ending import Ending
from opusagent.call.hearing import Hearing, HearingSettings
from opusagent.call.policy import Policy, TurnPolicy
from opusagent.demo.speech import load
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.realtime.events import InputAudioBufferCommit, InputAudioBufferCommitted, ResponseCreate
from opusagent.testing.audiocodes_caller import ScriptedAudioCodesCaller
from opusagent.testing.memory import MemorySocket
from opusagent.testing.play import Theatre
from opusagent.testing.play_audiocodes import GRACE, AudioCodesStage
from opusagent.units import Ms
from tests.calls.acts import SECOND, profile


def test_who_is_paused_in_the_middle_of_a_word_has_spoken_and_is_answered() -> None:
    """No sound comes that our ears could hear the end in. What they say afterwards is another turn."""
    hearing = Hearing(SpeechNet(), HearingSettings(stop_frames=16))

    def cast(platform: MemorySocket, scenery: trio.Nursery) -> AudioCodesStage:
        return AudioCodesStage(ScriptedAudioCodesCaller(platform), platform, Ending(), scenery)

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        async with trio.open_nursery() as scene:
            scene.start_soon(hearing.listen)
            await stage.caller.silence(Ms(500))
            words = Converter(MULAW_8K, stage.caller.media).push(load("appointment"))
            scene.start_soon(stage.caller.say, words)
            await trio.sleep(1.2)
            await stage.caller.pause()
            for number in (1, 2):
                await model.expect(InputAudioBufferCommit, within=3)
                await model.send(InputAudioBufferCommitted(item_id=f"caller-{number}"))
                await model.expect(ResponseCreate)
                await model.say(f"item-{number}", SECOND, response_id=f"response-{number}")
                await stage.caller.hear(Ms(900))
                if number == 1:
                    assert len(model.said(InputAudioBufferCommit)) == 1
                    await stage.caller.go_on()
            await stage.caller.hang_up()
            scene.cancel_scope.cancel()

    policy = Policy(turns=TurnPolicy(local=True, lag=0.544))
    Theatre(cast, AudioCodesDialect, profile(policy), GRACE, hearing=hearing).play(script)

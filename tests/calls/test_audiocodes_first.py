import trio
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.call.report import page
from opusagent.units import Ms

def test_x():
    async def script(stage):
        model = await stage.answered()
        await stage.caller.silence(Ms(100))
        await model.say("i1", bytes(48000*3), response_id="r1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.break_line(stage.platform.vanish)
        await trio.sleep(2)
        await stage.reconnect()
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()
        print(stage.caller.complaints, stage.caller.ended, stage.caller.breaks)
    print(page(play_audiocodes(script)))

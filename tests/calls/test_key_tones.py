"""The sound of a key, which a platform leaves in the audio: nobody hears it who is not to."""

from pathlib import Path

import numpy as np
import trio

from opusagent.audio.g711 import mulaw_encode
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.audio.wav import parse_wav
from opusagent.call.policy import Policy
from opusagent.testing.play import Stage, play
from opusagent.units import Pcm16
from tests.calls.acts import profile
from tests.calls.sound import tone


def key_tone(ms: int) -> Pcm16:
    """A five."""
    both = samples_of(tone(770, ms, 8000)).astype(np.int32) + samples_of(tone(1336, ms, 8000))
    return pcm_of(both.astype(np.int16))


def loudest_second(pcm: bytes, rate: int) -> list[float]:
    """The root mean square of each tenth of a second."""
    samples = samples_of(Pcm16(pcm)).astype(float)
    return [float(np.sqrt(np.mean(part**2))) for part in np.array_split(samples, max(1, len(samples) * 10 // rate))]


def heard_of(policy: Policy, directory: Path) -> tuple[float, float]:
    """How loud a second of a key's tone is, with 0.4 s of silence about it, to the model and on the tape."""
    audio = bytearray()

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.say(mulaw_encode(Pcm16(bytes(6400) + key_tone(1000) + bytes(6400))))
        await stage.caller.hang_up()
        await trio.sleep(1)
        audio.extend(model.audio)

    play(script, profile=profile(policy), directory=directory)
    (recording,) = directory.rglob("call.wav")
    taped = samples_of(Pcm16(parse_wav(recording.read_bytes()).data)).reshape(-1, 2)[:, 0]
    return max(loudest_second(bytes(audio), 24_000)), max(loudest_second(taped.tobytes(), 8000))


def test_a_tone_is_heard_where_nothing_else_is_said(tmp_path: Path) -> None:
    assert min(heard_of(Policy(), tmp_path)) > 7000


def test_a_tone_is_muted_to_the_model_and_on_the_tape(tmp_path: Path) -> None:
    """Of a second, less than the 20 ms that are no key: by power, a fifth of that tenth at most."""
    assert max(heard_of(Policy(mute_tones=True), tmp_path)) < 8000 * (20 / 100) ** 0.5

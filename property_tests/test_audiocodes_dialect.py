"""Laws of AudioCodes' dialect: whatever the platform and the call do, and in whatever order, no rule of its is broken.

A naive platform stands beside it: it says only what its own rules let it say, and judges every answer.
"""

from collections.abc import Sequence
from typing import assert_never

import attrs
from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.wav import HEADER_BYTES
from opusagent.platforms.audiocodes import (
    Activities,
    Activity,
    ConnectionValidate,
    PlatformMessage,
    PlayStreamChunk,
    PlayStreamStart,
    PlayStreamStop,
    SessionAccepted,
    SessionEnd,
    SessionInitiate,
    UserStreamChunk,
    UserStreamStart,
    UserStreamStop,
    parse_bridge_message,
    render,
)
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.platforms.dialect import CallerAudio, CallerEvent
from opusagent.testing.audiocodes_rules import FromBridge, Rules, Standing, UserStream
from property_tests.strategies_audiocodes import (
    FRAME_BYTES,
    ChangesSocket,
    Clears,
    ClosesUserStream,
    Deed,
    HangsUp,
    Leaves,
    ModelIsReady,
    OpensUserStream,
    Plays,
    SendsKeys,
    SendsSound,
    Tells,
    Validates,
    cuts_of,
    deeds,
    format_names,
    wav_headers,
)

ID = "conversation"


@attrs.define
class Platform:
    """One conversation, judged."""

    name: str
    dialect: AudioCodesDialect = attrs.field(factory=AudioCodesDialect, init=False)
    rules: Rules = attrs.field(factory=Rules, init=False)
    complaints: list[str] = attrs.field(factory=list[str], init=False)
    heard: list[FromBridge] = attrs.field(factory=list[FromBridge], init=False)
    played: bytes = attrs.field(default=b"", init=False)
    sent: bytes = attrs.field(default=b"", init=False)
    events: list[CallerEvent] = attrs.field(factory=list[CallerEvent], init=False)
    is_ready: bool = attrs.field(default=False, init=False)
    has_left: bool = attrs.field(default=False, init=False)

    def say(self, message: PlatformMessage) -> None:
        self.rules.say(message)
        self.events.append(self.dialect.parse(render(message)))
        self.hear(self.dialect.replies())

    def hear(self, texts: Sequence[str]) -> None:
        for text in texts:
            message = parse_bridge_message(text)
            fault = self.rules.hear(message)
            if fault is not None:
                self.complaints.append(fault)
            self.heard.append(message)

    def do(self, deed: Deed) -> None:
        """What may be done is done; the call's own order (it is taken once, and leaves once) is kept as well."""
        match deed:
            case OpensUserStream() if self.rules.user_stream is UserStream.CLOSED and not self.has_left:
                self.say(UserStreamStart(conversationId=ID))
            case ClosesUserStream() if self.rules.user_stream is UserStream.OPEN and not self.has_left:
                self.say(UserStreamStop(conversationId=ID))
            case SendsSound() if self.rules.user_stream is UserStream.OPEN and not self.has_left:
                self.sent += deed.audio if self.rules.standing is Standing.ACCEPTED else b""
                self.say(UserStreamChunk(conversationId=ID, audioChunk=deed.audio))
            case SendsKeys() if not self.has_left:
                keys = Activity(type="event", name="DTMF", value=deed.keys)
                self.say(Activities(conversationId=ID, activities=(keys,)))
            case Validates():
                self.say(ConnectionValidate())
            case ChangesSocket() if self.rules.standing is not Standing.OVER and not self.has_left:
                self.rules.change_socket()
                self.hear(self.dialect.resume())
            case Leaves() if not self.has_left:
                self.has_left = True
                self.say(SessionEnd(conversationId=ID))
            case ModelIsReady() if not self.is_ready and not self.has_left and self.rules.standing is not Standing.OVER:
                self.is_ready = True
                self.hear(self.dialect.accept())
            case Plays():
                self.hear(self.dialect.play(deed.frames, None, last=deed.last))
                if self.rules.standing is Standing.ACCEPTED and not self.has_left:
                    self.played += b"".join(deed.frames)
            case Clears():
                self.hear(self.dialect.clear())
            case Tells():
                self.hear(self.dialect.notify(deed.notice))
            case HangsUp():
                self.hear(self.dialect.hang_up("done"))
            case (
                OpensUserStream()
                | ClosesUserStream()
                | SendsSound()
                | SendsKeys()
                | ChangesSocket()
                | Leaves()
                | ModelIsReady()
            ):
                pass
            case _:
                assert_never(deed)


def conversation(name: str, script: Sequence[Deed]) -> Platform:
    platform = Platform(name)
    platform.say(SessionInitiate(conversationId=ID, supportedMediaFormats=(name,)))
    for deed in script:
        platform.do(deed)
    return platform


@given(format_names(), deeds())
def test_no_rule_of_the_platform_is_ever_broken(name: str, script: list[Deed]) -> None:
    """No chunk outside an open stream, never two streams, no id twice, one acceptance, nothing before or after."""
    assert conversation(name, script).complaints == []


LAST_FRAME = Plays((bytes(FRAME_BYTES),), last=True)


@given(format_names(), deeds(), st.sampled_from((HangsUp(), Clears(), LAST_FRAME, Plays((), last=True))))
def test_every_stream_is_closed_or_was_lost_with_its_socket(name: str, script: list[Deed], last: Deed) -> None:
    """By a goodbye, an interruption or the end of an answer: at once."""
    platform = conversation(name, [*script, last])
    opened = [each.streamId for each in platform.heard if isinstance(each, PlayStreamStart)]
    closed = [each.streamId for each in platform.heard if isinstance(each, PlayStreamStop)]
    breaks = sum(isinstance(each, ChangesSocket) for each in script)
    assert platform.has_left or platform.rules.play_stream is None
    assert len(opened) - len(closed) <= breaks + platform.has_left
    assert set(closed) <= set(opened)


@given(format_names(), deeds())
def test_what_is_played_is_what_the_platform_gets(name: str, script: list[Deed]) -> None:
    """Every byte, once, in order; a WAV stream has a header before it."""
    platform = conversation(name, script)
    got = b""
    is_first = False
    for message in platform.heard:
        if isinstance(message, PlayStreamStart):
            is_first = name.startswith("wav/")
        elif isinstance(message, PlayStreamChunk):
            got += message.audioChunk[HEADER_BYTES if is_first else 0 :]
            is_first = False
    assert got == platform.played


@given(deeds())
def test_every_byte_of_the_callers_reaches_the_call(script: list[Deed]) -> None:
    platform = conversation("raw/lpcm16", script)
    heard = b"".join(each.audio for each in platform.events if isinstance(each, CallerAudio))
    assert heard == platform.sent


@given(deeds())
def test_a_call_is_taken_if_and_only_if_the_model_is_ready(script: list[Deed]) -> None:
    """On each socket once, which the rules see to; also if the model becomes ready while there is none."""
    platform = conversation("raw/mulaw", script)
    assert platform.is_ready is any(isinstance(each, SessionAccepted) for each in platform.heard)


@given(wav_headers(), st.binary(max_size=40), st.data())
def test_samples_behind_a_header_do_not_depend_on_how_the_stream_was_cut(
    before: bytes, samples: bytes, data: st.DataObject
) -> None:
    """Whatever stands in the header, and wherever a chunk ends."""
    platform = conversation("wav/lpcm16_24", [ModelIsReady(), OpensUserStream()])
    for piece in data.draw(cuts_of(before + samples)):
        platform.say(UserStreamChunk(conversationId=ID, audioChunk=piece))
    heard = b"".join(each.audio for each in platform.events if isinstance(each, CallerAudio))
    assert heard == samples

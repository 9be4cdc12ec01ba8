"""Twilio's messages to the letter, and what a call makes of them."""

import json

import pytest

from opusagent.audio.media import MULAW_8K
from opusagent.errors import (
    INVALID_PAYLOAD,
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    UNSUPPORTED_DATA,
    LocalProtocolError,
    RemoteProtocolError,
)
from opusagent.platforms.dialect import (
    CallerAudio,
    CallerEvent,
    CallerLeft,
    CallStarted,
    Chatter,
    Dialect,
    KeysPressed,
    MarkReached,
    Unknown,
)
from opusagent.platforms.twilio import (
    BridgeMessage,
    Clear,
    Connected,
    Dtmf,
    DtmfDetail,
    Mark,
    MarkDetail,
    Media,
    MediaDetail,
    OutboundMark,
    OutboundMedia,
    OutboundPayload,
    PlatformMessage,
    Start,
    StartDetail,
    Stop,
    StopDetail,
    StreamFormat,
    parse_bridge_message,
    parse_platform_message,
    render,
)
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.units import Ms

SID = "MZ1b00000000000000000000000000000c"
ACCOUNT = "AC0f00000000000000000000000000000a"
CALL = "CA2d00000000000000000000000000000e"

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = (
    f'{{"event":"start","sequenceNumber":"1","start":{{"accountSid":"{ACCOUNT}","streamSid":"{SID}",'
    f'"callSid":"{CALL}","tracks":["inbound"],'
    '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
    f'"customParameters":{{"From":"+15550100","To":"+15550199","CallSid":"{CALL}","ticket":"9f2c"}}}},"streamSid":"{SID}"}}'
)
MEDIA = (
    '{"event":"media","sequenceNumber":"7","media":{"track":"inbound","chunk":"6","timestamp":"118",'
    f'"payload":"f39/f39+fn5/"}},"streamSid":"{SID}"}}'
)
DTMF = f'{{"event":"dtmf","streamSid":"{SID}","sequenceNumber":"211","dtmf":{{"track":"inbound_track","digit":"4"}}}}'
MARK = f'{{"event":"mark","sequenceNumber":"340","streamSid":"{SID}","mark":{{"name":"u12:4800"}}}}'
WHOSE = f'{{"accountSid":"{ACCOUNT}","callSid":"{CALL}"}}'
STOP = f'{{"event":"stop","sequenceNumber":"902","stop":{WHOSE},"streamSid":"{SID}"}}'
SOUND = b"\x7f\x7f\x7f\x7f\x7f\x7e\x7e\x7e\x7f"

FROM_TWILIO: list[tuple[str, PlatformMessage]] = [
    (CONNECTED, Connected(protocol="Call", version="1.0.0")),
    (
        START,
        Start(
            streamSid=SID,
            sequenceNumber="1",
            start=StartDetail(
                callSid=CALL,
                streamSid=SID,
                accountSid=ACCOUNT,
                tracks=("inbound",),
                mediaFormat=StreamFormat(encoding="audio/x-mulaw", sampleRate=8000, channels=1),
                customParameters={"From": "+15550100", "To": "+15550199", "CallSid": CALL, "ticket": "9f2c"},
            ),
        ),
    ),
    (
        MEDIA,
        Media(
            streamSid=SID,
            sequenceNumber="7",
            media=MediaDetail(payload=SOUND, track="inbound", chunk="6", timestamp="118"),
        ),
    ),
    (DTMF, Dtmf(streamSid=SID, sequenceNumber="211", dtmf=DtmfDetail(digit="4", track="inbound_track"))),
    (MARK, Mark(streamSid=SID, sequenceNumber="340", mark=MarkDetail(name="u12:4800"))),
    (STOP, Stop(streamSid=SID, sequenceNumber="902", stop=StopDetail(accountSid=ACCOUNT, callSid=CALL))),
]

TO_TWILIO: list[tuple[str, BridgeMessage]] = [
    (
        f'{{"event":"media","streamSid":"{SID}","media":{{"payload":"//79/Pv6+Q=="}}}}',
        OutboundMedia(streamSid=SID, media=OutboundPayload(payload=b"\xff\xfe\xfd\xfc\xfb\xfa\xf9")),
    ),
    (
        f'{{"event":"mark","streamSid":"{SID}","mark":{{"name":"u12:4800"}}}}',
        OutboundMark(streamSid=SID, mark=MarkDetail(name="u12:4800")),
    ),
    (f'{{"event":"clear","streamSid":"{SID}"}}', Clear(streamSid=SID)),
]


def begun() -> TwilioDialect:
    """A dialect whose stream has started."""
    dialect = TwilioDialect()
    dialect.parse(START)
    return dialect


def refusal(dialect: TwilioDialect, text: str) -> tuple[int, str]:
    """The close code and the words with which `dialect` refuses `text`."""
    with pytest.raises(RemoteProtocolError) as caught:
        dialect.parse(text)
    return caught.value.close_code, str(caught.value)


def start_with(media: str) -> str:
    return START.replace('{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}', media)


@pytest.mark.parametrize(("text", "message"), FROM_TWILIO)
def test_messages_from_twilio(text: str, message: PlatformMessage) -> None:
    """Every documented message is read whole, and written so that it says the same."""
    assert (parse_platform_message(text), json.loads(render(message))) == (message, json.loads(text))


@pytest.mark.parametrize(("text", "message"), TO_TWILIO)
def test_messages_to_twilio(text: str, message: BridgeMessage) -> None:
    """Every documented message is written to the letter, and read back by a test's caller."""
    assert (parse_bridge_message(text), render(message)) == (message, text)


def test_strangers_are_unknown() -> None:
    """Kinds that Twilio may add are named, either way; ours are strangers to its direction."""
    assert [parse_platform_message('{"event":"clear","streamSid":"MZ1"}'), parse_bridge_message('{"event":"x"}')] == [
        Unknown("clear"),
        Unknown("x"),
    ]


def test_a_call_in_neutral_words() -> None:
    """From `connected` to `stop`, in order, each message gives its event."""
    dialect: Dialect = TwilioDialect()
    events: list[CallerEvent] = [
        Chatter("connected"),
        CallStarted(
            platform_call_id=CALL,
            stream_id=SID,
            media=MULAW_8K,
            account=ACCOUNT,
            caller="+15550100",
            callee="+15550199",
            parameters={"CallSid": CALL, "ticket": "9f2c"},
            block=Ms(40),
        ),
        CallerAudio(SOUND, Ms(118)),
        KeysPressed("4"),
        MarkReached("u12:4800"),
        Unknown("recording"),
        CallerLeft("stop"),
    ]
    texts = [CONNECTED, START, MEDIA, DTMF, MARK, '{"event":"recording"}', STOP]
    assert [dialect.parse(text) for text in texts] == events


def test_a_start_with_nothing_optional() -> None:
    """What the bridge does not depend on may be missing, and a parameterless call has no numbers."""
    text = (
        '{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1",'
        '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":"8000","channels":"1"}}}'
    )
    started = CallStarted(platform_call_id="CA1", stream_id="MZ1", media=MULAW_8K, block=Ms(40))
    assert TwilioDialect().parse(text) == started


@pytest.mark.parametrize(
    ("written", "at"),
    [('"118"', Ms(118)), ("118", Ms(118)), ('"0"', Ms(0)), ('"999999999999999999"', Ms(10**18 - 1)), ("null", None)],
)
def test_timestamps_may_be_strings_or_numbers(written: str, at: Ms | None) -> None:
    """Twilio writes strings; other speakers of its protocol write numbers."""
    assert begun().parse(MEDIA.replace('"118"', written)) == CallerAudio(SOUND, at)


@pytest.mark.parametrize("written", ["-1", '"-1"', '""', '"1.5"', '"abc"', '"\u0661"', '"1_0"', "1" * 19, '" 1"'])
def test_timestamps_that_are_no_whole_number_are_refused(written: str) -> None:
    """Only decimal digits, and no more of them than 64 bits hold."""
    code, words = refusal(begun(), MEDIA.replace('"118"', written))
    assert (code, words.startswith("media.timestamp: expected a whole number of milliseconds, got '")) == (
        PROTOCOL_ERROR,
        True,
    )


@pytest.mark.parametrize(
    ("track", "event"),
    [
        ('"track":"inbound",', CallerAudio(SOUND, Ms(118))),
        ("", CallerAudio(SOUND, Ms(118))),
        ('"track":"outbound",', Chatter("media")),
        ('"track":"else",', Chatter("media")),
    ],
)
def test_only_the_inbound_track_is_the_caller(track: str, event: CallerEvent) -> None:
    """Our own voice, sent back to us, is not the caller's."""
    assert begun().parse(MEDIA.replace('"track":"inbound",', track)) == event


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_keys_of_a_telephone(digit: str) -> None:
    """All sixteen."""
    assert begun().parse(DTMF.replace('"4"', f'"{digit}"')) == KeysPressed(digit)


@pytest.mark.parametrize("digit", ["", "E", "a", "12", "\\u0664", "+", "\\u0000"])
def test_keys_that_no_telephone_has_are_counted(digit: str) -> None:
    """Nobody is cut off over a key."""
    assert begun().parse(DTMF.replace('"4"', f'"{digit}"')) == Unknown("dtmf")


@pytest.mark.parametrize(
    ("media", "came"),
    [
        ('{"encoding":"audio/x-alaw","sampleRate":8000,"channels":1}', "audio/x-alaw, 8000 Hz, 1 ch"),
        ('{"encoding":"audio/x-mulaw","sampleRate":16000,"channels":1}', "audio/x-mulaw, 16000 Hz, 1 ch"),
        ('{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":2}', "audio/x-mulaw, 8000 Hz, 2 ch"),
        ('{"encoding":"\\u001b[2J","sampleRate":"","channels":1}', "\\x1b[2J,  Hz, 1 ch"),
    ],
)
def test_other_formats_are_refused_with_1003(media: str, came: str) -> None:
    """What came and what is supported are both said; nothing is converted by guess."""
    words = f"start.mediaFormat: {came} came; only audio/x-mulaw, 8000 Hz, 1 ch is supported"
    assert refusal(TwilioDialect(), start_with(media)) == (UNSUPPORTED_DATA, words)


@pytest.mark.parametrize("text", [MEDIA, DTMF, MARK, STOP])
def test_nothing_of_a_stream_comes_before_its_start(text: str) -> None:
    """Whoever speaks of a stream before it started does not speak the protocol."""
    event = parse_platform_message(text)
    assert not isinstance(event, Unknown)
    assert refusal(TwilioDialect(), text) == (POLICY_VIOLATION, f"{event.event}: came before start")


@pytest.mark.parametrize("text", [MEDIA, DTMF, MARK, STOP])
def test_other_streams_are_refused(text: str) -> None:
    """One socket carries one stream."""
    event = parse_platform_message(text)
    assert not isinstance(event, Unknown)
    words = f"streamSid: {event.event} names the stream 'MZ9', not this call's"
    assert refusal(begun(), text.replace(SID, "MZ9")) == (POLICY_VIOLATION, words)


def test_a_stream_starts_once() -> None:
    """The second `start` is refused, even if it says the same."""
    assert refusal(begun(), START) == (POLICY_VIOLATION, "start: the stream has already started")


def test_a_start_of_two_streams_is_refused() -> None:
    """The name is given twice and must be the same."""
    text = START.replace(f'"streamSid":"{SID}","callSid"', '"streamSid":"MZ9","callSid"')
    assert refusal(TwilioDialect(), text) == (POLICY_VIOLATION, "start.streamSid: not the message's streamSid")


def test_a_long_stream_name_is_refused() -> None:
    """Every message we send repeats it: a long one would make the peer's bandwidth ours."""
    words = "streamSid: 129 characters, at most 128 are taken"
    assert refusal(TwilioDialect(), START.replace(SID, "M" * 129)) == (POLICY_VIOLATION, words)
    assert isinstance(TwilioDialect().parse(START.replace(SID, "M" * 128)), CallStarted)


def test_a_refused_start_starts_nothing() -> None:
    """After a refusal the dialect is as before."""
    dialect = TwilioDialect()
    refusal(dialect, start_with('{"encoding":"x","sampleRate":1,"channels":1}'))
    with pytest.raises(LocalProtocolError):
        dialect.clear()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (MEDIA.replace("f39/", "f39!"), INVALID_PAYLOAD, "media.payload: Invalid base64 encoded string"),
        (MEDIA.replace('"payload"', '"load"'), PROTOCOL_ERROR, "media: Object missing required field `payload`"),
        (START.replace('"callSid"', '"call"'), PROTOCOL_ERROR, "start: Object missing required field `callSid`"),
        ('{"event":7}', PROTOCOL_ERROR, "event: Expected `str`, got `int`"),
        ('{"sid":"media"}', PROTOCOL_ERROR, "the message: Object missing required field `event`"),
        ("hello", INVALID_PAYLOAD, "the message is not JSON: invalid character (byte 0)"),
    ],
)
def test_faults_say_what_and_where(text: str, code: int, words: str) -> None:
    """One refusal, with the place of the fault and the close code."""
    assert refusal(TwilioDialect(), text) == (code, words)


def test_playing_before_the_start_is_our_fault() -> None:
    """There is no stream to name yet."""
    dialect = TwilioDialect()
    with pytest.raises(LocalProtocolError, match="play before start"):
        dialect.play([b"\xff"], None, last=False)
    with pytest.raises(LocalProtocolError, match="clear before start"):
        dialect.clear()


def test_frames_are_played_in_order_and_marked_behind() -> None:
    """One message a frame, then the mark; without one, only the frames."""
    frames = [bytes([code]) * 160 for code in (0xFF, 0x7F)]
    sounds = [OutboundMedia(streamSid=SID, media=OutboundPayload(payload=frame)) for frame in frames]
    mark = OutboundMark(streamSid=SID, mark=MarkDetail(name="r1:40"))
    assert begun().play(frames, "r1:40", last=False) == [*map(render, sounds), render(mark)]
    assert begun().play(frames, None, last=True) == [*map(render, sounds)]
    assert begun().play([], "r1:40", last=True) == [render(mark)]


def test_clearing() -> None:
    """One message, in the stream's name."""
    assert begun().clear() == [render(Clear(streamSid=SID))]


def test_a_stream_name_cannot_break_out_of_its_string() -> None:
    """The name is the peer's; in what we write it stays a string."""
    dialect = TwilioDialect()
    name = 'a"},"x":"\\\u2028\u00e9'
    dialect.parse(START.replace(SID, json.dumps(name)[1:-1]))
    assert [parse_bridge_message(text) for text in [*dialect.play([b"\xff"], "m", last=True), *dialect.clear()]] == [
        OutboundMedia(streamSid=name, media=OutboundPayload(payload=b"\xff")),
        OutboundMark(streamSid=name, mark=MarkDetail(name="m")),
        Clear(streamSid=name),
    ]

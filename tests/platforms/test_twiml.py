"""The webhook's form, and the TwiML that answers it."""

import pytest

from opusagent.errors import RemoteProtocolError
from opusagent.platforms.twiml import LONGEST_FORM, MOST_FIELDS, VoiceRequest, connect_stream, dial, play_digits

FORM = (
    b"AccountSid=AC0f&ApiVersion=2010-04-01&CallSid=CA2d&CallStatus=ringing&Direction=inbound"
    b"&From=%2B15550100&To=sip%3Abot%40example.net&CallerName="
)


def test_a_call_asks_what_to_do() -> None:
    """The form's fields, decoded."""
    assert VoiceRequest.from_form(FORM) == VoiceRequest(
        call_sid="CA2d", caller="+15550100", callee="sip:bot@example.net", account="AC0f"
    )


def test_only_the_call_must_be_named() -> None:
    """A withheld number is no reason to refuse a call."""
    assert VoiceRequest.from_form(b"CallSid=CA2d&From=") == VoiceRequest(call_sid="CA2d")


def test_of_a_repeated_field_the_last_value_counts() -> None:
    """There is one answer to a doubled field."""
    assert VoiceRequest.from_form(b"CallSid=CA1&CallSid=CA2") == VoiceRequest(call_sid="CA2")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "CallSid: missing from the form"),
        (b"CallSid=", "CallSid: missing from the form"),
        (b'{"CallSid":"CA1"}', "CallSid: missing from the form"),
        (b"CallSid=CA1&From=%ff", "the form is not UTF-8"),
        (b"CallSid=CA1&From=\xff", "the form is not UTF-8"),
        (b"CallSid=CA1&" + b"a=1&" * MOST_FIELDS, f"the form has more than {MOST_FIELDS} fields"),
        (b"CallSid=" + b"A" * LONGEST_FORM, f"the form has {LONGEST_FORM + 8} bytes, at most {LONGEST_FORM} are taken"),
    ],
    ids=["empty", "blank", "json", "escaped bytes", "raw bytes", "fields", "bytes"],
)
def test_forms_that_announce_no_call_are_refused(body: bytes, words: str) -> None:
    """Each with its reason."""
    with pytest.raises(RemoteProtocolError) as caught:
        VoiceRequest.from_form(body)
    assert str(caught.value) == words


def test_the_stream_is_told_who_calls() -> None:
    """Twilio adds none of these by itself, so the parameters carry them."""
    request = VoiceRequest.from_form(FORM)
    assert connect_stream("wss://voice.example.net/twilio/media", request.parameters()) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Response><Connect><Stream url="wss://voice.example.net/twilio/media">'
        '<Parameter name="From" value="+15550100"/>'
        '<Parameter name="To" value="sip:bot@example.net"/>'
        '<Parameter name="CallSid" value="CA2d"/>'
        "</Stream></Connect></Response>"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("<&>", '"&lt;&amp;&gt;"'),
        ('say "hi"', "'say \"hi\"'"),
        ("'\"", '"\'&quot;"'),
        ("a\nb\tc\rd", '"a&#10;b&#9;c&#13;d"'),
        ("a\x00\x07\x1b\ud800\ufffe\uffffb", '"ab"'),
        ("\u00e9\U0001f600", '"\u00e9\U0001f600"'),
    ],
)
def test_values_cannot_break_out_of_the_xml(value: str, written: str) -> None:
    """Escaped where XML has a way, dropped where XML 1.0 has no such character."""
    assert f'<Parameter name="n" value={written}/>' in connect_stream("wss://x", {"n": value})


@pytest.mark.parametrize(("length", "kept"), [(490, 490), (495, 495), (496, 495), (10_000, 495)])
def test_name_and_value_stay_under_500_characters(length: int, kept: int) -> None:
    """Twilio's bound; the value gives way."""
    assert f'name="From" value="{"x" * kept}"/>' in connect_stream("wss://x", {"From": "x" * length})


@pytest.mark.parametrize(
    ("twiml", "verbs"),
    [
        (dial("+15550142"), "<Dial>+15550142</Dial>"),
        (dial("tel:+15550142", "+15550100"), '<Dial callerId="+15550100">+15550142</Dial>'),
        (dial("sips:desk@pbx.example.net"), "<Dial><Sip>sips:desk@pbx.example.net</Sip></Dial>"),
        (dial("1</Dial><Say>\x00&"), "<Dial>1&lt;/Dial&gt;&lt;Say&gt;&amp;</Dial>"),
        (dial("1", '"/><Hangup/>'), "<Dial callerId='\"/&gt;&lt;Hangup/&gt;'>1</Dial>"),
        (
            play_digits('1"', "wss://a.example/m", {"a": "b"}),
            (
                '<Play digits=\'1"\'/><Connect><Stream url="wss://a.example/m">'
                '<Parameter name="a" value="b"/></Stream></Connect>'
            ),
        ),
    ],
)
def test_what_sends_a_call_elsewhere(twiml: str, verbs: str) -> None:
    """And nothing breaks out of it."""
    assert twiml == f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{verbs}</Response>'

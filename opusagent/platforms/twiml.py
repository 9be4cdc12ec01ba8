"""The webhook side of Twilio: the form that announces a call, and the TwiML that sends its audio to us or elsewhere.

`<Connect><Stream>` carries sound both ways and lasts until we close the socket. Query strings are not supported on
the stream's address; what the call should know goes into `<Parameter>` (Twilio, "TwiML Voice: <Stream>").
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

import attrs

from opusagent.errors import RemoteProtocolError

LONGEST_FORM: Final = 16_384
"""Bytes. Twilio's forms have one or two thousand."""

MOST_FIELDS: Final = 200
"""Twilio's forms have some forty fields."""

LONGEST_PARAMETER: Final = 499
"""Characters of a parameter's name and value together: "under 500" (Twilio, "TwiML Voice: <Stream>")."""


@attrs.frozen
class VoiceRequest:
    """A call that asks what to do. Numbers are as Twilio writes them: `+15550100`, `client:...`, or anything else.

    Of a field that comes twice the last value counts.
    """

    call_sid: str
    caller: str = ""
    callee: str = ""
    account: str = ""

    @classmethod
    def from_form(cls, body: bytes) -> "VoiceRequest":
        """Read an `application/x-www-form-urlencoded` body.

        Raises:
            RemoteProtocolError: too long, too many fields, not UTF-8, or without a CallSid.
        """
        fields = dict(form_fields(body))
        if not fields.get("CallSid"):
            raise RemoteProtocolError("CallSid: missing from the form")
        return cls(
            call_sid=fields["CallSid"],
            caller=fields.get("From", ""),
            callee=fields.get("To", ""),
            account=fields.get("AccountSid", ""),
        )

    def parameters(self) -> dict[str, str]:
        """What the stream's `start` shall tell us: Twilio passes none of it by itself."""
        return {"From": self.caller, "To": self.callee, "CallSid": self.call_sid}


def form_fields(body: bytes) -> tuple[tuple[str, str], ...]:
    """The names and values of a form, as they come, empty ones too.

    Raises:
        RemoteProtocolError: too long, too many fields, or not UTF-8.
    """
    if len(body) > LONGEST_FORM:
        raise RemoteProtocolError(f"the form has {len(body)} bytes, at most {LONGEST_FORM} are taken")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("the form is not UTF-8") from error
    except ValueError as error:
        raise RemoteProtocolError(f"the form has more than {MOST_FIELDS} fields") from error
    return tuple(pairs)


def connect_stream(url: str, parameters: Mapping[str, str]) -> str:
    r"""TwiML that connects the call to the stream at `url` (`wss://`, no query) and passes `parameters`.

    A value that makes its parameter too long is cut; characters that XML 1.0 does not have are dropped.

    >>> print(connect_stream("wss://voice.example.net/media", {"From": "A & B"}).replace("><", ">\n<"))
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Connect>
    <Stream url="wss://voice.example.net/media">
    <Parameter name="From" value="A &amp; B"/>
    </Stream>
    </Connect>
    </Response>
    """
    return _response(_connect(url, parameters))


def play_digits(digits: str, url: str, parameters: Mapping[str, str]) -> str:
    """TwiML that plays the tones of `digits` (`w`: half a second of pause) and then connects as `connect_stream` does.

    >>> play_digits("1w2#", "wss://a.example/m", {}).partition("<Response>")[2]
    '<Play digits="1w2#"/><Connect><Stream url="wss://a.example/m"></Stream></Connect></Response>'
    """
    return _response(f"<Play digits={_quoted(digits)}/>{_connect(url, parameters)}")


def dial(target: str, caller_id: str | None = None) -> str:
    """TwiML that puts the caller through to `target`: a telephone number, `tel:` or `sip:`; afterwards the call ends.

    >>> dial("sip:desk@pbx.example.net").partition("<Response>")[2]
    '<Dial><Sip>sip:desk@pbx.example.net</Sip></Dial></Response>'
    >>> dial("tel:+15550142", "+15550100").partition("<Response>")[2]
    '<Dial callerId="+15550100">+15550142</Dial></Response>'
    """
    shown = f" callerId={_quoted(caller_id)}" if caller_id else ""
    to = escape("".join(filter(_in_xml, target.removeprefix("tel:"))))
    whom = f"<Sip>{to}</Sip>" if to.startswith(("sip:", "sips:")) else to
    return _response(f"<Dial{shown}>{whom}</Dial>")


REJECT: Final = '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Reject reason="rejected"/></Response>'
"""TwiML that refuses a call, which then costs nothing (Twilio, "TwiML Voice: <Reject>")."""


def _response(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{verbs}</Response>'


def _connect(url: str, parameters: Mapping[str, str]) -> str:
    passed = "".join(_parameter(name, value) for name, value in parameters.items())
    return f"<Connect><Stream url={_quoted(url)}>{passed}</Stream></Connect>"


def _parameter(name: str, value: str) -> str:
    """One parameter; its name is ours and short, so the value gives way."""
    kept = value[: max(0, LONGEST_PARAMETER - len(name))]
    return f"<Parameter name={_quoted(name)} value={_quoted(kept)}/>"


def _quoted(text: str) -> str:
    """`text` as an attribute's value, quotes included."""
    return quoteattr("".join(filter(_in_xml, text)))


def _in_xml(character: str) -> bool:
    """Whether XML 1.0 has the character (section 2.2, production 2)."""
    code = ord(character)
    return code in {0x9, 0xA, 0xD} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000

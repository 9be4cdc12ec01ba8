"""Realtime events from and to their text.

Unknown types are no fault: the service adds event types without notice. For what is refused, and how, see
`opusagent.wire`.
"""

from typing import Final, get_args

import pybase64

from opusagent.realtime.events import (
    ClientEvent,
    InputAudioBufferAppend,
    ResponseOutputAudioDelta,
    ServerEvent,
    UnknownEvent,
)
from opusagent.wire import Reader, TypeTag, to_text

_SERVER: Final[Reader[ServerEvent, UnknownEvent]] = Reader(
    TypeTag, get_args(ServerEvent), hot=ResponseOutputAudioDelta, unknown=UnknownEvent
)
_CLIENT: Final[Reader[ClientEvent, UnknownEvent]] = Reader(
    TypeTag, get_args(ClientEvent), hot=InputAudioBufferAppend, unknown=UnknownEvent
)

_APPEND_HEAD: Final = '{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL: Final = '"}'


def parse_server_event(text: str) -> ServerEvent | UnknownEvent:
    """What the service said.

    Raises:
        RemoteProtocolError: `text` is no event; close code 1007 for what is not JSON or not base64, else 1002.
    """
    return _SERVER.parse(text)


def parse_client_event(text: str) -> ClientEvent | UnknownEvent:
    """What a bridge said to the service. Raises as `parse_server_event`."""
    return _CLIENT.parse(text)


def render(event: ServerEvent | ClientEvent) -> str:
    """The text of `event`, absent fields left off. Raises `LocalProtocolError` if it cannot be written."""
    return to_text(event)


def render_append(audio: bytes) -> str:
    """The text of `input_audio_buffer.append` for `audio`, by the shortest way: it is most of what the bridge says.

    >>> render_append(b"hi")
    '{"type":"input_audio_buffer.append","audio":"aGk="}'
    """
    return _APPEND_HEAD + pybase64.b64encode_as_string(audio) + _APPEND_TAIL

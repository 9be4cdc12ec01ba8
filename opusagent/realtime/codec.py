"""Realtime events from and to their text."""

from opusagent.realtime.events import ClientEvent, ServerEvent, UnknownEvent


def parse_server_event(text: str) -> ServerEvent | UnknownEvent:
    """What the service said. Raises `RemoteProtocolError`."""
    raise NotImplementedError(text)


def parse_client_event(text: str) -> ClientEvent | UnknownEvent:
    """What a bridge said to the service. Raises `RemoteProtocolError`."""
    raise NotImplementedError(text)


def render(event: ServerEvent | ClientEvent) -> str:
    """The text of `event`. Raises `LocalProtocolError` if it cannot be written."""
    raise NotImplementedError(event)


def render_append(audio: bytes) -> str:
    """The text of `input_audio_buffer.append` for `audio`, by the shortest way."""
    raise NotImplementedError(audio)

"""How long and how much a peer may take of us: every bound of the sockets, with the reason for its figure."""

from typing import Final

from attrs import frozen

KIB: Final = 1024
MIB: Final = 1024 * KIB


@frozen(kw_only=True)
class SocketLimits:
    """The bounds of one WebSocket leg. Seconds and bytes; the defaults are those of a telephony platform's leg."""

    open_seconds: float = 5.0
    """TCP, TLS and upgrade together. A caller hears nothing meanwhile: longer than this is as bad as a refusal."""
    close_seconds: float = 2.0
    """What a goodbye may cost. A peer that does not answer a close frame in this time is not going to."""
    send_seconds: float = 3.0
    """A peer whose TCP window refuses a write for so long does not read, and audio that old is useless."""
    ping_seconds: float = 5.0
    """Silence after which a ping asks whether the peer is alive. A peer that talks is not asked."""
    pong_seconds: float = 5.0
    """Further silence after which it is not. With the ping this notices a dead idle peer within 10 seconds."""
    message_bytes: int = 64 * KIB
    """A platform's largest message is about one kilobyte (20 ms of audio, or a `start` with its parameters)."""
    fragments: int = 64
    """Frames per message. wsproto spends the same on an empty frame as on a full one, so frames are what is counted."""
    queued_messages: int = 64
    """Received and not yet taken: over one second of 20 ms frames. Beyond it we stop reading, and TCP pushes back."""
    queued_bytes: int = 256 * KIB
    """The same bound in bytes, for messages larger than a platform normally sends."""
    read_bytes: int = 4 * KIB
    """Work done for one peer in one turn of the loop. 64 KiB of pings cost the other calls 39 ms, 4 KiB under 5 ms."""
    send_buffer_bytes: int | None = 32 * KIB
    """SO_SNDBUF: beyond about 2 s of mu-law frames we want to feel that the peer does not read. None: the kernel's."""


PLATFORM: Final = SocketLimits()
"""A leg that anyone on the Internet may open towards us."""

MODEL: Final = SocketLimits(
    message_bytes=4 * MIB,
    queued_bytes=4 * MIB,
    read_bytes=64 * KIB,
    send_buffer_bytes=None,
    ping_seconds=1.5,
    pong_seconds=1.5,
)
"""A leg that we open to a configured backend, whose audio deltas hold tens of kilobytes and come in bursts: read in
64 KiB pieces a message of 20 KB costs half of what it costs in 4 KiB ones. A backend that is dead is known to be after
three seconds, before its caller has heard nothing for four; a session that is replaced in vain costs less."""


@frozen(kw_only=True)
class HttpLimits:
    """The bounds of a connection before it is a WebSocket. Seconds and bytes."""

    request_seconds: float = 5.0
    """From accept to the complete request, in total and not per read: drip-feeding buys no time."""
    answer_seconds: float = 10.0
    """What the site may take to decide. After that the peer is told 503."""
    idle_seconds: float = 15.0
    """A kept-alive connection without a request. Platforms' webhooks come seconds apart or not at all."""
    send_seconds: float = 3.0
    """One write of a response."""
    linger_seconds: float = 1.0
    """How long we read and discard after a refusal, so that a TCP reset does not destroy it on its way."""
    header_bytes: int = 16 * KIB
    """Request line and headers. Platforms send under 2 KiB, with a bearer token or a signature."""
    body_bytes: int = 64 * KIB
    """A webhook's form. Platforms send under 4 KiB."""


@frozen(kw_only=True)
class ListenerLimits:
    """The bounds of one listening port."""

    half_open: int = 512
    """Connections that have not finished their first request. Each costs about 20 KiB and a file descriptor."""
    half_open_per_ip: int = 128
    """The same for one address. All of a platform's calls may come through one proxy, so this is no rate limit."""
    connections: int = 2000
    """Connections at all, upgraded or not. Beyond it a connection is closed before a byte is read."""
    http: HttpLimits = HttpLimits()

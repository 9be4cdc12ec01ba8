"""The one thing that the call knows of the network: a peer that text messages go to and come from."""

from typing import Protocol

from opusagent.errors import NORMAL_CLOSURE


class MessageSocket(Protocol):
    """A connected peer. One task receives; any task may send."""

    async def receive(self) -> str:
        """The next text message.

        Raises:
            PeerGone: the peer closed or vanished; `code` says how.
            PeerStalled: the peer answers no ping within the bound.
            RemoteProtocolError: the peer broke WebSocket, sent binary, or sent more than the size allowed.
        """
        ...

    async def send(self, *messages: str) -> None:
        """Send `messages` in order, in one write. After a failed send the socket is dead.

        After a cancelled one it is dead as well, unless nothing was sent.

        Raises:
            PeerGone: the peer is gone.
            PeerStalled: the peer did not take the bytes within the bound.
        """
        ...

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Say goodbye and close. Bounded, idempotent, safe under cancellation; never raises for a dead peer."""
        ...

"""The accept loop of one port: who may come in, and the boundary that keeps one connection's end its own.

A connection is refused before a byte of it is read, because a handshake costs most of a millisecond and a refusal
nothing. `Gate` decides, purely; `FrontDoor` performs. Each connection has its own task, and whatever goes wrong in it
is logged once and ends there: no peer and no bug of a handler reaches another call.
"""

import contextlib
import errno
import math
import os
import resource
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import structlog
import trio
from attrs import define, evolve, field, frozen
from structlog.typing import FilteringBoundLogger

from opusagent.errors import CannotBind
from opusagent.net.blame import Fault
from opusagent.net.guard import peer_ip
from opusagent.net.http import Site, converse
from opusagent.net.limits import ListenerLimits

RESERVED_FDS: Final = 64
"""Descriptors kept for what is no connection: listeners, logs, the loop itself."""

FDS_PER_CONNECTION: Final = 3
"""A call's platform socket, its model socket and its tape."""

_CAPACITY_ERRNOS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_RETRY_SECONDS: Final = 0.1
_COMPLAINT_SECONDS: Final = 10.0

_GOLDEN: Final = 0.618033988749895  # (sqrt 5 - 1) / 2, whose multiples spread most evenly over the unit interval
_SPREAD: Final = 0.2

log: FilteringBoundLogger = structlog.get_logger()

Listener: TypeAlias = trio.abc.Listener[trio.abc.Stream]


@frozen(kw_only=True)
class ListenerStatistics:
    """What a port has seen since it was opened, and what it holds now."""

    accepted: int = 0
    refused_full: int = 0
    refused_half_open: int = 0
    refused_per_ip: int = 0
    accept_errors: int = 0
    """Times that the system had no descriptor or memory for a connection."""
    failed: int = 0
    """Connections that ended by a bug of ours."""
    open: int = 0
    half_open: int = 0


async def open_listeners(
    host: str | None, port: int, *, ssl_context: ssl.SSLContext | None = None
) -> Sequence[Listener]:
    """Listen on `host` (a name or address; None: every one) and `port` (0: any free one).

    Raises:
        CannotBind: the address is taken, not ours, not allowed or not an address.
    """
    if not 0 <= port <= 65535:
        raise CannotBind(f"cannot listen on {host or '*'}:{port}: ports are 0 to 65535")
    try:
        tcp = await trio.open_tcp_listeners(port, host=host)
    except (OSError, UnicodeError) as error:
        raise CannotBind(f"cannot listen on {host or '*'}:{port}: {error}{_advice(error)}") from error
    if ssl_context is None:
        return tcp
    return [trio.SSLListener(each, ssl_context, https_compatible=True) for each in tcp]


def bound_port(listeners: Sequence[Listener]) -> int:
    """The port of the first of `listeners` that has one, 0 if none has."""
    for listener in listeners:
        match listener:
            case trio.SocketListener(socket=tcp) | trio.SSLListener(transport_listener=trio.SocketListener(socket=tcp)):
                return int(tcp.getsockname()[1])
            case _:
                continue
    return 0


def _advice(error: Exception) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return " (another program listens there: stop it or choose another port)"
        case OSError(errno=errno.EADDRNOTAVAIL):
            return " (no network interface of this machine has that address)"
        case OSError(errno=errno.EACCES):
            return " (ports below 1024 need a privilege: choose a higher one, or let the service manager open it)"
        case _:
            return ""


def affordable_connections() -> int:
    """How many connections the process's limit on open files (RLIMIT_NOFILE) can carry as calls."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (soft - RESERVED_FDS) // FDS_PER_CONNECTION)


def spread(seconds: float, turn: int) -> float:
    """A bound between 80 and 100 % of `seconds`, so that connections which came together do not expire together.

    >>> [round(spread(5, turn), 2) for turn in range(4)]
    [5.0, 4.38, 4.76, 4.15]
    """
    return seconds * (1 - _SPREAD * math.fmod(turn * _GOLDEN, 1))


@define(eq=False)
class Gate:
    """Decides who comes in, and counts who is in."""

    limits: ListenerLimits
    _seen: ListenerStatistics = field(factory=ListenerStatistics, init=False)
    _half_open_by_ip: Counter[str] = field(factory=Counter[str], init=False)
    faults: Counter[Fault] = field(factory=Counter[Fault], init=False)

    def statistics(self) -> ListenerStatistics:
        """The counts at this moment."""
        return self._seen

    def admit(self, ip: str) -> "Visit | None":
        """Let a new connection from `ip` in, or count why it may not."""
        seen, limits = self._seen, self.limits
        if seen.open >= limits.connections:
            self._seen = evolve(seen, refused_full=seen.refused_full + 1)
        elif seen.half_open >= limits.half_open:
            self._seen = evolve(seen, refused_half_open=seen.refused_half_open + 1)
        elif self._half_open_by_ip[ip] >= limits.half_open_per_ip:
            self._seen = evolve(seen, refused_per_ip=seen.refused_per_ip + 1)
        else:
            self._half_open_by_ip[ip] += 1
            self._seen = evolve(seen, accepted=seen.accepted + 1, open=seen.open + 1, half_open=seen.half_open + 1)
            return Visit(self, ip, turn=seen.accepted)
        return None

    def accept_failed(self) -> None:
        """The system could not give us a connection."""
        self._seen = evolve(self._seen, accept_errors=self._seen.accept_errors + 1)

    def connection_failed(self) -> None:
        """A connection ended by a bug of ours."""
        self._seen = evolve(self._seen, failed=self._seen.failed + 1)

    def settle(self, ip: str) -> None:
        """One connection from `ip` is half open no more."""
        self._seen = evolve(self._seen, half_open=self._seen.half_open - 1)
        self._half_open_by_ip[ip] -= 1
        if not self._half_open_by_ip[ip]:
            del self._half_open_by_ip[ip]

    def leave(self) -> None:
        """One connection is gone."""
        self._seen = evolve(self._seen, open=self._seen.open - 1)


@define(eq=False)
class Visit:
    """One admitted connection, the `turn`-th of its port."""

    gate: Gate
    ip: str
    turn: int
    _half_open: bool = field(default=True, init=False)
    _is_blamed: bool = field(default=False, init=False)

    def blame(self, fault: Fault) -> None:
        """Count what its peer did wrong."""
        self._is_blamed = True
        self.gate.faults[fault] += 1

    def settle(self) -> None:
        """Its first request is complete. Idempotent."""
        if self._half_open:
            self._half_open = False
            self.gate.settle(self.ip)

    def leave(self) -> None:
        """It is closed. One that is over before anything was asked, and was nobody's fault, has left."""
        if self._half_open and not self._is_blamed:
            self.blame(Fault.LEFT)
        self.settle()
        self.gate.leave()


class FrontDoor:
    """A port that is being served."""

    def __init__(self, listeners: Sequence[Listener], site: Site, limits: ListenerLimits) -> None:
        affordable = min(limits.connections, affordable_connections())
        self.listeners: Final = tuple(listeners)
        self._site: Final = site
        self._limits: Final = evolve(limits, connections=affordable)
        self._gate: Final = Gate(self._limits)
        self._complained_at = -math.inf

    def statistics(self) -> ListenerStatistics:
        """What the port has seen and holds."""
        return self._gate.statistics()

    def faults(self) -> Mapping[Fault, int]:
        """What peers did wrong, by every fault that there is."""
        return {fault: self._gate.faults[fault] for fault in Fault}

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return bound_port(self.listeners)

    async def accept(self, connections: trio.Nursery) -> None:
        """Accept until cancelled, each connection in a task of `connections`; then close the listeners."""
        async with contextlib.AsyncExitStack() as closing, trio.open_nursery() as loops:
            for listener in self.listeners:
                closing.push_async_callback(trio.aclose_forcefully, listener)
                loops.start_soon(self._accept_from, listener, connections)

    async def _accept_from(self, listener: Listener, connections: trio.Nursery) -> None:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _CAPACITY_ERRNOS:
                    raise
                self._complain(error)
                await trio.sleep(_RETRY_SECONDS)
                continue
            visit = self._gate.admit(peer_ip(stream))
            if visit is None:
                await trio.aclose_forcefully(stream)
            else:
                connections.start_soon(self._attend, stream, visit)

    def _complain(self, error: OSError) -> None:
        self._gate.accept_failed()
        now = trio.current_time()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            log.error("no room for new connections", why=os.strerror(error.errno or 0), **self._room())

    def _room(self) -> dict[str, int]:
        seen = self._gate.statistics()
        return {"open": seen.open, "accept_errors": seen.accept_errors}

    async def _attend(self, stream: trio.abc.Stream, visit: Visit) -> None:
        """The one broad handler of a connection."""
        http = self._limits.http
        bounds = evolve(http, request_seconds=spread(http.request_seconds, visit.turn))
        try:
            await converse(stream, visit.ip, self._site, bounds, visit.settle, visit.blame)
        except* Exception:
            self._gate.connection_failed()
            log.exception("a connection failed", peer=visit.ip)
        finally:
            visit.leave()
            await trio.aclose_forcefully(stream)


async def serve(
    listeners: Sequence[Listener],
    site: Site,
    limits: ListenerLimits | None = None,
    *,
    connections: trio.Nursery | None = None,
    task_status: trio.TaskStatus[FrontDoor] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `site` on `listeners` until cancelled; they are closed then.

    Connections live in `connections`, and outlive the accept loop there, which is how a daemon drains. Without it they
    are cancelled together with the loop. `task_status` is started with the `FrontDoor`, for its statistics.
    """
    door = FrontDoor(listeners, site, limits or ListenerLimits())
    task_status.started(door)
    if connections is not None:
        await door.accept(connections)
        return
    async with trio.open_nursery() as own:
        await door.accept(own)

"""Where calls live when there are several processes: each tells the others through Redis which seats it keeps.

An entry holds the address of its process and lasts for `ENTRY_SECONDS`; it is renewed in a third of that. So a process
that is killed is forgotten, a Redis that has lost everything knows it again, and one that is away costs nothing but the
way between processes: calls go on, and whoever comes back to the right process is let in.
"""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import coredis
import structlog
import trio
from coredis.exceptions import RedisError
from coredis.retry import NoRetryPolicy
from structlog.typing import FilteringBoundLogger

from opusagent.daemon.config_cluster import Cluster
from opusagent.daemon.relay import carry
from opusagent.daemon.seats import SeatName, Seats
from opusagent.net.message_socket import MessageSocket
from opusagent.units import LoopTime

ENTRY_SECONDS: Final = 60
RENEWAL_SECONDS: Final = ENTRY_SECONDS / 3

LOOK_SECONDS: Final = 3.0
"""Between two looks whether Redis is there: a new one knows nothing until it is told."""

PATIENCE_SECONDS: Final = 2.0
"""What Redis may take to connect, and to answer. A caller waits in silence for the answer."""

RETRY_SECONDS: Final = 1.0

log: FilteringBoundLogger = structlog.get_logger()


class Companions:
    """The processes that share a Redis. `address` is where they reach this one."""

    def __init__(self, settings: Cluster, address: str, seats: Seats) -> None:
        self._settings: Final = settings
        self._address: Final = address
        self._seats: Final = seats
        self._redis: coredis.Redis[str] | None = None
        self._is_away = False

    async def run(self) -> None:
        """Keep the entries of this process as they should be, for ever."""
        while True:
            with self._minding_absence():
                async with connection(self._settings) as redis:
                    await self._keep_entries(redis)
            self._redis = None
            await trio.sleep(RETRY_SECONDS)

    async def carry(self, name: SeatName, first: str, socket: MessageSocket) -> bool:
        """Carry `socket` to the process that keeps the seat, if it is another one."""
        address = await self._find(name)
        if address is None or address == self._address:
            return False
        log.info("resume carried to another process", address=address)
        if await carry(name, address, self._settings.secret, first, socket):
            return True
        log.warning("resume could not be carried to another process", address=address)
        return False

    async def _find(self, name: SeatName) -> str | None:
        if self._redis is None:
            return None
        with self._minding_absence(), trio.move_on_after(PATIENCE_SECONDS):
            return await self._redis.get(entry_of(name))
        return None

    async def _keep_entries(self, redis: coredis.Redis[str]) -> None:
        """Until Redis is away. A new one knows nothing."""
        told, due = await self._tell(redis, set[SeatName]()), trio.current_time() + RENEWAL_SECONDS
        self._redis, self._is_away = redis, False
        log.info("redis knows where calls are", address=self._address, calls=len(told))
        while True:
            await self._seats.news.wait(LoopTime(trio.current_time() + LOOK_SECONDS))
            if trio.current_time() >= due:
                told, due = set[SeatName](), trio.current_time() + RENEWAL_SECONDS
            told = await self._tell(redis, told)

    async def _tell(self, redis: coredis.Redis[str], told: set[SeatName]) -> set[SeatName]:
        """Bring what was `told` up to date. What is told now."""
        kept = set(self._seats)
        await redis.ping()
        for name in kept - told:
            await redis.set(entry_of(name), self._address, ex=ENTRY_SECONDS)
        for name in told - kept:
            await redis.delete([entry_of(name)])
        return kept

    @contextmanager
    def _minding_absence(self) -> Generator[None]:
        """Say once that Redis is away, and go on."""
        try:
            yield
        except* (RedisError, OSError) as errors:
            if not self._is_away:
                self._is_away = True
                why = " / ".join(str(error) for error in errors.exceptions)
                log.warning("redis is away: calls go on, and can be resumed in their own process only", why=why)


def connection(settings: Cluster) -> coredis.Redis[str]:
    """A connection to be, in `async with`."""
    return coredis.Redis[str].from_url(
        settings.redis,
        password=None if settings.password is None else settings.password.reveal(),
        decode_responses=True,
        connect_timeout=PATIENCE_SECONDS,
        stream_timeout=PATIENCE_SECONDS,
        verify_version=False,
        retry_policy=NoRetryPolicy(),
    )


def entry_of(name: SeatName) -> str:
    """What a seat is called in Redis. It tells neither the token nor the conversation."""
    return "opusagent:seat:" + hashlib.sha256("\0".join(name).encode("utf-8", "surrogatepass")).hexdigest()

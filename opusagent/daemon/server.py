"""The daemon: one port, and every call in a task of its own. The one place that names a concrete platform."""

import secrets
import signal
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.audio.media import MediaFormat
from opusagent.call.bell import Bell
from opusagent.call.call import Exchange, Limits, Profile, run_call, watch_nothing
from opusagent.call.caller import Caller, answer
from opusagent.call.ending import Ending
from opusagent.call.moments import Moment
from opusagent.call.recorder import Disk, Recorder
from opusagent.call.report import CallReport, to_json
from opusagent.call.seat import CallerSeat
from opusagent.daemon.config import AudioCodes, Config
from opusagent.daemon.site import Reception, Room
from opusagent.errors import GOING_AWAY, POLICY_VIOLATION, PeerStalled, RemoteProtocolError
from opusagent.net.limits import MODEL
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.platforms.dialect import CallResumed, Dialect
from opusagent.platforms.twilio import TwilioDialect
from opusagent.realtime.settings import model_format, session_update
from opusagent.units import CallId, Ms

log: FilteringBoundLogger = structlog.get_logger()

DISK_THREADS: Final = 4
"""Threads that write recordings. A slow disk may hold all of them, and no other thread of the program waits for it."""

GOODBYE_SECONDS: Final = 10.0
"""How long the calls may take to end when the daemon is told to stop: goodbyes and recordings, all at once."""


def disk_threads() -> Disk:
    """The disk of a daemon: blocking work on threads of its own."""
    limiter = trio.CapacityLimiter(DISK_THREADS)

    async def on_a_thread(work: Callable[[], None]) -> None:
        await trio.to_thread.run_sync(work, limiter=limiter)

    return on_a_thread


def ignore_start(call_id: CallId, folder: Path | None) -> None:
    """Nobody asked to be told that a call begins, or where it is kept."""


def ignore_report(report: CallReport) -> None:
    """Nobody asked for reports but the log and the disk."""


@attrs.frozen
class Observer:
    """Who looks on: at calls that begin, at what happens in them, and at their reports."""

    on_start: Callable[[CallId, Path | None], None] = ignore_start
    on_moment: Callable[[Moment], None] = watch_nothing
    on_report: Callable[[CallReport], None] = ignore_report


class Daemon:
    """The calls that there are, and how one is taken."""

    def __init__(self, config: Config, model_url: str, recorder: Recorder, observer: Observer) -> None:
        self._config: Final = config
        self._model_url: Final = with_model(model_url, config.realtime.model)
        self._recorder: Final = recorder
        self._observer: Final = observer
        self._calls: Final[dict[CallId, Ending]] = {}
        self._seats: Final[dict[tuple[str, str], CallerSeat]] = {}
        self._connected = 0
        self._stopping = False
        self._gone: Final = Bell()
        tls = urlsplit(model_url).scheme == "wss"
        self._trust: Final = ssl.create_default_context() if tls else None

    def room(self) -> Room:
        """Connections count from the moment they are let in, whether or not their call has started."""
        return Room(self._connected, self._config.server.max_calls)

    def end_calls(self) -> None:
        """Every call says goodbye, and no new one begins."""
        self._stopping = True
        for ending in self._calls.values():
            ending.shut_down()

    async def wait_empty(self) -> None:
        """Until the last call has ended and is filed."""
        while self._connected:
            await self._gone.wait(None)

    async def take_twilio_call(self, socket: MessageSocket) -> None:
        """One media stream, from its first message to its end."""
        if self.room().is_full or self._stopping:
            await socket.close(GOING_AWAY, "no room")
            return
        with self._slot():
            caller = await self._answer(socket, TwilioDialect())
            if isinstance(caller, CallResumed):
                raise RemoteProtocolError("Twilio does not resume streams", close_code=POLICY_VIOLATION)
            await self._call(caller, Limits(call_seconds=self._config.limits.call_seconds))

    async def take_audiocodes_call(self, token: str, socket: MessageSocket) -> None:
        """One conversation, or one more socket for a conversation that goes on."""
        platform = self._config.audiocodes or AudioCodes()
        dialect = AudioCodesDialect(platform.formats, Ms(platform.lead_ms))
        caller = await self._answer(socket, dialect)
        if isinstance(caller, CallResumed):
            await self._resume(caller, token, socket, dialect)
            return
        if self.room().is_full or self._stopping:
            await socket.send(*dialect.hang_up("no room for a further call"))
            return
        name = (token, caller.started.platform_call_id)
        if name in self._seats:
            await socket.send(*dialect.hang_up("this conversation is already here"))
            return
        limits = Limits(call_seconds=self._config.limits.call_seconds, resume_seconds=platform.resume_seconds)
        self._seats[name] = caller.seat
        try:
            with self._slot():
                await self._call(caller, limits)
        finally:
            del self._seats[name]

    async def _resume(self, call: CallResumed, token: str, socket: MessageSocket, dialect: AudioCodesDialect) -> None:
        """Seat a socket that comes back for a call. Only with the token that the call came with."""
        seat = self._seats.get((token, call.platform_call_id))
        if seat is None:
            log.warning("resume refused: no such conversation", platform_call=call.platform_call_id)
            await socket.send(*dialect.hang_up("conversation not found"))
            return
        log.info("conversation resumed", platform_call=call.platform_call_id)
        await seat.occupy(socket)

    @contextmanager
    def _slot(self) -> Generator[None]:
        """One of `max_calls`."""
        self._connected += 1
        try:
            yield
        finally:
            self._connected -= 1
            self._gone.ring()

    async def _answer(self, socket: MessageSocket, dialect: Dialect) -> Caller | CallResumed:
        try:
            return await answer(socket, dialect)
        except (PeerStalled, RemoteProtocolError) as failed:
            log.warning("stream refused", error=str(failed))
            raise

    async def _call(self, caller: Caller, limits: Limits) -> None:
        call_id = CallId(secrets.token_hex(8))
        started = datetime.now(UTC)
        ending = self._calls[call_id] = Ending()
        if self._stopping:
            ending.shut_down()
        self._observer.on_start(call_id, self._recorder.folder(call_id, started))
        who = caller.started
        log.info("call started", call=call_id, platform_call=who.platform_call_id, caller=who.caller, callee=who.callee)
        try:
            report = await run_call(
                call_id,
                caller,
                self._profile(who.media),
                Exchange(self._dial_model, self._recorder, watch=self._observer.on_moment),
                ending,
                started=started,
                limits=limits,
            )
        finally:
            del self._calls[call_id]
        await self._file(report)

    def _profile(self, leg: MediaFormat) -> Profile:
        agent, audio = self._config.agent, self._config.realtime.audio
        opening = session_update(instructions=agent.instructions, voice=agent.voice, audio=audio, caller=leg)
        return Profile(opening, agent.instructions, agent.greeting, model_format(audio, leg))

    async def _dial_model(self, plumbing: trio.Nursery) -> MessageSocket:
        key = self._config.realtime.api_key
        headers = [] if key is None else [("Authorization", f"Bearer {key.reveal()}")]
        return await connect(plumbing, self._model_url, headers, MODEL, ssl_context=self._trust)

    async def _file(self, report: CallReport) -> None:
        log.info(
            "call ended",
            call=report.call_id,
            reason=report.end.value,
            detail=report.end_detail,
            seconds=report.seconds,
            turns=report.caller_turns,
            barge_ins=report.barge_ins,
        )
        await self._recorder.keep_report(report.call_id, report.started, to_json(report))
        self._observer.on_report(report)


async def run_daemon(
    config: Config,
    model_url: str,
    stop: trio.Event,
    *,
    observer: Observer | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop`; then every call ends, is recorded to its end, and the function returns.

    `task_status` is told the port.

    Raises:
        CannotBind: the address cannot be listened at.
    """
    directory = config.recording.directory if config.recording else None
    daemon = Daemon(config, model_url, Recorder(directory, disk_threads()), observer or Observer())
    listen = config.server.listen
    listeners = await open_listeners(listen.host, listen.port)
    site = Reception(config, daemon)
    async with trio.open_nursery() as serving:
        await serving.start(serve, listeners, site)
        port = bound_port(listeners)
        log.info("ready", listen=listen.address, port=port, model=config.realtime.model, backend=model_url)
        task_status.started(port)
        await stop.wait()
        log.info("stopping", calls=daemon.room().calls)
        daemon.end_calls()
        with trio.move_on_after(GOODBYE_SECONDS):
            await daemon.wait_empty()
        serving.cancel_scope.cancel()


async def stop_on_signals(stop: Callable[[], None]) -> None:
    """SIGINT and SIGTERM call `stop`, any number of times."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop()


def with_model(url: str, model: str) -> str:
    """`url` with the model in its query, unless the query names one or a call (OpenAI Realtime, connection).

    >>> with_model("wss://api.openai.com/v1/realtime", "gpt-realtime-2.1")
    'wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1'
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not {"model", "call_id", "intent"} & {name for name, _ in query}:
        query.append(("model", model))
    return urlunsplit(parts._replace(query=urlencode(query)))

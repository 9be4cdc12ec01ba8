"""The orders and questions of `Control` as HTTP: what the control socket offers, and whoever else shows it.

    GET  /readyz             200 or 503
    GET  /status             how the daemon is
    POST /reload             200 with the verdict, or 422: nothing has changed, and why
    POST /upgrade            the same
    POST /drain              202; `?seconds=N` for another time than the configuration's
    GET  /calls              the calls that there are
    GET  /calls/ID           one of them, with what it has come to so far; or 404
    POST /calls/ID/hangup    202, or 404
    POST /calls/ID/recording/pause, POST /calls/ID/recording/resume    200, or 404

Bodies are JSON, of the classes in `control`; what is wrong is said as `error`.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final
from urllib.parse import parse_qs, unquote

import msgspec
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.daemon.control import Control, Verdict
from opusagent.net.http import Request, Response, Upgrade
from opusagent.units import CallId

log: FilteringBoundLogger = structlog.get_logger()

Answer = Callable[[Request], Awaitable[Response]]
Routes = Mapping[tuple[str, str], Answer]
"""What is answered, by method and path. `{}` stands for one part of a path."""


class ControlSite:
    """A site that asks `control`; `further` routes are answered beside its own."""

    def __init__(self, control: Control, further: Routes | None = None) -> None:
        self._control: Final = control
        self._routes: Final[Routes] = {
            ("GET", "/readyz"): self._readyz,
            ("GET", "/status"): self._status,
            ("POST", "/reload"): self._reload,
            ("POST", "/upgrade"): self._upgrade,
            ("POST", "/drain"): self._drain,
            ("GET", "/calls"): self._calls,
            ("GET", "/calls/{}"): self._call,
            ("POST", "/calls/{}/hangup"): self._hang_up,
            ("POST", "/calls/{}/recording/pause"): partial(self._record, on=False),
            ("POST", "/calls/{}/recording/resume"): partial(self._record, on=True),
            **(further or {}),
        }

    async def answer(self, request: Request) -> Response | Upgrade:
        """The answer to `request`: 404 for a path that is not here, 405 for a method that the path does not have."""
        await trio.lowlevel.checkpoint()
        methods = {method: each for (method, pattern), each in self._routes.items() if _fits(pattern, request.path)}
        if not methods:
            return as_json({"error": "nothing here"}, 404)
        respond = methods.get("GET" if request.method == "HEAD" else request.method)
        if respond is None:
            allowed = ", ".join(methods)
            return Response(405, f"{request.path} answers {allowed}\n".encode(), headers=(("allow", allowed),))
        return await respond(request)

    async def _readyz(self, request: Request) -> Response:
        del request
        await trio.lowlevel.checkpoint()
        phase = self._control.status().phase
        return as_json({"phase": phase.value}, 200 if phase.value in {"ready", "reloading"} else 503)

    async def _status(self, request: Request) -> Response:
        del request
        await trio.lowlevel.checkpoint()
        return as_json(self._control.status())

    async def _reload(self, request: Request) -> Response:
        del request
        return _judged(await self._control.reload())

    async def _upgrade(self, request: Request) -> Response:
        del request
        return _judged(await self._control.upgrade())

    async def _drain(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        wanted = parse_qs(request.query).get("seconds", [None])[0]
        seconds = None if wanted is None else _seconds(wanted)
        if wanted is not None and seconds is None:
            return as_json({"error": "seconds must be a number, not less than 0"}, 400)
        self._control.drain(seconds)
        return as_json(self._control.status(), 202)

    async def _calls(self, request: Request) -> Response:
        del request
        await trio.lowlevel.checkpoint()
        return as_json(self._control.calls())

    async def _call(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        call_id = _call_in(request)
        detail = self._control.call(call_id)
        return _no_call(call_id) if detail is None else as_json(detail)

    async def _hang_up(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        call_id = _call_in(request)
        if not self._control.hang_up(call_id):
            return _no_call(call_id)
        log.info("an operator ends a call", call=call_id)
        return as_json({"call": call_id}, 202)

    async def _record(self, request: Request, *, on: bool) -> Response:
        await trio.lowlevel.checkpoint()
        call_id = _call_in(request)
        if not self._control.record(call_id, on=on):
            return _no_call(call_id)
        log.info("an operator resumes a recording" if on else "an operator pauses a recording", call=call_id)
        return as_json({"call": call_id})


def as_json(body: object, status: int = 200) -> Response:
    """`body` as JSON on a line of its own."""
    return Response(status, msgspec.json.encode(body) + b"\n", "application/json")


def _call_in(request: Request) -> CallId:
    return CallId(unquote(request.path.split("/")[2]))


def _no_call(call_id: CallId) -> Response:
    return as_json({"error": f"there is no call {call_id!r}: it is over, or never was"}, 404)


def _judged(verdict: Verdict) -> Response:
    return as_json(verdict, 200 if verdict.is_done else 422)


def _fits(pattern: str, path: str) -> bool:
    wanted, parts = pattern.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(ours in {"{}", theirs} for ours, theirs in zip(wanted, parts, strict=True))


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None

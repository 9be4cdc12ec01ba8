"""What the daemon answers, for people: `opusagent status`, `calls` and `hangup`. Pure, but for the asking.

Numbers and names in it come from telephone networks: whatever they hold moves no cursor.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import attrs
import msgspec

from opusagent.daemon.control import CallDetail, CallOnLine, Status
from opusagent.daemon.control_socket import ask
from opusagent.errors import PeerRefused
from opusagent.plain import counted, plain

_T = TypeVar("_T")

HEAD: Final = ("call", "platform", "agent", "from", "to", "started", "s", "gen", "state")
_RIGHT: Final = frozenset({"s", "gen"})
_NUMBER: Final = 24
"""Characters that a number or a name gets in a table."""


@attrs.frozen
class Console:
    """The daemon at `socket`, asked by one command. With `json` it is told what was answered, byte for byte."""

    socket: Path
    json: bool = False

    def status(self) -> str:
        """How the daemon is. Raises `PeerRefused`, as all of these do."""
        return self._show("/status", Status, status_in_words)

    def calls(self) -> str:
        """The calls that there are."""
        return self._show("/calls", list[CallOnLine], table)

    def call(self, call_id: str) -> str:
        """One call."""
        return self._show(f"/calls/{quote(call_id, safe='')}", CallDetail, detail_in_words)

    def hang_up(self, call_id: str) -> str:
        """End one call, in order. It is told to end; it is over when it says goodbye and is filed."""
        answer = self._ask("POST", f"/calls/{quote(call_id, safe='')}/hangup")
        return answer.decode() if self.json else f"hangup: {plain(call_id)} ends\n"

    def _show(self, target: str, kind: type[_T], words: Callable[[_T], str]) -> str:
        answer = self._ask("GET", target)
        if self.json:
            return answer.decode()
        try:
            return words(msgspec.json.decode(answer, type=kind))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            text = f"the daemon's answer is not understood, is it of another version? ask with --json: {error}"
            raise PeerRefused(text, status=200) from error

    def _ask(self, method: str, target: str) -> bytes:
        status, body = ask(self.socket, method, target)
        if status < 300:
            return body
        raise PeerRefused(_error_in(body) or f"the daemon answered {status}", status=status)


def status_in_words(now: Status) -> str:
    """How the daemon is, on a few lines."""
    left = "" if now.drain_seconds_left is None else f", at most {duration(now.drain_seconds_left)} more"
    filing = max(0, now.connections - now.calls)
    lines = (
        f"{now.phase.value}{left}, up {duration(now.uptime_seconds)}, generation {now.generation}",
        f"calls {now.calls} of {now.max_calls}" + (f", {filing} more begin or are being filed" if filing else ""),
        *([f"calls that hang: {now.hanging}; the log says which, and at what"] if now.hanging else []),
        *now.last_refusal,
    )
    return "".join(f"{plain(line)}\n" for line in lines)


def table(calls: Sequence[CallOnLine]) -> str:
    r"""The calls, one a line, the oldest first.

    >>> table([])
    'no calls\n'
    """
    if not calls:
        return "no calls\n"
    rows = [HEAD, *map(_row, calls)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(_aligned, HEAD, row, widths)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def detail_in_words(detail: CallDetail) -> str:
    """One call, on a few lines."""
    call, now, audio = detail.call, detail.progress, detail.progress.audio
    barge_ins, tools = counted(now.barge_ins, "barge-in"), counted(now.tool_calls, "tool")
    lost = counted(now.line_gaps, "time")
    model = "ready" if now.is_ready else "not ready"
    errors = ", ".join(f"{code} {count}" for code, count in sorted(now.model_errors.items())) or "none"
    lines = [
        f"call {call.call_id}  {call.platform}  {call.started:%Y-%m-%d %H:%M:%S %Z}  {duration(call.seconds)}",
        f"  from {call.caller or 'unknown'} to {call.callee or 'unknown'}, platform call {call.platform_call_id}",
        f"  {_state(call)}, model {model}, agent {call.agent}, generation {call.generation}",
        f"  {counted(now.turns, 'turn')}, {counted(now.responses, 'response')}, {barge_ins}, {tools}",
        f"  {counted(now.tokens, 'token')}, ${now.dollars:.4f}, line lost {lost}, model errors: {errors}",
    ]
    if audio is not None:
        lines.append(f"  caller: {audio.caller_received} ms received, {audio.caller_dropped} dropped")
        lines.append(f"  model: {audio.model_heard} ms heard, {audio.model_discarded} cut, {audio.model_held} waiting")
    return "".join(f"{plain(line)}\n" for line in lines)


def duration(seconds: float) -> str:
    """A time that a person reads.

    >>> duration(9.6), duration(75), duration(7384), duration(200_000)
    ('10 s', '1 min 15 s', '2 h 3 min', '2 d 7 h')
    """
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _row(call: CallOnLine) -> tuple[str, ...]:
    cells = (
        call.call_id,
        call.platform,
        call.agent[:_NUMBER],
        call.caller[:_NUMBER] or "unknown",
        call.callee[:_NUMBER] or "unknown",
        f"{call.started:%H:%M:%S}",
        f"{call.seconds:.0f}",
        str(call.generation),
        _state(call),
    )
    return tuple(map(plain, cells))


def _state(call: CallOnLine) -> str:
    return "ending" if call.ending else "talking"


def _aligned(name: str, cell: str, width: int) -> str:
    return cell.rjust(width) if name in _RIGHT else cell.ljust(width)


def _error_in(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=dict[str, str]).get("error")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None

"""The control channel: every order and question over a real Unix socket, and what a stranger is told."""

import json
import stat
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from opusagent.daemon.control import CallDetail, CallOnLine, Status, Verdict
from opusagent.daemon.control_site import ControlSite, as_json
from opusagent.daemon.control_socket import ask, open_control, read_verdict, socket_path
from opusagent.daemon.life import Phase
from opusagent.daemon.roster import Roster
from opusagent.errors import CannotBind, PeerRefused
from opusagent.net.http import Request, Response
from opusagent.net.listener import serve
from opusagent.units import CallId, LoopTime
from tests.daemon.test_roster import conversation

HOW = Status(phase=Phase.READY, generation=3, calls=1, connections=1, max_calls=9, uptime_seconds=60.0)
NO_BODY = {"error": "there is no call 'no body': it is over, or never was"}
REFUSED = Verdict(generation=3, problems=("x.toml: no such key", "x.toml: no such table"))


@attrs.define
class Desk:
    """A daemon that notes its orders."""

    roster: Roster = attrs.field(factory=Roster)
    verdict: Verdict = Verdict(generation=4, changed=("agent.greeting",))
    how: Status = HOW
    drains: list[float | None] = attrs.field(factory=list["float | None"])

    def status(self) -> Status:
        return self.how

    def calls(self) -> Sequence[CallOnLine]:
        return [call.seen(LoopTime(70.0)) for call in self.roster.conversations]

    def call(self, call_id: CallId) -> CallDetail | None:
        call = self.roster.conversation(call_id)
        return None if call is None else call.detail(LoopTime(70.0))

    def hang_up(self, call_id: CallId) -> bool:
        return self.roster.hang_up(call_id)

    def record(self, call_id: CallId, *, on: bool) -> bool:
        return self.roster.record(call_id, on=on)

    def drain(self, seconds: float | None = None) -> None:
        self.drains.append(seconds)

    async def reload(self) -> Verdict:
        await trio.lowlevel.checkpoint()
        return self.verdict

    async def upgrade(self) -> Verdict:
        await trio.lowlevel.checkpoint()
        return REFUSED


@asynccontextmanager
async def control(directory: Path, desk: Desk) -> AsyncGenerator[Path]:
    """The desk behind a control socket."""
    path = directory / "control.sock"
    opened = await open_control(path)
    assert not path.exists()
    opened.show()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, [opened.listener], ControlSite(desk))
        yield path
        nursery.cancel_scope.cancel()
    opened.remove()


async def asked(path: Path, method: str, target: str) -> tuple[int, object]:
    status, body = await trio.to_thread.run_sync(ask, path, method, target)
    parsed: object = json.loads(body)
    return status, parsed


async def test_orders_and_questions(tmp_path: Path) -> None:
    desk = Desk()
    call = conversation("a1")
    async with control(tmp_path, desk) as path:
        with desk.roster.listed(call):
            assert await asked(path, "GET", "/readyz") == (200, {"phase": "ready"})
            status, how = await asked(path, "GET", "/status")
            assert (status, how) == (200, json.loads(as_json(HOW).body))
            status, calls = await asked(path, "GET", "/calls")
            assert (status, calls) == (200, json.loads(as_json([call.seen(LoopTime(70.0))]).body))
            status, detail = await asked(path, "GET", "/calls/a1")
            assert (status, detail) == (200, json.loads(as_json(call.detail(LoopTime(70.0))).body))
            assert await asked(path, "POST", "/calls/a1/hangup") == (202, {"call": "a1"})
            assert await asked(path, "POST", "/calls/no%20body/hangup") == (404, NO_BODY)
            assert await asked(path, "POST", "/calls/no%20body/recording/pause") == (404, NO_BODY)
            assert await asked(path, "GET", "/calls/no%20body") == (404, NO_BODY)
        assert call.ending.end_of_call is not None
        desk.how = attrs.evolve(HOW, phase=Phase.DRAINING)
        assert await asked(path, "GET", "/readyz") == (503, {"phase": "draining"})


async def test_a_verdict_comes_whole_whether_it_is_done_or_refused(tmp_path: Path) -> None:
    desk = Desk()
    async with control(tmp_path, desk) as path:
        done = await trio.to_thread.run_sync(ask, path, "POST", "/reload")
        refused = await trio.to_thread.run_sync(ask, path, "POST", "/upgrade")
    assert (done[0], read_verdict(*done)) == (200, desk.verdict)
    assert (refused[0], read_verdict(*refused)) == (422, REFUSED)


async def test_a_drain_may_name_its_time(tmp_path: Path) -> None:
    desk = Desk()
    async with control(tmp_path, desk) as path:
        asks = ("/drain", "/drain?seconds=2.5", "/drain?seconds=soon", "/drain?seconds=-1", "/drain?seconds=inf")
        assert [(await asked(path, "POST", target))[0] for target in asks] == [202, 202, 400, 400, 400]
    assert desk.drains == [None, 2.5]


async def test_what_is_not_there_and_what_is_not_done_so() -> None:
    site = ControlSite(Desk())
    assert (await site.answer(Request("GET", "/nowhere"))) == as_json({"error": "nothing here"}, 404)
    assert (await site.answer(Request("GET", "/reload"))) == Response(
        405, b"/reload answers POST\n", headers=(("allow", "POST"),)
    )


async def test_further_routes_are_answered_beside_its_own() -> None:
    async def metrics(request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return Response(200, request.path.encode())

    site = ControlSite(Desk(), {("GET", "/metrics"): metrics, ("GET", "/calls/{}/story"): metrics})
    assert await site.answer(Request("GET", "/metrics")) == Response(200, b"/metrics")
    assert await site.answer(Request("GET", "/calls/a1/story")) == Response(200, b"/calls/a1/story")


def found_in(directory: Path) -> list[tuple[str, bool, int]]:
    """What lies there: its name, whether it is a socket, and who may use it."""
    found = [(path, path.stat().st_mode) for path in directory.iterdir()]
    return [(path.name, stat.S_ISSOCK(mode), stat.S_IMODE(mode)) for path, mode in found]


async def test_only_our_own_user_finds_the_socket_and_a_leftover_is_replaced(tmp_path: Path) -> None:
    opened = await open_control(tmp_path / "control.sock")
    (tmp_path / "control.sock").write_text("left by a crash")
    opened.show()
    assert found_in(tmp_path) == [("control.sock", True, 0o600)]
    opened.remove()
    assert found_in(tmp_path) == []
    await opened.listener.aclose()


async def test_a_name_that_another_process_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    old = await open_control(path)
    old.show()
    new = await open_control(tmp_path / "other.sock")
    new.show()
    (tmp_path / "other.sock").rename(path)
    old.remove()
    assert path.is_socket()
    await old.listener.aclose()
    await new.listener.aclose()


async def test_a_place_that_cannot_be_is_said_with_its_key(tmp_path: Path) -> None:
    for path in (tmp_path / "none/control.sock", tmp_path / ("x" * 120)):
        with pytest.raises(CannotBind, match=r", at admin\.socket$"):
            await open_control(path)


async def test_nobody_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PeerRefused, match=r"started by hand has none unless admin\.socket is set"):
        await trio.to_thread.run_sync(ask, tmp_path / "none.sock", "GET", "/status")
    opened = await open_control(tmp_path / "dead.sock")
    opened.show()
    await opened.listener.aclose()
    with pytest.raises(PeerRefused, match="nobody listens there any more: the daemon does not run"):
        await trio.to_thread.run_sync(ask, tmp_path / "dead.sock", "GET", "/status")
    with pytest.raises(PeerRefused, match="the daemon answered 500: 'oops'"):
        read_verdict(500, b"oops\n")


def test_a_command_looks_where_its_unit_says_or_where_the_shipped_one_has_it() -> None:
    assert socket_path({"RUNTIME_DIRECTORY": "/run/opusagent/1"}) == Path("/run/opusagent/1/control.sock")
    assert socket_path({}) == Path("/run/opusagent/control.sock")

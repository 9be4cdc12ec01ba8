"""The admin side's port: nothing is answered without a token, and the tokens are those of the moment."""

import socket

import attrs
import pytest
import trio

from opusagent.daemon.admin_door import NOT_YOU, TokenSite, open_admin
from opusagent.daemon.config import Admin, Config, Listen, Secret
from opusagent.daemon.control_site import ControlSite
from opusagent.daemon.systemd import adopt
from opusagent.errors import CannotBind
from opusagent.net.http import Request, Response
from tests.daemon.test_control_site import Desk

HERE = Listen("127.0.0.1", 0)


def guarded(*tokens: str) -> Config:
    return Config(admin=Admin(None, HERE, tuple(map(Secret, tokens))))


async def answered(site: TokenSite, method: str, path: str, *authorization: str) -> int:
    request = Request(method, path, headers=tuple(("authorization", each) for each in authorization))
    answer = await site.answer(request)
    assert isinstance(answer, Response)
    return answer.status


async def test_nothing_at_all_is_answered_without_a_token() -> None:
    desk = Desk()
    site = TokenSite(ControlSite(desk), lambda: guarded("token-one", "token-two"))
    wrong = ((), ("Bearer",), ("Bearer token-on",), ("Basic token-one",), ("Bearer token-one", "Bearer token-two"))
    for path in ("/readyz", "/status", "/calls", "/nowhere", "/drain"):
        assert [await answered(site, "POST", path, *each) for each in wrong] == [401] * len(wrong)
    assert desk.drains == []
    right = [await answered(site, "GET", "/readyz", f"Bearer {token}") for token in ("token-one", "token-two")]
    assert right == [200, 200]
    assert await site.answer(Request("GET", "/status")) == NOT_YOU


async def test_the_tokens_are_those_of_the_configuration_in_force() -> None:
    in_force = [guarded("token-one")]
    site = TokenSite(ControlSite(Desk()), lambda: in_force[0])
    assert await answered(site, "GET", "/readyz", "Bearer token-one") == 200
    in_force[0] = guarded("token-two")
    assert await answered(site, "GET", "/readyz", "Bearer token-one") == 401
    assert await answered(site, "GET", "/readyz", "Bearer token-two") == 200
    in_force[0] = guarded()
    assert await answered(site, "GET", "/readyz", "Bearer ") == 401


async def test_the_socket_is_opened_or_taken_over_or_not_wanted() -> None:
    config = guarded("token-one")
    opened = await open_admin(config, ())
    assert opened is not None
    port = opened.port
    taken_over = await open_admin(config, [adopt(opened.sockets[0].socket.detach(), "admin")])
    assert taken_over is not None
    assert taken_over.port == port > 0
    unwanted = adopt(taken_over.sockets[0].socket.detach(), "admin")
    assert await open_admin(attrs.evolve(config, admin=Admin()), [unwanted]) is None
    with pytest.raises(OSError, match="Bad file descriptor"), socket.socket(fileno=unwanted.fd):
        pass


async def test_an_address_that_is_taken_is_told_with_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = Config(admin=Admin(None, Listen("127.0.0.1", taken.getsockname()[1]), (Secret("token-one"),)))
        with pytest.raises(CannotBind, match=r", at admin\.listen$"):
            await open_admin(config, ())
    await trio.lowlevel.checkpoint()

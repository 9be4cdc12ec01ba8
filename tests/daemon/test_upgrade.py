"""Both ends of an upgrade, with small programs in the place of a daemon."""

import os
import socket
import sys
from typing import Final

import pytest
import trio

from opusagent.daemon.upgrade import (
    VARIABLE,
    Bequest,
    Predecessor,
    Successor,
    UpgradeFailed,
    own_command,
    start_successor,
)

IMPORTS: Final = "import os, trio; from opusagent.daemon.upgrade import Predecessor; old = Predecessor.of(os.environ)\n"


def program(code: str) -> list[str]:
    return [sys.executable, "-c", IMPORTS + code]


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def failure(command: list[str]) -> str:
    with listening() as door, pytest.raises(UpgradeFailed) as failed, trio.fail_after(20):
        await start_successor(command, [door.fileno()], os.environ)
    return str(failed.value)


async def test_a_program_that_says_why_it_cannot_start_is_quoted() -> None:
    assert await failure(program("old.refuse('x.toml: no such table\\nx.toml: no such key')")) == (
        "x.toml: no such table\nx.toml: no such key"
    )


async def test_a_program_that_ends_or_is_not_there_has_failed() -> None:
    ended = "the new process ended: see what it logged"
    assert [await failure(["/bin/false"]), await failure(["/nowhere/opusagent"])] == [ended, ended]


@pytest.mark.parametrize("leads", [True, False], ids=["told to lead", "left alone"])
async def test_the_new_process_accepts_where_the_old_one_did_as_soon_as_it_leads(*, leads: bool) -> None:
    """It is no child of ours. Before it leads, a service manager would not listen to it; without us it leads."""
    answer = """
async def main():
    await old.take_over()
    connection, _ = await trio.SocketListener(trio.socket.fromfd(old.sockets[0].fd, 2, 1)).socket.accept()
    await connection.send(b"%d not %d" % (os.getpid(), OURS) if os.getppid() != OURS else b"a child")
trio.run(main)
"""
    with listening() as door, trio.fail_after(20):
        successor = await start_successor(
            program(answer.replace("OURS", str(os.getpid()))), [door.fileno()], os.environ
        )
        await successor.go()
        async with await trio.open_tcp_stream(*door.getsockname()) as caller:
            with trio.move_on_after(0.3) as quiet:
                await caller.receive_some()
            if leads:
                await successor.lead()
            await successor.part()
            said = await caller.receive_some()
    assert quiet.cancelled_caught
    assert said == b"%d not %d" % (successor.pid, os.getpid())


def test_a_variable_that_was_left_over_means_nothing() -> None:
    """By another process, or for a descriptor that is something else by now."""
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.devnull) as file:  # noqa: PTH123 - a descriptor is wanted
        for bequest in (Bequest(1, theirs.fileno(), ()), Bequest(os.getpid(), 4000, ())):
            text = f'{{"parent":{bequest.parent},"channel":{bequest.channel},"sockets":[]}}'
            assert Predecessor.of({VARIABLE: text}) is None
        text = f'{{"parent":{os.getpid()},"channel":{file.fileno()},"sockets":[]}}'
        assert Predecessor.of({VARIABLE: text}) is None
        assert Predecessor.of({VARIABLE: "nonsense"}) is None
        assert Predecessor.of({}) is None
        assert theirs.fileno() > 0
        assert ours.send(b"still open") == len(b"still open")


def test_the_program_that_started_us_is_started_anew() -> None:
    assert own_command() == [sys.executable, *sys.orig_argv[1:]]


async def test_a_successor_that_dies_before_it_is_let_go_is_told() -> None:
    """Between its `ready` and our `go` lies time in which it may end; the old process goes on then."""
    ours, theirs = socket.socketpair()
    successor = Successor(0, trio.SocketStream(trio.socket.from_stdlib_socket(ours)))
    theirs.close()
    with pytest.raises(UpgradeFailed, match="before it could take over"):
        await successor.go()
    await successor.part()

"""The stream on which nobody waits for ever, and the options of its socket."""

import socket

import pytest
import trio
from trio.testing import MockClock

from opusagent.net.guard import GuardedStream, peer_ip, tune
from opusagent.testing.streams import stream_pair


async def test_a_write_that_takes_too_long_closes_the_stream(autojump_clock: MockClock) -> None:
    ours, theirs = stream_pair(window=10)
    guard = GuardedStream(ours, 3.0)
    begin = trio.current_time()
    with pytest.raises(trio.BrokenResourceError, match="took no bytes for 3 s"):
        await guard.send_all(b"x" * 11)
    assert (guard.stalled, trio.current_time() - begin) == (True, 3.0)
    with pytest.raises(trio.ClosedResourceError):
        await guard.send_all(b"late")
    assert await theirs.receive_some() == b"x" * 10
    assert await theirs.receive_some() == b""


async def test_a_write_that_is_cancelled_half_way_closes_the_stream(autojump_clock: MockClock) -> None:
    ours, _ = stream_pair(window=10)
    guard = GuardedStream(ours, 3.0)
    with trio.move_on_after(1) as patience:
        await guard.send_all(b"x" * 11)
    assert (patience.cancelled_caught, guard.stalled) == (True, False)
    with pytest.raises(trio.ClosedResourceError):
        await guard.send_all(b"late")


async def test_a_write_that_is_cancelled_before_its_first_byte_breaks_nothing(autojump_clock: MockClock) -> None:
    ours, theirs = stream_pair()
    guard = GuardedStream(ours, 3.0)
    with trio.CancelScope() as scope:
        scope.cancel()
        await guard.send_all(b"never")
    await guard.send_all(b"sent")
    assert await theirs.receive_some() == b"sent"


async def test_the_kernel_is_told_to_give_up_in_time() -> None:
    """On TCP; other streams have no options and no address."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.open_tcp_stream("127.0.0.1", listeners[0].socket.getsockname()[1])
    tune(client, send_buffer_bytes=32 * 1024)
    tcp = client.socket
    options = {
        "nodelay": tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
        "user timeout": tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        "keepalive": tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "idle": tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        "interval": tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        "probes": tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        "send buffer": tcp.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
    }
    expected = {"nodelay": 1, "user timeout": 5000, "keepalive": 1, "idle": 10, "interval": 5, "probes": 3}
    assert options == {**expected, "send buffer": 64 * 1024}  # Linux counts its bookkeeping: twice what was asked
    assert peer_ip(client) == "127.0.0.1"
    await client.aclose()
    await listeners[0].aclose()
    assert peer_ip(client) == ""
    ours, _ = stream_pair()
    tune(ours, send_buffer_bytes=1024)
    assert peer_ip(ours) == ""

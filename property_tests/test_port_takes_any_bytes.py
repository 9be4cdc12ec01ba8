"""For all bytes that a client sends, before or after its upgrade, in any cuts: the port closes and nothing breaks."""

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from opusagent.net.http import converse
from opusagent.net.limits import HttpLimits
from opusagent.testing.raw import UPGRADE_REQUEST, EchoSite, frame, read_to_end
from opusagent.testing.streams import stream_pair

frames = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=200),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 1, 4]),
    masked=st.booleans(),
)
pieces = st.lists(st.one_of(frames, st.binary(max_size=20), st.just(UPGRADE_REQUEST)), max_size=8).map(b"".join)
cuts = st.integers(1, 4096)


async def send_and_leave(sent: bytes, cut: int) -> None:
    client, server = stream_pair()

    async def serve() -> None:
        await converse(server, "", EchoSite(), HttpLimits(), lambda: None)
        await server.aclose()

    async def send() -> None:
        try:
            for at in range(0, len(sent), cut):
                await client.send_all(sent[at : at + cut])
            await client.send_eof()
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()

    with trio.fail_after(10):
        async with trio.open_nursery() as house:
            house.start_soon(serve)
            house.start_soon(send)
            await read_to_end(client)


@given(pieces, cuts)
def test_before_the_upgrade(sent: bytes, cut: int) -> None:
    trio.run(send_and_leave, sent, cut, clock=MockClock(autojump_threshold=0))


@given(pieces, cuts)
def test_after_the_upgrade(sent: bytes, cut: int) -> None:
    trio.run(send_and_leave, UPGRADE_REQUEST + sent, cut, clock=MockClock(autojump_threshold=0))

"""RFC 6455 as a machine: what may be said and how it is cut, and what each broken rule is answered with."""

import pytest
from attrs import evolve

from opusagent.errors import RemoteProtocolError
from opusagent.net.frames import FrameReader, Goodbye, Opcode, Ping, unmasked, write_frame, write_goodbye
from opusagent.net.limits import PLATFORM
from opusagent.testing.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

Heard = str | Ping | Goodbye
LIMITS = evolve(PLATFORM, message_bytes=70_000, fragments=4)


def heard(sent: bytes, cut: int = 1 << 20, *, masked: bool = True) -> list[Heard]:
    """Everything that a peer said with `sent`, pushed in pieces of `cut` bytes."""
    reader, found = FrameReader(LIMITS, masked=masked), list[Heard]()
    for at in range(0, len(sent), cut):
        reader.push(sent[at : at + cut])
        while (each := reader.next()) is not None:
            found.append(each)
    return found


@pytest.mark.parametrize("size", [0, 1, 3, 4, 124, 125, 126, 127, 1023, 1024, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("key", [b"", b"\x37\xfa\x21\x3d"], ids=["server", "client"])
def test_every_length_is_written_as_it_is_read(size: int, key: bytes) -> None:
    """At each border of the three ways to write a length (section 5.2), masked and not."""
    text = ("x7" * size)[:size]
    written = write_frame(Opcode.TEXT, text.encode(), key)
    assert heard(written, masked=bool(key)) == [text]
    assert len(written) == size + len(key) + (2 if size < 126 else 4 if size < 1 << 16 else 10)


def test_the_examples_of_the_rfc_are_read() -> None:
    """Section 5.7."""
    assert heard(bytes.fromhex("810548656c6c6f"), masked=False) == ["Hello"]
    assert heard(bytes.fromhex("818537fa213d7f9f4d5158")) == ["Hello"]
    assert heard(bytes.fromhex("010348656c80026c6f"), masked=False) == ["Hello"]
    assert heard(bytes.fromhex("890548656c6c6f"), masked=False) == [Ping(b"Hello")]
    assert heard(bytes.fromhex("8a8537fa213d7f9f4d5158")) == []


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 1000])
def test_a_message_in_fragments_is_whole_and_control_frames_come_between(cut: int) -> None:
    """A character may be cut by a fragment's end (Autobahn 5.6 to 5.8, 6.2 to 6.4)."""
    word = "κόσμε".encode()
    sent = (
        frame(TEXT, word[:3], fin=False)
        + frame(PING, b"a")
        + frame(CONTINUATION, word[3:4], fin=False)
        + frame(PONG, b"b")
        + frame(CONTINUATION, word[4:])
        + frame(TEXT, b"next")
        + frame(TEXT, b"", fin=False)
        + frame(CONTINUATION, b"")
        + close_frame(3000, b"bye")
    )
    assert heard(sent, cut) == [Ping(b"a"), "κόσμε", "next", "", Goodbye(3000, "bye")]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(TEXT, b"x", rsv=0b100), 1002, id="RSV1"),
        pytest.param(frame(TEXT, b"x", rsv=0b010), 1002, id="RSV2"),
        pytest.param(frame(TEXT, b"x", rsv=0b001), 1002, id="RSV3"),
        pytest.param(frame(PING, rsv=0b001), 1002, id="a ping with RSV3"),
        *[pytest.param(frame(opcode), 1002, id=f"opcode {opcode}") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
        pytest.param(frame(TEXT, b"x", masked=False), 1002, id="not masked"),
        pytest.param(frame(PING, masked=False), 1002, id="a ping that is not masked"),
        pytest.param(frame(PING, fin=False), 1002, id="a ping in fragments"),
        pytest.param(frame(CLOSE, fin=False), 1002, id="a close in fragments"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="a long ping"),
        pytest.param(frame(PONG, b"x" * 126), 1002, id="a long pong"),
        pytest.param(frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002, id="a long close"),
        pytest.param(frame(CONTINUATION, b"x"), 1002, id="nothing to continue"),
        pytest.param(frame(CONTINUATION, b"x", fin=False), 1002, id="nothing to go on with"),
        pytest.param(frame(TEXT, fin=False) + frame(TEXT), 1002, id="a message within another"),
        pytest.param(frame(TEXT, fin=False) + frame(TEXT, fin=False), 1002, id="two beginnings"),
        pytest.param(b"\x81\xfe\x00\x7d" + bytes(4 + 125), 1002, id="125 in two bytes"),
        pytest.param(b"\x81\xff" + (65_535).to_bytes(8, "big") + bytes(4), 1002, id="65535 in eight bytes"),
        pytest.param(b"\x81\xff\x80" + bytes(7 + 4), 1002, id="a length with its highest bit"),
        pytest.param(frame(CLOSE, b"x"), 1002, id="half a code"),
        *[
            pytest.param(close_frame(code), 1002, id=f"code {code}")
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
        ],
        pytest.param(close_frame(1000, b"\xff"), 1007, id="a reason that is not UTF-8"),
        pytest.param(frame(BINARY, b"x"), 1003, id="binary"),
        pytest.param(frame(BINARY, b"x", fin=False), 1003, id="binary in fragments"),
        pytest.param(frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited"), 1007, id="a surrogate"),
        pytest.param(frame(TEXT, b"\xf4\x90\x80\x80"), 1007, id="beyond Unicode"),
        pytest.param(frame(TEXT, b"\xc0\xaf"), 1007, id="written too long"),
        pytest.param(frame(TEXT, b"\xe2\x82"), 1007, id="UTF-8 cut short"),
        pytest.param(frame(TEXT, b"\xff", fin=False), 1007, id="the first fragment is no UTF-8"),
        pytest.param(frame(TEXT, b"\xe2\x82", fin=False) + frame(CONTINUATION), 1007, id="cut short in fragments"),
        pytest.param(b"\x81\xff" + (70_001).to_bytes(8, "big"), 1009, id="too long, by its head alone"),
        pytest.param(
            frame(TEXT, b"x" * 70_000, fin=False) + frame(CONTINUATION, b"x"), 1009, id="too long in fragments"
        ),
        pytest.param(frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 4, 1009, id="too many fragments"),
    ],
)
@pytest.mark.parametrize("cut", [1, 1 << 20])
def test_what_breaks_a_rule_is_refused_with_its_code(sent: bytes, code: int, cut: int) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        heard(sent, max(cut, len(sent) // 1000))
    assert refused.value.close_code == code


def test_what_came_before_a_fault_is_heard_first() -> None:
    reader = FrameReader(LIMITS, masked=True)
    reader.push(frame(TEXT, b"fine") + frame(TEXT, b"\xff"))
    assert reader.next() == "fine"
    with pytest.raises(RemoteProtocolError):
        reader.next()


def test_a_long_message_leaves_room_for_control_frames() -> None:
    """A ping within a message that has nearly the largest size is no part of it."""
    sent = frame(TEXT, b"x" * 69_990, fin=False) + frame(PING, b"y" * 125) + frame(CONTINUATION, b"x" * 10)
    assert heard(sent) == [Ping(b"y" * 125), "x" * 70_000]


def test_a_server_s_frames_are_not_masked() -> None:
    with pytest.raises(RemoteProtocolError):
        heard(frame(TEXT, b"x"), masked=False)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_close_codes_that_may_be_sent_are_heard(code: int) -> None:
    assert heard(write_goodbye(code, "why", b"abcd")) == [Goodbye(code, "why")]


def test_a_reason_that_does_not_fit_is_cut_between_characters() -> None:
    """A control frame holds 125 bytes, two of them the code (section 5.5)."""
    assert heard(write_goodbye(1000, "é" * 100, b"abcd")) == [Goodbye(1000, "é" * 61)]
    assert heard(write_goodbye(Goodbye().code, "", b"abcd")) == [Goodbye()]


@pytest.mark.parametrize("size", [0, 1, 5, 1023, 1024, 1025, 5000])
def test_a_mask_is_the_key_again_and_again(size: int) -> None:
    """Both ways of laying it over are the definition (section 5.3)."""
    payload = bytes(at * 31 % 256 for at in range(size))
    assert unmasked(payload, b"\x01\x80\xff\x10") == bytes(
        each ^ b"\x01\x80\xff\x10"[at % 4] for at, each in enumerate(payload)
    )

"""Which addresses may be reached: the whole corpus of ways to write an address that is not the Internet's."""

import socket

import pytest

from opusagent.net.reach import Reach, may_reach, numeric

INTERNET = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808")
PRIVATE_ONLY = (
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "64:ff9b::a00:1",
)
NEVER = (
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "8.8.8.8 ",
    "8.8.8.08",
)


@pytest.mark.parametrize("address", INTERNET)
def test_the_internet_may_be_reached(address: str) -> None:
    assert [may_reach(address, reach) for reach in (Reach.PUBLIC, Reach.PRIVATE)] == [True, True]


@pytest.mark.parametrize("address", PRIVATE_ONLY)
def test_private_networks_may_be_reached_where_that_is_asked_for(address: str) -> None:
    assert [may_reach(address, reach) for reach in (Reach.PUBLIC, Reach.PRIVATE)] == [False, True]


@pytest.mark.parametrize("address", NEVER)
def test_the_rest_is_never_reached(address: str) -> None:
    assert [may_reach(address, reach) for reach in (Reach.PUBLIC, Reach.PRIVATE)] == [False, False]


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1"])
def test_odd_ways_to_write_an_address_are_judged_as_what_they_resolve_to(host: str) -> None:
    """They are no addresses to `ipaddress`, so they are resolved, and the system reads them as it would to connect."""
    (found,) = {str(address[0]) for *_, address in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)}
    assert found == "127.0.0.1"
    assert not may_reach(found, Reach.PUBLIC)
    assert numeric(host) == (host == "127.0.0.1")

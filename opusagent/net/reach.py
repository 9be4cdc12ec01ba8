"""Which addresses a request of ours may go to: the Internet, and a private network only where that is asked for.

What a configured URL's name resolves to is decided by whoever runs its DNS, and a tool's URL may be one that the
operator was given. So every address is judged after it was resolved, whatever way it was written (`127.1`,
`2130706433` and `0x7f.1` all resolve to 127.0.0.1), and the connection goes to the address that was judged.

The tables are written out (IANA special-purpose address registries, RFC 6890) rather than asked of `ipaddress`, whose
`is_global` and `is_private` change from one Python to the next.
"""

import enum
import ipaddress
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Reach(enum.Enum):
    """How far requests may go."""

    PUBLIC = "public"
    """To addresses that are global, and to no other."""
    PRIVATE = "private"
    """To this machine and to private networks too. Never to link-local addresses, where clouds keep credentials."""


def _networks(*names: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, names))


GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
"""The only block that global unicast is assigned from (IANA, IPv6 address space)."""

TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address as a network without IPv4 sees it (RFC 6052, section 2.1): judged by that address."""

NEVER: Final = _networks(
    "0.0.0.0/8",  # this network; 0.0.0.0 connects to this machine (RFC 791)
    "169.254.0.0/16",  # link-local, and the clouds' metadata services (RFC 3927)
    "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
    "192.0.2.0/24",  # documentation (RFC 5737)
    "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526)
    "198.18.0.0/15",  # benchmarking (RFC 2544)
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast (RFC 5771)
    "240.0.0.0/4",  # reserved, and broadcast (RFC 1112, RFC 919)
    "fd00:ec2::/32",  # the metadata service of a cloud, at a private address
    "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking (RFC 2928)
    "2001:db8::/32",  # documentation (RFC 3849)
    "2002::/16",  # 6to4, which holds any IPv4 address (RFC 3056)
    "3fff::/20",  # documentation (RFC 9637)
)

PRIVATE: Final = _networks(
    "10.0.0.0/8",  # RFC 1918
    "100.64.0.0/10",  # shared by carriers (RFC 6598)
    "127.0.0.0/8",  # this machine (RFC 1122)
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",  # this machine (RFC 4291)
    "fc00::/7",  # unique local (RFC 4193)
)


def may_reach(address: str, reach: Reach) -> bool:
    """Whether a request may go to `address`, a numeric one. What is no address may not.

    >>> [may_reach("10.0.0.1", reach) for reach in Reach], [may_reach("169.254.169.254", reach) for reach in Reach]
    ([False, True], [False, False])
    >>> may_reach("8.8.8.8", Reach.PUBLIC), may_reach("::ffff:8.8.8.8", Reach.PUBLIC)
    (True, False)
    """
    try:
        judged = _untranslated(ipaddress.ip_address(address))
    except ValueError:
        return False
    if _is_in(judged, NEVER):
        return False
    if _is_in(judged, PRIVATE):
        return reach is Reach.PRIVATE
    return judged.version == 4 or judged in GLOBAL_V6


def numeric(host: str) -> bool:
    """Whether `host` is an address as `ipaddress` knows it, so that nothing need be resolved."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _untranslated(address: Address) -> Address:
    return ipaddress.IPv4Address(address.packed[-4:]) if address in TRANSLATED else address


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)

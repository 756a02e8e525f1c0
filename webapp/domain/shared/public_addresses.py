"""The check that an IP address is on the public internet.

It runs before any request to an address that a customer entered, and if possible as it is entered.
Addresses that are not known to be public are refused, including reserved ranges and IPv6 addresses
that embed an IPv4 address.
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from webapp.domain.shared.i18n import N_

Address = IPv4Address | IPv6Address

PRIVATE = N_("The address is private. Your provider decides which private addresses are allowed.")

SPECIAL_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by a carrier's customers
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocols
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # future use, and broadcast
    )
)
"""The special-purpose address registry (RFC 6890), multicast and reserved ranges."""

GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All global unicast addresses; ::/96, fec0::/10, 5f00::/16, 64:ff9b::/96 … are outside."""

SPECIAL_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols; Teredo, which embeds an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address of an IPv4-mapped IPv6 address (::ffff:0:0/96), or the address."""
    return getattr(address, "ipv4_mapped", None) or address


def literal(host: str) -> Address | None:
    """Return the address that a host is without a resolver; None for a name.

    Also those that only resolvers read as addresses: 2130706433, 0x7f.1 and localhost.
    """
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return unwrapped(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_in(address: Address, networks: Iterable[str]) -> bool:
    return any(address in ip_network(network) for network in networks)


def is_public(address: Address) -> bool:
    address = unwrapped(address)
    if address.is_private or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    return address in GLOBAL_IPV6 and not any(address in network for network in SPECIAL_IPV6)

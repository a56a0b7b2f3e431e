"""Networks that nothing is sent to on behalf of users, whatever names lead there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

FORM: Final = "networks by comma, such as 169.254.0.0/16,127.0.0.0/8,::1/128"

SAID: Final = "its network is among those that --denied-networks names"
"""Why nobody connects; which address it is, is not told to who may not know it."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Networks that are denied; none by default."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Denied:
        """The networks of a comma-separated list. Raises ValueError for anything else."""
        return cls(tuple(ip_network(part.strip()) for part in text.split(",") if part.strip()))

    def denies(self, address: str) -> bool:
        """Whether an IP address is in one of them, however it is written."""
        known = ip_address(address.partition("%")[0])
        return any(form in network for form in _forms(known) for network in self.networks)


NONE_DENIED: Final = Denied()


def _forms(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """What a connection to `address` reaches: 0.0.0.0 is this host, as ::ffff:127.0.0.1 is."""
    yield address
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        yield from _forms(address.ipv4_mapped)
    if address.is_unspecified:
        yield from (IPv4Address("127.0.0.1"), IPv6Address("::1"))

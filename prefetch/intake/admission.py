"""PURE: who may send: by the network that a connection comes from, and by what MSH-3 and MSH-4 say."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from prefetch.intake.header import Header
from prefetch.rules import Pattern

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sending applications and facilities; none is any."""

    application: tuple[Pattern, ...] = ()
    facility: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The allow-lists of a listener; an empty one lets everybody in."""

    networks: tuple[Network, ...] = ()
    senders: tuple[Sender, ...] = ()

    def lets_in(self, address: str) -> bool:
        """Whether a connection from this address may be opened."""
        return not self.networks or any(read_address(address) in network for network in self.networks)

    def hears(self, header: Header) -> bool:
        """Whether a message with this header may be taken."""
        return not self.senders or any(
            header.comes_from(sender.application, sender.facility) for sender in self.senders
        )


def read_address(text: str) -> Address:
    """An address as the networks know it: an IPv4 peer of an IPv6 socket is an IPv4 peer."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address

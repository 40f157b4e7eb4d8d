"""Who may send: by network, and by sending application and facility."""

from __future__ import annotations

import ipaddress

import pytest

from prefetch.intake import header
from prefetch.intake.admission import Admission, Sender
from prefetch.rules import Pattern

NETWORKS = tuple(map(ipaddress.ip_network, ("10.1.0.0/16", "192.168.7.20", "fd00::/8")))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.255.1", True),
        ("10.2.0.1", False),
        ("192.168.7.20", True),
        ("192.168.7.21", False),
        ("fd12::1", True),
        ("fe80::1%eth0", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:10.2.2.3", False),
    ],
)
def test_an_address_is_let_in_by_its_network(address: str, expected: bool) -> None:
    """IPv4, IPv6, and IPv4 as a socket for both shows it."""
    assert expected is Admission(networks=NETWORKS).lets_in(address)


def test_without_a_list_everybody_may() -> None:
    """The lists are the site's to write."""
    read = header.read_header(b"MSH|^~\\&|ANY|WHERE|\r")
    assert read is not None
    assert (True, True) == (Admission().lets_in("203.0.113.9"), Admission().hears(read))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("RIS|HOSP", True),
        ("ris |hosp", True),
        ("RIS^1.2.3^ISO|HOSP^1.2.4^ISO", True),
        ("RIS|OTHER", False),
        ("RIS2|HOSP", False),
        ("|HOSP", False),
        ("LAB7|ANYWHERE", True),
    ],
)
def test_a_sender_is_heard_by_its_name(said: str, expected: bool) -> None:
    """Case and further components make no difference; what the list leaves out may be anything."""
    allowed = Admission(
        senders=(
            Sender(application=(Pattern("RIS"),), facility=(Pattern("HOSP"),)),
            Sender(application=(Pattern("LAB*"),)),
        )
    )
    read = header.read_header(f"MSH|^~\\&|{said}|X\r".encode())
    assert read is not None
    assert expected is allowed.hears(read)

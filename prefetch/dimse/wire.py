"""How our TCP connections carry DIMSE: no Nagle, quick acknowledgements.

pynetdicom sends a C-FIND-RQ as two PDUs; Nagle's algorithm on one side and the delayed acknowledgement
on the other then make every exchange wait 40 ms (105 ms a query, 21 ms without).
"""

from __future__ import annotations

import contextlib
import socket

from pynetdicom import evt

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux only; elsewhere acknowledgements stay delayed."""


def fast_handlers() -> list[evt.EventHandlerType]:
    """Event handlers for `AE.associate` or `AE.start_server` that keep its connections from waiting."""
    handlers: list[evt.EventHandlerType] = [(evt.EVT_CONN_OPEN, _send_at_once)]
    if _QUICKACK is not None:
        # The kernel leaves quick-acknowledge mode by itself (tcp(7)): asked for again after every use.
        handlers += [(evt.EVT_DATA_SENT, _acknowledge_at_once), (evt.EVT_DATA_RECV, _acknowledge_at_once)]
    return handlers


def _send_at_once(event: evt.Event) -> None:
    _set_option(event, socket.TCP_NODELAY)


def _acknowledge_at_once(event: evt.Event) -> None:
    if _QUICKACK is not None:
        _set_option(event, _QUICKACK)


def _set_option(event: evt.Event, option: int) -> None:
    transport = event.assoc.dul.socket
    connection = transport.socket if transport is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):  # the peer may close between the event and this line
            connection.setsockopt(socket.IPPROTO_TCP, option, 1)

"""What one sender may ask of a listener, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass

from prefetch.intake import mllp

KILOBYTE = 1 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one listener; together they bound its memory (docs/reference/listener.md)."""

    max_message_bytes: int = 10 * mllp.MEGABYTE
    max_connections: int = 256
    max_connections_per_address: int = 256
    max_unanswered: int = 32
    """Messages of one connection that may wait for their acknowledgement; beyond that it is not read."""
    max_waiting_bytes: int = 64 * mllp.MEGABYTE
    """Bytes of whole messages, of all connections, that may wait to be stored; beyond that none is read."""
    max_garbage_bytes: int = 64 * KILOBYTE
    """Bytes outside frames since the last message, after which a peer is taken for no sender of HL7."""
    large_bytes: int = 64 * KILOBYTE
    """A message that has grown so far goes on when it has one of the places for large ones."""
    max_large: int = 8
    """Large messages that may be under way at a time; the others wait unread at `large_bytes`."""
    idle_seconds: float = 3600.0
    message_seconds: float = 30.0
    """How long a message may take from its first byte to its last, and an acknowledgement to be taken."""
    refused_seconds: float = 0.1
    """How long a sender is not listened to after a message of its was refused."""
    noise_seconds: float = 1.0
    """How long one that is dropped for noise keeps its place, unheard, before it may come again."""
    handshake_seconds: float = 10.0
    """How long a TLS handshake may take."""
    messages_per_second: float | None = None
    """Of all connections together; None is as fast as they can be stored."""
    messages_per_second_per_connection: float | None = None

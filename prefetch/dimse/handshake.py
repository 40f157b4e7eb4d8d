"""TLS to a peer (PS3.15 B.9 and B.10): pynetdicom's handshake, and in words why it failed.

Knows how to name what is wrong with a peer's certificate; what follows of it is decided by `wire`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any, cast

from prefetch.dimse import peer, status
from prefetch.model import Outcome


class Handshake:
    """Stands for the `SSLContext` that pynetdicom is given for one association, and keeps what went wrong."""

    def __init__(self, tls: peer.Tls) -> None:
        self._context = tls.context
        self._context.sslsocket_class = _Telling
        self._connection: _Telling | None = None

    def wrap_socket(self, connection: socket.socket, **how: Any) -> ssl.SSLSocket:
        """What pynetdicom calls before it connects."""
        self._connection = cast("_Telling", self._context.wrap_socket(connection, **how))
        return self._connection

    @property
    def failure(self) -> OSError | None:
        """Why it failed; `None` where it did not, or where there was no connection at all."""
        return None if self._connection is None else self._connection.failure


class _Telling(ssl.SSLSocket):
    """Keeps why a handshake failed, which pynetdicom only logs."""

    failure: OSError | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Do it."""
        try:
            super().do_handshake(block)
        except OSError as error:
            self.failure = error
            raise


def judge(failure: OSError, to: peer.Peer) -> status.Verdict:
    """What a failed handshake says: what stands in a certificate stays so until somebody changes it."""
    where = f"no TLS with {to.host}:{to.port}"
    if isinstance(failure, ssl.SSLCertVerificationError):
        advice = _ADVICE.get(failure.verify_code, _WRONG_CA)
        because = f"{where}: {failure.verify_message.rstrip('.')}; {advice}"
        return status.Verdict(outcome=Outcome.PERMANENT, because=because, unwell=True)
    said = failure.reason if isinstance(failure, ssl.SSLError) else None
    because = f"{where}: {said or failure}; {_NO_TLS}"
    return status.Verdict(outcome=Outcome.TRANSIENT, because=because, unwell=True)


NO_ANSWER = "over TLS; where it asks for a certificate, write tls.certificate and tls.key"
_NO_TLS = (
    "is TLS spoken at this port, in version 1.2 or later? Where it asks for a certificate, write "
    "tls.certificate and tls.key"
)
_WRONG_CA = "name the authority that its certificate is of in tls.ca"
_OTHER_NAME = "where it is the right peer, write the name that stands in its certificate as tls.name"

_ADVICE: Mapping[int, str] = {  # openssl-verification-options(1), X509_V_ERR
    9: "see to the clocks of both",
    10: "it needs a new certificate",
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
"""Code of a verification → what to do; any other speaks of the authority."""

"""Keeps pynetdicom's own thread from taking a response that another thread waits for.

An association has a thread, its reactor, that looks for requests of the peer a thousand times a second.
Whoever sends a request pauses it first, but not surely: a reactor that the scheduler stops between passing
its checkpoint and looking into the queue finds the response that came meanwhile, calls it unexpected and
drops it, and the sender waits out its timeout (7 of 4,000 C-STOREs from six threads on two cores).
"""

from __future__ import annotations

import threading
from typing import Any

from pynetdicom import evt


def leave_responses(event: evt.Event) -> None:
    """Handler of `EVT_ESTABLISHED`: the reactor of an association that we requested takes nothing.

    It still sees releases and aborts, and N-EVENT-REPORTs never come its way. A C-GET's C-STORE requests are
    taken by the thread that waits for its responses.
    """
    association = event.assoc
    if not association.is_requestor:
        return
    take = association.dimse.get_msg

    def get_msg(block: bool = False) -> Any:
        if threading.current_thread() is association:
            return None, None
        return take(block)

    association.dimse.get_msg = get_msg  # type: ignore[method-assign]  # of this one association

"""PURE: which of several times in a message is that of the exam.

A message repeats what was requested, what was booked and when it was written down. The first place that holds
a time is believed, unless its day has passed already and a later place names one to come, or a later place
names the same day more exactly; the minute in which the message was written is none of an exam.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefetch.intake.header import Header
from prefetch.intake.hl7 import forms

Found = tuple[str, str]
"""A time as `forms.time` gives it, and the place that it stands in."""


def weigh(found: Sequence[Found], header: Header) -> Found:
    """Give the time of the exam, out of those that were found in the order of their places; at least one."""
    written = forms.time(header.message_time, header) or ""
    to_come = [each for each in found if each[0][: forms.DAY] >= written[: forms.DAY]]
    chosen = found[0] if found[0] in to_come or not to_come else to_come[0]
    if len(chosen[0]) > forms.DAY:
        return chosen
    exact = (
        each
        for each in found
        if len(each[0]) > forms.DAY
        and each[0].startswith(chosen[0])
        and each[0][: forms.MINUTE] != written[: forms.MINUTE]
    )
    return next(exact, chosen)

"""PURE: what a value must look like to be believed: a time, a modality, a UID, an AE title, a code.

Each form takes a value as it was sent and gives it in the form of `model.OrderEvent`, or None where it is
something else: senders put rooms where a modality belongs, and sections where a code does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from prefetch.intake import control
from prefetch.intake.header import Header
from prefetch.model import Action

Form = Callable[[str, Header], str | None]
"""A value as sent, and the header of its message, to a value that is believed."""

DAY, MINUTE = len("2026-01-31"), len("2026-01-31T08:30")
"""Letters of a time as `time` gives it, to the day and to the minute."""

_NOTHING = frozenset({"", '""', "null", "NULL", "Null", "(null)"})
"""Words for nothing; an interface engine that writes `null` must not make all its patients one."""


def text(value: str, _header: Header) -> str | None:
    """Any text that says something."""
    cleaned = " ".join(value.split())
    return None if cleaned in _NOTHING else cleaned


def number(value: str, header: Header) -> str | None:
    """An accession number; a room or department in its place has blanks."""
    said = text(value, header)
    return None if said is None or " " in said else said


def not_a_status(form: Form) -> Form:
    """A form for where the status of a booking may have slipped to: that word is no number and no service."""
    return partial(_unless_status, form)


def _unless_status(form: Form, value: str, header: Header) -> str | None:
    return None if control.is_status(value) else form(value, header)


def reason(form: Form) -> Form:
    """A form for why a message was sent: of a cancel that is never what was booked."""
    return partial(_unless_of_a_cancel, form)


def _unless_of_a_cancel(form: Form, value: str, header: Header) -> str | None:
    effect = control.APPOINTMENT.get(header.trigger)
    is_cancel = effect is not None and effect.action is Action.CANCEL
    return None if is_cancel else _unless_status(form, value, header)


# --- times -------------------------------------------------------------------------------------------

# HL7 v2.5.1 2.A.22, and ISO 8601 with or without blanks as engines write it.
_TIME = re.compile(
    r"(?P<year>\d{4})-?(?P<month>\d\d)-?(?P<day>\d\d)"
    r"(?:[T ]?(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,]?\d+)?)?)?)?"
    r"\s*(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?"
)


def time(value: str, _header: Header) -> str | None:
    """A point in time as `YYYY-MM-DD[THH:MM[:SS]][±hh:mm]`, the zone only where one was sent."""
    found = _TIME.fullmatch(_year_first(_in_24_hours(value)))
    if found is None:
        return None
    day = f"{found['year']}-{found['month']}-{found['day']}"
    if not found["hour"]:
        return day if _exists(day) else None
    clock = ":".join(filter(None, (found["hour"], found["minute"] or "00", found["second"])))
    if clock in _MIDNIGHT and _exists(day) and day < _LAST_DAY:
        day, clock = _day_after(day), clock.replace("24", "00")
    moment = f"{day}T{clock}{_zone(found['zone'])}"
    return moment if _exists(moment) else None


def _in_24_hours(value: str) -> str:
    """A time as people write it (`12/14/2026 2:30 PM`, `14.12.2026 9:05`) with two digits of 24 hours.

    Who writes AM and PM writes the month first.
    """
    found = _BY_PEOPLE.fullmatch(value.strip())
    if found is None:
        return value
    day, hour, minute, second, half = found.groups()
    number = int(hour)
    if half:
        if not 1 <= number <= _NOON:
            return value
        number = number % _NOON + (_NOON if half in "pP" else 0)
        day = _MONTH_FIRST.sub(r"\3-\1-\2", day)
        day = "-".join(part.zfill(2) for part in day.split("-"))
    return f"{day} {number:02}:{minute}{second or ''}"


_NOON = 12
_BY_PEOPLE = re.compile(
    r"(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{8})[T ]+(\d{1,2}):(\d\d)(:\d\d)?(?:[.,]\d+)?"
    r"(?:\s*([AaPp])\.?[Mm]\.?)?"
)
_MONTH_FIRST = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})$")


_MIDNIGHT = frozenset({"24:00", "24:00:00"})
"""The end of a day, which ISO 8601 has too: the beginning of the next."""
_LAST_DAY = "9999-12-31"


def _day_after(day: str) -> str:
    return (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()


def _year_first(value: str) -> str:
    """A date with the year last as ISO 8601 has it, where it is plain which of the others is the day."""
    return _YEAR_LAST.sub(_turn, value.strip(), count=1)


_YEAR_LAST = re.compile(r"^(\d\d?)([./-])(\d\d?)\2(\d{4})(?!\d)")


def _turn(found: re.Match[str]) -> str:
    day, dot, month, year = found.groups()
    if dot != "." and (int(day) > _MONTHS) == (int(month) > _MONTHS):
        return found[0]  # 3/2/2026 is in March to some, in February to others
    if dot != "." and int(month) > _MONTHS:
        day, month = month, day
    return f"{year}-{month:>02}-{day:>02}"


_MONTHS = 12


def _zone(sent: str | None) -> str:
    if not sent:
        return ""
    digits = "+0000" if sent == "Z" else sent.replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"


def _exists(moment: str) -> bool:
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return False
    return True


def time_to_come(value: str, header: Header) -> str | None:
    """A time that is not before the message's own: an order's past times tell when it was written."""
    moment, sent = time(value, header), time(header.message_time, header)
    if moment is None or sent is None:
        return moment
    length = min(len(moment), len(sent), MINUTE)
    return moment if moment[:length] >= sent[:length] else None


def date(value: str, _header: Header) -> str | None:
    """A date of birth as `YYYY[MM[DD]]`; one that begins with two digits of the year is none."""
    found = _BIRTH_DATE.match(_year_first(value))
    digits = found[0].replace("-", "") if found else ""
    return digits if digits.strip("0") else None


_BIRTH_DATE = re.compile(r"\d{4}-?\d\d-?\d\d|(?=1[89]|20)\d{4}(?:-?(?:0\d|1[0-2]))?(?!-?\d)")


def priority(value: str, header: Header) -> str | None:
    """A priority in any words; a time in its place is none."""
    return None if time(value, header) else text(value, header)


# --- DICOM's own -------------------------------------------------------------------------------------

# PS3.3 C.7.3.1.1.1, the terms under which an exam may be booked; XR, as HL7 and ordering systems say, stands
# for the whole family of plain films.
MODALITIES = frozenset(
    [
        *("AR", "BDUS", "BI", "BMD", "CR", "CT", "DG", "DX", "ECG", "EPS", "ES", "GM", "HD", "IO", "IVOCT"),
        *("IVUS", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPV", "PT", "PX"),
        *("OT",),  # codespell:ignore
        *("RF", "RG", "RTIMAGE", "RTPLAN", "SM", "SRF", "TG", "US", "VA", "XA", "XC", "XR"),
    ]
)


def modality(value: str, _header: Header) -> str | None:
    """A DICOM modality; a section, a room or a place is none."""
    said = value.strip().upper()
    return said if said in MODALITIES else None


def uid(value: str, _header: Header) -> str | None:
    """A UID (PS3.5 9.1); leading zeros in a component are wrong, and common."""
    said = value.strip()
    return said if re.fullmatch(r"[0-9]+(\.[0-9]+)+", said) and len(said) <= 64 else None  # noqa: PLR2004 (PS3.5 9.1)


def ae_title(value: str, _header: Header) -> str | None:
    """An AE title (PS3.5 6.2); longer than its 16 characters it still serves to look a destination up."""
    said = value.strip()
    return said if re.fullmatch(r"[\x20-\x5b\x5d-\x7e]{1,64}", said) and said not in _NOTHING else None


def station(value: str, header: Header) -> str | None:
    """An AE title where other things stand too: ORC-18 is the entering device, a host or a number to some."""
    said = ae_title(value, header)
    return said if said and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{1,15}", said) else None


# --- procedures --------------------------------------------------------------------------------------

# HL7 v2.5.1 tables 0276 and 0277: why and how an appointment was made, not what is to be done.
_APPOINTMENT_WORDS = frozenset(
    [
        *("CHECKUP", "EMERGENCY", "FOLLOWUP", "ROUTINE", "COMPLETE", "NORMAL", "TENTATIVE"),
        *("WALKIN", "ADD", "STAT", "URGENT"),  # codespell:ignore
    ]
)


def _is_prose(value: str) -> bool:
    return " " in value and any(char.islower() for char in value)


def code(value: str, header: Header) -> str | None:
    """A procedure code; prose in its place is a description."""
    said = text(value, header)
    if said is None or _is_prose(said) or said.upper() in _APPOINTMENT_WORDS:
        return None
    return said


def description(value: str, header: Header) -> str | None:
    """A procedure in words; digits alone are none."""
    said = text(value, header)
    if said is None or said.upper() in _APPOINTMENT_WORDS:
        return None
    return said if any(char.isalpha() for char in said) else None


def prose(value: str, header: Header) -> str | None:
    """A description that stands where a code or a coding system belongs."""
    said = description(value, header)
    return said if said and " " in said else None

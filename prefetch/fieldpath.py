"""PURE: a place in an HL7 message, as an administrator writes it: `OBR-4.2`.

Knows which segments orders, bookings and ADT messages have and how many fields each of them has, so that a
slip of the pen is found when the file is checked and not when a patient waits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from prefetch import yamlfile

# HL7 v2.9 chapters 2, 3, 4, 6, 7 and 10; what versions after 2.5.1 added counts too.
FIELDS = {
    "MSH": 28,
    "SFT": 6,
    "NTE": 9,
    "EVN": 7,
    "DSC": 2,
    "UAC": 2,
    "PID": 40,
    "PD1": 23,
    "NK1": 41,
    "PV1": 54,
    "PV2": 50,
    "MRG": 7,
    "DB1": 8,
    "PDA": 9,
    "ARV": 7,
    "IN1": 55,
    "IN2": 72,
    "IN3": 28,
    "GT1": 57,
    "AL1": 6,
    "IAM": 30,
    "DG1": 26,
    "DRG": 33,
    "PR1": 25,
    "ACC": 13,
    "UB1": 23,
    "UB2": 17,
    "ROL": 14,
    "PRT": 26,
    "CTD": 7,
    "CON": 27,
    "OH1": 7,
    "OH2": 17,
    "ORC": 38,
    "OBR": 55,
    "TQ1": 14,
    "TQ2": 10,
    "IPC": 9,
    "OBX": 33,
    "SPM": 35,
    "FT1": 56,
    "CTI": 3,
    "BLG": 4,
    "RQD": 10,
    "RQ1": 7,
    "RXO": 36,
    "BLX": 3,
    "REL": 16,
    "SCH": 27,
    "RGS": 3,
    "AIS": 12,
    "AIG": 14,
    "AIL": 12,
    "AIP": 12,
    "APR": 5,
    "ARQ": 25,
}
"""Segments of the messages that are read → their last field."""

_PATTERN = r"([A-Z][A-Z0-9]{2})-([1-9]\d{0,2})(?:\.([1-9]\d{0,2})(?:\.([1-9]\d{0,2}))?)?"


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A place in a message: segment, field, component, subcomponent (from 1)."""

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `OBR-4`, `OBR-4.2`, `PID-5.1.1`; raises ValueError, in the administrator's words, else."""
        found = re.fullmatch(_PATTERN, text.strip())
        if found is None:
            raise ValueError(
                f"“{text}” is no place in a message; write segment, field and component, such as OBR-4.2"
            )
        path = cls(found[1], *(int(number) for number in found.groups()[1:] if number))
        path.refuse_unknown()
        return path

    def refuse_unknown(self) -> None:
        """Raise ValueError for a segment or field that HL7 does not have; a Z-segment is the sender's own."""
        if self.segment.startswith("Z"):
            return
        last = FIELDS.get(self.segment)
        if last is None:
            swapped = (name for name in FIELDS if sorted(name) == sorted(self.segment))
            near = next(swapped, None) or yamlfile.nearest(self.segment, FIELDS)
            guess = f"did you mean {near}-{self.field}?" if near else "a sender's own segment begins with Z"
            raise ValueError(f"{self.segment} is no segment of an order, booking or ADT message; {guess}")
        if self.field > last:
            raise ValueError(
                f"{self.segment} has {last} fields and no {self.segment}-{self.field} (HL7 v2.9)"
            )

    def __str__(self) -> str:
        """Write it as it is read, the component always."""
        deeper = f".{self.subcomponent}" if self.subcomponent > 1 else ""
        return f"{self.segment}-{self.field}.{self.component}{deeper}"

"""PURE: which segments speak of which order, appointment or patient.

One ORM may hold a CT of the head and an MR of the brain, one SIU a blood test and a chest film, one A40 two
merges: each is an event of its own, and sees its own segments before those of the whole message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from prefetch.intake.hl7.segments import Segment

_IMAGING_WORDS = frozenset(
    [
        *("ct", "cat", "kt", "tac", "tdm", "mr", "mri", "mrt", "irm", "rm", "nm", "pet", "mg", "mammo"),
        *("xr", "x-ray", "xray", "cr", "dx", "rx", "rtg", "dxa", "dexa", "scan"),
        *("us", "usg", "echo", "doppler"),
    ]
)
_IMAGING_STEMS = (
    *("radiol", "radiog", "röntgen", "rontgen", "x ray", "imaging", "bildgeb", "tomogr", "magnet", "resonan"),
    *("ultraso", "ultraschall", "sonogr", "echogr", "échogr", "ecogra", "mammogr", "mamogr", "angiogr"),
    *("scintigr", "szintigr", "fluorosc", "촬영", "영상", "초음파", "撮影", "放射", "超声", "超音波", "影像"),
)
"""Enough to tell a film from a blood test in one booking; what is to be made of an exam is said elsewhere."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The segments that one event may draw on: its own, then those of the whole message."""

    own: tuple[Segment, ...]
    common: tuple[Segment, ...]

    def all(self, name: str) -> Iterator[Segment]:
        """Segments of this name, the event's own first; the message's only where it has none."""
        mine = [segment for segment in self.own if segment.name == name]
        yield from mine or (segment for segment in self.common if segment.name == name)


def order_scopes(message: Sequence[Segment]) -> list[Scope]:
    """One scope an order: each ORC with what follows it, each further OBR or imaging step under it."""
    return [
        Scope(tuple(group), tuple(patient))
        for patient, rest in _by_patient(message)
        for group in _orders(rest)
    ]


def _by_patient(message: Sequence[Segment]) -> Iterator[tuple[list[Segment], list[Segment]]]:
    """Segments of the patient and segments of the orders, once for each PID that has orders."""
    levels = {"MSH", "EVN", "PID", "PD1", "PV1", "PV2"}
    starts = [at for at, segment in enumerate(message) if segment.name == "PID"][1:]
    for start, end in zip([0, *starts], [*starts, len(message)], strict=True):
        block = message[start:end]
        patient = [segment for segment in block if segment.name in levels]
        yield patient, [segment for segment in block if segment.name not in levels]


def _orders(segments: Iterable[Segment]) -> list[list[Segment]]:
    groups: list[list[Segment]] = []
    order_control: Segment | None = None
    for segment in segments:
        current = groups[-1] if groups else []
        if segment.name == "ORC":
            order_control = segment
        if segment.name == "ORC" and (not current or _has(current, "ORC")):
            groups.append([segment])
        elif segment.name == "OBR" and (not current or _has(current, "OBR")):
            groups.append([*_shared(order_control, segment), segment])
        elif segment.name == "IPC" and _has(current, "IPC"):
            if not _same_step(current, segment):
                groups.append([*(one for one in current if one.name != "IPC"), segment])
        elif groups:
            current.append(segment)
    return groups


def _has(group: Iterable[Segment], name: str) -> bool:
    return any(segment.name == name for segment in group)


def _shared(orc: Segment | None, obr: Segment) -> list[Segment]:
    """The ORC under which a further OBR stands; the numbers that the OBR has are its own."""
    if orc is None:
        return []
    own = {number for number in (2, 3) if obr.field(number)}
    fields = ["" if number in own else value for number, value in enumerate(orc.fields)]
    return [replace(orc, fields=tuple(fields))]


def _same_step(group: Iterable[Segment], ipc: Segment) -> bool:
    """Whether this IPC is one more protocol code of a step that is known (IHE RAD TF-2 4.4.4.1.2.2)."""
    return any(one.name == "IPC" and one.fields[1:5] == ipc.fields[1:5] for one in group)


def service_scopes(message: Sequence[Segment]) -> list[Scope]:
    """One scope a booked service, the imaging ones only where some are; one for all where none is named."""
    common = tuple(segment for segment in message if not segment.name.startswith("AI"))
    services = _services(message)
    if not services:
        return [Scope(tuple(message), ())]
    imaging = [service for service in services if _is_imaging(service)]
    return [Scope(tuple(service), common) for service in imaging or services]


def _services(message: Sequence[Segment]) -> list[list[Segment]]:
    """Each AIS with the equipment, rooms and people booked for it."""
    services: list[list[Segment]] = []
    before: list[Segment] = []
    inside = False
    for segment in message:
        if segment.name == "RGS":
            inside, before = False, []
        elif segment.name == "AIS":
            services.append([segment, *before])
            inside, before = True, []
        elif segment.name in {"AIG", "AIL", "AIP"}:
            (services[-1] if inside else before).append(segment)
    return services


def _is_imaging(service: Iterable[Segment]) -> bool:
    said = " ".join(
        part for segment in service if segment.name in {"AIS", "AIG", "AIL"} for part in segment.fields[1:5]
    ).casefold()
    words = said.replace("^", " ").replace("&", " ").replace("_", " ").split()
    return not _IMAGING_WORDS.isdisjoint(words) or any(stem in said for stem in _IMAGING_STEMS)


def patient_scopes(message: Sequence[Segment]) -> list[Scope]:
    """One scope a PID, with the MRG, PV1 and others that follow it."""
    starts = [at for at, segment in enumerate(message) if segment.name == "PID"]
    ends = [*starts[1:], len(message)]
    common = tuple(message[: starts[0]]) if starts else ()
    return [Scope(tuple(message[start:end]), common) for start, end in zip(starts, ends, strict=False)]

"""How archives differ in answering a query, by name: each is survived, and none changes a plan.

A quirk is a `Fault` that costs the exam nothing: where faults show how a peer fails, quirks show how peers
disagree. To add one: give it a name in `QUIRKS`, see it on the wire in tests/integration/test_sandbox_quirks,
and put it into a set of tests/integration/test_opposite_quirks; `make docs` writes it into the manual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pydicom import Dataset
from pydicom.dataelem import DataElement

from prefetch.sandbox import matching
from prefetch.sandbox.fault import Fault, is_final, is_final_status
from prefetch.sandbox.faults import FAULTS, Answers, Begins, each, write_raw
from prefetch.sandbox.operation import Operation, Service

FEW = 5
"""Answers that an archive with a limit gives to one query."""
LOCALIZER = ".LOCALIZER"
"""What no UID may hold (PS3.5 9.1), and some do."""
_BROKEN = "BROKEN"
_CUT_SHORT = b"\x08\x00\x32\x10\xff\xff\xff\xff\xfe\xff"
"""A Procedure Code Sequence of undefined length that ends within its first item: no decoder takes it."""
_OUT_OF_RESOURCES, _DOES_NOT_MATCH, _LIMIT_REACHED, _UNSUPPORTED_KEYS = 0xA700, 0xA900, 0xB001, 0xFF01
_TOO_LONG = 80

# --- keys that are refused, ignored, or never answered ----------------------------------------------


def _refuse_where(holds: Callable[[DataElement], bool]) -> Begins:
    def begins(operation: Operation) -> int | None:
        asked = operation.identifier if operation.service is Service.FIND else Dataset()
        return _DOES_NOT_MATCH if any(map(holds, asked)) else None

    return begins


def _is_open_range(key: DataElement) -> bool:
    text = str(key.value or "")
    return key.VR == "DA" and len(text) > 1 and (text.startswith("-") or text.endswith("-"))


def _hang_on_time(operation: Operation) -> None:
    if operation.service is Service.FIND and operation.identifier.get("StudyTime"):
        operation.hang()


def _forget(*keywords: str) -> Callable[[Operation, Dataset], None]:
    def hears(_operation: Operation, identifier: Dataset) -> None:
        for keyword in keywords:
            if keyword in identifier:
                setattr(identifier, keyword, "")

    return hears


def _take_asterisk_for_any_uid(_operation: Operation, identifier: Dataset) -> None:
    for key in identifier:
        if key.VR == "UI" and key.value == "*":
            key.value = ""


def _find_nothing_by_dash(operation: Operation, given: Iterable[Dataset]) -> Iterable[Dataset]:
    return () if operation.identifier.get("StudyDate") == "-" else given


# --- how values are compared ------------------------------------------------------------------------


def _is_list(key: DataElement) -> bool:
    return len(matching.values_of(key)) > 1


def _match_no_list(_operation: Operation, identifier: Dataset) -> None:
    """Take the backslash of a list of UIDs for a character, as it is one everywhere else."""
    for key in matching.matching_keys(identifier):
        if key.VR == "UI" and _is_list(key):
            key.value = "0.0"


def _open_lists(_operation: Operation, identifier: Dataset) -> None:
    for key in list(matching.matching_keys(identifier)):
        if _is_list(key):
            key.value = ""


def _match_any_of(operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    lists = [key for key in matching.matching_keys(operation.identifier) if _is_list(key)]
    for answer in given:
        if all(set(matching.values_of(key)) & set(matching.values(answer, key.keyword)) for key in lists):
            yield answer


_CASED = frozenset({"LO", "SH"})


def _open_texts(_operation: Operation, identifier: Dataset) -> None:
    for key in list(matching.matching_keys(identifier)):
        if key.VR in _CASED:
            key.value = ""


def _match_any_case(operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    texts = [key for key in matching.matching_keys(operation.identifier) if key.VR in _CASED]
    for answer in given:
        if all(str(key.value).casefold() == str(answer.get(key.keyword)).casefold() for key in texts):
            yield answer


# --- values that are none ---------------------------------------------------------------------------


def _as_acr_nema(date: str) -> str:
    return f"{date[:4]}.{date[4:6]}.{date[6:]}"


_MALFORMED: Mapping[str, Callable[[str], str]] = {
    "StudyDate": _as_acr_nema,
    "PatientBirthDate": _as_acr_nema,
    "NumberOfStudyRelatedInstances": "{}.0".format,
    "NumberOfSeriesRelatedInstances": "{}.0".format,
    "SeriesInstanceUID": f"{{}}{LOCALIZER}".format,
    "AccessionNumber": f"{{:.<{_TOO_LONG}}}".format,
}
"""Attribute → what becomes of its value."""


def _malform(answer: Dataset) -> None:
    for keyword, malformed in _MALFORMED.items():
        if said := str(answer.get(keyword) or ""):
            write_raw(answer, keyword, malformed(said).encode())


def _hear_own_uids(_operation: Operation, identifier: Dataset) -> None:
    if said := str(identifier.get("SeriesInstanceUID") or ""):
        identifier.SeriesInstanceUID = said.removesuffix(LOCALIZER)


def _empty_modalities(answer: Dataset) -> None:
    if "ModalitiesInStudy" in answer:
        answer.ModalitiesInStudy = ""


# --- what text is written in ------------------------------------------------------------------------


def _in_utf_8_as_latin_1(answer: Dataset) -> None:
    for keyword in ("PatientName", "StudyDescription", "SeriesDescription"):
        if said := str(answer.get(keyword) or ""):
            write_raw(answer, keyword, said.encode())
    answer.SpecificCharacterSet = "ISO_IR 100"


def _say_character_set_if_asked(operation: Operation, given: Iterable[Dataset]) -> Iterable[Dataset]:
    """`no-character-set`, unless the query asks for (0008,0005)."""
    if "SpecificCharacterSet" in operation.identifier:
        return given
    return FAULTS["no-character-set"].answers(operation, given)


# --- how many, and how the answers end --------------------------------------------------------------


def limited(most: int, *, status: int | None = None, silent: bool = True) -> Answers:
    """No more answers than so many; with a status at the end, and where it refuses with none at all."""

    def answers(operation: Operation, given: Iterable[Dataset]) -> list[Dataset]:
        all_of_them = list(given)
        if len(all_of_them) <= most:
            return all_of_them
        operation.refused = status
        return all_of_them[:most] if silent else []

    return answers


def _keep_the_last(operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    """Give all but the last, which goes out with the final status."""
    for answer in given:
        if operation.last_words is not None:
            yield operation.last_words
        operation.last_words = answer


def _add_a_broken_one(_operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    for number, answer in enumerate(given):
        if number == 0:
            broken = Dataset()
            broken.StudyID = _BROKEN
            yield broken
        yield answer


def _break(_operation: Operation, _command: Dataset, identifier: bytes) -> bytes:
    return _CUT_SHORT if _BROKEN.encode() in identifier else identifier


def _say_in_the_data_set(operation: Operation, command: Dataset, identifier: bytes) -> bytes:
    """The status as an element of the identifier (Implicit VR Little Endian), and none in the command."""
    if operation.service is not Service.FIND or "Status" not in command:
        return identifier
    status = int(command.Status)
    del command.Status
    operation.status = status if is_final_status(status) else None
    return b"\x00\x00\x00\x09\x02\x00\x00\x00" + status.to_bytes(2, "little") + identifier


def _pend_with_a_warning(operation: Operation, command: Dataset) -> None:
    if operation.service is Service.FIND and not is_final(command):
        command.Status = _UNSUPPORTED_KEYS


# --- the registry -----------------------------------------------------------------------------------

QUIRKS: dict[str, Fault] = {
    "ignores-modalities-key": Fault(
        because="Modalities in Study is ignored as a key: studies of every modality come back",
        seen="dicom/ruby-dicom#13; ClearCanvas#127; CTK#15",
        hears=_forget("ModalitiesInStudy"),
    ),
    "no-modalities-in-study": FAULTS["no-modalities-in-study"],
    "empty-modalities-in-study": Fault(
        because="Modalities in Study is returned, and empty",
        seen="pydicom#1542",
        answers=each(_empty_modalities),
    ),
    "refuses-modalities-key": Fault(
        because="a query with a value in Modalities in Study is refused (0xA900)",
        seen="microsoft/dicom-server#1847",
        begins=_refuse_where(lambda key: key.keyword == "ModalitiesInStudy" and bool(key.value)),
    ),
    "lists-match-nothing": Fault(
        because="several values in a key, even of UIDs, match nothing",
        seen="dcm4chee-arc-light#1772; pynetdicom#522",
        hears=_match_no_list,
    ),
    "lists-are-alternatives": Fault(
        because="several values in any key (CT\\MR) match whatever has one of them",
        seen="dcm4chee-arc-light#1772",
        hears=_open_lists,
        answers=_match_any_of,
    ),
    "refuses-asterisk": Fault(
        because="a key that is nothing but * is refused (0xA900)",
        seen="discourse.orthanc-server.org/t/3939",
        begins=_refuse_where(lambda key: key.value == "*"),
    ),
    "refuses-empty-uid": Fault(
        because="an empty UID is refused (0xA900); * is taken for any",
        seen="discourse.orthanc-server.org/t/3939 (dcm4chee)",
        begins=_refuse_where(lambda key: key.VR == "UI" and not key.value),
        hears=_take_asterisk_for_any_uid,
    ),
    "ignores-case": Fault(
        because="upper and lower case are the same in keys of text: the ID abc01 is found as ABC01",
        seen="PS3.4 C.2.2.2.4 has them differ",
        hears=_open_texts,
        answers=_match_any_case,
    ),
    "refuses-open-date-range": Fault(
        because="a range of dates with an open end (-20210115) is refused (0xA900)",
        seen="microsoft/dicom-server#1087",
        begins=_refuse_where(_is_open_range),
    ),
    "finds-nothing-by-dash": Fault(
        because="a range of dates with both ends open (-) ends with Success and no answer",
        seen="openradx/adit#334",
        answers=_find_nothing_by_dash,
    ),
    "hangs-on-study-time": Fault(
        because="a query with a value in Study Time is never answered",
        seen="fo-dicom#1467 (Agfa)",
        begins=_hang_on_time,
    ),
    "malformed-values": Fault(
        because="a date 1997.04.24, a count 1.0, a UID with the word LOCALIZER, text that is too long",
        seen="pydicom's test files; dicoogle#378; horos#83; pynetdicom#919",
        hears=_hear_own_uids,
        answers=each(_malform),
    ),
    "malformed-dates": FAULTS["malformed-dates"],
    "no-character-set": FAULTS["no-character-set"],
    "wrong-character-set": Fault(
        because="names and descriptions in UTF-8, and a Specific Character Set that says Latin-1",
        seen="Weasis#627; weasis-dicom-tools#24",
        answers=each(_in_utf_8_as_latin_1),
    ),
    "character-set-on-request": Fault(
        because="Specific Character Set is returned only to a query that asks for it",
        seen="fo-dicom#1785",
        answers=_say_character_set_if_asked,
    ),
    "cuts-after-5": Fault(
        because="of more than 5 answers the first 5 come, and Success",
        seen="pynetdicom#522; Weasis#392",
        answers=limited(FEW),
    ),
    "warns-after-5": Fault(
        because="of more than 5 answers the first 5 come, and a Warning: response limit reached (0xB001)",
        seen="PS3.4 C.4.1.1.4",
        answers=limited(FEW, status=_LIMIT_REACHED),
    ),
    "refuses-above-5": Fault(
        because="a query that more than 5 studies match is refused as too broad (0xA700)",
        seen="dcm4chee-arc-light#1446",
        answers=limited(FEW, status=_OUT_OF_RESOURCES, silent=False),
    ),
    "identifier-in-success": Fault(
        because="the last answer comes with the final Success, and not as Pending",
        seen="pynetdicom#571",
        answers=_keep_the_last,
    ),
    "status-in-the-data-set": Fault(
        because="the status stands in the data set, and the response has none",
        seen="dicom-rs#434",
        encodes=_say_in_the_data_set,
    ),
    "broken-answer": Fault(
        because="Pending (0xFF00) with bytes that nobody can decode, among the answers",
        seen="pynetdicom#522",
        answers=_add_a_broken_one,
        encodes=_break,
    ),
    "pending-as-0xFF01": Fault(
        because="answers come as Pending with a warning (0xFF01): some of the keys are not supported",
        seen="pynetdicom#163; PS3.4 C.4.1.1.4",
        says=_pend_with_a_warning,
    ),
}
"""Quirks 1 to 13 of what is known from the field, in order; a few are faults as well."""

"""What prefetch.yaml may say: each key with its effect and a bad example; how it is loaded with its rules."""

from __future__ import annotations

import re
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import character_sets, config, errors, lifecycle, logs, rules, spans, yamlfile
from prefetch.config import BirthDateSaidBy, Config, Gone, Mode, NameConflict, Verify
from prefetch.domain.issuers import IssuerKey
from prefetch.peers import Acknowledgement, Allow, AllowedSender, Case, PatientIdForm
from tests import models

SITE = """\
time_zone: Europe/Berlin
listeners: {ris: {port: 2575}}
worklists: {mwl: {ae_title: RIS, host: ris.example.org, port: 104}}
archives: {main: {ae_title: PACS, host: pacs.example.org, port: 104}}
workstations: {room: {ae_title: READ1, host: 10.1.2.3, port: 11112}}
"""
RULE = "rules: [{name: ct, when: {modality: CT}, priors: [{newest: 2}]}]"


def with_key(dotted: str, value: str) -> str:
    """The site's file with one key more, or another value of one that it has."""
    section, _, key = dotted.rpartition(".")
    if not section:
        return re.sub(rf"^{key}:.*\n", "", SITE, flags=re.MULTILINE) + f"{key}: {value}\n"
    top, _, rest = section.partition(".")
    if top in {"archives", "workstations", "listeners", "worklists"}:
        _, _, inner = rest.partition(".")
        line = f"{key}: {value}"
        for step in reversed(inner.split(".") if inner else []):
            line = f"{step}: {{{line}}}"
        own = re.search(rf"^{top}: \{{(\w+): \{{(.*)\}}\}}$", SITE, flags=re.MULTILINE)
        assert own
        kept = [said for said in own[2].split(", ") if not said.startswith(f"{line.partition(':')[0]}:")]
        return SITE.replace(own[0], f"{top}: {{{own[1]}: {{{', '.join([*kept, line])}}}}}")
    steps = [*rest.split("."), key] if rest else [key]
    return SITE + f"{top}: {'{' + ': {'.join(steps)}: {value}{'}' * len(steps)}\n"


def write(directory: Path, text: str = SITE, rule_file: str = RULE) -> Path:
    """A site's files; gives its prefetch.yaml."""
    (directory / "rules").mkdir(exist_ok=True)
    (directory / "rules" / "a.yaml").write_text(rule_file)
    file = directory / "prefetch.yaml"
    file.write_text(text)
    return file


def load(directory: Path, text: str = SITE, rule_file: str = RULE) -> Config:
    """A site, loaded."""
    return config.load(write(directory, text, rule_file))


def mistakes(directory: Path, text: str, rule_file: str = RULE) -> list[str]:
    """What is wrong with a site's files, without line and column."""
    with pytest.raises(errors.ConfigurationError) as raised:
        load(directory, text, rule_file)
    return [f"{problem.path}: {problem.message}" for problem in raised.value.problems]


RETRY = "{attempts: 3, first: 1s, longest: 9s}"
PATIENCE = lifecycle.Patience(attempts=3, first=timedelta(seconds=1), most=timedelta(seconds=9))

GOOD: dict[str, tuple[str, str, Any]] = {
    "version": ("1", "version", "1"),
    "ae_title": ("' MY AE '", "ae_title", "MY AE"),
    "time_zone": ("Asia/Tokyo", "time_zone", ZoneInfo("Asia/Tokyo")),
    "mode": ("observe", "mode", Mode.OBSERVE),
    "store": ("postgresql://me@db/prefetch", "store", "postgresql+psycopg://me@db/prefetch"),
    "listeners.ris.host": ("'::1'", "listeners.ris.host", "::1"),
    "listeners.ris.port": ("0", "listeners.ris.port", 0),
    "listeners.ris.max_message_bytes": ("2000", "listeners.ris.max_message_bytes", 2000),
    "listeners.ris.max_connections": ("3", "listeners.ris.max_connections", 3),
    "listeners.ris.idle_timeout": ("1h", "listeners.ris.idle_timeout", timedelta(hours=1)),
    "listeners.ris.message_timeout": ("5s", "listeners.ris.message_timeout", timedelta(seconds=5)),
    "listeners.ris.max_connections_per_address": ("2", "listeners.ris.max_connections_per_address", 2),
    "listeners.ris.messages_per_second": ("0.5", "listeners.ris.messages_per_second", 0.5),
    "listeners.ris.messages_per_second_per_connection": (
        "20",
        "listeners.ris.messages_per_second_per_connection",
        20,
    ),
    "listeners.ris.acknowledgement": (
        "enhanced",
        "listeners.ris.acknowledgement",
        Acknowledgement.ENHANCED,
    ),
    "listeners.ris.allow": (
        "{networks: 10.1.0.0/16, senders: {application: RIS}}",
        "listeners.ris.allow",
        Allow(
            networks=(ip_network("10.1.0.0/16"),),
            senders=(AllowedSender.model_validate({"application": "RIS"}),),
        ),
    ),
    "worklists.mwl.ae_title": ("OTHER", "worklists.mwl.ae_title", "OTHER"),
    "worklists.mwl.host": ("10.0.0.1", "worklists.mwl.host", "10.0.0.1"),
    "worklists.mwl.port": ("4242", "worklists.mwl.port", 4242),
    "worklists.mwl.interval": ("30s", "worklists.mwl.interval", timedelta(seconds=30)),
    "worklists.mwl.stations": ("CT1", "worklists.mwl.stations", ("CT1",)),
    "worklists.mwl.modalities": ("ct", "worklists.mwl.modalities", ("CT",)),
    "worklists.mwl.back": ("1d", "worklists.mwl.back", timedelta(days=1)),
    "worklists.mwl.ahead": ("2d", "worklists.mwl.ahead", timedelta(days=2)),
    "worklists.mwl.issuer": ("HOSP", "worklists.mwl.issuer", "HOSP"),
    "worklists.mwl.stale.absences": ("5", "worklists.mwl.stale.absences", 5),
    "worklists.mwl.stale.then": ("keep", "worklists.mwl.stale.then", Gone.KEEP),
    "worklists.mwl.stale.begun": ("2h", "worklists.mwl.stale.begun", timedelta(hours=2)),
    "worklists.mwl.stale.silent": ("1h", "worklists.mwl.stale.silent", timedelta(hours=1)),
    "worklists.mwl.max_associations": ("2", "worklists.mwl.max_associations", 2),
    "worklists.mwl.answer_limit": ("10", "worklists.mwl.answer_limit", 10),
    "worklists.mwl.character_set": ("ISO_IR 192", "worklists.mwl.character_set", "ISO_IR 192"),
    "worklists.mwl.timeouts.connect": ("1s", "worklists.mwl.timeouts.connect", timedelta(seconds=1)),
    "archives.main.ae_title": ("OTHER", "archives.main.ae_title", "OTHER"),
    "archives.main.host": ("10.0.0.1", "archives.main.host", "10.0.0.1"),
    "archives.main.port": ("4242", "archives.main.port", 4242),
    "archives.main.mode": ("observe", "archives.main.mode", Mode.OBSERVE),
    "archives.main.max_associations": ("9", "archives.main.max_associations", 9),
    "archives.main.studies_per_move": ("4", "archives.main.studies_per_move", 4),
    "archives.main.send_issuer": ("no", "archives.main.send_issuer", IssuerKey.FALSE),
    "archives.main.codes": ("no", "archives.main.codes", False),
    "archives.main.issuers": ("{A: B}", "archives.main.issuers", {"A": "B"}),
    "archives.main.patient_ids.strip_prefix": ("H-", "archives.main.patient_ids.strip_prefix", "H-"),
    "archives.main.patient_ids.strip_zeros": ("yes", "archives.main.patient_ids.strip_zeros", True),
    "archives.main.patient_ids.pad_to": ("10", "archives.main.patient_ids.pad_to", 10),
    "archives.main.patient_ids.add_prefix": ("GH", "archives.main.patient_ids.add_prefix", "GH"),
    "archives.main.patient_ids.case": ("upper", "archives.main.patient_ids.case", Case.UPPER),
    "archives.main.patient_ids_of": (
        "{CLINIC: {pad_to: 8}}",
        "archives.main.patient_ids_of",
        {"CLINIC": PatientIdForm(pad_to=8)},
    ),
    "archives.main.character_set": ("ISO_IR 192", "archives.main.character_set", "ISO_IR 192"),
    "archives.main.rest.after": ("5", "archives.main.rest.after", 5),
    "archives.main.rest.first": ("1m", "archives.main.rest.first", timedelta(minutes=1)),
    "archives.main.rest.longest": ("1h", "archives.main.rest.longest", timedelta(hours=1)),
    "archives.main.most_answers": ("500", "archives.main.most_answers", 500),
    "archives.main.timeouts.connect": ("1s", "archives.main.timeouts.connect", timedelta(seconds=1)),
    "archives.main.timeouts.acse": ("2s", "archives.main.timeouts.acse", timedelta(seconds=2)),
    "archives.main.timeouts.idle": ("3s", "archives.main.timeouts.idle", timedelta(seconds=3)),
    "archives.main.timeouts.find_total": ("4s", "archives.main.timeouts.find_total", timedelta(seconds=4)),
    "archives.main.timeouts.move_idle": ("5s", "archives.main.timeouts.move_idle", timedelta(seconds=5)),
    "archives.main.timeouts.move_total": ("6s", "archives.main.timeouts.move_total", timedelta(seconds=6)),
    "workstations.room.ae_title": ("ROOM", "workstations.room.ae_title", "ROOM"),
    "workstations.room.verify": ("counters", "workstations.room.verify", Verify.COUNTERS),
    "workstations.room.host": ("room.local", "workstations.room.host", "room.local"),
    "workstations.room.port": ("1", "workstations.room.port", 1),
    "workstations.room.query_ae_title": ("ASK", "workstations.room.query_ae_title", "ASK"),
    "workstations.room.max_associations": ("1", "workstations.room.max_associations", 1),
    "workstations.room.settle": ("0s", "workstations.room.settle", timedelta()),
    "workstations.room.timeouts.connect": ("1s", "workstations.room.timeouts.connect", timedelta(seconds=1)),
    "planning.to": ("room", "planning.to", ("room",)),
    "planning.fetch_from": ("when ordered", "planning.fetch_from", spans.Moment()),
    "planning.ready_by": (
        "10m before exam",
        "planning.ready_by",
        spans.Moment(before_exam=timedelta(minutes=10)),
    ),
    "planning.deadline_if_unscheduled": ("2h", "planning.deadline_if_unscheduled", timedelta(hours=2)),
    "planning.start_of_day": ("'07:30'", "planning.start_of_day", time(7, 30)),
    "planning.replan_before": ("1h", "planning.replan_before", timedelta(hours=1)),
    "planning.reuse_answer": ("1s", "planning.reuse_answer", timedelta(seconds=1)),
    "planning.answer_limit": ("10", "planning.answer_limit", 10),
    "planning.retry": (
        "{first: 1s, longest: 9s}",
        "planning.patience",
        lifecycle.Patience(first=timedelta(seconds=1), most=timedelta(seconds=9)),
    ),
    "retrieval.retry": (RETRY, "retrieval.patience", PATIENCE),
    "retrieval.check_again": (RETRY, "retrieval.recheck", PATIENCE),
    "retrieval.park": ("1m", "retrieval.park", timedelta(minutes=1)),
    "retrieval.expire_after": ("1h", "retrieval.expire_after", timedelta(hours=1)),
    "retrieval.lease": ("9s", "retrieval.lease", timedelta(seconds=9)),
    "identity.placeholder_birth_dates": (
        "[1900-01-01, 18000101]",
        "identity.placeholder_birth_dates",
        ("19000101", "18000101"),
    ),
    "identity.name_conflict": ("quarantine", "identity.name_conflict", NameConflict.QUARANTINE),
    "identity.birth_date_said_by": ("both", "identity.birth_date_said_by", BirthDateSaidBy.BOTH),
    "limits.studies": ("3", "limits.studies", 3),
    "limits.instances": ("99", "limits.instances", 99),
    "limits.unknown_instances": ("7", "limits.unknown_instances", 7),
    "limits.bytes": ("1.5GB", "limits.bytes", 1_500_000_000),
    "limits.bytes_per_instance": ("{ct: 300kB}", "limits.bytes_per_instance", {"CT": 300_000}),
    "relevance.vocabulary": ("words", "relevance.vocabulary", Path("words")),
    "relevance.procedure_codes": ("codes.csv", "relevance.procedure_codes", Path("codes.csv")),
    "relevance.grading": ("tables", "relevance.grading", Path("tables")),
    "trouble.unknown_patients": ("30", "trouble.unknown_patients", 30),
    "trouble.unmatched_orders": ("30", "trouble.unmatched_orders", 30),
    "trouble.feed_silence": ("4h", "trouble.feed_silence", timedelta(hours=4)),
    "retention.history": ("365d", "retention.history", timedelta(days=365)),
    "retention.messages": ("7d", "retention.messages", timedelta(days=7)),
    "logging.level": ("debug", "logging.level", "debug"),
    "logging.format": ("json", "logging.format", logs.Format.JSON),
    "logging.identifiers": ("none", "logging.identifiers", logs.Identifiers.NONE),
    "drain": ("5s", "drain", timedelta(seconds=5)),
}
"""Key → a value, and the attribute with what is made of it."""


@pytest.mark.parametrize("dotted", GOOD)
def test_a_value_comes_where_it_is_used(tmp_path: Path, dotted: str) -> None:
    """As a text in the file, as what the program needs in the configuration."""
    value, attribute, expected = GOOD[dotted]
    for directory in ("words", "tables"):
        (tmp_path / directory).mkdir()
    (tmp_path / "codes.csv").write_text("K7,CT chest\n")
    found: Any = load(tmp_path, with_key(dotted, value))
    for name in attribute.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert expected == found


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    """What it does not say has a default."""
    site = load(tmp_path)
    said = ("PREFETCH", Mode.ACTIVE, "sqlite:////var/lib/prefetch/prefetch.db", timedelta(seconds=20))
    assert said == (site.ae_title, site.mode, site.store, site.drain)


DURATION = "expected a duration such as 90s, 15m, 24h or 2d, found “soon”"
AE_TITLE = "is not an AE title: 1 to 16 characters of ASCII without backslash (DICOM PS3.5 6.2)"

NO_SEGMENT = "is no segment of an order, booking or ADT message"

BAD: dict[str, tuple[str, str]] = {
    "version": ("2", "“2” is not possible; possible: 1"),
    "ae_title": ("SEVENTEEN-LETTERS", f"“SEVENTEEN-LETTERS” {AE_TITLE}"),
    "time_zone": (
        "Europe/Berlinn",
        "“Europe/Berlinn” is not a time zone of the IANA database; did you mean Europe/Berlin?",
    ),
    "mode": ("passive", "“passive” is not possible; did you mean active? possible: active, observe"),
    "store": (
        "postgresql://me:secret@db/prefetch",
        "a password does not belong here; keep it in the service's ~/.pgpass or $PGPASSFILE",
    ),
    "rules": ("[rules]", "expected a text, found a list"),
    "listeners": ("2575", "expected keys and values, found “2575”"),
    "listeners.ris.host": ("a b", "“a b” is neither a host name nor an IP address"),
    "listeners.ris.port": ("65536", "must be at most 65535, found 65536"),
    "listeners.ris.max_message_bytes": ("5MB", "expected a whole number, found “5MB”"),
    "listeners.ris.max_connections": ("0", "must be at least 1, found 0"),
    "listeners.ris.idle_timeout": ("soon", DURATION),
    "listeners.ris.message_timeout": ("soon", DURATION),
    "listeners.ris.max_connections_per_address": ("0", "must be at least 1, found 0"),
    "listeners.ris.messages_per_second": ("0", "must be more than 0, found 0"),
    "listeners.ris.messages_per_second_per_connection": ("fast", "expected a number, found “fast”"),
    "listeners.ris.acknowledgement": (
        "none",
        "“none” is not possible; possible: original, enhanced",
    ),
    "listeners.ris.allow": ("everybody", "expected keys and values, found “everybody”"),
    "listeners.ris.allow.networks": (
        "10.1.2.3/16",
        "“10.1.2.3/16” is not a network; did you mean 10.1.0.0/16?",
    ),
    "listeners.ris.allow.senders": (
        "[{}]",
        "needs application or facility; without either it would allow everybody",
    ),
    "listeners.ris.allow.senders.application": ("[]", "must not be empty"),
    "listeners.ris.allow.senders.facility": ("''", "must not be empty"),
    "listeners.ris.tls": ("on", "expected keys and values, found “on”"),
    "listeners.ris.tls.certificate": ("[a.pem]", "expected a text, found a list"),
    "listeners.ris.tls.key": ("[a.key]", "expected a text, found a list"),
    "listeners.ris.tls.key_password": ("{a: b}", "expected a text, found keys and values"),
    "listeners.ris.tls.client_ca": ("''", "must not be empty"),
    "listeners.ris.tls.minimum_version": (
        "1.1",
        "“1.1” is not possible; did you mean 1.3? possible: 1.2, 1.3",
    ),
    "worklists": ("104", "expected keys and values, found “104”"),
    "worklists.mwl.ae_title": ("A\\B", f"“A\\B” {AE_TITLE}"),
    "worklists.mwl.host": ("-ris", "“-ris” is neither a host name nor an IP address"),
    "worklists.mwl.port": ("0", "must be at least 1, found 0"),
    "worklists.mwl.interval": ("0s", "must be at least 1s"),
    "worklists.mwl.stations": ("[ÄÖÜ]", f"“ÄÖÜ” {AE_TITLE}"),
    "worklists.mwl.modalities": ("[CTT]", "“CTT” is not a modality; did you mean CT?"),
    "worklists.mwl.back": ("soon", DURATION),
    "worklists.mwl.ahead": ("soon", DURATION),
    "worklists.mwl.issuer": ("''", "must not be empty"),
    "worklists.mwl.stale": ("keep", "expected keys and values, found “keep”"),
    "worklists.mwl.stale.absences": ("0", "must be at least 1, found 0"),
    "worklists.mwl.stale.then": ("drop", "“drop” is not possible; possible: cancel, keep"),
    "worklists.mwl.stale.begun": ("soon", DURATION),
    "worklists.mwl.stale.silent": ("soon", DURATION),
    "worklists.mwl.max_associations": ("0", "must be at least 1, found 0"),
    "worklists.mwl.answer_limit": ("0", "must be at least 1, found 0"),
    "worklists.mwl.character_set": ("''", "must not be empty"),
    "worklists.mwl.timeouts": ("30s", "expected keys and values, found “30s”"),
    "worklists.mwl.timeouts.connect": ("soon", DURATION),
    "worklists.mwl.timeouts.acse": ("soon", DURATION),
    "worklists.mwl.timeouts.idle": ("soon", DURATION),
    "worklists.mwl.timeouts.find_total": ("soon", DURATION),
    "archives": ("{}", "must not be empty"),
    "archives.main.ae_title": ("A\\B", f"“A\\B” {AE_TITLE}"),
    "archives.main.host": ("10.0.0.256", "“10.0.0.256” is neither a host name nor an IP address"),
    "archives.main.port": ("0", "must be at least 1, found 0"),
    "archives.main.mode": ("off", "“off” is not possible; possible: active, observe"),
    "archives.main.max_associations": ("0", "must be at least 1, found 0"),
    "archives.main.studies_per_move": ("0", "must be at least 1, found 0"),
    "archives.main.send_issuer": ("maybe", "“maybe” is not possible; possible: auto, true, false"),
    "archives.main.codes": ("all", "expected true or false, found “all”"),
    "archives.main.issuers": ("{A: [B]}", "expected a text, found a list"),
    "archives.main.patient_ids": ("zeros", "expected keys and values, found “zeros”"),
    "archives.main.patient_ids.strip_prefix": (
        "'H*'",
        "“H*” cannot stand in a patient ID: no blanks alone, and none of * ? \\",
    ),
    "archives.main.patient_ids.strip_zeros": ("all", "expected true or false, found “all”"),
    "archives.main.patient_ids.pad_to": ("65", "must be at most 64, found 65"),
    "archives.main.patient_ids.add_prefix": (
        "' '",
        "“ ” cannot stand in a patient ID: no blanks alone, and none of * ? \\",
    ),
    "archives.main.patient_ids.case": ("title", "“title” is not possible; possible: upper, lower"),
    "archives.main.patient_ids_of": ("[CLINIC]", "expected keys and values, found a list"),
    "archives.main.character_set": ("''", "must not be empty"),
    "archives.main.rest": ("30s", "expected keys and values, found “30s”"),
    "archives.main.rest.after": ("0", "must be at least 1, found 0"),
    "archives.main.rest.first": ("soon", DURATION),
    "archives.main.rest.longest": ("soon", DURATION),
    "archives.main.most_answers": ("0", "must be at least 1, found 0"),
    "archives.main.timeouts": ("30s", "expected keys and values, found “30s”"),
    "archives.main.timeouts.connect": ("soon", DURATION),
    "archives.main.timeouts.acse": ("soon", DURATION),
    "archives.main.timeouts.idle": ("soon", DURATION),
    "archives.main.timeouts.find_total": ("soon", DURATION),
    "archives.main.timeouts.move_idle": ("soon", DURATION),
    "archives.main.timeouts.move_total": ("soon", DURATION),
    "workstations": ("{room one: {ae_title: A, verify: counters}}", ""),
    "workstations.room.ae_title": ("' '", f"“ ” {AE_TITLE}"),
    "workstations.room.verify": ("ask", "“ask” is not possible; possible: query, counters"),
    "workstations.room.host": ("-room", "“-room” is neither a host name nor an IP address"),
    "workstations.room.port": ("x", "expected a whole number, found “x”"),
    "workstations.room.query_ae_title": ("ÄÖÜ", f"“ÄÖÜ” {AE_TITLE}"),
    "workstations.room.max_associations": ("-1", "must be at least 1, found -1"),
    "workstations.room.settle": ("soon", DURATION),
    "workstations.room.timeouts": ("[]", "expected keys and values, found a list"),
    "workstations.room.timeouts.connect": ("soon", DURATION),
    "workstations.room.timeouts.acse": ("soon", DURATION),
    "workstations.room.timeouts.idle": ("soon", DURATION),
    "workstations.room.timeouts.find_total": ("soon", DURATION),
    "senders": ("OLDRIS", "expected keys and values, found “OLDRIS”"),
    "senders.old.application": ("[]", "must not be empty"),
    "senders.old.facility": ("''", "must not be empty"),
    "senders.old.listener": ("rsi", "no listener is called rsi; did you mean ris? possible: ris, submit"),
    "senders.old.character_set": (
        "CP1260",
        "“CP1260” is not a character set; did you mean CP1256? possible: " + ", ".join(character_sets.USUAL),
    ),
    "senders.old.time_zone": (
        "Lisbon",
        "“Lisbon” is not a time zone of the IANA database; did you mean Europe/Lisbon?",
    ),
    "senders.old.patient_id": ("PID-3", "expected keys and values, found “PID-3”"),
    "senders.old.patient_id.from": ("PDI-3", f"PDI {NO_SEGMENT}; did you mean PID-3?"),
    "senders.old.patient_id.prior": ("MRG-8", "MRG has 7 fields and no MRG-8 (HL7 v2.9)"),
    "senders.old.patient_id.authorities": ("[]", "must not be empty"),
    "senders.old.patient_id.authority": ("''", "must not be empty"),
    "senders.old.patient_id.called": ("HOSP", "expected keys and values, found “HOSP”"),
    "senders.old.patient_id.types": ("{}", "expected a text, found keys and values"),
    "senders.old.fields": ("OBR-4", "expected keys and values, found “OBR-4”"),
    "senders.old.fields.modality": (
        "OBR24",
        "“OBR24” is no place in a message; write segment, field and component, such as OBR-4.2",
    ),
    "senders.old.fields.modality.from": ("ORB-24", f"ORB {NO_SEGMENT}; did you mean OBR-24?"),
    "senders.old.fields.modality.values": (
        "{NMR: MX}",
        "“MX” is not a modality; see DICOM PS3.3 C.7.3.1.1.1",
    ),
    "planning": ("now", "expected keys and values, found “now”"),
    "planning.to": ("rom", "no workstation is called rom; did you mean room? possible: room"),
    "planning.fetch_from": ("soon", "expected “24h before exam” or “when ordered”, found “soon”"),
    "planning.ready_by": ("soon", "expected a time such as “30m before exam”, found “soon”"),
    "planning.deadline_if_unscheduled": ("soon", DURATION),
    "planning.start_of_day": ("8", "“8” is not a time of day; write one such as 08:00"),
    "planning.replan_before": ("soon", DURATION),
    "planning.reuse_answer": ("soon", DURATION),
    "planning.answer_limit": ("100001", "must be at most 100000, found 100001"),
    "planning.retry": ("5", "expected keys and values, found “5”"),
    "planning.retry.first": ("soon", DURATION),
    "planning.retry.longest": ("soon", DURATION),
    "retrieval": ("[]", "expected keys and values, found a list"),
    "retrieval.retry": ("5", "expected keys and values, found “5”"),
    "retrieval.retry.attempts": ("0", "must be at least 1, found 0"),
    "retrieval.retry.first": ("soon", DURATION),
    "retrieval.retry.longest": ("soon", DURATION),
    "retrieval.check_again": ("5", "expected keys and values, found “5”"),
    "retrieval.park": ("soon", DURATION),
    "retrieval.expire_after": ("soon", DURATION),
    "retrieval.lease": ("soon", DURATION),
    "identity": ("x", "expected keys and values, found “x”"),
    "identity.placeholder_birth_dates": (
        "[1900-13-01]",
        "“1900-13-01” is not a date; write 19000101 or 1900-01-01",
    ),
    "identity.pix": ("mpi", "expected keys and values, found “mpi”"),
    "identity.pix.host": ("a b", "“a b” is neither a host name nor an IP address"),
    "identity.pix.port": ("0", "must be at least 1, found 0"),
    "identity.pix.domains": ("{}", "must not be empty"),
    "identity.pix.sending_application": (
        "A^B",
        "“A^B” cannot stand in MSH: it holds a delimiter of HL7",
    ),
    "identity.pix.sending_facility": ("'A|B'", "“A|B” cannot stand in MSH: it holds a delimiter of HL7"),
    "identity.pix.receiving_application": (
        "A~B",
        "“A~B” cannot stand in MSH: it holds a delimiter of HL7",
    ),
    "identity.pix.receiving_facility": ("'A&B'", "“A&B” cannot stand in MSH: it holds a delimiter of HL7"),
    "identity.pix.timeout": ("soon", DURATION),
    "identity.pix.keep": ("soon", DURATION),
    "identity.pix.rest": ("soon", DURATION),
    "worklists.mwl.tls": ("yes", "expected keys and values, found “yes”"),
    "worklists.mwl.tls.ca": ("''", "must not be empty"),
    "worklists.mwl.tls.certificate": ("''", "must not be empty"),
    "worklists.mwl.tls.key": ("''", "must not be empty"),
    "worklists.mwl.tls.name": ("-pacs", "“-pacs” is neither a host name nor an IP address"),
    "archives.main.tls": ("yes", "expected keys and values, found “yes”"),
    "archives.main.tls.ca": ("''", "must not be empty"),
    "archives.main.tls.certificate": ("''", "must not be empty"),
    "archives.main.tls.key": ("''", "must not be empty"),
    "archives.main.tls.name": ("-pacs", "“-pacs” is neither a host name nor an IP address"),
    "workstations.room.tls": ("yes", "expected keys and values, found “yes”"),
    "workstations.room.tls.ca": ("''", "must not be empty"),
    "workstations.room.tls.certificate": ("''", "must not be empty"),
    "workstations.room.tls.key": ("''", "must not be empty"),
    "workstations.room.tls.name": ("-pacs", "“-pacs” is neither a host name nor an IP address"),
    "identity.pix.tls": ("yes", "expected keys and values, found “yes”"),
    "identity.pix.tls.ca": ("''", "must not be empty"),
    "identity.pix.tls.certificate": ("''", "must not be empty"),
    "identity.pix.tls.key": ("''", "must not be empty"),
    "identity.name_conflict": (
        "refuse",
        "“refuse” is not possible; possible: note, given name, quarantine, must agree",
    ),
    "identity.birth_date_said_by": ("all", "“all” is not possible; possible: nobody, record, study, both"),
    "limits": ("5", "expected keys and values, found “5”"),
    "limits.studies": ("0", "must be at least 1, found 0"),
    "limits.instances": ("1e4", "expected a whole number, found “1e4”"),
    "limits.unknown_instances": ("0", "must be at least 1, found 0"),
    "limits.bytes": ("2 gigs", "expected an amount of data such as 500MB or 2GB, found “2 gigs”"),
    "limits.bytes_per_instance": ("10MB", "expected keys and values, found “10MB”"),
    "relevance": ("words", "expected keys and values, found “words”"),
    "relevance.vocabulary": ("[a]", "expected a text, found a list"),
    "relevance.procedure_codes": ("{a: b}", "expected a text, found keys and values"),
    "relevance.grading": ("[]", "expected a text, found a list"),
    "retention": ("30d", "expected keys and values, found “30d”"),
    "trouble": ("20", "expected keys and values, found “20”"),
    "trouble.unknown_patients": ("0", "must be at least 1, found 0"),
    "trouble.unmatched_orders": ("0", "must be at least 1, found 0"),
    "trouble.feed_silence": ("soon", DURATION),
    "retention.history": ("soon", DURATION),
    "retention.messages": ("forever", "expected a duration such as 90s, 15m, 24h or 2d, found “forever”"),
    "logging": ("debug", "expected keys and values, found “debug”"),
    "logging.level": (
        "warn",
        "“warn” is not possible; did you mean warning? possible: debug, info, warning, error",
    ),
    "logging.format": ("text", "“text” is not possible; possible: auto, json, console"),
    "logging.identifiers": (
        "hash",
        "“hash” is not possible; did you mean hashed? possible: plain, hashed, none",
    ),
    "drain": ("soon", DURATION),
}
"""Key → a value that cannot be, and what is said."""


@pytest.mark.parametrize("dotted", [dotted for dotted, (_, message) in BAD.items() if message])
def test_a_bad_value_has_its_message(tmp_path: Path, dotted: str) -> None:
    """What it is, and what would be possible."""
    value, message = BAD[dotted]
    found = mistakes(tmp_path, with_key(dotted, value))
    assert any(mistake.startswith(dotted) and mistake.endswith(f": {message}") for mistake in found), found


def keys_named(dotted: str) -> str:
    """`archives.NAME.port` of `archives.main.port`."""
    return re.sub(r"^(archives|workstations|listeners|worklists|senders)\.\w+", r"\1.NAME", dotted)


def every_path(model: type[yamlfile.Model], prefix: str = "") -> set[str]:
    """Every key of the configuration with its path; a look-up is told in the rules."""
    found = set()
    for key, field in yamlfile.key_fields(model).items():
        named = ".NAME" if str(field.annotation).startswith("dict[") else ""
        found.add(f"{prefix}{key}")
        for inner in yamlfile.models_in(field.annotation):
            if inner is not rules.Lookup and issubclass(inner, yamlfile.Model):
                found |= every_path(inner, f"{prefix}{key}{named}.")
    return found


def test_every_key_has_a_bad_example() -> None:
    """A key that is added brings one; one `retry`, `rest`, form of IDs and field of senders stand for all."""
    others = (
        r"retrieval\.check_again\.",
        r"senders\.NAME\.fields\.(?!modality)",
        r"archives\.NAME\.patient_ids_of\.",
        r"workstations\.NAME\.rest",
    )
    stood_for = re.compile("|".join(others))
    asked = {path for path in every_path(Config) if not stood_for.match(path)}
    assert asked == {keys_named(dotted) for dotted in BAD}


def test_a_name_of_ones_own_is_a_word(tmp_path: Path) -> None:
    """It is typed on command lines and stands in logs."""
    found = mistakes(tmp_path, with_key("workstations", BAD["workstations"][0]))
    assert found == [
        "workstations.room one: “room one” is not a name: letters, digits, _ . and - without blanks"
    ]


@pytest.mark.parametrize("model", models.every_model(Config))
def test_every_key_is_described_with_an_example_that_is_right(
    tmp_path: Path, model: type[yamlfile.Model]
) -> None:
    """The reference never shows what `prefetch check` refuses."""
    required = {
        "Config": SITE,
        "Archive": "ae_title: PACS\nhost: h\nport: 104\n",
        "Worklist": "ae_title: RIS\nhost: h\nport: 104\n",
        "Workstation": "ae_title: READ1\nverify: counters\nhost: h\nport: 104\n",
        "Waits": "first: 1s\nlongest: 1s\n",
        "Retry": "attempts: 1\nfirst: 1s\nlongest: 1s\n",
        "Tls": "certificate: a.pem\nkey: a.key\n",
        "PixManager": "host: h\nport: 104\ndomains: {A: A}\n",
        "ClientTls": "certificate: a.pem\nkey: a.key\n",
        "DicomTls": "certificate: a.pem\nkey: a.key\n",
        "Lookup": "by: location\nmap: {A: b}\n",
    }
    for key, field in yamlfile.key_fields(model).items():
        assert field.description
        for example in field.examples:
            rest = re.sub(rf"^{key}:.*\n", "", required.get(model.__name__, ""), flags=re.MULTILINE)
            (tmp_path / "example.yaml").write_text(f"{rest}{key}: {example}\n")
            assert yamlfile.load(tmp_path / "example.yaml", model) is not None


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (
            "mysql://db",
            "“mysql://db” is not a store; write sqlite:////path/to/file or postgresql://host/database",
        ),
        (
            "prefetch.db",
            "“prefetch.db” is not a store; write sqlite:////path/to/file or postgresql://host/database",
        ),
        (
            "sqlite://",
            "write sqlite:/// and the path of a file: sqlite:////var/lib/prefetch/prefetch.db",
        ),
        (
            "sqlite:///x.db?mode=memory",
            "write sqlite:/// and the path of a file: sqlite:////var/lib/prefetch/prefetch.db",
        ),
    ],
)
def test_a_store_is_a_file_or_a_postgresql(tmp_path: Path, store: str, message: str) -> None:
    """Nothing else keeps what was acknowledged."""
    assert [f"store: {message}"] == mistakes(tmp_path, with_key("store", store))


def test_relative_paths_begin_at_the_file(tmp_path: Path) -> None:
    """Wherever the daemon was started."""
    site = load(tmp_path, with_key("store", "sqlite:///data/x.db"))
    assert (f"sqlite:///{tmp_path}/data/x.db", tmp_path / "rules") == (site.store, site.rules)


def test_a_workstation_that_is_asked_needs_an_address(tmp_path: Path) -> None:
    """Else its word cannot be had."""
    text = with_key("workstations", "{room: {ae_title: READ1, port: 104}}")
    message = "verify: query needs host and port; without them write verify: counters"
    assert [f"workstations.room: {message}"] == mistakes(tmp_path, text)


@pytest.mark.parametrize("host", ["pacs", "pacs.example.org.", "10.1.2.3", "fe80::1", "my_pacs-2"])
def test_a_host_is_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    """Underscores included, which the field uses."""
    assert host == load(tmp_path, with_key("archives.main.host", f"'{host}'")).archives["main"].host


@given(st.text())
def test_any_text_is_an_ae_title_or_is_refused(text: str) -> None:
    """What passes is 1 to 16 characters of ASCII, without backslash and control characters, and trimmed."""
    said = {"ae_title": text, "verify": "counters"}
    try:
        title = config.Workstation.model_validate(said).ae_title
    except ValueError:
        return
    assert re.fullmatch(r"[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?", title)


def test_the_rules_come_with_the_configuration(tmp_path: Path) -> None:
    """All is checked before any of it is used."""
    assert ["ct"] == [rule.name for rule in load(tmp_path).rule_set.rules]


def test_the_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    """The rules are read even where the configuration is wrong."""
    found = mistakes(tmp_path, with_key("mode", "x"), "rules: [{name: a}]")
    assert ["mode", "rules.0"] == [mistake.partition(":")[0] for mistake in found]


def test_rules_elsewhere_are_read_though_the_configuration_is_wrong(tmp_path: Path) -> None:
    """Their directory is taken from the text."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.yaml").write_text("rules: []")
    found = mistakes(tmp_path, with_key("mode", "x") + "rules: other\n")
    assert ["mode", "rules"] == [mistake.partition(":")[0] for mistake in found]


def test_a_site_without_rules_is_refused(tmp_path: Path) -> None:
    """A directory by another name, or an empty one, would silently fetch nothing."""
    found = mistakes(tmp_path, SITE + "rules: ruels\n")
    assert [f"rules: there are no rules: no *.yaml in {tmp_path}/ruels"] == found


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    """As a problem like any other, and as the only one: nobody knows where its rules would be."""
    with pytest.raises(errors.ConfigurationError) as raised:
        config.load(tmp_path / "none.yaml")
    (problem,) = raised.value.problems
    assert f"{tmp_path}/none.yaml:1:1: cannot be read: No such file or directory" == str(problem)


def test_the_example_of_one_node_is_right(tmp_path: Path) -> None:
    """With the starter rules it has nothing to warn of."""
    root = Path(__file__).parents[2]
    example = (root / "deploy" / "examples" / "one-node" / "prefetch.yaml").read_text()
    (tmp_path / "prefetch.yaml").write_text(example.replace("rules: rules", f"rules: {root / 'rules'}"))
    report = config.examine(tmp_path / "prefetch.yaml")
    assert ((), True) == (report.problems, report.config is not None)


def test_the_places_that_decide_a_destination_are_watched(tmp_path: Path) -> None:
    """A patient who is moved may be read elsewhere."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(
        "rules: [{name: a, when: {hl7: {ZXX-7: A}}, priors: [{newest: 1}]}]"
    )
    found = load(tmp_path, with_key("planning.to", "{by: PV1-3.4, map: {A: room}}"))
    assert ["PV1-3.4"] == [str(path) for path in found.watched if path.segment == "PV1"]

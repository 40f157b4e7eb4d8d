"""Text from messages and archives is data wherever it is shown: no verb and no log obeys it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from prefetch import logs, model
from prefetch.cli.program import program
from prefetch.store import inbox
from prefetch.store.database import Database
from prefetch.values.visible_text import make_json_visible, make_visible
from tests.queued import NOW, Queue, wish

HOSTILE = "CT [/x] [bold]\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil\u2066\u2028{0} %s"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
SITE = """\
time_zone: UTC
store: sqlite:///prefetch.db
archives: {main-archive: {ae_title: MAIN, host: 127.0.0.1, port: 1}}
workstations: {reading-room: {ae_title: R1, verify: counters}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A store in which every text that somebody sent is hostile."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text("rules: [{name: all, priors: [{newest: 1}]}]")
    file = tmp_path / "prefetch.yaml"
    file.write_text(SITE)
    url = f"sqlite:///{tmp_path / 'prefetch.db'}"
    Database.migrate(url)
    database = Database.open(url)
    queue = Queue(database)
    order = queue.order(
        accession_number="A1",
        procedure_description=HOSTILE,
        procedure_code=HOSTILE,
        station_ae_title=HOSTILE,
        patient=model.Patient(patient_id=HOSTILE, name=HOSTILE, birth_date="19700101"),
        scheduled_start=NOW,
    )
    queue.plan(order, wish("1.2.3", because=HOSTILE), wish("1.2.4", decision=model.Decision.QUARANTINED))
    raw = f"MSH|^~\\&|RIS|H|||20260302||ORM^O01|{HOSTILE}|P|2.3\rPID|1||1||{HOSTILE}\r".encode()
    queue.do(inbox.keep_unreadable, source="ris", raw=raw, because=HOSTILE, at=NOW)
    (tmp_path / "message.hl7").write_bytes(raw)
    database.close()
    return file


@pytest.mark.parametrize("json", [(), ("--json",)], ids=["for people", "json"])
@pytest.mark.parametrize(
    "verb",
    [
        ("orders", "--days", "3000"),
        ("explain", "A1"),
        ("retrieves",),
        ("quarantine",),
        ("status",),
        ("dead-letters", "list"),
        ("dead-letters", "show", "1"),
        ("read", "message.hl7"),
    ],
    ids=" ".join,
)
def test_no_verb_obeys_what_it_shows(site: Path, verb: tuple[str, ...], json: tuple[str, ...]) -> None:
    """Nor ends by it: it is shown as it was sent, its codes made visible."""
    words = [str(site.parent / word) if word.endswith(".hl7") else word for word in verb]
    options = () if verb[0] == "read" else ("--config", str(site))
    result = CliRunner().invoke(program, [*words, *json, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in {0, 1}, result.output
    assert [] == OBEYED.findall(result.stdout)
    assert [] == OBEYED.findall(result.stderr)


@pytest.mark.parametrize("form", [logs.Format.JSON, logs.Format.CONSOLE])
def test_no_log_line_obeys_what_it_says(form: logs.Format) -> None:
    """And none forges another."""
    stream = io.StringIO()
    logs.configure(form=form, stream=stream)
    structlog.get_logger().warning("archive_asked", because=f"{HOSTILE}\nforged", archive="main")
    written = stream.getvalue()
    styled = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert [] == OBEYED.findall(styled)
    assert 1 == written.count("\n")


def test_visible_text_says_the_same() -> None:
    """Every letter stays, and JSON reads back as it was."""
    assert r"a\x1b[2Jb\u202ec" == make_visible("a\x1b[2Jb\u202ec")
    assert "Müller 山田\n" == make_visible("Müller 山田\n", keep="\n")
    assert '"\\u202e\\u009b"' == make_json_visible('"\u202e\x9b"')

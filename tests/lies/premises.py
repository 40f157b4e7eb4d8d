"""One archive for each lie, an honest one beside them, and a daemon between them and two workstations.

Names and AE titles are made up anew in each run: what the daemon knows of a peer comes from its
configuration and from what the peer does, never from what it is called.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from typer.testing import CliRunner, Result

from prefetch.cli.program import program
from prefetch.sandbox import messages, ris, studies
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.daemon import Daemon
from prefetch.sandbox.fault import Fault
from prefetch.sandbox.holdings import Holdings
from prefetch.sandbox.messages import Booking, Change
from prefetch.sandbox.workstation import Workstation

Row = dict[str, Any]

SETTINGS: Mapping[str, Any] = {
    "time_zone": "Europe/Berlin",
    "store": "sqlite:///prefetch.db",
    "listeners": {"ris": {"port": 0}},
    "planning": {
        "reuse_answer": "0s",
        "answer_limit": 500,
        "retry": {"first": "1s", "longest": "1s"},
    },
    "retrieval": {
        "retry": {"attempts": 2, "first": "1s", "longest": "1s"},
        "check_again": {"attempts": 5, "first": "1s", "longest": "1s"},
        "park": "10m",
    },
    "drain": "1s",
}

_RESTLESS: Row = {"rest": {"after": 1000}}
"""Asked however often it fails, so that what is seen of a lie does not depend on how often that was."""


class Premises:
    """Sandbox archives and workstations by a key of the test's own, and the daemon's names for them."""

    def __init__(self, directory: Path, *, seed: int | None = None) -> None:
        self.directory = directory
        self.archives: dict[str, Archive] = {}
        self.workstations: dict[str, Workstation] = {}
        self.names: dict[str, str] = {}
        """Key → name in prefetch.yaml."""
        self.rules: list[Row] = []
        self._configured: dict[str, Row] = {}
        self._random = random.Random(seed)  # noqa: S311 (names, not secrets)
        self._open = ExitStack()
        self._control_ids = itertools.count(1)
        self.configuration = directory / "prefetch.yaml"
        self.daemon = Daemon(configuration=self.configuration, log=directory / "daemon.log")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.kill()
        self._open.close()

    # --- who is there ------------------------------------------------------------------------------

    def workstation(self, key: str, *faults: str) -> Workstation:
        """Start a workstation; archives that are started later know it."""
        made = self._open.enter_context(Workstation(ae_title=self._ae_title(), faults=faults))
        self.workstations[key], self.names[key] = made, self._name()
        return made

    def archive(
        self,
        key: str,
        *faults: str | Fault,
        holds: Iterable[studies.Study] = (),
        configured: Mapping[str, Any] | None = None,
    ) -> Archive:
        """Start an archive; `configured` is what prefetch.yaml says of it besides its address."""
        holdings = Holdings(instance for study in holds for instance in studies.make(study))
        knows = {each.ae_title: (each.host, each.port) for each in self.workstations.values()}
        made = Archive(ae_title=self._ae_title(), holdings=holdings, knows=knows, faults=faults)
        self.archives[key], self.names[key] = self._open.enter_context(made), self._name()
        self._configured[key] = {**_RESTLESS, **(configured or {})}
        return made

    def rule(
        self, *, code: str, archives: Iterable[str], workstation: str, use: str = "all", **prior: object
    ) -> None:
        """Have orders of a procedure code fetch from some archives to one workstation."""
        self.rules.append(
            {
                "name": code.lower(),
                "when": {"procedure_code": code},
                "from": {"archives": [self.names[archive] for archive in archives], "use": use},
                "to": self.names[workstation],
                "priors": [{"name": "earlier", "modality": "CT", **prior}],
            }
        )

    def open(self) -> None:
        """Configure the daemon and start it."""
        (self.directory / "rules").mkdir()
        rules = {"version": 1, "rules": self.rules}
        (self.directory / "rules" / "rules.yaml").write_text(json.dumps(rules, indent=1))  # JSON is YAML
        said = {
            **SETTINGS,
            "archives": {
                self.names[key]: {**_address(each), **self._configured[key]}
                for key, each in self._shuffled(self.archives)
            },
            "workstations": {
                self.names[key]: {**_address(each), "settle": "0s"}
                for key, each in self._shuffled(self.workstations)
            },
        }
        self.configuration.write_text(json.dumps(said, indent=1))
        self.daemon.__enter__()

    def book(self, bookings: Iterable[Booking]) -> None:
        """Tell the daemon of exams, and see each message acknowledged."""
        wires = [
            messages.omi(booking, Change.NEW, control_id=f"C{next(self._control_ids)}", now=datetime.now(UTC))
            for booking in bookings
        ]
        asyncio.run(ris.book_all(wires, host="127.0.0.1", port=self.daemon.listener_ports["ris"]))

    # --- what the operator sees --------------------------------------------------------------------

    def story(self, order: str) -> Row | None:
        """What `explain` says of an order; None while it is not known."""
        result = self._invoke("explain", order, "--json")
        return json.loads(result.stdout) if result.exit_code == 0 else None

    def trouble(self) -> list[str]:
        """What `status` says is in the way; nothing while the store cannot be asked (status 3)."""
        result = self._invoke("status", "--json")
        assert result.exit_code in {0, 3}, f"{result.output}\n{result.exception!r}"
        return list(json.loads(result.stdout)["trouble"]) if result.exit_code == 0 else []

    def learnt(self, key: str) -> list[str]:
        """What `echo` says that the daemon has learnt of a peer."""
        (row,) = map(json.loads, self._invoke("echo", self.names[key], "--json").stdout.splitlines())
        return list(row["learnt"])

    def said(self) -> list[Row]:
        """The log so far."""
        return self.daemon.said()

    def anonymous(self, text: str) -> str:
        """A text without what differs from run to run."""
        for said, instead in self._aliases().items():
            text = text.replace(said, instead)
        text = re.sub(r"more than \d", "more than N", text) if "associations_limited" in text else text
        text = re.sub(r"\d\d:\d\d:\d\d", "hh:mm:ss", text)
        return re.sub(r"2\.25\.\d+", "2.25.…", text)

    def _aliases(self) -> dict[str, str]:
        aliases: dict[str, str] = {}
        for peers, word in ((self.archives, "archive"), (self.workstations, "workstation")):
            for key, each in peers.items():
                aliases |= {
                    self.names[key]: word,
                    each.ae_title: word.upper(),
                    f"{each.host}:{each.port}": "host:port",
                }
        return aliases

    def _invoke(self, *verb: str) -> Result:
        return CliRunner().invoke(program, [*verb, "--config", str(self.configuration)])

    def _ae_title(self) -> str:
        return f"A{self._random.randrange(16**9):09X}"

    def _name(self) -> str:
        return f"n{self._random.randrange(16**9):09x}"

    def _shuffled(self, peers: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return self._random.sample(list(peers.items()), len(peers))


def _address(peer: Archive | Workstation) -> Row:
    return {"ae_title": peer.ae_title, "host": peer.host, "port": peer.port}

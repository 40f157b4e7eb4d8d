"""Real peers from Debian: Orthanc, dcmqrscp, storescp, wlmscpfs, each on a free port in its own directory.

    with Storescp(ae_title="WS", directory=tmp) as workstation:
        with Orthanc(ae_title="MAIN", directory=tmp, knows=[workstation]) as archive:
            archive.load(paths)

A server that was stopped starts again on its port with what it held. Tests that use one are marked `peers`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import pydicom
import pytest

HOST = "127.0.0.1"
STARTS_WITHIN = 120.0
STOPS_WITHIN = 60.0
_NEVER_OUTGOING = (12_000, 32_000)
"""Ports below those that Linux gives to outgoing connections (`ip_local_port_range`)."""
_CHANCE = random.SystemRandom()
"""Two workers of a test run draw different ports; pytest-randomly seeds what else is random alike."""


class Addressed(Protocol):
    """Something with an AE title that a server can be told of: another server, or a test's own SCP."""

    @property
    def ae_title(self) -> str:
        """Its AE Title."""

    @property
    def host(self) -> str:
        """Where it listens."""

    @property
    def port(self) -> int:
        """The TCP port of its DICOM service."""


def free_port() -> int:
    """A port that nobody listens on, and that no connection of anybody's takes before it is bound."""
    while True:
        port = _CHANCE.randrange(*_NEVER_OUTGOING)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def installed(program: str) -> str:
    """The program's path; without it a test is skipped, and with `CI=true` it fails."""
    if Path(program).exists():
        return program
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed")
    pytest.skip(f"{program} is not installed")


class Server(ABC):
    """A DICOM server as a child process; `log` names the file that it writes its words to."""

    program: str

    def __init__(
        self,
        *,
        ae_title: str,
        directory: Path,
        knows: Iterable[Addressed] = (),
        as_shipped: bool = False,
    ) -> None:
        """Choose a port and make `directory/ae_title`; `knows` are its possible move destinations.

        As Debian ships them they leave Nagle's algorithm on and wait 90 ms for each instance that they send;
        `as_shipped` keeps that, for a bench. dcmtk's TCP_NODELAY, which Orthanc is built on too, mends it.
        """
        self.ae_title = ae_title
        self.host = HOST
        self.port = free_port()
        self.knows = tuple(knows)
        self.directory = directory / ae_title
        self.directory.mkdir(parents=True)
        self.log = self.directory / "log"
        self._environment = {**os.environ, "TCP_NODELAY": "0" if as_shipped else "1"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        command = [installed(self.program), *self._arguments()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self._environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTS_WITHIN
        while not all(answers(port) for port in self._ports()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.program} does not answer:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.02)

    @property
    def process_id(self) -> int:
        """Of the running server."""
        if self._process is None:
            raise RuntimeError(f"{self.program} does not run")
        return self._process.pid

    def stop(self) -> None:
        """End it in order, to be started again; Orthanc takes 3 seconds over it."""
        if self._process is not None:
            _signal(self._process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOPS_WITHIN)
        self.kill()

    def kill(self) -> None:
        """End it and its children at once, as a power cut would; connections that are open break."""
        process, self._process = self._process, None
        if process is not None:
            _signal(process, signal.SIGKILL)
            process.wait()

    def freeze(self) -> None:
        """Let it hang: connections stay open, and nothing is said any more."""
        if self._process is not None:
            _signal(self._process, signal.SIGSTOP)
            _await_stop(self._process.pid)

    def thaw(self) -> None:
        """Let it go on where it was frozen."""
        if self._process is not None:
            _signal(self._process, signal.SIGCONT)

    @abstractmethod
    def load(self, paths: Iterable[Path]) -> None:
        """Make it hold these DICOM files."""

    @abstractmethod
    def instances(self) -> dict[str, pydicom.Dataset]:
        """All that it holds, by SOP Instance UID."""

    def studies(self) -> dict[str, int]:
        """How many instances it holds of each study, by Study Instance UID."""
        counts: dict[str, int] = {}
        for instance in self.instances().values():
            uid = str(instance.StudyInstanceUID)
            counts[uid] = counts.get(uid, 0) + 1
        return counts

    @abstractmethod
    def _arguments(self) -> Sequence[str]: ...

    def _ports(self) -> Sequence[int]:
        return [self.port]


def _await_stop(pid: int) -> None:
    """Wait until every thread has stopped: on a busy machine one of them answers a query meanwhile."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        threads = Path(f"/proc/{pid}/task").glob("*/stat")
        if all(thread.read_text().rpartition(")")[2].split()[0] in "Tt" for thread in threads):
            return
        time.sleep(0.005)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


class Orthanc(Server):
    """Orthanc; `settings` are added to its configuration file, `rest` asks its REST API."""

    program = "/usr/sbin/Orthanc"

    def __init__(
        self,
        *,
        ae_title: str,
        directory: Path,
        knows: Iterable[Addressed] = (),
        as_shipped: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose a port for its REST API as well."""
        super().__init__(ae_title=ae_title, directory=directory, knows=knows, as_shipped=as_shipped)
        self.http_port = free_port()
        self._settings = dict(settings or {})

    def load(self, paths: Iterable[Path]) -> None:
        """Post the files to its REST API."""
        with contextlib.closing(http.client.HTTPConnection(HOST, self.http_port)) as connection:
            for path in paths:
                _ask(connection, "POST", "/instances", path.read_bytes())

    def rest(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The JSON answer of its REST API."""
        with contextlib.closing(http.client.HTTPConnection(HOST, self.http_port)) as connection:
            return json.loads(_ask(connection, method, path, body))

    def instances(self) -> dict[str, pydicom.Dataset]:
        """Read every instance back by REST."""
        with contextlib.closing(http.client.HTTPConnection(HOST, self.http_port)) as connection:
            names = json.loads(_ask(connection, "GET", "/instances"))
            files = [_ask(connection, "GET", f"/instances/{name}/file") for name in names]
        return _by_uid(pydicom.dcmread(pydicom.filebase.DicomBytesIO(file)) for file in files)

    def _arguments(self) -> Sequence[str]:
        configuration = self.directory / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration(), indent=1))
        return [str(configuration)]

    def _ports(self) -> Sequence[int]:
        return [self.port, self.http_port]

    def _configuration(self) -> dict[str, Any]:
        return {
            "Name": self.ae_title,
            "StorageDirectory": str(self.directory / "db"),
            "IndexDirectory": str(self.directory / "db"),
            "SyncStorageArea": False,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "DicomAet": self.ae_title,
            "DicomPort": self.port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowMove": True,
            "DicomAlwaysAllowGet": True,
            "DicomModalities": {peer.ae_title: [peer.ae_title, peer.host, peer.port] for peer in self.knows},
            "SynchronousCMove": True,
            "ConcurrentJobs": 4,
            "StableAge": 1,
            **self._settings,
        }


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> bytes:
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = response.read()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{method} {path}: {response.status} {answer.decode(errors='replace')}")
    return answer


class Dcmqrscp(Server):
    """dcmtk's archive, one process per association; it answers only peers that call it by its AE title."""

    program = "/usr/bin/dcmqrscp"

    def __init__(
        self,
        *,
        ae_title: str,
        directory: Path,
        knows: Iterable[Addressed] = (),
        as_shipped: bool = False,
        options: Sequence[str] = (),
        lets_in_anyone: bool = True,
    ) -> None:
        """`options` are dcmqrscp's own, such as `--verbose`.

        Without `lets_in_anyone` it accepts associations of those only that it knows.
        """
        super().__init__(ae_title=ae_title, directory=directory, knows=knows, as_shipped=as_shipped)
        self._options = options
        self.lets_in_anyone = lets_in_anyone

    def load(self, paths: Iterable[Path]) -> None:
        """Put the files into its storage area and register them in its index."""
        copies = [
            shutil.copy(path, self._storage / f"loaded-{number}-{path.name}")
            for number, path in enumerate(paths, start=len(self._files()))
        ]
        if copies:
            subprocess.run([installed("/usr/bin/dcmqridx"), str(self._storage), *copies], check=True)

    def instances(self) -> dict[str, pydicom.Dataset]:
        """Read the files of its storage area."""
        return _by_uid(pydicom.dcmread(path) for path in self._files())

    @property
    def _storage(self) -> Path:
        storage = self.directory / "storage"
        storage.mkdir(exist_ok=True)
        return storage

    def _files(self) -> list[Path]:
        return [path for path in self._storage.iterdir() if path.name != "index.dat"]

    def _arguments(self) -> Sequence[str]:
        configuration = self.directory / "dcmqrscp.cfg"
        names = [f"h{n}" for n, _ in enumerate(self.knows)]
        hosts = "\n".join(
            f"{name} = ({p.ae_title}, {p.host}, {p.port})" for name, p in zip(names, self.knows, strict=True)
        )
        callers = "ANY" if self.lets_in_anyone else ", ".join(names)
        configuration.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\n{hosts}\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\n{self.ae_title} {self._storage} RW (500, 1024mb) {callers}\nAETable END\n"
        )
        return ["--config", str(configuration), *self._options]


class Storescp(Server):
    """dcmtk's storage SCP: a workstation that receives and cannot be asked."""

    program = "/usr/bin/storescp"

    def __init__(
        self, *, ae_title: str, directory: Path, as_shipped: bool = False, options: Sequence[str] = ()
    ) -> None:
        """`options` are storescp's own, such as `--abort-after`."""
        super().__init__(ae_title=ae_title, directory=directory, as_shipped=as_shipped)
        self.received = self.directory / "received"
        self.received.mkdir()
        self._options = options

    def load(self, paths: Iterable[Path]) -> None:
        """Put files where it keeps what it received."""
        for path in paths:
            shutil.copy(path, self.received)

    def instances(self) -> dict[str, pydicom.Dataset]:
        """Read what it received."""
        return _by_uid(pydicom.dcmread(path) for path in self.received.iterdir())

    def _arguments(self) -> Sequence[str]:
        own = [
            "--fork",
            "--promiscuous",
            "--aetitle",
            self.ae_title,
            "--output-directory",
            str(self.received),
        ]
        return [*own, *self._options, str(self.port)]


class Wlmscpfs(Server):
    """dcmtk's worklist: each item is a file in a directory that is named like its AE title."""

    program = "/usr/bin/wlmscpfs"

    def __init__(self, *, ae_title: str, directory: Path, options: Sequence[str] = ()) -> None:
        """`options` are wlmscpfs' own, such as `--verbose`."""
        super().__init__(ae_title=ae_title, directory=directory)
        self.items = self.directory / "worklists" / ae_title
        self.items.mkdir(parents=True)
        (self.items / "lockfile").touch()
        self._options = options

    def load(self, paths: Iterable[Path]) -> None:
        """Put files among its items; an item that is there already is replaced."""
        for path in paths:
            shutil.copy(path, self.items)

    def instances(self) -> dict[str, pydicom.Dataset]:
        """A worklist holds none."""
        return {}

    def _arguments(self) -> Sequence[str]:
        return ["--data-files-path", str(self.items.parent), *self._options, str(self.port)]


class OrthancWorklist(Orthanc):
    """Orthanc with its worklist plug-in; each item is a file in `items`."""

    _PLUGIN = "/usr/share/orthanc/plugins/libModalityWorklists.so"

    def __init__(self, *, ae_title: str, directory: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Make the directory of its items."""
        self.items = directory / ae_title / "worklists"
        plugin = {"Enable": True, "Database": str(self.items), "FilterIssuerAet": False, "LimitAnswers": 0}
        # It answers only whom it knows.
        own = {
            "Plugins": [installed(self._PLUGIN)],
            "Worklists": plugin,
            "DicomModalities": {"PREFETCH": ["PREFETCH", HOST, free_port()]},
        }
        super().__init__(ae_title=ae_title, directory=directory, settings={**own, **(settings or {})})
        self.items.mkdir()

    def load(self, paths: Iterable[Path]) -> None:
        """Put files among its items; an item that is there already is replaced."""
        for path in paths:
            shutil.copy(path, self.items)


def _by_uid(instances: Iterator[pydicom.Dataset]) -> dict[str, pydicom.Dataset]:
    return {str(instance.SOPInstanceUID): instance for instance in instances}

"""Remembers that a SQLite database was made, in another place than the database itself.

A database that should be there and is not lies on a disk that is not mounted, or was moved. An empty one in
its place would look well and know no exam; so it is not made a second time without being asked for.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from prefetch import errors
from prefetch.store import engine

_NAME = ".prefetch-stores.json"


class Record:
    """The databases that were made for one configuration, in a file in systemd's CacheDirectory or beside it.

    Where neither may be written nothing is remembered, and a missing database is made.
    """

    def __init__(self, configuration: Path) -> None:
        cache = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
        self._file = (Path(cache) if cache else configuration.absolute().parent) / _NAME

    def require(self, url: str) -> None:
        """Raise `StoreRefusedError` where a database was made and its file is not there."""
        file = engine.sqlite_file(engine.read_url(url))
        if file is None or file.exists():
            return
        if made := self._read().get(str(file)):
            raise errors.StoreRefusedError(
                f"database {file} was made on {made[:10]} and is not there: mount its disk or put it back; "
                "`prefetch migrate` makes an empty one"
            )

    def note(self, url: str) -> None:
        """Remember that a database was made."""
        file = engine.sqlite_file(engine.read_url(url))
        if file is None or str(file) in (known := self._read()):
            return
        with suppress(OSError):
            known[str(file)] = datetime.now(UTC).isoformat()
            self._file.write_text(json.dumps(known, indent=1) + "\n")

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

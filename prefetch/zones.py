"""PURE: a time zone as an administrator writes it."""

from __future__ import annotations

import zoneinfo
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from prefetch import yamlfile


def read_zone(said: object) -> zoneinfo.ZoneInfo:
    """A zone of the IANA database; raises ValueError, with the nearest one, for anything else."""
    try:
        return zoneinfo.ZoneInfo(str(said))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = yamlfile.nearest(str(said), sorted(zoneinfo.available_timezones()))
        guess = f"did you mean {near}?" if near else "write one such as Europe/Berlin"
        raise ValueError(f"“{said}” is not a time zone of the IANA database; {guess}") from error


Zone = Annotated[zoneinfo.ZoneInfo, PlainValidator(read_zone), WithJsonSchema({"type": "string"})]

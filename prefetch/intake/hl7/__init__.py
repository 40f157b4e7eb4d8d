"""HL7 v2 messages to order events: `read_message` is the whole of it, PURE, and never raises."""

from prefetch.intake.hl7.deviations import deviations
from prefetch.intake.hl7.mapping import Senders
from prefetch.intake.hl7.reading import Reading, lines, read_message, to_json

__all__ = ["Reading", "Senders", "deviations", "lines", "read_message", "to_json"]

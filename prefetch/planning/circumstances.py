"""PURE: what deciding needs to know beside rules, order and studies: moment, zone, the site's limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Self

from prefetch.model import Order
from prefetch.planning.exam import Exam
from prefetch.relevance import comparison
from prefetch.rules import Mode
from prefetch.settings import Config, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What choosing needs to know beside rules, order and studies."""

    now: datetime
    zone: tzinfo
    """The site's: of the exam's day, and of study dates."""
    limits: Limits
    relevance: comparison.Comparison = field(default_factory=comparison.usual)
    """How studies are described and graded."""
    unknown_births: tuple[str, ...] = ()
    """Birth dates that mean “unknown”."""
    observed_archives: frozenset[str] = frozenset()
    """Archives that are asked and never have anything moved."""

    @classmethod
    def of(cls, site: Config, now: datetime) -> Self:
        """As a configuration says them."""
        observed = frozenset(name for name, one in site.archives.items() if one.mode is Mode.OBSERVE)
        return cls(
            now=now,
            zone=site.time_zone,
            limits=site.limits,
            relevance=site.comparison,
            unknown_births=site.identity.placeholder_birth_dates,
            observed_archives=observed,
        )

    def exam(self, order: Order) -> Exam:
        """An order as rules see it under these circumstances."""
        return Exam.of(
            order,
            now=self.now,
            zone=self.zone,
            relevance=self.relevance,
            unknown_births=self.unknown_births,
        )

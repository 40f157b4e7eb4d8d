"""PURE: how many studies, instances and bytes may be taken, and why there is no room for one more.

Bytes are estimated: no archive says them in advance.
"""

from __future__ import annotations

from prefetch import rules, sizes
from prefetch.model import Study
from prefetch.settings import Limits


class Budget:
    """What a rule or an exam may take; a study is counted once."""

    def __init__(self, cap: rules.Limits | Limits, limits: Limits) -> None:
        """`cap` is the most of each; `limits` says what a study counts as where its archive does not."""
        self._cap = cap
        self._limits = limits
        self._studies = self._instances = self._bytes = 0
        self._decided: dict[str, str | None] = {}

    def refuse(self, study: Study) -> str | None:
        """Why there is no room for a study; None where there is, and it is taken."""
        uid = study.study_instance_uid
        if uid not in self._decided:
            self._decided[uid] = self._decide(self._limits.count(study), self._limits.estimate(study))
        return self._decided[uid]

    def _decide(self, instances: int, size: int) -> str | None:
        cap = self._cap
        if cap.studies is not None and self._studies >= cap.studies:
            return f"is full with {cap.studies} studies"
        if cap.instances is not None and self._instances + instances > cap.instances:
            taken = f"{self._instances} of {cap.instances} are taken"
            return f"has no room for {instances} instances more: {taken}"
        if cap.bytes is not None and self._bytes + size > cap.bytes:
            taken = f"{sizes.say_size(self._bytes)} of {sizes.say_size(cap.bytes)} are taken"
            return f"has no room for {sizes.say_size(size)} more, as estimated: {taken}"
        self._studies += 1
        self._instances += instances
        self._bytes += size
        return None

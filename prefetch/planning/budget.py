"""PURE: how many studies, instances and bytes may be taken, and why there is no room for one more.

Bytes are estimated: no archive says them in advance.
"""

from __future__ import annotations

from prefetch import rules, sizes
from prefetch.model import Study
from prefetch.settings import Limits


class Budget:
    """What a rule or an exam may take; a study is counted once, by the largest part that is wanted of it."""

    def __init__(self, cap: rules.Limits | Limits, limits: Limits) -> None:
        """`cap` is the most of each; `limits` says what a study counts as where its archive does not."""
        self._cap = cap
        self._limits = limits
        self._instances = self._bytes = 0
        self._taken: dict[str, tuple[int, int]] = {}
        """Study Instance UID → the instances and bytes that were counted of it."""

    def refuse(self, study: Study) -> str | None:
        """Why there is no room for a study, or for so much of it; None where there is, and it is taken."""
        uid = study.study_instance_uid
        had_instances, had_bytes = self._taken.get(uid, (0, 0))
        instances = max(self._limits.count(study), had_instances)
        size = max(self._limits.estimate(study), had_bytes)
        refusal = self._is_full(uid) or self._is_too_much(instances - had_instances, size - had_bytes)
        if refusal is None:
            self._taken[uid] = instances, size
            self._instances += instances - had_instances
            self._bytes += size - had_bytes
        return refusal

    def _is_full(self, uid: str) -> str | None:
        most = self._cap.studies
        if most is None or uid in self._taken or len(self._taken) < most:
            return None
        return f"is full with {most} studies"

    def _is_too_much(self, instances: int, size: int) -> str | None:
        cap = self._cap
        if cap.instances is not None and self._instances + instances > cap.instances:
            taken = f"{self._instances} of {cap.instances} are taken"
            return f"has no room for {instances} instances more: {taken}"
        if cap.bytes is not None and self._bytes + size > cap.bytes:
            taken = f"{sizes.say_size(self._bytes)} of {sizes.say_size(cap.bytes)} are taken"
            return f"has no room for {sizes.say_size(size)} more, as estimated: {taken}"
        return None

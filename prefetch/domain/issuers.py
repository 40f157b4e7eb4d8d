"""PURE: the use of Issuer of Patient ID as a key, by what an archive's studies have named so far.

In most hospitals the archive's studies name no issuer, and a key that no study matches finds nothing (PS3.4
C.2.2.2.1). Whose a study is does not hang on the key: each answer is compared with the order all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from zlib import crc32


class IssuerKey(StrEnum):
    """The site's setting for one archive."""

    AUTO = "auto"
    """By what the archive's studies turn out to name."""
    TRUE = "true"
    """Always a key."""
    FALSE = "false"
    """Never a key."""


class Query(StrEnum):
    """The keys of the query, or the two queries, about one patient."""

    WITH_ISSUER = "by the patient ID with its issuer"
    ISSUER_THEN_ID = "by the patient ID with its issuer, and where nothing is found by the ID alone"
    ID_ALONE = "by the patient ID alone"


NAMES_KEPT = 5
"""Issuers that are kept by name; an archive of more is known to name them all the same."""

TRUSTED_AFTER = 20
"""Repeats by the ID alone that found nothing either, after which nearly every empty answer is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuersHeld:
    """The issuers that the studies of one archive have named in its answers."""

    names: frozenset[str] = field(default_factory=frozenset)
    some_unnamed: bool = False
    """Whether a study named none."""
    refuses_key: bool = False
    """Whether the archive refused the key and answered without it."""
    empty_repeats: int = 0
    """Queries by the ID alone that found nothing either, since the last that did."""

    @property
    def words(self) -> str | None:
        """The finding, and the query that follows from it, in words; `None` while nothing is known."""
        if self.refuses_key:
            found = "refuses Issuer of Patient ID as a key"
        elif self.names and self.some_unnamed:
            found = f"some studies name an issuer ({self._list}) and some none"
        elif self.some_unnamed:
            found = "studies name no issuer"
        elif self.names:
            found = f"studies name an issuer ({self._list})"
        else:
            return None
        return f"{found}: asked {query_for(IssuerKey.AUTO, self)}"

    @property
    def _list(self) -> str:
        return ", ".join(sorted(self.names))

    def with_answer(self, issuers: Iterable[str | None]) -> IssuersHeld:
        """Add the issuers that the studies of one answer name, `None` for a study that names none."""
        answered = tuple(issuers)
        new = sorted({name for name in answered if name} - self.names)
        names = self.names.union(new[: max(NAMES_KEPT - len(self.names), 0)])
        return replace(self, names=names, some_unnamed=self.some_unnamed or not all(answered))

    def with_repeat(self, *, found: bool, refused: bool) -> IssuersHeld:
        """Count a repeat by the ID alone, after a query with the issuer that found nothing or was refused."""
        repeats = 0 if found else self.empty_repeats + 1
        return replace(self, empty_repeats=repeats, refuses_key=self.refuses_key or refused)


def query_for(setting: IssuerKey, held: IssuersHeld, patient_id: str = "") -> Query:
    """Give how an archive is asked about a patient whose issuer is known.

    Where some studies name none, only the ID alone finds them all, by one query. Where all name one, an empty
    answer is asked again by the ID alone until that has been in vain for long, and then for one patient in
    twenty: an archive may take over studies that name none.
    """
    if setting is not IssuerKey.AUTO:
        return Query.WITH_ISSUER if setting is IssuerKey.TRUE else Query.ID_ALONE
    if held.some_unnamed or held.refuses_key:
        return Query.ID_ALONE
    is_trusted = bool(held.names) and held.empty_repeats >= TRUSTED_AFTER
    is_sampled = crc32(patient_id.encode()) % TRUSTED_AFTER == 0
    return Query.WITH_ISSUER if is_trusted and not is_sampled else Query.ISSUER_THEN_ID

"""The tables by which studies are graded, read from the files in `grading/` and amended by a site's own.

Knows what the lines look like, and nothing of why they say so; their headers explain the columns.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from prefetch import errors, modalities
from prefetch.relevance import anatomy, lines, senses
from prefetch.relevance.anatomy import Region
from prefetch.relevance.description import Description

SHIPPED = Path(__file__).parent / "grading"
EVERYWHERE = -1
"""Regions of a line that says `any`."""

Families = frozenset[str] | None
"""Families of modalities; None for `any`."""
_FILM = ("XR",)
"""What an exam is taken for that names no modality, where two must be of the same."""
_OF_STUDY = ("study", "both")
_OF_ORDER = ("order", "both")
"""Words of a line that ask for vessels."""
_EXCHANGED = {"study": "order", "order": "study"}
_Read = Callable[["Table", list[str]], None]
"""Reads the cells of a line into the table; a `ValueError` says what is wrong."""


@dataclass(frozen=True, slots=True)
class Near:
    """A line of `regions.tsv`."""

    most: int
    order: Families
    study: Families
    same: bool
    vessels: str
    of_order: int
    """Regions that the order must have, all of them."""
    of_study: int
    because: str
    narrow: bool = field(init=False)
    """Whether it asks for more than modalities."""

    def __post_init__(self) -> None:
        asks = bool(self.vessels != "-" or self.of_order or self.of_study)
        object.__setattr__(self, "narrow", asks)

    def fits(self, order: Description, study: Description) -> bool:
        """Whether the line speaks of an order and a study of these modalities, of all its regions."""
        if self.narrow and not self._admits(order, study):
            return False
        one, other = order.modalities, study.modalities
        if self.same:
            one, other = one or _FILM, other or _FILM
            if set(one).isdisjoint(other):
                return False
        return _is_among(one, self.order) and _is_among(other, self.study)

    def _admits(self, order: Description, study: Description) -> bool:
        """Whether both are of vessels or not, and have all the regions, as the line asks."""
        if self.of_order & ~order.mask or self.of_study & ~study.mask:
            return False
        if self.vessels == "none":
            return not (order.vessels or study.vessels)
        return (study.vessels or self.vessels not in _OF_STUDY) and (
            order.vessels or self.vessels not in _OF_ORDER
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A line of `modalities.tsv`."""

    grade: int
    order: Families
    study: Families
    same: bool
    regions: int

    def fits(self, order: str, study: str) -> bool:
        """Whether the line speaks of this pair of modalities."""
        if self.same and order != study:
            return False
        return (self.order is None or order in self.order) and (self.study is None or study in self.study)


@dataclass(frozen=True, slots=True)
class Aging:
    """A line of `ages.tsv`."""

    study: Families
    regions: int
    days: int
    less: int
    least: int


@dataclass(frozen=True, slots=True)
class Kind:
    """A line of `kinds.tsv`."""

    most: int
    kind: str
    who: str
    study: Families
    order: Families
    regions: int
    because: str

    def fits(self, order: Description, study: Description, where: int) -> bool:
        """Whether the line limits what this study is worth to this order."""
        if where & ~self.regions or not self._differs(order, study):
            return False
        # What names no modality is not taken down for being of one.
        return all(
            listed is None or not listed.isdisjoint(stated)
            for stated, listed in ((order.modalities, self.order), (study.modalities, self.study))
        )

    def _differs(self, order: Description, study: Description) -> bool:
        kind, _, other = self.kind.partition("/")
        if other:
            return {kind, other} == {_only(order, kind, other), _only(study, kind, other)}
        of_order, of_study = _is_of(order, kind), _is_of(study, kind)
        return of_order != of_study and self.who != ("study" if of_order else "order")


def _is_of(said: Description, kind: str) -> bool:
    return said.vessels if kind == "vessels" else kind in said.facets


def _only(said: Description, one: str, other: str) -> str | None:
    """Which of two kinds an exam is of, if only of one."""
    named = [kind for kind in (one, other) if _is_of(said, kind)]
    return named[0] if len(named) == 1 else None


def _is_among(stated: tuple[str, ...], listed: Families) -> bool:
    """Whether one of the modalities is listed; where none is known, any may be meant."""
    return listed is None or not stated or not listed.isdisjoint(stated)


@dataclass(slots=True)
class Table:
    """All lines, compiled for looking up; of several that fit, the last decides and stands first."""

    near: dict[tuple[int, int], list[Near]] = field(default_factory=dict)
    """By a region's bit of the order, and one of the study."""
    comparisons: list[Comparison] = field(default_factory=list)
    ages: list[Aging] = field(default_factory=list)
    kinds: dict[tuple[object, ...], Kind] = field(default_factory=dict)
    sides: dict[int, int] = field(default_factory=dict)
    assumed: dict[str, int] = field(default_factory=dict)
    _pairs: dict[tuple[str, str], list[Comparison]] = field(default_factory=dict)
    _nears: dict[tuple[int, int], list[list[Near]]] = field(default_factory=dict)

    def assume(self, stated: tuple[str, ...]) -> int:
        """The regions that an exam of these modalities shows when it names none."""
        return next((self.assumed[modality] for modality in stated if modality in self.assumed), 0)

    def compare(self, order: str, study: str, where: int) -> int:
        """What a study of one modality is worth to an order of another, where they overlap."""
        pair = (order, study)
        lines = self._pairs.get(pair)
        if lines is None:
            lines = self._pairs[pair] = [line for line in self.comparisons if line.fits(order, study)]
        for line in lines:
            if line.regions & where or line.regions == EVERYWHERE:
                return line.grade
        return 0

    def nearest(
        self, order: Description, of_order: int, study: Description, of_study: int
    ) -> tuple[int, str]:
        """The most that a study can be worth beside an order's regions, and why."""
        best, because = 0, "another region"
        for near in self._near(of_order, of_study):
            for line in near:
                if line.fits(order, study):
                    if line.most > best:
                        best, because = line.most, line.because
                    break
        return best, because

    def _near(self, of_order: int, of_study: int) -> list[list[Near]]:
        """The lines about each region of the order beside each of the study, where there are any."""
        masks = (of_order, of_study)
        found = self._nears.get(masks)
        if found is None:
            pairs = ((one, other) for one in _each(of_order) for other in _each(of_study))
            found = self._nears[masks] = [self.near[pair] for pair in pairs if pair in self.near]
        return found

    def aged(self, stated: tuple[str, ...], where: int, days: float) -> tuple[int, int]:
        """Grades taken off for age, and the grade below which age alone does not go."""
        return min((self._aged(modality, where, days) for modality in stated), default=(0, 0))

    def _aged(self, modality: str, where: int, days: float) -> tuple[int, int]:
        for line in self.ages:
            if days >= line.days and (line.study is None or modality in line.study) and line.regions & where:
                return line.less, line.least
        return 0, 0

    def other_side(self, where: int) -> int:
        """The most that a study of the other side can be worth."""
        return max((self.sides.get(bit, 3) for bit in _each(where)), default=3)


def _each(mask: int) -> Iterator[int]:
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


# --- reading the files -------------------------------------------------------------------------------


def load(*directories: Path) -> Table:
    """The tables of some directories; the lines of a later one come after those of an earlier one.

    Raises `ConfigurationError` with all mistakes of all files.
    """
    table = Table()
    problems = [found for directory in directories for found in _read_directory(table, directory)]
    if problems:
        raise errors.ConfigurationError(problems)
    table.comparisons.reverse()
    table.ages.reverse()
    for near in table.near.values():
        near.reverse()
    return table


def _read_directory(table: Table, directory: Path) -> Iterator[errors.Problem]:
    """Read a directory's files into the table; what is wrong in them is told."""
    for file in lines.files(directory):
        if file.name in _READERS:
            yield from _read_file(table, file, *_READERS[file.name])
        else:
            yield lines.problem(file, 1, f"no table is called so; there are {', '.join(_READERS)}")


def _read_file(table: Table, file: Path, read: _Read, columns: int) -> Iterator[errors.Problem]:
    for number, line in lines.read(file):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != columns:
            message = f"{columns} columns are expected, parted by tabs; here are {len(cells)}"
            yield lines.problem(file, number, message)
            continue
        try:
            read(table, cells)
        except ValueError as error:
            yield lines.problem(file, number, str(error))


@functools.cache
def shipped() -> Table:
    """The tables that come with the product, read once when first asked for."""
    return load(SHIPPED)


def _read_near(table: Table, cells: list[str]) -> None:
    most, orders, studies, both, order, study, vessels, because = cells
    asked = _one_of(vessels, "- study order both none")
    mirror = _one_of(both, "- both") == "both"
    of_order, of_study = _families(order), _families(study)
    for one, all_of_order in _whole_or_single(orders):
        for other, all_of_study in _whole_or_single(studies):
            line = Near(
                _grade(most),
                of_order,
                of_study,
                study == "same",
                asked,
                all_of_order,
                all_of_study,
                because,
            )
            table.near.setdefault((one, other), []).append(line)
            if mirror:
                table.near.setdefault((other, one), []).append(_mirrored(line))


def _mirrored(line: Near) -> Near:
    """The same line with order and study exchanged."""
    return replace(
        line,
        order=line.study,
        study=line.order,
        vessels=_EXCHANGED.get(line.vessels, line.vessels),
        of_order=line.of_study,
        of_study=line.of_order,
    )


def _whole_or_single(cell: str) -> Iterator[tuple[int, int]]:
    """Each region of a cell, as a bit to look it up by, and all that must be there with it."""
    for word in cell.split():
        together = _bits(word.replace("+", " "))
        yield together[0], sum(together) if len(together) > 1 else 0


def _read_comparison(table: Table, cells: list[str]) -> None:
    grade, order, study, regions = cells
    table.comparisons.append(
        Comparison(_grade(grade), _families(order), _families(study), study == "same", _regions(regions))
    )


def _read_aging(table: Table, cells: list[str]) -> None:
    study, regions, days, less, least = cells
    table.ages.append(Aging(_families(study), _regions(regions), _days(days), _grade(less), _grade(least)))


def _read_kind(table: Table, cells: list[str]) -> None:
    most, kind, who, study, order, regions, because = cells
    line = Kind(
        _grade(most),
        _kind(kind),
        _one_of(who, "differ study order"),
        _families(study),
        _families(order),
        _regions(regions),
        because,
    )
    table.kinds[line.kind, line.who, line.study, line.order, line.regions] = line


def _read_side(table: Table, cells: list[str]) -> None:
    most, regions = cells
    table.sides.update((bit, _grade(most)) for bit in _bits(regions))


def _read_assumed(table: Table, cells: list[str]) -> None:
    modality, regions = cells
    table.assumed[_family(modality)] = _regions(regions)


_READERS: dict[str, tuple[_Read, int]] = {
    "regions.tsv": (_read_near, 8),
    "modalities.tsv": (_read_comparison, 4),
    "ages.tsv": (_read_aging, 5),
    "kinds.tsv": (_read_kind, 7),
    "sides.tsv": (_read_side, 2),
    "unknown.tsv": (_read_assumed, 2),
}
"""File → how a line of it is read, and its columns."""


def _grade(cell: str) -> int:
    if cell not in {"0", "1", "2", "3"}:
        raise ValueError(f"“{cell}” is no grade from 0 to 3")
    return int(cell)


def _days(cell: str) -> int:
    if not cell.isdecimal():
        raise ValueError(f"“{cell}” is no number of days")
    return int(cell)


def _one_of(cell: str, choices: str) -> str:
    if cell not in choices.split():
        raise ValueError(f"“{cell}” is none of {choices}")
    return cell


def _kind(cell: str) -> str:
    for kind in cell.split("/"):
        _one_of(kind, "vessels " + " ".join(senses.FACETS))
    return cell


def _family(cell: str) -> str:
    if cell not in modalities.KNOWN:
        raise ValueError(f"“{cell}” is no modality")
    return cell


def _families(cell: str) -> Families:
    return None if cell in {"any", "same"} else frozenset(_family(name) for name in cell.split())


def _bits(cell: str) -> list[int]:
    if unknown := [name for name in cell.split() if name not in anatomy.BIT]:
        raise ValueError(f"“{unknown[0]}” is no region; there are {', '.join(anatomy.BIT)}")
    return [anatomy.BIT[Region(name)] for name in cell.split()]


def _regions(cell: str) -> int:
    return EVERYWHERE if cell == "any" else sum(_bits(cell))

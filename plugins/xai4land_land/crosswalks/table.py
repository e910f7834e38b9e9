"""A cross-walk: what part of each class of one legend belongs to each class of another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xai4land.errors import InputError
from xai4land_land.crosswalks.classes import class_names

__all__ = ["Crosswalk", "CrosswalkRow"]

SUM_TOLERANCE = 1e-6
"""Rounding error of the shares of a class, which must sum to one."""
COLUMNS = ("source_class", "target_class", "share", "source")
HEADER = re.compile(r"#\s*(from|to)\s*:\s*(\S+)\s*")


@dataclass(frozen=True)
class CrosswalkRow:
    """One row: a share of a class that belongs to a class of the other legend, and who says so."""

    source_class: str
    target_class: str
    share: float
    source: str


@dataclass(frozen=True)
class Crosswalk:
    """Shares of the classes of one legend in those of another.

    Parameters
    ----------
    name : str
        For metadata and errors.
    rows : sequence of CrosswalkRow
    source_legend, target_legend : str, optional
        Names of known legends. All classes of the first must have rows, and all targets must be
        classes of the second; without a name the classes are those of the rows, in their order.

    Raises
    ------
    InputError
        Listing all that is wrong: shares that are negative or do not sum to one, classes that
        come twice, are missing, or are unknown.

    Examples
    --------
    >>> mine = Crosswalk("mine", [
    ...     CrosswalkRow("forest", "wood", 1.0, "my own"),
    ...     CrosswalkRow("mosaic", "wood", 0.5, "my own"),
    ...     CrosswalkRow("mosaic", "open", 0.5, "my own"),
    ... ])
    >>> mine.targets, mine.is_whole
    (('wood', 'open'), False)
    """

    name: str
    rows: Sequence[CrosswalkRow]
    source_legend: str | None = None
    target_legend: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        InputError.raise_if([*self._list_wrong_shares(), *self._list_wrong_classes()])

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Crosswalk:
        """Read a table of comma-separated values.

        Its columns are ``source_class``, ``target_class``, ``share`` and ``source``. Lines before
        them may name known legends: ``# from: igbp`` and ``# to: ipcc``.

        Raises
        ------
        InputError
            As the class does; or if it is no such table.
        """
        path = Path(path)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read ({error}); give a table of text") from error
        comments = [line for line in lines if line.startswith("#")]
        legends = {m[1]: m[2] for line in comments if (m := HEADER.fullmatch(line))}
        rows = _read_rows(path.name, [line for line in lines if line and line[0] != "#"])
        return cls(path.stem, rows, legends.get("from"), legends.get("to"))

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the classes that are known, in the order of the rows."""
        return tuple(dict.fromkeys(row.source_class for row in self.rows))

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the classes that they become, in the order of the rows."""
        return tuple(dict.fromkeys(row.target_class for row in self.rows))

    @property
    def is_whole(self) -> bool:
        """Whether each class becomes one class."""
        return all(len(targets) == 1 for targets in self.shares().values())

    def shares(self) -> dict[str, dict[str, float]]:
        """Return the shares of each class, without zeros."""
        found: dict[str, dict[str, float]] = {name: {} for name in self.sources}
        for row in self.rows:
            if row.share:
                found[row.source_class][row.target_class] = row.share
        return found

    def then(self, other: Crosswalk) -> Crosswalk:
        """Return the cross-walk that leads through the target's classes on to another legend's.

        Examples
        --------
        >>> one = Crosswalk("a", [CrosswalkRow("x", "y", 1.0, "here")])
        >>> parts = {"p": 0.25, "q": 0.75}
        >>> two = Crosswalk("b", [CrosswalkRow("y", n, s, "there") for n, s in parts.items()])
        >>> [(row.target_class, row.share, row.source) for row in one.then(two).rows]
        [('p', 0.25, 'here; there'), ('q', 0.75, 'here; there')]
        """
        total: dict[tuple[str, str], float] = {}
        cited: dict[tuple[str, str], dict[str, None]] = {}
        for first in self.rows:
            for second in (row for row in other.rows if row.source_class == first.target_class):
                key = (first.source_class, second.target_class)
                total[key] = total.get(key, 0.0) + first.share * second.share
                cited.setdefault(key, {}).update(dict.fromkeys((first.source, second.source)))
        rows = [CrosswalkRow(*key, share, "; ".join(cited[key])) for key, share in total.items()]
        name = f"{self.name}, {other.name}"
        return Crosswalk(name, rows, self.source_legend, other.target_legend)

    def _list_wrong_shares(self) -> Iterable[str]:
        sums: dict[str, float] = {}
        for row in self.rows:
            if not 0 <= row.share <= 1:
                yield (
                    f"cross-walk {self.name!r}: {row.source_class} -> {row.target_class} has the "
                    f"share {row.share:g}, expected 0 to 1"
                )
            sums[row.source_class] = sums.get(row.source_class, 0.0) + row.share
        for name, total in sums.items():
            if not abs(total - 1) <= SUM_TOLERANCE:
                yield (
                    f"cross-walk {self.name!r}: the shares of {name} sum to {total:g}, expected 1; "
                    "say where the rest goes"
                )

    def _list_wrong_classes(self) -> Iterable[str]:
        pairs = [(row.source_class, row.target_class) for row in self.rows]
        for pair in sorted({pair for pair in pairs if pairs.count(pair) > 1}):
            yield f"cross-walk {self.name!r}: {' -> '.join(pair)} comes twice; add up its shares"
        if not pairs:
            yield f"cross-walk {self.name!r} has no rows; give one for each class"
        for legend, used, complete in (
            (self.source_legend, self.sources, True),
            (self.target_legend, self.targets, False),
        ):
            if legend is None:
                continue
            try:
                names = class_names(legend)
            except InputError as error:
                yield from error.problems
                continue
            if unknown := [name for name in used if name not in names]:
                yield (
                    f"cross-walk {self.name!r}: the legend {legend!r} has no class "
                    f"{', '.join(unknown)}; it has {', '.join(names)}"
                )
            if complete and (absent := [name for name in names if name not in used]):
                yield (
                    f"cross-walk {self.name!r} has no row for {', '.join(absent)} of the legend "
                    f"{legend!r}; add one"
                )


def _read_rows(what: str, lines: Sequence[str]) -> list[CrosswalkRow]:
    """Read rows from lines; all that cannot be read is listed."""
    import csv

    table = csv.DictReader(lines, skipinitialspace=True)
    given = tuple(table.fieldnames or ())
    if absent := [name for name in COLUMNS if name not in given]:
        raise InputError(
            f"{what} has the columns {', '.join(given) or '(none)'}, and no {', '.join(absent)}; "
            f"begin it with {','.join(COLUMNS)}"
        )
    rows: list[CrosswalkRow] = []
    problems: list[str] = []
    for number, cells in enumerate(table, 1):
        try:
            rows.append(_read_row(cells))
        except (ValueError, AttributeError):
            problems.append(
                f"row {number} of {what} is {', '.join(str(v) for v in cells.values())!r}, "
                f"expected {', '.join(COLUMNS)}: two names, a number, and who says so"
            )
    InputError.raise_if(problems)
    return rows


def _read_row(cells: Mapping[str, str]) -> CrosswalkRow:
    """Read a row; words are stripped, and all must be there."""
    source, target, share, cited = (cells[name].strip() for name in COLUMNS)
    if not (source and target and cited):
        raise ValueError
    return CrosswalkRow(source, target, float(share), cited)

"""Legends by name, and which of them a map is in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from xai4land.errors import InputError
from xai4land_land.legends import HILDA, LAND_STATES, LandClass, Legend

__all__ = ["DATA", "FORMS", "class_names", "find_source", "get_legend"]

DATA = Path(__file__).parent / "data"
FORMS = "clm5_forms"
"""Forms of plants and landunits: CLM5's types before a climate tells them apart."""


@cache
def _legends() -> dict[str, Legend]:
    found = {"hilda8": HILDA, "land_states": LAND_STATES}
    classes: dict[str, list[LandClass]] = {}
    with (DATA / "legends.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            one = LandClass(int(row["value"]), row["name"], row["colour"])
            classes.setdefault(row["legend"], []).append(one)
    return found | {name: Legend(name, tuple(of), ()) for name, of in classes.items()}


def get_legend(name: str) -> Legend:
    """Return a legend by name.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> [c.name for c in get_legend("ipcc").classes][:3]
    ['water', 'forest_land', 'cropland']
    """
    if name not in _legends():
        raise InputError(
            f"there is no legend {name!r}, expected one of {', '.join(_legends())}, or a file of "
            "your own: to_legend('my.csv')"
        )
    return _legends()[name]


def class_names(legend: str) -> tuple[str, ...]:
    """Return the names of a legend's classes."""
    return tuple(c.name for c in get_legend(legend).classes)


def find_source(names: Sequence[str]) -> str:
    """Return the smallest legend that has all classes of a map.

    Raises
    ------
    InputError
        If none has; those that lack the fewest are named first.

    Examples
    --------
    >>> find_source(["water", "forest", "crop_mosaic"])
    'land_states'
    """
    lacking = {name: [one for one in names if one not in class_names(name)] for name in _legends()}
    order = sorted(lacking, key=lambda name: (len(lacking[name]), len(class_names(name))))
    if not lacking[order[0]]:
        return order[0]
    raise InputError(
        f"no known legend has the classes {', '.join(names)}; {order[0]!r} is the nearest, without "
        f"{', '.join(lacking[order[0]])}; give a cross-walk of your own: to_legend('my.csv')"
    )

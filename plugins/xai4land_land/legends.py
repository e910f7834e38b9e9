"""Legends: the classes of a map, the codes that merge into them, the states that feed them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from xai4land.emulator import OutputClass
from xai4land.errors import InputError
from xai4land.grids.flags import code_type, flag_codes

__all__ = ["HILDA", "LAND_STATES", "LEGENDS", "LandClass", "Legend", "find_legend", "match_classes"]


@dataclass(frozen=True)
class LandClass:
    """One class: its flag value, name, colour, and the flag meanings that merge into it.

    A truth's meaning that equals the class' own name always belongs to it.
    """

    value: int
    name: str
    colour: str
    merges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Legend:
    """Classes of a land-cover map.

    Parameters
    ----------
    name : str
    classes : tuple of LandClass
    vocabularies : tuple of mapping
        For each way in which datasets name the states: class name -> names of the fractions
        that add up to it. Classes with the same states share them; a class that is not
        mentioned takes the rest of the cell. The first whose states are all there is used.
    """

    name: str
    classes: tuple[LandClass, ...]
    vocabularies: tuple[Mapping[str, tuple[str, ...]], ...] = field(hash=False)

    def vocabulary(self, data: xr.Dataset) -> Mapping[str, tuple[str, ...]]:
        """Return the first vocabulary whose states are all in ``data``.

        Raises
        ------
        InputError
            If states are missing; the closest vocabulary is named.
        """
        gaps = []
        for vocabulary in self.vocabularies:
            wanted = [name for states in vocabulary.values() for name in states]
            absent = [name for name in wanted if name not in data]
            if not absent:
                return vocabulary
            gaps.append((len(absent) / len(wanted), absent, wanted))
        _, absent, wanted = min(gaps)
        raise InputError(
            f"the states {', '.join(absent)} are missing; the legend {self.name!r} needs "
            f"{', '.join(dict.fromkeys(wanted))}"
        )

    def output_classes(self, data: xr.Dataset) -> tuple[OutputClass, ...]:
        """Return the classes for a card, fed by the states that ``data`` has."""
        vocabulary = self.vocabulary(data)
        return tuple(
            OutputClass(
                value=c.value, name=c.name, colour=c.colour, states=vocabulary.get(c.name, ())
            )
            for c in self.classes
        )

    def positions(self, truth: xr.DataArray, what: str = "the truth") -> dict[int, int]:
        """Return the position in this legend of each of the truth's flag values.

        Raises
        ------
        InputError
            If the truth has no flags, or one that no class takes.
        """
        names = {m: k for k, c in enumerate(self.classes) for m in (c.name, *c.merges)}
        meanings = flag_meanings(truth, what)
        if unknown := [m for m in meanings.values() if m not in names]:
            raise InputError(
                f"no class of the legend {self.name!r} takes {what}'s {', '.join(unknown)}; "
                f"it has {', '.join(c.name for c in self.classes)}; give another legend="
            )
        return {value: names[meaning] for value, meaning in meanings.items()}


def flag_meanings(truth: xr.DataArray, what: str = "the truth") -> dict[int, str]:
    """Return the CF flags of a variable: meanings by the value that the data hold."""
    what = str(truth.name or what)
    values = flag_codes(truth, what).tolist()
    meanings = str(truth.attrs.get("flag_meanings", "")).split()
    if not meanings or len(values) != len(meanings):
        raise InputError(
            f"{what} has {len(values)} flag_values and {len(meanings)} flag_meanings, expected as "
            "many of each; set both attributes, so that its codes can be understood"
        )
    given = np.asarray(truth.attrs["flag_values"]).dtype
    if code_type(truth) is None and given.kind == "i":
        # Floats that may have been unsigned: 130 is what the flag of a signed byte calls -126.
        span = 2 ** (8 * given.itemsize)
        unsigned = {v + span: m for v, m in zip(values, meanings, strict=True) if v < 0}
        return {**dict(zip(values, meanings, strict=True)), **unsigned}
    return dict(zip(values, meanings, strict=True))


LUH2: dict[str, tuple[str, ...]] = {
    "urban": ("urban",),
    "cropland": ("c3ann", "c3per", "c4ann", "c4per", "c3nfx"),
    "pasture": ("pastr", "range"),
    "forest": ("primf", "secdf"),
    "grass_shrub": ("primn", "secdn"),
    "sparse": ("primn", "secdn"),
}
LUH3 = {**LUH2, "forest": ("primf", "secdf", "pltns")}
"""Plantations are forest, as in HILDA+ and in FAO's definition."""

HILDA = Legend(
    "hilda",
    (
        LandClass(0, "ocean_other", "#c6dbef", ("ocean", "other", "no_data")),
        LandClass(1, "urban", "#d7301f", ("settlement",)),
        LandClass(2, "cropland", "#e6c229", ("agriculture",)),
        LandClass(3, "pasture", "#b5cf6b", ("pasture_rangeland",)),
        LandClass(
            4,
            "forest",
            "#1b7837",
            (
                "forest_unknown_other",
                "forest_evergreen_needleleaf",
                "forest_evergreen_broadleaf",
                "forest_deciduous_needleleaf",
                "forest_deciduous_broadleaf",
                "forest_mixed",
            ),
        ),
        LandClass(
            5,
            "grass_shrub",
            "#a6761d",
            ("unmanaged_grass_shrubland", "grassland", "shrubland"),
        ),
        LandClass(6, "sparse", "#d9d9d9", ("sparse_or_no_vegetation", "sparse_vegetation")),
        LandClass(7, "water", "#4292c6"),
    ),
    (
        LUH3,
        LUH2,
        {
            "urban": ("urban",),
            "cropland": ("crop",),
            "pasture": ("pasture",),
            "forest": ("forest",),
            "grass_shrub": ("nonforest",),
            "sparse": ("other",),
            "water": ("water",),
        },
        {
            "urban": ("settlement",),
            "cropland": ("agriculture",),
            "forest": ("forest",),
            "grass_shrub": ("grassland", "shrubland"),
            "sparse": ("sparse_vegetation",),
            "water": ("water",),
        },
    ),
)
"""The eight groups of HILDA+ (Winkler et al. 2021).

From the states of LUH3, of LUH2, its own, or those of ESA CCI's classes in groups.
"""

LAND_STATES = Legend(
    "land_states",
    (
        LandClass(0, "water", "#4292c6"),
        LandClass(
            1,
            "forest",
            "#1b7837",
            (
                "evergreen_needleleaf_forest",
                "evergreen_broadleaf_forest",
                "deciduous_needleleaf_forest",
                "deciduous_broadleaf_forest",
                "mixed_forest",
            ),
        ),
        LandClass(
            2,
            "nonforest_natural",
            "#b5cf6b",
            (
                "closed_shrubland",
                "open_shrubland",
                "woody_savanna",
                "savanna",
                "grassland",
                "permanent_wetland",
            ),
        ),
        LandClass(3, "cropland", "#e6c229"),
        LandClass(4, "crop_mosaic", "#fd8d3c", ("cropland_natural_mosaic",)),
        LandClass(5, "urban", "#d7301f"),
        LandClass(6, "ice", "#f0f0f5", ("snow_and_ice",)),
        LandClass(7, "barren", "#d2b48c"),
    ),
    (
        {
            name: (name,)
            for name in (
                "water",
                "forest",
                "nonforest_natural",
                "cropland",
                "crop_mosaic",
                "urban",
                "ice",
                "barren",
            )
        },
    ),
)
"""Seven land states and water; IGBP classes merge into them."""

LEGENDS = {legend.name: legend for legend in (HILDA, LAND_STATES)}


def find_legend(truth: xr.DataArray, legend: str | Legend | None) -> Legend:
    """Return the legend of a name, or the first that takes all of the truth's classes."""
    if isinstance(legend, Legend):
        return legend
    if legend is not None:
        if legend not in LEGENDS:
            raise InputError(
                f"legend={legend!r}, expected one of {_quote_names(LEGENDS)} or a Legend"
            )
        return LEGENDS[legend]
    flag_meanings(truth)
    reasons: list[str] = []
    for candidate in LEGENDS.values():
        try:
            candidate.positions(truth)
        except InputError as error:
            reasons += error.problems
            continue
        return candidate
    raise InputError(reasons)


def match_classes(
    names: list[str], array: xr.DataArray, legend: str | Legend | None, what: str
) -> dict[int, int]:
    """Return the position among the map's classes of each code of a map."""
    if isinstance(legend, str):
        if legend not in LEGENDS:
            raise InputError(f"legend={legend!r}, expected one of {', '.join(LEGENDS)}")
        legend = LEGENDS[legend]
    if not isinstance(legend, Legend | None):
        raise InputError(f"legend={legend!r}, expected a name or a Legend")
    own = flag_meanings(array, what)
    if legend is None and set(own.values()) <= set(names):
        return {code: names.index(meaning) for code, meaning in own.items()}
    if legend is None:
        legend = next(
            (known for known in LEGENDS.values() if {c.name for c in known.classes} >= set(names)),
            None,
        )
    if legend is not None:
        merged = legend.positions(array, what)
        return {
            code: names.index(legend.classes[k].name)
            for code, k in merged.items()
            if legend.classes[k].name in names
        }
    unknown = sorted(set(own.values()) - set(names))
    raise InputError(
        f"the map has no class {', '.join(unknown)} of {what} (it has {', '.join(names)}); "
        f"give legend= to say how the codes of {what} merge"
    )


def _quote_names(legends: Iterable[str]) -> str:
    return ", ".join(map(repr, legends))

"""What a climate says of plants: limits of types of trees, shrubs and grass."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.flags import has_flags
from xai4land.grids.grid import Grid
from xai4land.regridding import regrid
from xai4land_land.leaf.climate import find_climate
from xai4land_land.legends import flag_meanings

__all__ = [
    "SEA_CODE",
    "PlantClimate",
    "climate_of_koppen",
    "climate_of_months",
    "koppen_codes",
]

SEA_CODE = 32
"""Code of the sea beside those of Köppen's classes."""
DAYS = (31.0, 28.25, 31.0, 30.0, 31.0, 30.0, 31.0, 31.0, 30.0, 31.0, 30.0, 31.0)
SECONDS = 86400.0
GROWTH = 5.0
"""Temperature (degC) above which degree days count, and of the coldest month of growth."""
C4_WARMTH = 22.0
"""Mean temperature (degC) from which a month favours C4 grass (Collatz et al. 1998)."""
C4_RAIN = 25.0
"""Rain (mm) of the driest month in which grass grows (Collatz et al. 1998, Still et al. 2003)."""
WET = 60.0
"""Rain (mm) of the driest month of a rainforest's climate (Af of Köppen, Peel et al. 2007)."""
MONTHS = (
    "types of trees, shrubs and grass by coldest month, degree days above 5 degC and rain (Bonan "
    "et al. 2002, Lawrence and Chase 2007); share of C4 grass by the months of growth (above 5 "
    "degC with 25 mm of rain) that have 22 degC or more (Collatz et al. 1998, Still et al. 2003)"
)
KOPPEN = (
    "types of trees, shrubs and grass and share of C4 grass by Köppen class, an approximation of "
    "the rules by month, since no monthly climate was given"
)


@dataclass(frozen=True)
class PlantClimate:
    """Where a climate lets types of plants grow, on the pixels of a map.

    Attributes
    ----------
    known : DataArray
        Where there is a climate.
    tropical, boreal, cold, arctic, evergreen_shrub, wet : DataArray
        Of bool: for tropical trees; boreal needleleaf trees and shrubs; boreal broadleaf
        deciduous trees; arctic grass; evergreen shrubs; undivided tropical trees that are
        evergreen.
    c4 : DataArray
        Share of C4 in the grass that is not arctic.
    rule : str
        How it was found.
    """

    known: xr.DataArray
    tropical: xr.DataArray
    boreal: xr.DataArray
    cold: xr.DataArray
    arctic: xr.DataArray
    evergreen_shrub: xr.DataArray
    wet: xr.DataArray
    c4: xr.DataArray
    rule: str


def climate_of_months(climate: xr.Dataset, like: xr.DataArray) -> PlantClimate:
    """Find the limits from monthly temperature and rain, means over pixels; lazily.

    Bonan et al. (2002), Table 4, with Tc the coldest month and GDD degree days above 5 degC:
    tropical trees Tc > 15.5; boreal needleleaf trees and shrubs Tc <= -19 or GDD <= 1200; boreal
    broadleaf trees Tc <= -15 or GDD <= 1200; evergreen shrubs (temperate) with more than 520 mm a
    year, two thirds of it in winter; arctic grass GDD < 1000.

    Parameters
    ----------
    climate : Dataset
        ``tas`` and ``pr`` of all twelve months (of several years, their mean), with units.
    like : DataArray
        On the grid of the map.

    Raises
    ------
    InputError
        If temperature, rain or months are missing.
    """
    tas = _twelve_months(climate, "tas") - 273.15
    pr = _twelve_months(climate, "pr")
    days = xr.DataArray(np.array(DAYS), {"month": np.arange(1, 13)}, "month")
    months = xr.Dataset({"tas": tas, "pr": pr * SECONDS * days}).astype(np.float32)
    fields = _place(months, like, "conservative")
    tas, pr = fields.tas, fields.pr
    coldest = tas.min("month", skipna=False)
    degree_days = ((tas - GROWTH).clip(0) * days).sum("month", skipna=False)
    yearly = pr.sum("month", skipna=False)
    north = like[Grid.of(like).names[0]] >= 0
    half = pr.month.isin([11, 12, 1, 2, 3, 4])
    winter = pr.where(half == north, 0).sum("month")
    rainy = pr >= C4_RAIN
    grows = (rainy & (tas >= GROWTH)).sum("month")
    warm = (rainy & (tas >= C4_WARMTH)).sum("month")
    boreal = (coldest <= -19) | (degree_days <= 1200)
    return PlantClimate(
        known=coldest.notnull() & yearly.notnull(),
        tropical=coldest > 15.5,
        boreal=boreal,
        cold=(coldest <= -15) | (degree_days <= 1200),
        arctic=degree_days < 1000,
        evergreen_shrub=~boreal & (yearly > 520) & (winter > yearly * 2 / 3),
        wet=pr.min("month") >= WET,
        c4=warm / grows.where(grows > 0, 1),
        rule=MONTHS,
    )


def climate_of_koppen(koppen: xr.DataArray, like: xr.DataArray) -> PlantClimate:
    """Find the limits from classes of Köppen; lazily.

    A fallback where no months are given; ``koppen.csv`` says what each class stands for. Codes are
    those of the emulators' static features (Rubel et al. 2017: 1 to 31 in the order of the
    alphabet, 32 the sea), unless flags name the classes (``Af Am ...``), as of other products.
    """
    names = flag_meanings(koppen) if has_flags(koppen) else {}
    table = _koppen_table()
    by_name = {row["class"]: row for row in table}
    rows = {int(row["code"]): row for row in table}
    if names:
        rows = {code: by_name[name] for code, name in names.items() if name in by_name}
    if not rows:
        raise InputError(
            f"the classes of Köppen are called {', '.join(names.values())}, expected "
            f"{', '.join(by_name)}; rename them in flag_meanings"
        )
    classes = koppen.where(koppen.isin([*rows]), 0).astype(np.uint8)
    classes = classes.assign_attrs(flag_values=np.array([*rows], np.uint8))
    classes.encoding = {"_FillValue": 0}
    codes = _place(classes.to_dataset(name="koppen"), like, "majority").koppen
    none = xr.zeros_like(codes, dtype=np.float64)
    found = {
        limit: sum((float(row[limit]) * (codes == code) for code, row in rows.items()), start=none)
        for limit in ("tropical", "boreal", "arctic", "evergreen_shrub", "wet", "c4")
    }
    return PlantClimate(
        known=codes.isin([*rows]),
        tropical=found["tropical"] > 0,
        boreal=found["boreal"] > 0,
        cold=found["boreal"] > 0,
        arctic=found["arctic"] > 0,
        evergreen_shrub=found["evergreen_shrub"] > 0,
        wet=found["wet"] > 0,
        c4=found["c4"],
        rule=KOPPEN,
    )


def koppen_codes() -> dict[str, int]:
    """Return the code of each class of Köppen as the emulators' static features have it."""
    return {row["class"]: int(row["code"]) for row in _koppen_table()}


@cache
def _koppen_table() -> list[dict[str, str]]:
    """Return what each class stands for."""
    path = Path(__file__).parent / "data" / "koppen.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def _twelve_months(climate: xr.Dataset, name: str) -> xr.DataArray:
    """Return the mean of each month of the year, (month, rows, columns)."""
    array = find_climate(climate, name)
    if array is None:
        raise InputError(
            f"the climate has no {name!r}; give monthly tas and pr, or koppen= instead"
        )
    time = time_name(array)
    means: xr.DataArray = array.groupby(f"{time}.month").mean()
    if means.sizes["month"] != 12:
        raise InputError(
            f"the climate's {name!r} has {means.sizes['month']} months of the year, expected all 12"
        )
    if array.chunks is not None:
        means = means.chunk({"month": -1})
    return means.drop_attrs()


def _place(
    data: xr.Dataset, like: xr.DataArray, method: Literal["conservative", "majority"]
) -> xr.Dataset:
    """Bring fields to the map's pixels: of the part of each pixel that is known, however small."""
    grid = Grid.of(like)
    target = xr.Dataset(coords={name: like[name] for name in grid.names})
    if like.chunks is not None:
        data = data.chunk()  # so that nothing is computed now
    placed = regrid(data, target, method, engine="xarray-regrid", min_coverage=0)
    own = Grid.of(next(iter(placed.data_vars.values()))).names
    placed = placed.rename({o: n for o, n in zip(own, grid.names, strict=True) if o != n})
    # The same coordinates to the last bit, so that xarray aligns nothing.
    return placed.drop_vars([*placed.coords.keys() - {"month"}]).assign_coords(target.coords)

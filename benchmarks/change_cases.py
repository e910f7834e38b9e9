"""Cases of change: two maps of one region with states of both years, from the sample or from files.

Two of them judge the allocation alone, which class change goes where, since amounts are given for
coarse cells that hold far more than what is scored:

- ``santarem``: forest and deforested cells of the Brazilian Amazon, 1999 and 2004 (LuccME's test
  data). Every cell of the file is wholly forest or wholly deforested, so cells are pixels. It says
  neither where they lie nor how large they are, but each of its distances changes by 0.0045 from a
  cell to the next, so that they are taken to be 0.0045 degrees, about 500 m. Demand is of cells of
  0.18 degrees (40 x 40 pixels).
- ``argentina``: six uses of 3,856 units made of cells of 5 minutes, 2000 and 2010 (downscalr's
  data): areas of 2000, and the share of each use that became another. A unit has no map, so its
  pixels (4 x 4 a cell) are drawn at random within it, and maps are scored by what happens in whole
  units (``zones``), wherever in them it does. Demand is of 2 degrees, some 20 units. The part
  from 28 to 36 degrees south has 1,123 of the units, 38 % of the area and 55 % of the change.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

import xai4land
from xai4land_land import HILDA, Legend
from xai4land_land.hilda import HILDA_STATES
from xai4land_land.legends import LandClass

__all__ = ["CASES", "FOLDS", "MISSING", "Case"]

FOLDS = 4
MISSING = 255
SANTAREM_PIXEL = 0.0045
"""Degrees by which the distances of the file change from one cell to the next."""
SANTAREM_CORNER = (-2.7, -54.9)
"""North and west, made up: the file has rows and columns alone."""
SANTAREM_USE = "pasture"
"""Class of HILDA+'s legend for what is deforested; the file does not say what it is used for."""
ARGENTINA_PART = slice(-28, -36)
ARGENTINA_CELL = 1 / 12
ARGENTINA_PIXELS = 4
"""Pixels along a side of a cell of 5 minutes."""


@dataclass(frozen=True)
class Case:
    """Two maps of one region, and what is known of it.

    Attributes
    ----------
    data : Dataset
        States of both years.
    static : Dataset or None
    truth : DataArray
        Both maps.
    legend : str or Legend or None
    block, cell : float
        Degrees along a side of blocks, and of the cells that demand is of.
    constraints : dict
        Of the rule of suitability.
    network : dict
        How the network is trained.
    zones : DataArray or None
        Number of the unit of each pixel, -1 for none, if units are scored.
    """

    data: xr.Dataset
    static: xr.Dataset | None
    truth: xr.DataArray
    legend: str | Legend | None
    block: float
    cell: float
    constraints: dict[str, dict[str, float]]
    network: dict[str, object]
    zones: xr.DataArray | None = None

    @property
    def years(self) -> list[int]:
        return [int(year) for year in self.truth[self.truth.dims[0]].dt.year]

    @property
    def before(self) -> xr.DataArray:
        return self.truth.isel({self.truth.dims[0]: 0})

    @property
    def after(self) -> xr.DataArray:
        return self.truth.isel({self.truth.dims[0]: 1})

    def folds(self) -> xr.DataArray:
        """Number the folds of blocks, so that neighbours are in different ones."""
        lat, lon = (self.truth[name] for name in self.truth.dims[1:])
        rows, columns = (
            np.floor(np.round(part / self.block, 9)).astype(int) for part in (lat + 90, lon + 180)
        )
        return (rows % 2) * 2 + columns % 2


def sample_case(_: Path) -> Case:
    world = xai4land.sample("land_history", years=[1990, 1998])
    return Case(
        data=world.drop_vars("land_cover"),
        static=None,
        truth=world.land_cover,
        legend=None,
        block=4.0,
        cell=0.5,
        constraints={"cropland": {"slope": -1.0}},
        network={"window": 64, "epochs": 6, "steps": 40, "batch_size": 4},
    )


def uk_case(folder: Path) -> Case:
    parts = (xr.open_dataset(folder / f"land/uk_{n}.nc") for n in ("states_0p25", "static_0p01"))
    states, static = (part.load() for part in parts)
    return Case(
        data=states,
        static=static[["elevation"]],
        truth=xr.open_dataset(folder / "land/uk_hilda_0p01.nc").land_cover.load(),
        legend="hilda",
        block=2.0,
        cell=0.25,
        constraints={"cropland": {"elevation": -1.0}, "urban": {"elevation": -1.0}},
        network={"window": 128, "epochs": 8, "steps": 60, "batch_size": 2},
    )


def new_guinea_case(folder: Path) -> Case:
    truth = xr.open_dataset(folder / "land/newguinea_west_cci_2001_2015_300m.nc").land_cover.load()
    names = str(truth.attrs["flag_meanings"]).split()
    codes = np.asarray(truth.attrs["flag_values"]).tolist()
    classes = [LandClass(c, n, "#808080") for c, n in zip(codes, names, strict=True)]
    states = xr.open_dataset(folder / "land/newguinea_states_0p25.nc").load()
    west = states.sel(lon=slice(None, float(truth.lon.max())))
    return Case(
        data=west,
        static=None,
        truth=truth,
        legend=Legend("new-guinea", tuple(classes), ({name: (name,) for name in names},)),
        block=2.0,
        cell=0.25,
        constraints={},
        network={"window": 160, "epochs": 6, "steps": 50, "batch_size": 2},
    )


def santarem_case(folder: Path, cell: float = 0.18) -> Case:
    data = xr.open_dataset(folder / "land/santarem_moju_1999_2004.nc").load()
    data = data.isel(y=slice(None, None, -1))  # its rows go north
    side = round(cell / SANTAREM_PIXEL)
    laid = partial(place, corner=SANTAREM_CORNER, step=SANTAREM_PIXEL, side=side)
    codes = {c.name: c.value for c in HILDA.classes}
    values = np.where(data.deforested > 0, codes[SANTAREM_USE], codes["forest"])
    values = np.where(data.forest.notnull(), values, MISSING).astype(np.uint8)
    truth = laid(values, missing=MISSING).assign_coords(time=data.time.values)
    truth = truth.assign_attrs(flags(HILDA)).rename("land_cover")
    drivers = {
        name: laid(data[name].values[None], missing=np.nan).isel(time=0).assign_attrs(units="1")
        for name in ("dist_estra", "dist_br", "dist_rios", "dist_santa", "dist_belte", "media_decl")
    }
    return Case(
        data=form_states(truth, side, HILDA_STATES),
        static=xr.Dataset(drivers),
        truth=truth,
        legend="hilda",
        block=24 * SANTAREM_PIXEL,
        cell=cell,
        constraints={SANTAREM_USE: {"dist_estra": -1.0, "dist_br": -1.0}},
        network={"window": 40, "epochs": 4, "steps": 20, "batch_size": 2},
    )


def argentina_case(folder: Path, cell: float = 2.0) -> Case:
    data = xr.open_dataset(folder / "land/argentina_units_2000_2010.nc").load()
    data = data.sel(lat=ARGENTINA_PART)
    units = np.repeat(np.repeat(data.unit_index.values, ARGENTINA_PIXELS, 0), ARGENTINA_PIXELS, 1)
    step = ARGENTINA_CELL / ARGENTINA_PIXELS
    laid = partial(
        place,
        corner=(
            float(data.lat[0]) + ARGENTINA_CELL / 2,
            float(data.lon[0]) - ARGENTINA_CELL / 2,
        ),
        step=step,
        side=round(cell / step),
    )
    names = [str(name).lower() for name in data.land_use.values]
    rest = LandClass(0, "outside", "#ffffff")  # where there is no unit
    classes = [LandClass(k, n, "#808080") for k, n in enumerate(names, 1)]
    legend = Legend("argentina", (rest, *classes), ({name: (name,) for name in names},))
    drawn = np.stack(draw_units(units, data.area_2000.values, data.transition.values[0])) + 1
    values = np.where(units >= 0, drawn, MISSING).astype(np.uint8)
    dates = np.array(["2000-07-01", "2010-07-01"], "datetime64[ns]")
    truth = laid(values, missing=MISSING).assign_coords(time=dates)
    truth = truth.assign_attrs(flags(legend)).rename("land_cover")
    return Case(
        data=form_states(truth, round(cell / step), {name: name for name in names}),
        static=None,
        truth=truth,
        legend=legend,
        block=4.0,
        cell=cell,
        constraints={},
        network={"window": 96, "epochs": 4, "steps": 20, "batch_size": 2},
        zones=laid(units[None], missing=-1).isel(time=0),
    )


def draw_units(
    units: np.ndarray, areas: np.ndarray, shares: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the pixels of units with their areas of uses, and what becomes of them.

    Parameters
    ----------
    units : ndarray of int, shape (rows, columns)
        Number of the unit; -1 for none.
    areas : ndarray, shape (uses, units)
    shares : ndarray, shape (from use, to use, units)
    seed : int

    Returns
    -------
    before, after : ndarray of int, shape (rows, columns)
        Numbers of uses; 0 where there is no unit.
    """
    rng = np.random.default_rng(seed)
    places = np.argsort(units.ravel(), kind="stable")
    starts = np.searchsorted(units.ravel()[places], np.arange(areas.shape[1] + 1))
    before, after = np.zeros((2, units.size), int)
    for unit, (first, last) in enumerate(itertools.pairwise(starts)):
        here = rng.permutation(places[first:last])
        moved = areas[:, unit, None] * shares[:, :, unit]
        counts = round_to(moved.ravel(), here.size)
        old, new = np.unravel_index(np.repeat(np.arange(counts.size), counts), moved.shape)
        before[here], after[here] = old, new
    return before.reshape(units.shape), after.reshape(units.shape)


def round_to(parts: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers in proportion to parts, by largest remainder."""
    exact = parts / max(parts.sum(), 1e-30) * total
    below = np.floor(exact).astype(int)
    more = np.argsort(below - exact, kind="stable")[: total - below.sum()]
    below[more] += 1
    return below


def place(
    values: np.ndarray, corner: tuple[float, float], step: float, side: int, missing: int
) -> xr.DataArray:
    """Place maps, (time, rows, columns), on the globe; add missing pixels up to whole cells.

    Parameters
    ----------
    values : ndarray
    corner : tuple of float
        North and west.
    step : float
        Degrees of a pixel.
    side : int
        Pixels along a side of a coarse cell.
    missing : int
    """
    rows, columns = values.shape[-2:]
    top, left = (round(d / step) % side for d in (90 - corner[0], 180 + corner[1]))
    widths = (0, 0), (top, -(top + rows) % side), (left, -(left + columns) % side)
    whole = np.pad(values, widths, constant_values=missing)
    lat = corner[0] + step * (top - 0.5 - np.arange(whole.shape[1]))
    lon = corner[1] - step * (left - 0.5 - np.arange(whole.shape[2]))
    return xr.DataArray(whole, grid_coords(lat, lon), ("time", "lat", "lon"))


def form_states(maps: xr.DataArray, side: int, states: dict[str, str]) -> xr.Dataset:
    """Return the fractions of classes in whole cells; what no map knows is none of them."""
    lat, lon = (maps[n].values.reshape(-1, side).mean(1) for n in ("lat", "lon"))
    names = dict(zip(maps.flag_meanings.split(), maps.flag_values.tolist(), strict=True))
    known = (maps != MISSING).coarsen(lat=side, lon=side).max()
    attrs = {"standard_name": "area_fraction", "units": "1"}
    found = {}
    for name, state in states.items():
        part = (maps == names[name]).coarsen(lat=side, lon=side).mean().where(known)
        found[state] = part.astype(np.float32).assign_coords(grid_coords(lat, lon))
        found[state].attrs = attrs
    return xr.Dataset(found)


def grid_coords(lat: np.ndarray, lon: np.ndarray) -> dict[str, object]:
    return {
        "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
    }


def flags(legend: Legend) -> dict[str, object]:
    return {
        "flag_values": np.array([c.value for c in legend.classes], np.uint8),
        "flag_meanings": " ".join(c.name for c in legend.classes),
        "_FillValue": np.uint8(MISSING),
    }


CASES = {
    "sample": sample_case,
    "uk": uk_case,
    "new-guinea": new_guinea_case,
    "santarem": santarem_case,
    "argentina": argentina_case,
}

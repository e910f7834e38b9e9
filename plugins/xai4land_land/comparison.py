"""Maps that are to be compared: the same classes, pixels and years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.adapters.xarray import is_in_memory
from xai4land.emulator.inputs import scalar_dates, time_name
from xai4land.errors import InputError
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land_land.legends import Legend, flag_meanings, match_classes
from xai4land_land.regions import place_mask, place_weights
from xai4land_land.truth import (
    NO_CLASS,
    UNKNOWN,
    Recoding,
    align,
    as_variable,
    drop_single,
    match_years,
)

__all__ = [
    "CHOSEN",
    "Comparison",
    "Prior",
    "compare_maps",
    "find_positions",
    "find_probabilities",
    "find_sources",
    "select_year",
]

Prior = xr.Dataset | xr.DataArray | int | None

CHOSEN = "chosen class"
"""Event that the class of the map is that of the truth."""


@dataclass(frozen=True)
class Comparison:
    """Maps as positions in one list of classes, on the same pixels and years.

    Positions are ``len(classes)`` for codes that no class takes, and 255 where a map is missing.

    Attributes
    ----------
    classes : list of str
    sources : mapping from str to DataArray, shape (..., lat, lon)
        The map, as ``"emulator"``, what is beside it, and with a prior ``"persistence"``.
    truth : DataArray, shape (..., lat, lon)
        Missing where any source is, so that all are compared on the same pixels.
    prior : DataArray or None
        Of the shape of the truth.
    grid : Grid
    weights : DataArray, shape (lat,) or (lat, lon)
        Area of a pixel, in any unit, or its weight.
    probabilities : mapping from str to DataArray, shape (..., lat, lon)
        What the map says of the chosen class (:data:`CHOSEN`) and of each class, where it does.
    """

    classes: list[str]
    sources: Mapping[str, xr.DataArray]
    truth: xr.DataArray
    prior: xr.DataArray | None
    grid: Grid
    weights: xr.DataArray
    probabilities: Mapping[str, xr.DataArray]

    def select(self, mask: xr.DataArray) -> Comparison:
        """Return the part of the maps around what a mask on the pixels leaves."""
        places, axes = {}, []
        for name, axis in zip(self.grid.names, (self.grid.lat, self.grid.lon), strict=True):
            [other] = set(self.grid.names) - {name}
            numbers = np.flatnonzero(mask.any(other).values)
            # One row or column has no spacing, by which windows and blocks are counted.
            first = max(min(int(numbers[0]), len(axis) - 2), 0)
            places[name] = slice(first, max(int(numbers[-1]) + 1, first + 2))
            axes.append(Axis(axis.values[places[name]], circular=axis.circular))
        truth = self.truth.where(mask, UNKNOWN)
        prior = None if self.prior is None else self.prior.isel(places)
        weights = self.weights.isel({n: s for n, s in places.items() if n in self.weights.dims})
        sources = {source: made.isel(places) for source, made in self.sources.items()}
        likely = {event: value.isel(places) for event, value in self.probabilities.items()}
        grid = Grid(axes[0], axes[1], self.grid.names)
        return Comparison(self.classes, sources, truth.isel(places), prior, grid, weights, likely)

    def maps(self, source: str) -> list[xr.DataArray]:
        """Return the prior, if there is one, the truth and a source's map."""
        prior = [] if self.prior is None else [self.prior]
        return [*prior, self.truth, self.sources[source]]

    def windows(self, size: int) -> tuple[xr.DataArray, xr.DataArray]:
        """Return the window of each row and column: so many pixels, counted on the globe."""
        # A single row or column has no spacing, and is a window's.
        finite = all(np.isfinite(self.grid.spacings))
        top, left = self.grid.lattice_origin if finite else (0, 0)
        rows, columns = (np.arange(n) for n in self.grid.shape)
        if self.grid.ascending:
            rows = rows[::-1]
        return self._by_axis((top + rows) // size, (left + columns) // size)

    def cells(self, coarse: Grid) -> tuple[xr.DataArray, xr.DataArray]:
        """Return the number of the coarse cell that each row and column is in."""
        return self._by_axis(
            coarse.lat.cell_index(self.grid.lat.centres),
            coarse.lon.cell_index(self.grid.lon.centres),
        )

    def blocks(self, size: float) -> tuple[xr.DataArray, xr.DataArray]:
        """Return the block of each row and column: so many degrees, counted on the globe."""
        degrees = (self.grid.lat.values + 90, (self.grid.lon.values + 180) % 360)
        rows, columns = (
            np.unique(np.floor(np.round(value / size, 9)), return_inverse=True)[1]
            for value in degrees
        )
        return self._by_axis(rows, columns)

    def _by_axis(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> tuple[xr.DataArray, xr.DataArray]:
        lat, lon = self.grid.names
        return xr.DataArray(rows, dims=lat), xr.DataArray(columns, dims=lon)


def compare_maps(
    data: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    *,
    prior: Prior = None,
    name: str = "land_cover",
    legend: str | Legend | None = None,
    where: xr.DataArray | None = None,
    weights: xr.DataArray | None = None,
) -> Comparison:
    """Bring a map, what is beside it, a truth and a prior to the same classes, pixels and years.

    The truth is missing where ``where`` is false.

    Raises
    ------
    InputError
        Listing what cannot be compared: grids, years or classes, masks or weights.
    """
    if name not in data:
        raise InputError(
            f"no variable {name!r} to evaluate; there are {', '.join(map(str, data.data_vars))}"
        )
    made = drop_single(data[name], "the map")
    grid = Grid.of(made, "the map")
    classes = list(dict.fromkeys(flag_meanings(made).values()))
    problems: list[str] = []
    old = year = right = None
    try:
        before, year = _read_prior(prior, made)
        if before is not None:
            old = find_positions(align(before, grid, "the prior"), classes, "the prior", legend)
        made = _drop_year(made, year)
    except InputError as error:
        problems += error.problems
    try:
        step = time_name(made)
        reference = match_years(align(as_variable(truth), grid), made[step] if step else None)
        right = find_positions(reference, classes, "the truth", legend)
    except InputError as error:
        problems += error.problems
    area = xr.DataArray(np.cos(np.deg2rad(grid.lat.values)), dims=grid.names[0])
    mask: xr.DataArray | None = None
    try:
        area = area if weights is None else place_weights(weights, grid)
    except InputError as error:
        problems += error.problems
    try:
        mask = None if where is None else place_mask(where, grid)
    except InputError as error:
        problems += error.problems
    InputError.raise_if(problems)
    assert right is not None
    sources = {
        source: find_positions(
            _drop_year(drop_single(variable, "the map"), year).transpose(*made.dims),
            classes,
            "the map" if source == "emulator" else f"the map {source!r}",
        )
        for source, variable in find_sources(data, name).items()
    }
    if old is not None:
        old = old.expand_dims({d: made.sizes[d] for d in made.dims if d not in old.dims})
        sources["persistence"] = old = old.transpose(*made.dims)
    right = right.transpose(*made.dims)
    for variable in sources.values():
        right = right.where(variable != UNKNOWN, UNKNOWN)
    if mask is not None:
        right = right.where(mask, UNKNOWN)
    likely = {
        event: _drop_year(drop_single(values, event), year).transpose(*made.dims)
        for event, values in find_probabilities(data, name).items()
    }
    likely = {event: values.drop_vars(list(values.coords)) for event, values in likely.items()}
    return Comparison(classes, sources, right, old, grid, area, likely)


def find_sources(data: xr.Dataset, name: str = "land_cover") -> dict[str, xr.DataArray]:
    """Return the map as ``"emulator"``, and others beside it by what their name adds to its.

    Examples
    --------
    >>> flags = {"flag_values": [0, 1], "flag_meanings": "wood field"}
    >>> cover = xr.DataArray([[0, 1]], dims=("lat", "lon"), attrs=flags)
    >>> list(find_sources(xr.Dataset({"land_cover": cover, "land_cover_nearest": cover})))
    ['emulator', 'nearest']
    """
    beside = {
        str(key).removeprefix(f"{name}_"): variable
        for key, variable in data.data_vars.items()
        if str(key).startswith(f"{name}_")
        and "flag_values" in variable.attrs
        and set(variable.dims) == set(data[name].dims)
    }
    return {"emulator": data[name], **dict(sorted(beside.items()))}


def find_probabilities(data: xr.Dataset, name: str = "land_cover") -> dict[str, xr.DataArray]:
    """Return the probability of the chosen class (:data:`CHOSEN`), and of each class by name.

    Those that the dataset has.

    Examples
    --------
    >>> import xai4land
    >>> world = xai4land.sample("land", years=[2000]).ai4land.reconstruct()
    >>> list(find_probabilities(world))
    ['chosen class']
    """
    found = {}
    if "confidence" in data and set(data["confidence"].dims) == set(data[name].dims):
        found[CHOSEN] = data["confidence"]
    every, dim = data.get(f"{name}_probability"), f"{name}_class"
    if every is not None and dim in every.coords:
        meanings = flag_meanings(data[name])
        codes = every[dim].values.tolist()
        found |= {meanings[c]: every.isel({dim: k}, drop=True) for k, c in enumerate(codes)}
    return found


def select_year(made: xr.DataArray, year: int) -> xr.DataArray:
    """Return the step of a map in a year.

    Raises
    ------
    InputError
        If it has none in that year.
    """
    step = time_name(made)
    years = [] if step is None else made[step].dt.year.values.tolist()
    if year not in years:
        raise InputError(
            f"there is no map of {year} (there are those of "
            f"{', '.join(map(str, years)) or 'no year'}); give one of these, or a map as prior="
        )
    return made.isel({step: years.index(year)})


def _read_prior(prior: Prior, made: xr.DataArray) -> tuple[xr.DataArray | None, int | None]:
    """Return the one map that a prior is, and its year if that is known."""
    if prior is None:
        return None, None
    if isinstance(prior, int | np.integer):
        prior = select_year(made, int(prior))
    array = as_variable(prior, what="the prior")
    own = time_name(array)
    if own is not None and array.sizes[own] > 1:
        raise InputError(
            f"the prior has {array.sizes[own]} steps along {str(own)!r}, expected one map; "
            f"select the year before the first one that is made: .isel({own}=0)"
        )
    array = array if own is None else array.isel({own: 0})
    dates = scalar_dates(array)
    year = int(array[dates[0]].dt.year) if len(dates) == 1 else None
    return array.drop_vars(dates), year


def _drop_year(made: xr.DataArray, year: int | None) -> xr.DataArray:
    """Leave out the prior's own year, in which nothing has changed."""
    step = time_name(made)
    dates = scalar_dates(made) if step is None else [step]
    if year is None or not dates:
        return made
    same = np.atleast_1d(made[dates[0]].dt.year.values == year)
    if same.all():
        raise InputError(
            f"the prior and the map are both of {year}, expected a prior of an earlier or a later "
            "year; without prior= the map alone is scored"
        )
    return made if step is None else made.isel({step: ~same})


def find_positions(
    array: xr.DataArray, classes: list[str], what: str, legend: str | Legend | None = None
) -> xr.DataArray:
    """Return the position of each code among the classes, lazily where the array is lazy.

    The number of classes where no class takes the code, and 255 where it is missing.
    """
    recoding = Recoding.of(array, match_classes(classes, array, legend, what), what)
    if is_in_memory(array):
        recoding.warn(array.values, recoding(array.values))
    found: xr.DataArray = xr.apply_ufunc(
        partial(_recode, recoding=recoding, classes=len(classes)),
        array,
        dask="parallelized",
        output_dtypes=[np.uint8],
    )
    return found.drop_vars(list(found.coords))


def _recode(
    values: npt.NDArray[np.generic], recoding: Recoding, classes: int
) -> npt.NDArray[np.uint8]:
    found = recoding(values)
    found[found == NO_CLASS] = classes
    return found

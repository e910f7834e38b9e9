"""Reference maps: brought to a legend and onto the map's pixels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.emulator.inputs import DATES, scalar_dates, time_name
from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.errors import InputError, InputWarning
from xai4land.grids.flags import fill_codes
from xai4land.grids.grid import Grid
from xai4land.grids.time import move_into_bounds

__all__ = ["NO_CLASS", "UNKNOWN", "Recoding", "align", "as_variable", "drop_single", "match_years"]

UNKNOWN = MISSING_CLASS
NO_CLASS = 254
NO_CODE = np.iinfo(np.int64).min


def as_variable(
    truth: xr.Dataset | xr.DataArray, name: str = "land_cover", what: str = "the truth"
) -> xr.DataArray:
    """Return the class variable of a dataset: by name, or the only one with flags."""
    if isinstance(truth, xr.DataArray):
        return drop_single(truth, what)
    if not isinstance(truth, xr.Dataset):
        raise InputError(
            f"{what} is a {type(truth).__name__}, expected a DataArray or Dataset; open a file: "
            "xai4land.open_store(path)"
        )
    truth = move_into_bounds(truth)
    flagged = [str(n) for n, v in truth.data_vars.items() if "flag_values" in v.attrs]
    if name in truth:
        return drop_single(truth[name], what)
    if len(flagged) == 1:
        return drop_single(truth[flagged[0]], what)
    raise InputError(
        f"{what}: expected a variable {name!r} or one variable with flag_values, found "
        f"{', '.join(flagged) or 'none'}; pass the DataArray itself"
    )


def drop_single(array: xr.DataArray, what: str = "the truth") -> xr.DataArray:
    """Drop dimensions of one step beside time, latitude and longitude.

    Raises
    ------
    InputError
        If another dimension has several steps.
    """
    known = {*Grid.of(array, what).names, time_name(array)}
    extra = [dim for dim in array.dims if dim not in known]
    if wide := [str(dim) for dim in extra if array.sizes[dim] > 1]:
        raise InputError(
            f"{what} has a dimension {wide[0]!r} that is neither time, latitude nor longitude; "
            f"select from it: .isel({wide[0]}=0)"
        )
    return array.squeeze(extra, drop=True)


@dataclass(frozen=True)
class Recoding:
    """How codes become positions in a legend.

    Attributes
    ----------
    positions : mapping from int to int
        By code.
    missing : frozenset of int
        Codes of missing values; NaN is missing, too.
    what : str
        How to call the map in errors.
    """

    positions: Mapping[int, int]
    missing: frozenset[int] = frozenset()
    what: str = "the truth"

    @classmethod
    def of(
        cls, array: xr.DataArray, positions: Mapping[int, int], what: str = "the truth"
    ) -> Recoding:
        """Return how a variable's codes become positions; its fill values are missing."""
        fills = fill_codes(array)
        places = array.encoding.keys() | array.attrs.keys()
        declared = not {"_FillValue", "missing_value"}.isdisjoint(places)
        known = {c: p for c, p in positions.items() if not (declared and c in fills)}
        return cls(known, frozenset({NO_CODE, *fills} - set(known)), what)

    def __call__(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
        """Return positions; :data:`UNKNOWN` where values are missing.

        Codes that no class takes become :data:`NO_CLASS`.

        Examples
        --------
        >>> Recoding({11: 1, 22: 2}, frozenset({9}))(np.array([11.0, np.nan, 22.0, 9.0, 7.0]))
        array([  1, 255,   2, 255, 254], dtype=uint8)
        """
        if values.dtype == np.uint8 and values.size > 256:
            return self(np.arange(256, dtype=np.uint8))[values.astype(np.intp)]
        found = np.full(values.shape, NO_CLASS, np.uint8)
        found[np.isin(values, [*self.missing]) | (values != values)] = UNKNOWN
        for value, position in self.positions.items():
            found[values == value] = position
        return found

    def known(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
        """Return positions, codes that no class takes as :data:`UNKNOWN`; warn of these."""
        found = self(values)
        self.warn(values, found)
        found[found == NO_CLASS] = UNKNOWN
        return found

    def warn(self, values: npt.NDArray[np.generic], found: npt.NDArray[np.uint8]) -> None:
        """Warn of codes that no class takes: which, and how many of the known pixels have them."""
        left = values[found == NO_CLASS]
        if not left.size:
            return
        codes = np.unique(left)
        some = ", ".join(f"{code:g}" for code in codes[:8].astype(float))
        warnings.warn(
            f"{self.what} has codes {some}{', ...' if codes.size > 8 else ''} that no class takes, "
            f"in {left.size / (found != UNKNOWN).sum():.2%} of its known pixels, which are left "
            "out; name them in flag_values and flag_meanings, or mask them as missing",
            InputWarning,
            stacklevel=2,
        )


def align(truth: xr.DataArray, grid: Grid, what: str = "the truth") -> xr.DataArray:
    """Put the truth on exactly the pixels of a grid; it is missing where it does not reach.

    Longitudes may be counted the other way round the globe, and rows run either way.

    Raises
    ------
    InputError
        If it has another resolution, or no pixel in common.
    """
    own = Grid.of(truth, what)
    if own == grid:
        return truth.rename(dict(zip(own.names, grid.names, strict=True)))
    if not np.allclose(own.spacings, grid.spacings, rtol=1e-3):
        raise InputError(
            f"{what} is at {own.resolution:g}°, the map at {grid.resolution:g}°; reconstruct on "
            f"its grid, target={what.split()[-1]}, or regrid it, .ai4land.regrid(out, 'majority')"
        )
    lat, lon = grid.coords().values()
    west = float(lon.values[0]) - grid.spacings[1] / 2
    name = own.names[1]
    around = truth.assign_coords({name: (truth[name] - west) % 360 + west}).sortby(name)
    if around.dtype.kind in "iub":
        around = around.astype(np.int64)  # room for a fill that is no code
    tolerance = 0.1 * grid.resolution
    found = around.reindex(
        {own.names[0]: lat.values, own.names[1]: lon.values},
        method="nearest",
        tolerance=tolerance,
        fill_value=NO_CODE if truth.dtype.kind in "iub" else np.nan,
    ).rename(dict(zip(own.names, grid.names, strict=True)))
    for old, wanted in zip(own.names, (lat, lon), strict=True):
        place = around[old].reindex({old: wanted.values}, method="nearest", tolerance=tolerance)
        if not np.isfinite(place).any():
            raise InputError(f"{what} and the map have no pixel in common; compare coordinates")
    return found


def match_years(truth: xr.DataArray, time: xr.DataArray | None) -> xr.DataArray:
    """Select the truth of each of ``time``, matched by calendar year.

    Raises
    ------
    InputError
        If years are missing, or only one of the two has a time axis of several steps.
    """
    name = time_name(truth)
    dates = scalar_dates(truth)
    if name is None and len(dates) == 1 and time is not None:
        truth, name = truth.expand_dims(dates[0]), str(dates[0])
    if name is not None and not isinstance(truth.indexes.get(name), DATES):
        raise InputError(f"the truth's time axis {str(name)!r} holds no dates; decode it")
    steps = 1 if time is None else time.size
    if name is None or time is None:
        if steps > 1 or (name is not None and truth.sizes[name] > 1):
            raise InputError(
                "of map and truth only one has a time axis of several steps; "
                "select the step to compare: .isel(time=[0])"
            )
        found = truth if name is None else truth.isel({name: 0}, drop=True)
        return found if time is None else found.expand_dims({str(time.name): time.values})
    years = truth[name].dt.year.values.tolist()
    wanted = time.dt.year.values.tolist()
    if absent := [year for year in wanted if year not in years]:
        raise InputError(
            f"the truth lacks the years {', '.join(map(str, absent))} (it has "
            f"{', '.join(map(str, years))}); select the years in common first"
        )
    chosen = truth.isel({name: [years.index(year) for year in wanted]})
    return chosen.rename({name: str(time.name)}).assign_coords({str(time.name): time.values})

"""Many models and members of a search, in one form: for training, for comparing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from xai4land import cf
from xai4land.catalogs.harmonising import Calendar, harmonise, in_years, month_times
from xai4land.catalogs.opening import rebuilt
from xai4land.catalogs.reading import PREFIX, newest, open_search
from xai4land.errors import InputError

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

    from xai4land.grid import Target

__all__ = ["Mask", "open_simulations", "stack_simulations"]

Mask = Literal["land", "sea"] | None
Key = tuple[str, str]
"""Source and member."""
FIXED_MEMBER = ""
"""Fixed fields are those of a model, whatever the member they were stored with."""


def open_simulations(
    search: esm_datastore,
    *,
    grid: Target = None,
    method: Literal["conservative", "bilinear", "nearest"] = "conservative",
    calendar: Calendar = "standard",
    mask: Mask = None,
    years: tuple[int, int] | None = None,
) -> dict[str, xr.Dataset]:
    """Open each simulation of a search as one dataset; nothing is computed.

    Names, units and times are those of :func:`harmonise`; experiments of a member follow one
    another in time (a scenario after the historical run); fixed fields of a model are with each of
    its members.

    Parameters
    ----------
    search : intake_esm.esm_datastore
        With columns ``source_id``, and ``member_id``, ``experiment_id`` and ``table_id`` where
        there are several.
    grid : float, Dataset, DataArray or None
        What all are brought to: degrees, or a dataset on that grid. By default each keeps its own.
    method : {"conservative", "bilinear", "nearest"}
        How; see :func:`xai4land.regrid`.
    calendar : {"standard", "noleap", "360_day"} or None
        See :func:`harmonise`.
    mask : {"land", "sea"}, optional
        What is kept: cells with more than half of land, or at most half, by the model's own
        ``sftlf``, which the search must find too. It is done before regridding.
    years : tuple of int, optional
        First and last year.

    Returns
    -------
    dict of str to Dataset
        By ``"source member"``, each with attributes ``source_id`` and ``member_id``.

    Raises
    ------
    InputError
        Listing experiments that overlap, variables on two grids, masks that lack, units that
        cannot be converted; each with the simulation's name.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("sample")
    >>> found = cat.search(source_id=["SAMPLE-A", "SAMPLE-B"], table_id="Amon", variable_id="tas")
    >>> made = open_simulations(found, grid=20)
    >>> list(made), made["SAMPLE-B r1i1p1f1"].tas.shape
    (['SAMPLE-A r1i1p1f1', 'SAMPLE-A r2i1p1f1', 'SAMPLE-B r1i1p1f1'], (600, 9, 18))
    """
    if mask not in ("land", "sea", None):
        raise InputError(f"mask={mask!r}, expected 'land', 'sea' or None")
    parts, fixed = _sorted(_opened(search), calendar)
    problems: list[str] = []
    made: dict[str, xr.Dataset] = {}
    for (source, member), pieces in sorted(parts.items()):
        name = f"{source} {member}".strip()
        try:
            pieces.sort(key=lambda piece: piece.time.values[0])
            data = _joined(pieces, fixed.get(source, []), calendar)
            data = _masked(_selected(data, years), mask)
            if grid is not None:
                from xai4land.regridding import regrid

                # The area of a cell is that of its own grid.
                data = regrid(data.drop_vars("areacella", errors="ignore"), grid, method=method)
                grid = data  # degrees leave open where longitudes begin
            made[name] = _labelled(data, source, member, pieces)
        except InputError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    InputError.raise_if(problems)
    return made


def stack_simulations(
    simulations: Mapping[str, xr.Dataset], *, join: Literal["inner", "outer"] = "inner"
) -> xr.Dataset:
    """Put simulations on one grid into one dataset.

    Parameters
    ----------
    simulations : mapping of str to Dataset
        As :func:`open_simulations` gives them with ``grid=`` and one calendar.
    join : {"inner", "outer"}
        Whether the months that all have are kept, or those that any has.

    Returns
    -------
    Dataset
        On (source_id, member_id, time, lat, lon), lazy. Members that a source does not have are
        missing; the coordinate ``simulated`` tells which there are.

    Raises
    ------
    InputError
        If grids or calendars differ, or there is no common month.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("sample")
    >>> found = cat.search(source_id=["SAMPLE-A", "SAMPLE-B"], table_id="Amon", variable_id="tas")
    >>> made = stack_simulations(open_simulations(found, grid=20))
    >>> dict(made.tas.sizes)
    {'source_id': 2, 'member_id': 2, 'time': 600, 'lat': 9, 'lon': 18}
    >>> made.simulated.values.tolist()
    [[True, True], [True, False]]
    """
    if not simulations:
        raise InputError("there is no simulation to stack; search for some")
    datasets = list(simulations.values())
    first = datasets[0]
    problems = [p for name, data in simulations.items() for p in _differences(name, data, first)]
    InputError.raise_if(problems)
    keys = [(d.attrs.get("source_id", ""), d.attrs.get("member_id", "")) for d in datasets]
    if len(set(keys)) < len(keys):
        raise InputError(
            "several simulations have one source_id and member_id in their attributes; name them "
            "apart: ds.attrs['source_id'] = ..."
        )
    sources, members = (list(dict.fromkeys(k[i] for k in keys)) for i in (0, 1))
    grids = {n: first[n] for n in ("lat", "lon", "lat_bnds", "lon_bnds") if n in first.coords}
    aligned = [
        data.drop_vars("time_bnds", errors="ignore").assign_coords(grids) for data in datasets
    ]
    aligned = list(xr.align(*aligned, join=join, copy=False))
    if "time" in first.dims and not aligned[0].sizes["time"]:
        raise InputError("the simulations have no month in common; select others, or join='outer'")
    at = dict(zip(keys, aligned, strict=True))
    rows = []
    for source in sources:
        absent = xr.full_like(next(d for (s, _), d in at.items() if s == source), np.nan)
        found = [at.get((source, member), absent) for member in members]
        rows.append(_along("member_id", members, found))
    stacked = _along("source_id", sources, rows)
    if "time" in stacked.dims:
        stacked["time"].attrs.pop("bounds", None)
    there = [[(source, member) in at for member in members] for source in sources]
    stacked = stacked.assign_coords(simulated=(("source_id", "member_id"), there))
    stacked.attrs = {
        k: v for k, v in first.attrs.items() if all(d.attrs.get(k) == v for d in datasets)
    }
    return stacked


def _opened(search: esm_datastore) -> list[xr.Dataset]:
    """Each member and variable alone: together, what is shorter or on another grid is filled up."""
    columns = ["member_id"]
    if search.esmcat.aggregation_control and not len(search.derivedcat):
        columns.append(search.esmcat.aggregation_control.variable_column_name)
    columns = [c for c in columns if c in search.df]
    if not columns or not len(search.df):
        return open_search(search)
    rows = [part for _, part in newest(search).df.groupby(columns, sort=False, dropna=False)]
    return [data for part in rows for data in open_search(rebuilt(search, part))]


def _along(name: str, labels: list[str], datasets: list[xr.Dataset]) -> xr.Dataset:
    dim = xr.DataArray(labels, dims=name, name=name)
    how: dict[str, Any] = {"compat": "override", "data_vars": "all", "join": "override"}
    return xr.concat(datasets, dim, coords="minimal", **how)


def _sorted(
    found: list[xr.Dataset], calendar: Calendar
) -> tuple[dict[Key, list[xr.Dataset]], dict[str, list[xr.Dataset]]]:
    """Harmonised pieces of each simulation, and the fixed fields of each source."""
    parts: dict[Key, list[xr.Dataset]] = {}
    fixed: dict[str, list[xr.Dataset]] = {}
    problems: list[str] = []
    for data in found:
        columns = {
            k.removeprefix(PREFIX): str(v) for k, v in data.attrs.items() if k.startswith(PREFIX)
        }
        source = columns.get("source_id") or str(data.attrs.get("source_id", "data"))
        where = f"{source}.{columns.get('table_id', '')}"
        try:
            data = harmonise(data, calendar=calendar, source=where)
        except InputError as error:
            problems += [f"{where}: {problem}" for problem in error.problems]
            continue
        members = [str(m) for m in data.member_id.values] if "member_id" in data.dims else [""]
        for k, member in enumerate(members):
            one = data.isel(member_id=k, drop=True) if "member_id" in data.dims else data
            if "time" not in one.dims:
                fixed.setdefault(source, []).append(one)
            else:
                own = member or columns.get("member_id", "")
                parts.setdefault((source, own), []).append(one)
    if not parts and fixed:
        parts = {(source, FIXED_MEMBER): [] for source in fixed}
    InputError.raise_if(problems)
    return parts, fixed


def _joined(pieces: list[xr.Dataset], fixed: list[xr.Dataset], calendar: Calendar) -> xr.Dataset:
    """All variables of a simulation, over all its experiments."""
    made: dict[str, xr.DataArray] = {}
    problems: list[str] = []
    for name in dict.fromkeys(str(n) for piece in pieces for n in piece.data_vars):
        try:
            made[name] = _in_time(name, [piece for piece in pieces if name in piece.data_vars])
        except InputError as error:
            problems += error.problems
    for piece in fixed:
        for key, field in piece.data_vars.items():
            made.setdefault(str(key), field)
    for name, array in made.items():
        try:
            first = next(a for a in made.values() if ("lat" in a.dims) == ("lat" in array.dims))
            made[name] = _snapped(name, array, first)
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    plain = {n: a.drop_vars([c for c in a.coords if c not in a.dims]) for n, a in made.items()}
    data = xr.merge([a.rename(n) for n, a in plain.items()], compat="override", join="outer")
    # Bounds, and 2-D coordinates, of the grid.
    for piece in [*fixed, *pieces]:
        own = {n: c for n, c in piece.coords.items() if "time" not in c.dims}
        data = data.assign_coords({n: c for n, c in own.items() if n not in data.dims})
        for coord in ("lat", "lon"):
            if coord in own and coord in data.dims:
                data[coord].attrs = own[coord].attrs
    return data if calendar is None or "time" not in data.dims else month_times(data, calendar)


def _selected(data: xr.Dataset, years: tuple[int, int] | None) -> xr.Dataset:
    if years is None or "time" not in data.dims:
        return data
    data = in_years(data, years)
    if not data.sizes["time"]:
        raise InputError(f"there is no month from {years[0]} to {years[1]}; choose other years")
    return data


def _in_time(name: str, pieces: list[xr.Dataset]) -> xr.DataArray:
    """One variable over its experiments, which follow one another."""
    for earlier, later in pairwise(pieces):
        what = [
            piece.attrs.get(f"{PREFIX}{column}", "?")
            for piece in (earlier, later)
            for column in ("experiment_id", "grid_label")
        ]
        if what[1] != what[3]:
            raise InputError(
                f"{name!r} is there on two grids, {what[1]} and {what[3]}; search with grid_label="
            )
        if earlier.time.values[-1] >= later.time.values[0]:
            raise InputError(
                f"{name!r} of {what[0]} (until {earlier.time.dt.year.values[-1]}) and of {what[2]} "
                f"(from {later.time.dt.year.values[0]}) overlap; search with one experiment_id=, "
                "or open them one by one"
            )
    arrays = [_snapped(name, piece[name], pieces[0][name]) for piece in pieces]
    if len(arrays) == 1:
        return arrays[0]
    joined: xr.DataArray = xr.concat(
        arrays, "time", coords="minimal", compat="override", join="override"
    )
    return joined


def _snapped(name: str, array: xr.DataArray, first: xr.DataArray) -> xr.DataArray:
    """On the coordinates of another field, if they are the same but for noise."""
    for coord in ("lat", "lon"):
        if coord not in array.dims or coord not in first.dims:
            continue
        own, other = array[coord].values, first[coord].values
        if own.shape != other.shape or not np.allclose(own, other, rtol=0, atol=1e-4):
            raise InputError(
                f"{name!r} is there on two grids, or on another than {str(first.name)!r}; search "
                "with one grid_label=, or open them apart"
            )
        array = array.assign_coords({coord: first[coord]})
    return array


def _masked(data: xr.Dataset, mask: Mask) -> xr.Dataset:
    """Fields where there is land (or sea) alone."""
    if mask is None:
        return data
    if "sftlf" not in data:
        raise InputError(
            f"mask={mask!r} needs the part of land of each cell; search for variable_id='sftlf' "
            "too (table_id='fx')"
        )
    land = data.sftlf > 0.5
    keep = land if mask == "land" else ~land
    horizontal = set(land.dims)
    fields = [n for n, a in data.data_vars.items() if n != "sftlf" and horizontal <= set(a.dims)]
    return data.assign({n: data[n].where(keep) for n in fields})


def _labelled(data: xr.Dataset, source: str, member: str, pieces: list[xr.Dataset]) -> xr.Dataset:
    """With its names, and what it was made from."""
    columns = [
        list(dict.fromkeys(str(p.attrs.get(f"{PREFIX}{c}", "")) for p in pieces))
        for c in ("experiment_id", "institution_id")
    ]
    experiments, institutions = (" ".join(filter(None, c)) for c in columns)
    licences = dict.fromkeys(str(p.attrs.get("license", "")) for p in pieces)
    for coord in data.coords.values():
        coord.encoding["_FillValue"] = None  # CF has none on coordinates
    about = {
        "Conventions": cf.CONVENTIONS,
        "title": f"{source} {member} {experiments}".strip(),
        "source_id": source,
        "member_id": member,
        "experiment_id": experiments,
        "institution": institutions,
        "license": "; ".join(filter(None, licences)),
        "history": cf.history(xr.Dataset(), "opened from a catalog, names and units harmonised"),
    }
    data.attrs = {name: text for name, text in about.items() if text}
    return data


def _differences(name: str, data: xr.Dataset, first: xr.Dataset) -> list[str]:
    from xai4land.grid import Grid

    if Grid.of(data, name) != Grid.of(first):
        return [f"{name} is on another grid than the first; open_simulations(search, grid=...)"]
    if "time" in data.dims and data.time.dtype != first.time.dtype:
        return [f"{name} has another calendar; open_simulations(search, calendar='standard')"]
    return []

"""Many models and members of a search, in one form: for training, for comparing."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from xai4land.catalogs.access import LOCAL, scheme_of
from xai4land.catalogs.harmonising import (
    Calendar,
    check_calendar,
    get_calendar,
    harmonise,
    insert_missing_months,
    select_years,
    set_month_times,
)
from xai4land.catalogs.joining import join_pieces
from xai4land.catalogs.opening import replace_table
from xai4land.catalogs.reading import (
    COLUMN_PREFIX,
    ignore_harmless_warnings,
    open_assets,
    open_search,
    prepare_search,
)
from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.time import count_months

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

    from xai4land.grids.grid import Target

__all__ = ["Mask", "open_simulations", "stack_simulations"]

Mask = Literal["land", "sea"] | None
Key = tuple[str, str]
"""Source and member."""
MAX_OPEN_AT_ONCE = 8
"""Stores in the network that are opened at once."""
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
        ``sftlf``, which the search must find too; neither where it is missing. It is done before
        regridding.
    years : tuple of int, optional
        First and last year.

    Returns
    -------
    dict of str to Dataset
        By ``"source member"``, each with attributes ``source_id`` and ``member_id``.

    Raises
    ------
    InputError
        Listing experiments that overlap, variables on two grids or in two calendars, masks that
        lack or do not fit, units that cannot be converted; each with the simulation's name.

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
    check_calendar(calendar)
    parts, fixed = _sort_pieces(_open_members(search), calendar, years)
    problems: list[str] = []
    made: dict[str, xr.Dataset] = {}
    for (source, member), pieces in sorted(parts.items()):
        name = f"{source} {member}".strip()
        try:
            pieces.sort(key=lambda piece: int(count_months(piece)[0]))
            data = join_pieces(pieces, fixed.get(source, []), calendar)
            data = _apply_mask(data, mask)
            if grid is not None:
                from xai4land.regridding import regrid

                # Once, and not for each variable.
                data = data.assign_coords(xr.Dataset(coords=data.coords).load().coords)
                # The area of a cell is that of its own grid.
                data = regrid(data.drop_vars("areacella", errors="ignore"), grid, method=method)
                grid = data  # degrees leave open where longitudes begin
            made[name] = _set_attributes(data, source, member, pieces)
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
        Whether the months that all have are kept, or those from the first to the last that any has.

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
    problems = [
        p for name, data in simulations.items() for p in _describe_differences(name, data, first)
    ]
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
        rows.append(_concat_along("member_id", members, found))
    stacked = _concat_along("source_id", sources, rows)
    if "time" in stacked.dims:
        if all("time_bnds" in data.coords for data in datasets):
            stacked = set_month_times(insert_missing_months(stacked), get_calendar(stacked))
        else:
            stacked["time"].attrs.pop("bounds", None)
    there = [[(source, member) in at for member in members] for source in sources]
    stacked = stacked.assign_coords(simulated=(("source_id", "member_id"), there))
    stacked.attrs = {
        k: v for k, v in first.attrs.items() if all(d.attrs.get(k) == v for d in datasets)
    }
    return stacked


def _open_members(search: esm_datastore) -> list[xr.Dataset]:
    """Open each member and variable alone: together, shorter ones would be filled up."""
    columns = ["member_id"]
    if search.esmcat.aggregation_control and not len(search.derivedcat):
        columns.append(search.esmcat.aggregation_control.variable_column_name)
    columns = [c for c in columns if c in search.df]
    if not columns or not len(search.df):
        return open_search(search)
    search = prepare_search(search)
    rows = [part for _, part in search.df.groupby(columns, sort=False, dropna=False)]
    parts = [replace_table(search, part) for part in rows]
    schemes = {scheme_of(str(place)) for place in search.df[search.esmcat.assets.column_name]}
    # Far away each waits for an answer; files here must be opened one by one.
    with (
        ignore_harmless_warnings(),
        ThreadPoolExecutor(1 if schemes & set(LOCAL) else MAX_OPEN_AT_ONCE) as pool,
    ):
        return [data for found in pool.map(open_assets, parts) for data in found]


def _concat_along(name: str, labels: list[str], datasets: list[xr.Dataset]) -> xr.Dataset:
    dim = xr.DataArray(labels, dims=name, name=name)
    how: dict[str, Any] = {"compat": "override", "data_vars": "all", "join": "override"}
    return xr.concat(datasets, dim, coords="minimal", **how)


def _sort_pieces(
    found: list[xr.Dataset], calendar: Calendar, years: tuple[int, int] | None
) -> tuple[dict[Key, list[xr.Dataset]], dict[str, list[xr.Dataset]]]:
    """Sort harmonised pieces by simulation, and fixed fields by source."""
    parts: dict[Key, list[xr.Dataset]] = {}
    fixed: dict[str, list[xr.Dataset]] = {}
    problems: list[str] = []
    for data in found:
        columns = {
            k.removeprefix(COLUMN_PREFIX): str(v)
            for k, v in data.attrs.items()
            if k.startswith(COLUMN_PREFIX)
        }
        source = columns.get("source_id") or str(data.attrs.get("source_id", "data"))
        where = f"{source}.{columns.get('table_id', '')}"
        try:
            data = harmonise(data, calendar=None, source=where)
            if years is not None and "time" in data.dims:
                data = select_years(data, years)
            if calendar is not None and data.sizes.get("time"):
                data = set_month_times(data, calendar)
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
                pieces = parts.setdefault((source, own), [])
                pieces += [one] if one.sizes["time"] else []
    problems += [
        f"{source} {member}".strip() + f": there is no month from {years[0]} to {years[1]}; choose "
        "other years"
        for (source, member), pieces in parts.items()
        if years is not None and not pieces
    ]
    InputError.raise_if(problems)
    if not parts:
        parts = {(source, FIXED_MEMBER): [] for source in fixed}
    return parts, fixed


def _apply_mask(data: xr.Dataset, mask: Mask) -> xr.Dataset:
    """Set fields to missing over sea, or over land."""
    if mask is None:
        return data
    if "sftlf" not in data:
        raise InputError(
            f"mask={mask!r} needs the part of land of each cell; search for variable_id='sftlf' "
            "too (table_id='fx')"
        )
    keep = data.sftlf > 0.5 if mask == "land" else data.sftlf <= 0.5
    fields = [n for n in data.data_vars if n != "sftlf"]
    apart = [str(n) for n in fields if not set(keep.dims) <= set(data[n].dims)]
    if apart:
        raise InputError(
            f"mask={mask!r} cannot be laid over {', '.join(apart)}, which is on another grid than "
            "sftlf; open it apart, without mask="
        )
    return data.assign({n: data[n].where(keep) for n in fields})


def _set_attributes(
    data: xr.Dataset, source: str, member: str, pieces: list[xr.Dataset]
) -> xr.Dataset:
    """Set global attributes: names, and what it was made from."""
    columns = [
        list(dict.fromkeys(str(p.attrs.get(f"{COLUMN_PREFIX}{c}", "")) for p in pieces))
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
        "history": cf.extend_history(
            xr.Dataset(), "opened from a catalog, names and units harmonised"
        ),
    }
    data.attrs = {name: text for name, text in about.items() if text}
    return data


def _describe_differences(name: str, data: xr.Dataset, first: xr.Dataset) -> list[str]:
    from xai4land.grids.grid import Grid

    if Grid.of(data, name) != Grid.of(first):
        return [f"{name} is on another grid than the first; open_simulations(search, grid=...)"]
    if "time" in data.dims and get_calendar(data) != get_calendar(first):
        return [f"{name} has another calendar; open_simulations(search, calendar='standard')"]
    return []

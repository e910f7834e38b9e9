"""A search as it is stored: opened lazily, every address in the way that it needs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from xai4land.adapters.intake import requested_variables, set_requested_variables
from xai4land.catalogs.access import LOCAL, scheme_of, storage_options
from xai4land.catalogs.harmonising import decode_years
from xai4land.catalogs.opening import list_variables, replace_table, use_copies
from xai4land.discovery import names
from xai4land.errors import InputError, StoreError
from xai4land.options import get_options

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = [
    "COLUMN_PREFIX",
    "find_variables",
    "ignore_harmless_warnings",
    "list_formats",
    "open_assets",
    "open_search",
    "prepare_search",
    "select_newest",
    "select_variables",
]

COLUMN_PREFIX = "intake_esm_attrs:"
"""Of the attributes that tell a dataset's columns."""
HARMLESS_WARNINGS = (
    "Failed to open Zarr store with consolidated",
    r"Variable\(s\) referenced in bounds",
)
HINT_COLUMNS = ("source_id", "experiment_id", "member_id", "table_id", "variable_id", "grid_label")
"""Columns that identify a dataset."""
MAX_HINT_VALUES = 4
"""Values of a column that are named in a hint."""
COMBINE_OPTIONS = {
    "join": "outer",
    "compat": "override",
    "coords": "minimal",
    "data_vars": "minimal",
}


def open_search(search: esm_datastore) -> list[xr.Dataset]:
    """Open what a search has found, as intake-esm groups it; nothing is read but metadata.

    Parameters
    ----------
    search : intake_esm.esm_datastore
        Of several versions of a dataset the newest is taken.

    Returns
    -------
    list of Dataset
        Lazy, in the stores' chunks; times are decoded, also LUH2's; one member is no dimension.
        Columns of the catalog are attributes with :data:`COLUMN_PREFIX`.

    Raises
    ------
    InputError
        If nothing was found, or files must be downloaded first.
    StoreError
        If a store cannot be opened; it tells what to prefetch.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("sample")
    >>> [data] = open_search(cat.search(source_id="SAMPLE-ERA5", variable_id="t2m"))
    >>> data.t2m.sizes["valid_time"], data.t2m.chunks is not None
    (600, True)
    """
    with ignore_harmless_warnings():
        return open_assets(prepare_search(search))


def prepare_search(search: esm_datastore) -> esm_datastore:
    """Select the newest versions of what was found, and prefetched copies of them."""
    if not len(search.df):
        raise InputError("the search has found nothing; look at cat.unique() for what there is")
    search = select_newest(search)
    return use_copies(search, find_variables(search))


def open_assets(search: esm_datastore) -> list[xr.Dataset]:
    """Open a prepared search, or a part of one; called within ``ignore_harmless_warnings``."""
    wanted = find_variables(search) | set(search.derivedcat.keys())
    column, kinds = search.esmcat.assets.column_name, list_formats(search)
    schemes = [scheme_of(str(address)) for address in search.df[column]]
    InputError.raise_if(_find_unopenable(search, schemes, kinds))
    made = []
    groups = sorted(set(zip(schemes, kinds, strict=True)))
    for scheme, kind in groups:
        rows = [g == (scheme, kind) for g in zip(schemes, kinds, strict=True)]
        part = replace_table(search, search.df[rows])
        set_requested_variables(part, [])
        for piece in _split_groups(part) if kind == "netcdf" else [part]:
            made += _open_group(piece, scheme, kind)
    # Chosen here and not by intake-esm, which would lose the bounds.
    return [select_variables(data, wanted) for data in made]


def find_variables(search: esm_datastore, rows: pd.DataFrame | None = None) -> set[str]:
    """Find the variables that were searched for, as the stores call them; empty if unknown.

    Where none was named in the search, those of ``rows``, by default of all.
    """
    return set(requested_variables(search)) or list_variables(
        search, search.df if rows is None else rows
    )


def select_newest(search: esm_datastore) -> esm_datastore:
    """Select the newest version of each dataset."""
    table, column = search.df, search.esmcat.assets.column_name
    if "version" not in table:
        return search
    control = search.esmcat.aggregation_control
    columns = [] if control is None else [*control.groupby_attrs, control.variable_column_name]
    joined = [] if control is None else control.aggregations
    # Files of one dataset, one after another in time, have one version.
    columns += [a.attribute_name for a in joined if a.type.value != "join_existing"]
    same = [c for c in dict.fromkeys(columns) if c in table and c != "version"]
    same = same or [c for c in table if c not in ("version", column)]
    number = table["version"].astype(str).str.lstrip("v")
    digits = number.str.fullmatch("[0-9]+").all()
    number = number.astype("int64") if digits else number
    keep = number == number.groupby([table[c] for c in same], dropna=False).transform("max")
    return search if keep.all() else replace_table(search, table[keep])


@contextmanager
def ignore_harmless_warnings() -> Iterator[None]:
    """Ignore warnings that xarray gives for many archives, and that mean nothing here."""
    with warnings.catch_warnings():
        for text in HARMLESS_WARNINGS:
            warnings.filterwarnings("ignore", text)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def list_formats(search: esm_datastore) -> list[str]:
    """List the format of each asset."""
    assets = search.esmcat.assets
    if assets.format_column_name:
        return [str(kind) for kind in search.df[assets.format_column_name]]
    return [str(getattr(assets.format, "value", ""))] * len(search.df)


def _find_unopenable(search: esm_datastore, schemes: list[str], kinds: list[str]) -> list[str]:
    problems = []
    addresses = search.df[search.esmcat.assets.column_name]
    for address, scheme, kind in zip(addresses, schemes, kinds, strict=True):
        if kind == "zip":
            problems.append(f"{address} is an archive; prefetch it, unpack it and open its files")
        elif kind == "tif":
            problems.append(f"{address} is a GeoTIFF; prefetch it and open it with rioxarray")
        elif kind == "netcdf" and scheme not in LOCAL:
            problems.append(f"{address} is a file to download first; {_advise_prefetch(search)}")
        elif scheme not in LOCAL and get_options().offline:
            problems.append(
                f"{address} is away and xai4land is offline; {_advise_prefetch(search)}"
            )
    return problems


def _advise_prefetch(search: esm_datastore) -> str:
    """Return the command that copies the search to this machine."""
    table = search.df
    chosen = {
        c: table[c].unique() for c in HINT_COLUMNS if c in table and not _holds_lists(table[c])
    }
    only = "".join(
        f" --only {column}={value}"
        for column, values in chosen.items()
        if len(values) <= MAX_HINT_VALUES
        for value in values
        if value
    )
    name = search.esmcat.id if search.esmcat.id in names("catalogs") else "CATALOG.json"
    return f"prefetch it where there is a network: xai4land prefetch {name}{only}"


def _holds_lists(column: pd.Series) -> bool:
    return bool(len(column)) and isinstance(column.iloc[0], tuple)


def _squeeze_member(data: xr.Dataset) -> xr.Dataset:
    """Drop the dimension of members if there is but one."""
    one = data.sizes.get("member_id") == 1
    return data.squeeze("member_id", drop=True) if one else data


def _split_groups(search: esm_datastore) -> list[esm_datastore]:
    """Split by groups: intake-esm opens several at once, for which NetCDF is not thread-safe."""
    control = search.esmcat.aggregation_control
    columns = [c for c in (control.groupby_attrs if control else []) if c in search.df]
    if not columns:
        return [search]
    return [
        replace_table(search, rows)
        for _, rows in search.df.groupby(columns, sort=False, dropna=False)
    ]


def select_variables(data: xr.Dataset, wanted: set[str]) -> xr.Dataset:
    """Select a store's variables with their bounds; all if none of them is there."""
    import cf_xarray  # noqa: F401  (registers .cf)

    bounds = {str(name) for names in data.cf.bounds.values() for name in names}
    if not wanted & set(map(str, data.data_vars)):
        return data
    keep = wanted | bounds
    return data.drop_vars([name for name in data.data_vars if str(name) not in keep])


def _open_group(search: esm_datastore, scheme: str, kind: str) -> list[xr.Dataset]:
    from intake_esm.source import ESMDataSourceError

    backend = {} if kind == "netcdf" else {"storage_options": storage_options(scheme)}
    how = {"chunks": {}, "decode_times": False, "decode_coords": "all", "backend_kwargs": backend}
    last: Exception | None = None
    tries = 1 if scheme in LOCAL else get_options().retries + 1
    for _ in range(tries):
        try:
            found = search.to_dataset_dict(
                xarray_open_kwargs=how,
                xarray_combine_by_coords_kwargs=COMBINE_OPTIONS,
                preprocess=decode_years,
                storage_options=storage_options(scheme) or {},
                progressbar=False,
                threaded=kind != "netcdf" and scheme not in LOCAL,
            )
            return [_squeeze_member(data) for data in found.values()]
        except ESMDataSourceError as error:
            last = error
            if isinstance(error.__cause__, FileNotFoundError):
                break
    column = search.esmcat.assets.column_name
    cause = (last and last.__cause__) or last
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    places = ", ".join(search.df[column].astype(str).head(3))
    if scheme not in LOCAL:
        hint = _advise_prefetch(search)
    elif isinstance(cause, FileNotFoundError):
        hint = "correct the catalog's table"
    else:
        hint = f"expected a {kind} store that xarray can open; put it there anew"
    raise StoreError(
        f"could not open {places}{' …' if len(search.df) > 3 else ''}: {text}; {hint}"
    ) from last

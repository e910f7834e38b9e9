"""A user's catalog, read so that intake-esm can group and search it."""

from __future__ import annotations

import ast
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from xai4land.catalogs.access import LOCAL, REMOTE, scheme_of, storage_options
from xai4land.errors import InputError
from xai4land.files import strip_scheme
from xai4land.options import get_options

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = ["absolute_paths", "missing_columns", "open_own_catalog", "parse_lists"]

GROUP_COLUMN = "catalog"
"""Column that is added to a single one that groups, which intake-esm cannot do with pandas 3."""
READ_ERRORS = (ValueError, TypeError, AttributeError, KeyError, OSError, AssertionError)
"""What intake-esm, pandas and file systems raise of what is no catalog."""


def open_own_catalog(datastore: Any, name: str, how: dict[str, Any]) -> esm_datastore:
    """Read a catalog by its path or address, and check its table.

    Parameters
    ----------
    datastore : type
        ``intake_esm.esm_datastore``.
    name : str
        Of the JSON.
    how : dict
        For the datastore.

    Raises
    ------
    InputError
        Listing what is wrong with it.
    """
    away = scheme_of(name) not in LOCAL
    if away and (reason := _reason_to_refuse(name)):
        raise InputError(f"{name} is not opened: {reason}; give an https address, or a path")
    if away and get_options().offline:
        raise InputError(f"{name} is away and xai4land is offline; copy the catalog here")
    try:
        opened = _load_catalog(datastore, name, away, how)
    except InputError:
        raise
    except READ_ERRORS as error:
        raise InputError(
            f"{name} cannot be read as a catalog of intake-esm: {_describe_error(error)}"
        ) from error
    InputError.raise_if(missing_columns(opened))
    table = _normalise_table(
        opened.df.copy(), opened, _local_path(name).parent if _is_local(name) else None
    )
    InputError.raise_if(_find_bad_addresses(table, opened.esmcat.assets.column_name, away))
    return _group_by_two_columns(datastore, opened, table, how)


def parse_lists(column: pd.Series) -> pd.Series:
    """Parse a column of lists that are written as text; return others as they are.

    Examples
    --------
    >>> parse_lists(pd.Series(["['tas', 'pr']", "['psl']"])).tolist()
    [('tas', 'pr'), ('psl',)]
    >>> parse_lists(pd.Series(["[K]"])).tolist()
    ['[K]']
    """
    first = column.iloc[0] if len(column) else None
    written = isinstance(first, str) and first.startswith(("[", "("))
    if not written and pd.api.types.is_scalar(first):
        return column
    values: list[Any] = list(column)
    if written:
        try:
            values = [ast.literal_eval(text) for text in values]
        except (ValueError, SyntaxError):
            return column
    if any(pd.api.types.is_scalar(value) for value in values):
        return column
    # Tables that are no text hold lists themselves; intake-esm looks for their words in objects.
    return pd.Series(list(map(tuple, values)), column.index, dtype=object, name=column.name)


def _is_local(name: str) -> bool:
    return scheme_of(name) in ("", "file", "local")


def _local_path(name: str) -> Path:
    return Path(strip_scheme(name)).expanduser().absolute()


def _load_catalog(datastore: Any, name: str, away: bool, how: dict[str, Any]) -> esm_datastore:
    """Load a catalog; its table is sought beside it, not in the working folder as by intake-esm."""
    access = how.get("storage_options") or storage_options(scheme_of(name)) or {}
    description = json.loads(_read(name, access))
    with tempfile.TemporaryDirectory() as folder:
        if table := description.get("catalog_file"):
            table = _locate_table(name, table, away)
            copy = Path(folder) / re.split(r"[/\\]", table)[-1]
            copy.write_bytes(_read(table, access))
            description["catalog_file"] = str(copy)
        moved = Path(folder) / "catalog.json"
        moved.write_text(json.dumps(description), "utf-8")
        made: esm_datastore = datastore(str(moved), **how)
        made.df  # noqa: B018 - read before the folder is gone
        return made


def _read(name: str, access: dict[str, Any]) -> bytes:
    if _is_local(name):
        return _local_path(name).read_bytes()
    import fsspec

    with fsspec.open(name, "rb", **access) as file:
        content: bytes = file.read()
        return content


def _locate_table(name: str, table: str, away: bool) -> str:
    """Locate a catalog's table: beside it, if its JSON has a mere name."""
    if _is_local(name) and _is_local(table):
        return str(_local_path(name).parent / Path(strip_scheme(table)).expanduser())
    if "://" not in table:
        table = f"{name.rsplit('/', 1)[0]}/{table}"
    reason = "it lies on this machine" if scheme_of(table) in LOCAL else _reason_to_refuse(table)
    if away and reason:
        raise InputError(f"the table {table} of {name} is not opened: {reason}")
    return table


def _describe_error(error: Exception) -> str:
    """Describe an error and all its parts in one line."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'it'}: {part['msg'].lower()}"
            for part in error.errors()
        )
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _grouping_columns(opened: esm_datastore) -> list[str]:
    """List the columns that distinguish assets."""
    control = opened.esmcat.aggregation_control
    if control is None:
        return []
    joined = [aggregation.attribute_name for aggregation in control.aggregations]
    named = [*control.groupby_attrs, control.variable_column_name, *joined]
    return list(dict.fromkeys(named))


def missing_columns(opened: esm_datastore) -> list[str]:
    """Describe what a catalog's JSON names and its table lacks."""
    assets, table = opened.esmcat.assets, opened.df
    named = [assets.column_name, assets.format_column_name, *_grouping_columns(opened)]
    absent = [name for name in dict.fromkeys(named) if name and name not in table]
    problems = []
    if absent:
        problems.append(
            f"the catalog's table has no column {', '.join(map(repr, absent))}, which its JSON "
            f"names; it has {', '.join(map(repr, table))}"
        )
    if assets.column_name in table:
        empty = table[assets.column_name].isna() | (table[assets.column_name].astype(str) == "")
        if empty.any():
            rows = ", ".join(str(k + 1) for k in empty.to_numpy().nonzero()[0][:5])
            problems.append(
                f"{int(empty.sum())} rows of the catalog's table have no {assets.column_name!r} "
                f"(row {rows}{', …' if empty.sum() > 5 else ''}); fill it in, or drop them"
            )
    return problems


def _normalise_table(
    table: pd.DataFrame, opened: esm_datastore, folder: Path | None
) -> pd.DataFrame:
    """Parse lists, fill gaps in columns that distinguish assets, make paths absolute."""
    for name in table:
        table[name] = parse_lists(table[name])
    for name in _grouping_columns(opened):
        table[name] = _fill_gaps(table[name])
    column = opened.esmcat.assets.column_name
    table[column] = table[column].astype(str)
    if folder is not None:
        table[column] = absolute_paths(table[column], folder)
    return table


def absolute_paths(addresses: pd.Series, folder: Path) -> pd.Series:
    """Make paths of assets absolute, which are beside their catalog; other addresses stay.

    Examples
    --------
    >>> absolute_paths(pd.Series(["tas.nc", "gs://b/tas.zarr"]), Path("/data")).tolist()
    ['/data/tas.nc', 'gs://b/tas.zarr']
    """
    local = ~addresses.str.contains("://", regex=False)
    if not local.any():
        return addresses
    paths = addresses[local].map(lambda address: str(folder / Path(address).expanduser()))
    return addresses.mask(local, paths)


def _fill_gaps(column: pd.Series) -> pd.Series:
    """Fill gaps with empty text: pandas would leave such rows out of groups."""
    if not column.isna().any():
        return column
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")  # years and numbers of members, not 1960.0
    return column.astype(object).where(column.notna(), "").map(str)


def _find_bad_addresses(table: pd.DataFrame, column: str, away: bool) -> list[str]:
    """Describe addresses that a catalog may not name."""
    addresses = table[column]
    scheme = addresses.str.extract(r"^([A-Za-z0-9+.:_-]+)://")[0].fillna("")
    strange = ~scheme.isin(REMOTE if away else (*LOCAL, *REMOTE))
    web = scheme.isin(["http", "https"])
    strange |= web & addresses.where(web, "").map(
        lambda text: bool(text and _reason_to_refuse(text))
    )
    if not strange.any():
        return []
    expected = (
        "a catalog from the network may not name files of this machine: copy it here first"
        if away
        else f"expected a path or one of {', '.join(REMOTE)}"
    )
    return [
        f"{int(strange.sum())} addresses of the catalog are not to be opened, e.g. "
        f"{addresses[strange].iloc[0]!r}; {expected}"
    ]


def _reason_to_refuse(address: str) -> str:
    """Return why an address may not be opened; empty if it may."""
    from xai4land.downloads.urls import find_problem

    scheme = scheme_of(address)
    return "" if scheme in REMOTE and scheme not in ("http", "https") else find_problem(address)


def _group_by_two_columns(
    datastore: Any, opened: esm_datastore, table: pd.DataFrame, how: dict[str, Any]
) -> esm_datastore:
    """Make the datastore of a table, grouped by two columns at least."""
    description = opened.esmcat.model_dump(exclude={"catalog_dict", "catalog_file"})
    control = description["aggregation_control"]
    if control is not None and len(control["groupby_attrs"]) == 1:
        table[GROUP_COLUMN] = opened.esmcat.id or "own"
        control["groupby_attrs"] = [*control["groupby_attrs"], GROUP_COLUMN]
    kept = {k: v for k, v in how.items() if k not in ("read_kwargs", "read_csv_kwargs")}
    kept.pop("columns_with_iterables", None)
    made: esm_datastore = datastore({"esmcat": description, "df": table}, **kept)
    return made

"""Catalogs by name: those that packages offer, and any file."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from xai4land import discovery
from xai4land.adapters.intake import requested_variables, set_requested_variables
from xai4land.catalogs.copies import find_copy, list_copies
from xai4land.catalogs.own import absolute_paths, missing_columns, open_own_catalog, parse_lists
from xai4land.downloads.urls import is_url
from xai4land.errors import InputError, PluginError

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore
    from intake_esm.derived import DerivedVariableRegistry

__all__ = [
    "fetch_table",
    "list_variables",
    "open_catalog",
    "refresh_table",
    "replace_table",
    "use_copies",
]


def open_catalog(
    name: str | os.PathLike[str], *, registry: DerivedVariableRegistry | None = None, **how: Any
) -> esm_datastore:
    """Open a catalog: the datastore of intake-esm, search and all.

    Parameters
    ----------
    name : str or path-like
        ``"cmip6"`` (Zarr in the public cloud archive), ``"era5"``, ``"land"`` (LUH2, HILDA+ and
        fixed fields: files to download), ``"sample"`` (small stores that are made in the cache
        folder, for trying things out offline), one that another package offers, or the path or
        https address of a catalog's JSON.
        Assets that were prefetched are taken from the cache folder.
    registry : intake_esm.DerivedVariableRegistry, optional
        Derived variables.
    **how
        For ``intake_esm.esm_datastore``.

    Returns
    -------
    intake_esm.esm_datastore
        Nothing but the table is read.

    Raises
    ------
    InputError
        If there is no such catalog, it is no catalog of intake-esm, or one from the network names
        files of this machine.
    PluginError
        If two packages offer a catalog of that name, or the one that does is broken.
    StoreError
        If its table is not here and cannot be downloaded.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("land")
    >>> found = cat.search(source_id="LUH2-v2f", experiment_id="ssp245", variable_id="primf")
    >>> found.df.path[0].split("/")[-1][:15]
    'multiple-states'
    """
    from intake_esm.core import esm_datastore

    if registry is not None:
        how["registry"] = registry
    made: esm_datastore
    if str(name) in discovery.names("catalogs"):
        made = _open_offered(esm_datastore, str(name), how)
    else:
        made = open_own_catalog(esm_datastore, _check_name(str(name)), how)
    return use_copies(made)


def fetch_table(name: str, address: str, *, refresh: bool = False, progress: bool = True) -> Path:
    """Download the table of a catalog that is published elsewhere, once."""
    from xai4land.downloads import fetch_unpinned

    command = f"xai4land prefetch {name}"
    return fetch_unpinned(address, refresh=refresh, command=command, progress=progress)


def refresh_table(name: str, *, progress: bool = True) -> None:
    """Download the newest table of a catalog whose table is published elsewhere.

    Raises
    ------
    InputError
        If the catalog's table is not published elsewhere.
    """
    offered = name in discovery.names("catalogs")
    address = str(_describe(name)[0].get("catalog_file", "")) if offered else ""
    if not address.startswith("https://"):
        raise InputError(f"the table of {name!r} is not downloaded; leave --refresh out")
    fetch_table(name, address, refresh=True, progress=progress)


def replace_table(store: esm_datastore, table: pd.DataFrame) -> esm_datastore:
    """Return the same catalog with other rows."""
    description = store.esmcat.model_dump(exclude={"catalog_dict", "catalog_file"})
    made = type(store)(
        {"esmcat": description, "df": table.reset_index(drop=True)},
        registry=store.derivedcat,
        sep=store.sep,
        progressbar=store.progressbar,
    )
    set_requested_variables(made, requested_variables(store))
    return made


def _open_offered(datastore: Any, name: str, how: dict[str, Any]) -> esm_datastore:
    """Open a catalog that a package offers; its table, and the paths in it, are beside its JSON."""
    description, folder = _describe(name)
    place = str(description.pop("catalog_file"))
    path = fetch_table(name, place) if place.startswith("https://") else folder / place
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table:
        table[column] = parse_lists(table[column])
    addresses = description["assets"]["column_name"]
    if addresses in table:
        table[addresses] = absolute_paths(table[addresses], folder)
    made: esm_datastore = datastore({"esmcat": description, "df": table}, **how)
    InputError.raise_if(missing_columns(made))
    return made


def _describe(name: str) -> tuple[dict[str, Any], Path]:
    """Read the JSON of a catalog that a package offers; return it with its folder."""
    offered = discovery.load("catalogs", name)
    path = Path(offered() if callable(offered) else offered)
    try:
        description: dict[str, Any] = json.loads(path.read_text("utf-8"))
        lacking = {"assets", "catalog_file"} - set(description)
        if lacking:
            raise ValueError(f"it has no {' and no '.join(sorted(lacking))}")
    except (OSError, ValueError, TypeError) as error:
        raise PluginError(
            f"the catalog {name!r} cannot be read from {path} ({error}); install the package that "
            "offers it anew (see xai4land.plugins())"
        ) from error
    return description, path.parent


def _check_name(name: str) -> str:
    """Check the path or address of a user's catalog, and return it."""
    if not is_url(name):
        if not name.endswith(".json"):
            offered = ", ".join(discovery.names("catalogs"))
            raise InputError(
                f"no catalog is called {name!r}; there are {offered}, or give the path of a "
                "catalog's .json"
            )
        if not Path(name).expanduser().is_file():
            raise InputError(f"there is no file {name}; give the path of a catalog's .json")
    return name


def use_copies(store: esm_datastore, wanted: Collection[str] = ()) -> esm_datastore:
    """Put the paths of prefetched copies in the place of their addresses.

    Parameters
    ----------
    store : esm_datastore
    wanted : collection of str
        Variables that a copy must have; by default all that an asset has.
    """
    copies = list_copies()
    column, kind = store.esmcat.assets.column_name, store.esmcat.assets.format_column_name
    here = store.df[column].isin(list(copies)) if copies else None
    if here is None or not here.any():
        return store
    table = store.df.copy()
    for row in here.to_numpy().nonzero()[0]:
        label = table.index[row]
        names = list_variables(store, table.iloc[[row]])
        names = names & set(wanted) if wanted else names
        if (copy := find_copy(copies[table.at[label, column]], names)) is not None:
            table.at[label, column] = copy.place
            if kind and copy.path.suffix == ".zarr":
                table.at[label, kind] = "zarr"
    return replace_table(store, table)


def list_variables(store: esm_datastore, table: pd.DataFrame) -> set[str]:
    """List the variables of assets, as rows of the table name them; empty if they name none."""
    control = store.esmcat.aggregation_control
    if control is None or control.variable_column_name not in table:
        return set()
    named = table[control.variable_column_name]
    return {str(n) for v in named for n in (v if isinstance(v, tuple | list) else [v])}
